"""Slices to a volume: sorted by position along the normal, checked for gaps and strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.headers import SliceHeader, read_dataset, slice_header, tag
from medprep.dicom.pixels import compact, decode
from medprep.errors import DicomError
from medprep.geometry import Geometry
from medprep.volume import Volume

UNEVEN_MM = 0.1
"""A slice may lie this far from its place on the even grid, or `UNEVEN_SHARE` of a step; of thin
slices at most a quarter of a step."""
UNEVEN_SHARE = 0.02
_SAME_DIRECTION = 1e-3
_SAME_SPACING_MM = 1e-3


@dataclass(frozen=True)
class Series:
    """A volume and what its headers said.

    Parameters
    ----------
    volume
        Slices sorted along the normal ``row x column`` (for axial slices: towards the head).
    order
        Index in the given files of each slice of the volume.
    window
        VOI window of the middle slice in rescaled values, or None.
    notes
        What a person should know: a spacing that only the header claims, say.
    """

    volume: Volume
    order: tuple[int, ...]
    window: tuple[float, float] | None
    notes: tuple[str, ...]


def read_series(paths: Sequence[Path]) -> Series:
    """Read one series.

    Parameters
    ----------
    paths
        Its files, one slice each, in any order; numbered from 1 in messages.

    Raises
    ------
    DicomError
        If there is no file, one cannot be read or decoded, sizes, directions or spacings differ,
        two slices share a position, a slice is missing, or the stack is sheared.
    """
    if not paths:
        raise DicomError("no slices; wanted is at least one DICOM file")
    headers, planes = [], []
    for number, path in enumerate(paths, 1):
        try:
            dataset = read_dataset(path)
            if "MOSAIC" in str(tag(dataset, "ImageType", path)):
                raise DicomError("a mosaic of many slices (Siemens); wanted is one slice")
            header = slice_header(dataset, path)
            planes.append(decode(dataset, header, path))
        except DicomError as error:
            raise DicomError(f"slice {number}: {error.message}", path=path) from error
        headers.append(header)
    _require_alike(headers, paths)
    order, step_mm, notes = _sorted(headers, paths)
    first = headers[order[0]]
    stack = compact(np.stack([planes[index] for index in order]))
    geometry = _geometry(first, step_mm, stack)
    middle = headers[order[len(order) // 2]]
    volume = Volume(stack, geometry, first.modality)
    return Series(volume, tuple(order), middle.window, tuple(notes))


def _require_alike(headers: list[SliceHeader], paths: Sequence[Path]) -> None:
    first = headers[0]
    for number, (header, path) in enumerate(zip(headers, paths, strict=True), 1):
        if (header.rows, header.columns) != (first.rows, first.columns):
            raise DicomError(
                f"slice {number} is {header.rows} x {header.columns} pixels, slice 1 is "
                f"{first.rows} x {first.columns}: two series in one folder?",
                path=path,
            )
        turned = np.subtract(_directions(header), _directions(first))
        if np.abs(turned).max() > _SAME_DIRECTION:
            raise DicomError(f"slice {number} is turned against slice 1", path=path)
        if np.abs(np.subtract(header.spacing_mm, first.spacing_mm)).max() > _SAME_SPACING_MM:
            raise DicomError(
                f"slice {number} has pixels of {header.spacing_mm} mm, slice 1 of "
                f"{first.spacing_mm} mm",
                path=path,
            )


def _sorted(
    headers: list[SliceHeader], paths: Sequence[Path]
) -> tuple[list[int], float, list[str]]:
    normal = np.cross(headers[0].row_direction, headers[0].column_direction)
    positions = np.array([header.position_mm for header in headers])
    heights = positions @ normal
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    claimed = headers[0].step_mm
    if len(order) == 1:
        step = claimed or 1.0
        return order, step, [f"a single slice: its step of {step:g} mm is only the header's claim"]
    sorted_heights = heights[order]
    step = float(sorted_heights[-1] - sorted_heights[0]) / (len(order) - 1)
    _require_even(order, sorted_heights, paths)
    _require_straight(positions[order], normal, headers[0], paths)
    notes = []
    if claimed and abs(claimed - step) > UNEVEN_MM:
        notes.append(
            f"positions step by {step:.4g} mm, the header claims {claimed:g}: positions rule"
        )
    return order, step, notes


def _require_even(order: list[int], heights: NDArray[Any], paths: Sequence[Path]) -> None:
    steps = np.diff(heights)
    usual = float(np.median(steps))
    allowed = min(max(UNEVEN_MM, UNEVEN_SHARE * usual), usual / 4)
    for (one, other), step in zip(pairwise(order), steps, strict=True):
        if step < 1e-3:
            raise DicomError(
                f"slices {one + 1} and {other + 1} share a position: a duplicate, or two series "
                "in one folder",
                path=paths[other],
            )
        if abs(step - usual) > allowed:
            raise DicomError(
                f"slices {one + 1} and {other + 1} are {step:.4g} mm apart, the others "
                f"{usual:.4g} mm: a slice is missing or misplaced",
                path=paths[other],
            )
    astray = np.abs(heights - np.linspace(heights[0], heights[-1], len(heights)))
    worst = int(astray.argmax())
    if astray[worst] > allowed:
        raise DicomError(
            f"slice {order[worst] + 1} lies {astray[worst]:.3g} mm from its place on an even grid: "
            "the spacing changes along the stack",
            path=paths[order[worst]],
        )


def _require_straight(
    positions: NDArray[Any], normal: NDArray[Any], header: SliceHeader, paths: Sequence[Path]
) -> None:
    along = positions - positions[0]
    aside = np.linalg.norm(along - np.outer(along @ normal, normal), axis=1).max()
    if aside > 0.5 * min(header.spacing_mm):
        raise DicomError(
            f"the stack is sheared: slices shift {aside:.3g} mm sideways (gantry tilt?); wanted is "
            "a straight stack",
            path=paths[0],
        )


def _geometry(first: SliceHeader, step_mm: float, stack: NDArray[Any]) -> Geometry:
    along_row, along_column = _directions(first)
    # Orthonormal to the last digit; headers carry five or six.
    left, _, right = np.linalg.svd(np.column_stack([along_column, along_row]), full_matrices=False)
    column, row = (left @ right).T
    direction = np.column_stack([np.cross(row, column), column, row])
    spacing = (step_mm, first.spacing_mm[0], first.spacing_mm[1])
    return Geometry.from_parts(stack.shape, spacing, first.position_mm, direction)


def _directions(header: SliceHeader) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return header.row_direction, header.column_direction
