"""Is a stack one even grid? Sizes, directions, duplicates, gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.places import SAME_DIRECTION, alike, axes, same_place_mm
from medprep.dicom.records import Plane, SliceHeader
from medprep.errors import DicomError

UNEVEN_MM = 0.1
"""A slice may lie this far from its place on the even grid, or `UNEVEN_SHARE` of a step; of thin
slices at most a quarter of a step."""
UNEVEN_SHARE = 0.02
_ROUNDED = 1e-5
FARTHEST_MM = 1e6
"""Nothing lies a kilometre from a scanner's centre: such a position is no position."""


def require_alike(slices: Sequence[SliceHeader]) -> None:
    """Refuse slices of several sizes, directions or spacings.

    Raises
    ------
    DicomError
        Names the first slice that differs.
    """
    first = slices[0].plane
    for number, one in enumerate(slices, 1):
        plane = one.plane
        if plane is first or alike(plane, first):
            continue
        text = (
            f"slice {number} has pixels of {plane.spacing_mm} mm, slice 1 of {first.spacing_mm} mm"
        )
        if (plane.rows, plane.columns) != (first.rows, first.columns):
            text = (
                f"slice {number} is {plane.rows} x {plane.columns} pixels, slice 1 is "
                f"{first.rows} x {first.columns}: two series in one folder?"
            )
        elif np.abs(np.subtract(_directions(plane), _directions(first))).max() > SAME_DIRECTION:
            text = f"slice {number} is turned against slice 1"
        raise DicomError(text, path=str(one.blob))


def _directions(plane: Plane) -> tuple[float, ...]:
    return plane.row_direction + plane.column_direction


def direction_notes(plane: Plane) -> list[str]:
    """Say that direction cosines were made exact, where rounding to five digits is no reason."""
    given = np.column_stack([plane.column_direction, plane.row_direction])
    off = float(np.abs(axes(plane)[:, 1:] - given).max())
    if off <= _ROUNDED:
        return []
    bound = 10.0 ** math.ceil(math.log10(off))  # by its size only, so that cases say the same
    return [f"direction cosines off right angles by less than {bound:.0e}: made exact"]


def two_files(one: SliceHeader, other: SliceHeader) -> str:
    """Name both files, for an error's path."""
    return f"{one.blob} and {other.blob}"


def require_apart(
    slices: Sequence[SliceHeader], order: Sequence[int], heights: NDArray[np.float64]
) -> None:
    """Refuse slices of one place, and slices that lie nowhere near a scanner.

    Parameters
    ----------
    slices
        In any order; their numbers in messages count from 1.
    order
        Index of each from below.
    heights
        Along the normal, as ``order`` has them.

    Raises
    ------
    DicomError
        Names the two slices.
    """
    for number, one in enumerate(slices, 1):
        far = np.abs(one.position_mm or 0.0).max()
        if far > FARTHEST_MM:
            raise DicomError(
                f"slice {number} lies at {far:.3g} mm; wanted is within {FARTHEST_MM:g} mm of "
                "the scanner's centre",
                path=str(one.blob),
            )
    nearest = same_place_mm(slices[0].plane)
    for (low, high), step in zip(pairwise(order), np.diff(heights), strict=True):
        if step <= nearest:
            raise DicomError(
                f"slices {low + 1} and {high + 1} share a position: a duplicate, or two series "
                "in one folder",
                path=two_files(slices[low], slices[high]),
            )


def usual_step(heights: NDArray[np.float64]) -> tuple[float, float]:
    """Give the usual step and how far from it a step may be.

    Of an even number of steps the lower of the two in the middle: a step that was really taken.
    """
    steps = np.sort(np.diff(heights))
    usual = float(steps[(len(steps) - 1) // 2])
    return usual, min(max(UNEVEN_MM, UNEVEN_SHARE * usual), usual / 4)


def unevenness(
    slices: Sequence[SliceHeader], order: Sequence[int], heights: NDArray[np.float64]
) -> DicomError | None:
    """Give the error that an uneven stack deserves, or None; takes what `require_apart` takes."""
    if len(order) < 3:
        return None
    usual, allowed = usual_step(heights)
    for (one, other), step in zip(pairwise(order), np.diff(heights), strict=True):
        if abs(step - usual) > allowed:
            return DicomError(
                f"slices {one + 1} and {other + 1} are {step:.4g} mm apart, the others "
                f"{usual:.4g} mm: a slice is missing or misplaced; --gaps resample fills it in, "
                "--gaps split makes two volumes",
                path=two_files(slices[one], slices[other]),
            )
    astray = np.abs(heights - np.linspace(heights[0], heights[-1], len(heights)))
    worst = int(astray.argmax())
    if astray[worst] > allowed:
        return DicomError(
            f"slice {order[worst] + 1} lies {astray[worst]:.3g} mm from its place on an even grid: "
            "the spacing changes along the stack; --gaps resample makes it even",
            path=two_files(slices[order[0]], slices[order[worst]]),
        )
    return None
