"""A stack's slices in order, on one grid: sorted by position, checked for gaps and tilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.grouping import SAME_DIRECTION, SAME_SPACING_MM, Stack, heights_mm
from medprep.dicom.records import Plane, SliceHeader
from medprep.errors import DicomError, OptionError
from medprep.geometry import Geometry

Gaps = Literal["error", "resample", "split"]
Tilt = Literal["error", "resample", "keep"]

UNEVEN_MM = 0.1
"""A slice may lie this far from its place on the even grid, or `UNEVEN_SHARE` of a step; of thin
slices at most a quarter of a step."""
UNEVEN_SHARE = 0.02
_DUPLICATE_MM = 1e-3
_STRAIGHT_PIXELS = 0.5


@dataclass(frozen=True)
class Policy:
    """What to do with stacks that are no even, straight grid.

    Parameters
    ----------
    gaps
        Slices that are missing or unevenly spaced: refuse, fill by interpolation, or part the
        stack at each gap.
    tilt
        Slices that shift sideways (gantry tilt): refuse, resample to a straight grid, or keep
        voxels as they are on a sheared grid.
    """

    gaps: Gaps = "error"
    tilt: Tilt = "error"

    def __post_init__(self) -> None:
        if self.gaps not in ("error", "resample", "split"):
            raise OptionError(f"--gaps is '{self.gaps}'; wanted is error, resample or split")
        if self.tilt not in ("error", "resample", "keep"):
            raise OptionError(f"--tilt is '{self.tilt}'; wanted is error, resample or keep")


@dataclass(frozen=True)
class Plan:
    """How a stack becomes a volume.

    Parameters
    ----------
    slices
        In ascending height along the normal ``row x column`` (axial: towards the head).
    order
        Index in the stack of each.
    geometry
        The grid of the slices as they are; sheared where they shift sideways.
    heights_mm
        Where the slices lie above the first, if they must be filled to an even grid, else None.
    shift_mm
        ``[slice, 2]``: how far each slice lies aside along rows' and columns' axes, if that must
        be undone, else None.
    suffix
        ``_p1``, ``_p2`` where a stack was parted at its gaps.
    notes
        What a person should know.
    """

    slices: tuple[SliceHeader, ...]
    order: tuple[int, ...]
    geometry: Geometry
    heights_mm: NDArray[np.float64] | None
    shift_mm: NDArray[np.float64] | None
    sheared: bool
    suffix: str
    notes: tuple[str, ...]


def lay_out(stack: Stack, policy: Policy) -> list[Plan]:
    """Plan a stack's volume; several only where it is parted at gaps.

    Raises
    ------
    DicomError
        If slices share a place, or the stack is uneven or tilted and the policy is ``error``. The
        message says which slices and how many millimetres; its path names both files.
    """
    slices = stack.slices
    require_alike(slices)
    if slices[0].position_mm is None:
        return [_unplaced(stack)]
    heights = heights_mm(slices)
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    ordered = heights[order]
    _require_apart(slices, order, ordered)
    uneven = _unevenness(slices, order, ordered)
    if uneven is None:
        return [_plan(stack, order, ordered, policy, even=True)]
    if policy.gaps == "error":
        raise uneven
    if policy.gaps == "resample":
        return [_plan(stack, order, ordered, policy, even=False)]
    return _parted(stack, order, ordered, policy)


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
        if plane is first:
            continue
        if (plane.rows, plane.columns) != (first.rows, first.columns):
            raise DicomError(
                f"slice {number} is {plane.rows} x {plane.columns} pixels, slice 1 is "
                f"{first.rows} x {first.columns}: two series in one folder?",
                path=str(one.blob),
            )
        turned = np.subtract(_directions(plane), _directions(first))
        if np.abs(turned).max() > SAME_DIRECTION:
            raise DicomError(f"slice {number} is turned against slice 1", path=str(one.blob))
        if np.abs(np.subtract(plane.spacing_mm, first.spacing_mm)).max() > SAME_SPACING_MM:
            raise DicomError(
                f"slice {number} has pixels of {plane.spacing_mm} mm, slice 1 of "
                f"{first.spacing_mm} mm",
                path=str(one.blob),
            )


def _directions(plane: Plane) -> tuple[float, ...]:
    return plane.row_direction + plane.column_direction


def _two_files(one: SliceHeader, other: SliceHeader) -> str:
    return f"{one.blob} and {other.blob}"


def _require_apart(
    slices: Sequence[SliceHeader], order: list[int], heights: NDArray[np.float64]
) -> None:
    for (one, other), step in zip(pairwise(order), np.diff(heights), strict=True):
        if step < _DUPLICATE_MM:
            raise DicomError(
                f"slices {one + 1} and {other + 1} share a position: a duplicate, or two series "
                "in one folder",
                path=_two_files(slices[one], slices[other]),
            )


def _usual_step(heights: NDArray[np.float64]) -> tuple[float, float]:
    """Give the usual step and how far from it a step may be."""
    usual = float(np.median(np.diff(heights)))
    return usual, min(max(UNEVEN_MM, UNEVEN_SHARE * usual), usual / 4)


def _unevenness(
    slices: Sequence[SliceHeader], order: list[int], heights: NDArray[np.float64]
) -> DicomError | None:
    if len(order) < 3:
        return None
    usual, allowed = _usual_step(heights)
    for (one, other), step in zip(pairwise(order), np.diff(heights), strict=True):
        if abs(step - usual) > allowed:
            return DicomError(
                f"slices {one + 1} and {other + 1} are {step:.4g} mm apart, the others "
                f"{usual:.4g} mm: a slice is missing or misplaced; --gaps resample fills it in, "
                "--gaps split makes two volumes",
                path=_two_files(slices[one], slices[other]),
            )
    astray = np.abs(heights - np.linspace(heights[0], heights[-1], len(heights)))
    worst = int(astray.argmax())
    if astray[worst] > allowed:
        return DicomError(
            f"slice {order[worst] + 1} lies {astray[worst]:.3g} mm from its place on an even grid: "
            "the spacing changes along the stack; --gaps resample makes it even",
            path=_two_files(slices[order[0]], slices[order[worst]]),
        )
    return None


def _parted(
    stack: Stack, order: list[int], heights: NDArray[np.float64], policy: Policy
) -> list[Plan]:
    """Part a stack wherever the step changes, into the longest even runs from below."""
    runs: list[list[int]] = [[0]]
    for index in range(1, len(order)):
        trial = [*runs[-1], index]
        if _unevenness(stack.slices, [order[i] for i in trial], heights[trial]) is None:
            runs[-1] = trial
        else:
            runs.append([index])
    plans = []
    for number, run in enumerate(runs, 1):
        chosen = [order[index] for index in run]
        plan = _plan(stack, chosen, heights[run], policy, even=True)
        text = f"part {number} of {len(runs)} of a stack with gaps"
        plans.append(_renamed(plan, f"_p{number}", text))
    return plans


def _renamed(plan: Plan, suffix: str, note: str) -> Plan:
    return Plan(
        plan.slices, plan.order, plan.geometry, plan.heights_mm, plan.shift_mm, plan.sheared,
        suffix, (*plan.notes, note),
    )  # fmt: skip


def _plan(
    stack: Stack, order: list[int], heights: NDArray[np.float64], policy: Policy, *, even: bool
) -> Plan:
    slices = tuple(stack.slices[index] for index in order)
    first = slices[0]
    direction = _orthonormal(first.plane)
    if len(order) > 1:
        step = (
            float(heights[-1] - heights[0]) / (len(order) - 1) if even else _usual_step(heights)[0]
        )
    else:
        step = first.between_mm or first.thickness_mm or 1.0
    aside = _aside_mm(slices, direction)
    tilted = np.abs(aside).max() > _STRAIGHT_PIXELS * min(first.plane.spacing_mm)
    if tilted and policy.tilt == "error":
        worst = int(np.abs(aside).max(axis=1).argmax())
        raise DicomError(
            f"the stack is sheared: slices {order[0] + 1} and {order[worst] + 1} lie "
            f"{np.abs(aside).max():.3g} mm sideways (gantry tilt?); --tilt resample straightens "
            "it, --tilt keep leaves it",
            path=_two_files(first, slices[worst]),
        )
    affine_step = direction[:, 0] * step
    notes = [*stack.notes, *_step_notes(slices, step)]
    sheared = bool(tilted) and policy.tilt == "keep"
    if sheared:
        lean = aside[-1] / (heights[-1] - heights[0]) * step
        affine_step = affine_step + direction[:, 1:] @ lean
        notes.append(
            f"the grid is sheared by {np.abs(lean).max():.3g} mm a slice, as it was scanned"
        )
    shape = (len(slices), first.plane.rows, first.plane.columns)
    affine = np.eye(4)
    affine[:3, 0] = affine_step
    affine[:3, 1:3] = direction[:, 1:] * first.plane.spacing_mm
    affine[:3, 3] = first.position_mm
    return Plan(
        slices,
        tuple(order),
        Geometry(shape, affine),
        None if even else heights - heights[0],
        aside if tilted and not sheared else None,
        sheared,
        "",
        tuple(notes),
    )


def _unplaced(stack: Stack) -> Plan:
    """Lay slices that state no position on a plain grid, in stored order."""
    first = stack.slices[0]
    step = first.between_mm or first.thickness_mm or 1.0
    shape = (len(stack.slices), first.plane.rows, first.plane.columns)
    note = "no position in the header: the grid only counts pixels from its corner"
    if not first.plane.spacing_known:
        note = "neither position nor spacing in the header: the grid counts pixels of 1 mm"
    geometry = Geometry.from_parts(shape, (step, *first.plane.spacing_mm))
    order = tuple(range(len(stack.slices)))
    return Plan(stack.slices, order, geometry, None, None, False, "", (*stack.notes, note))


def _orthonormal(plane: Plane) -> NDArray[np.float64]:
    """Give the axes (slice, row, column) as columns, orthonormal to the last digit."""
    given = np.column_stack([plane.column_direction, plane.row_direction])
    left, _, right = np.linalg.svd(given, full_matrices=False)  # headers carry five or six digits
    column, row = (left @ right).T
    return np.column_stack([np.cross(row, column), column, row])


def _aside_mm(slices: Sequence[SliceHeader], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give how far each slice lies from the first along the two in-plane axes."""
    positions = np.array([one.position_mm for one in slices])
    return np.asarray((positions - positions[0]) @ direction[:, 1:])


def _step_notes(slices: Sequence[SliceHeader], step: float) -> list[str]:
    first = slices[0]
    if len(slices) == 1:
        return [f"a single slice: its step of {step:g} mm is only the header's claim"]
    notes = []
    if first.between_mm and abs(first.between_mm - step) > UNEVEN_MM:
        notes.append(
            f"positions step by {step:.4g} mm, SpacingBetweenSlices is {first.between_mm:g} mm: "
            "positions rule"
        )
    if first.thickness_mm and abs(first.thickness_mm - step) > UNEVEN_MM:
        how = "overlap" if first.thickness_mm > step else "leave gaps"
        notes.append(
            f"positions step by {step:.4g} mm, SliceThickness is {first.thickness_mm:g} mm: "
            f"slices {how}"
        )
    return notes


__all__ = ["Gaps", "Plan", "Policy", "Tilt", "lay_out", "require_alike"]
