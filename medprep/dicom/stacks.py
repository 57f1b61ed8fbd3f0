"""A stack's slices in order, on one grid: sorted by position, checked for gaps and tilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.checks import (
    UNEVEN_MM,
    direction_notes,
    require_alike,
    require_apart,
    two_files,
    unevenness,
    usual_step,
)
from medprep.dicom.contrasts import Stack
from medprep.dicom.places import axes, heights_mm
from medprep.dicom.records import SliceHeader
from medprep.errors import DicomError, OptionError
from medprep.geometry import Geometry

Gaps = Literal["error", "resample", "split"]
Tilt = Literal["error", "resample", "keep"]

_STRAIGHT_PIXELS = 0.5
_MOST_MADE_UP = 10
_CONFIRMED = "which positions and SpacingBetweenSlices agree on"


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
    sheared
        Whether ``geometry`` leans with the slices, because the policy keeps their tilt.
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

    Parameters
    ----------
    stack
        Slices of one size and direction, as `group` gives them.
    policy
        What to do where they are no even, straight grid.

    Raises
    ------
    DicomError
        If slices share a place, or the stack is uneven or tilted and the policy is ``error``. The
        message says which slices and how many millimetres; its path names both files.
    """
    slices = stack.slices
    if slices[0].position_mm is None:
        return [_unplaced(stack)]
    heights = heights_mm(slices)
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    ordered = heights[order]
    require_apart(slices, order, ordered)
    uneven = unevenness(slices, order, ordered)
    if uneven is None:
        return [_plan(stack, order, ordered, policy, even=True)]
    if policy.gaps == "error":
        raise uneven
    if policy.gaps == "resample":
        _require_mostly_there(stack, order, ordered)
        return [_plan(stack, order, ordered, policy, even=False)]
    return _parted(stack, order, ordered, policy)


def _parted(
    stack: Stack, order: list[int], heights: NDArray[np.float64], policy: Policy
) -> list[Plan]:
    """Part a stack at its gaps and wherever the step changes."""
    gaps = _gaps(heights)
    runs: list[list[int]] = [[0]]
    for index in range(1, len(order)):
        trial = [*runs[-1], index]
        torn = gaps[index - 1] or unevenness(
            stack.slices, [order[i] for i in trial], heights[trial]
        )
        if torn:
            runs.append([index])
        else:
            runs[-1] = trial
    plans = []
    for number, run in enumerate(runs, 1):
        chosen = [order[index] for index in run]
        plan = _plan(stack, chosen, heights[run], policy, even=True)
        text = f"part {number} of {len(runs)} of a stack with gaps"
        plans.append(replace(plan, suffix=f"_p{number}", notes=(*plan.notes, text)))
    return plans


def _gaps(heights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each step whether it is neither the usual one nor that of a neighbour."""
    steps = np.diff(heights)
    usual, allowed = usual_step(heights)
    lonely = np.ones(len(steps), np.bool_)
    alike = np.abs(np.diff(steps)) <= allowed
    lonely[:-1] &= ~alike
    lonely[1:] &= ~alike
    return lonely & (np.abs(steps - usual) > allowed)


def _plan(
    stack: Stack, order: list[int], heights: NDArray[np.float64], policy: Policy, *, even: bool
) -> Plan:
    slices = tuple(stack.slices[index] for index in order)
    first = slices[0]
    direction = axes(first.plane)
    step = _step_mm(slices, heights, even=even)
    aside = _aside_mm(slices, direction)
    tilted = np.abs(aside).max() > _STRAIGHT_PIXELS * min(first.plane.spacing_mm)
    if tilted and policy.tilt == "error":
        raise _sheared(slices, order, aside)
    notes = [*stack.notes, *direction_notes(slices[0].plane), *_step_notes(slices, step)]
    sheared = bool(tilted) and policy.tilt == "keep"
    affine = np.eye(4)
    affine[:3, 0] = direction[:, 0] * step
    affine[:3, 1:3] = direction[:, 1:] * first.plane.spacing_mm
    affine[:3, 3] = first.position_mm
    if sheared:
        lean = _lean(slices, order, heights, aside) * step
        affine[:3, 0] += direction[:, 1:] @ lean
        notes.append(
            f"the grid is sheared by {np.abs(lean).max():.3g} mm a slice, as it was scanned"
        )
    elif not tilted and np.abs(aside).max() > UNEVEN_MM:
        notes.append(
            f"slices lie up to {np.abs(aside).max():.2g} mm beside their straight grid: less than "
            "half a pixel"
        )
    return Plan(
        slices,
        tuple(order),
        Geometry((len(slices), first.plane.rows, first.plane.columns), affine),
        None if even else heights - heights[0],
        aside if tilted and not sheared else None,
        sheared,
        "",
        tuple(notes),
    )


def _require_mostly_there(stack: Stack, order: Sequence[int], heights: NDArray[np.float64]) -> None:
    """Refuse to make up far more slices than there are: one stray position would fill a disk."""
    wanted = float(heights[-1] - heights[0]) / usual_step(heights)[0]
    if wanted > _MOST_MADE_UP * len(order):
        raise DicomError(
            f"an even grid would take {wanted:.0f} slices, of which {len(order)} are there; "
            "--gaps split parts the stack instead",
            path=two_files(stack.slices[order[0]], stack.slices[order[-1]]),
        )


def _step_mm(slices: Sequence[SliceHeader], heights: NDArray[np.float64], *, even: bool) -> float:
    if len(slices) == 1:
        return slices[0].between_mm or slices[0].thickness_mm or 1.0
    if even:
        return float(heights[-1] - heights[0]) / (len(slices) - 1)
    return usual_step(heights)[0]


def _sheared(
    slices: Sequence[SliceHeader], order: Sequence[int], aside: NDArray[np.float64]
) -> DicomError:
    worst = int(np.abs(aside).max(axis=1).argmax())
    return DicomError(
        f"the stack is sheared: slices {order[0] + 1} and {order[worst] + 1} lie "
        f"{np.abs(aside).max():.3g} mm sideways (gantry tilt?); --tilt resample straightens it, "
        "--tilt keep leaves it",
        path=two_files(slices[0], slices[worst]),
    )


def _lean(
    slices: Sequence[SliceHeader],
    order: Sequence[int],
    heights: NDArray[np.float64],
    aside: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Give the sideways shift per millimetre of height; refuse one that is not even."""
    above = heights - heights[0]
    lean = aside[-1] / above[-1]
    astray = np.abs(aside - above[:, None] * lean).max(axis=1)
    worst = int(astray.argmax())
    if astray[worst] > _STRAIGHT_PIXELS * min(slices[0].plane.spacing_mm):
        raise DicomError(
            f"slice {order[worst] + 1} lies {astray[worst]:.3g} mm beside the sheared grid of the "
            "others: its grid cannot be kept; --tilt resample straightens it",
            path=two_files(slices[0], slices[worst]),
        )
    return np.asarray(lean)


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


def _aside_mm(slices: Sequence[SliceHeader], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give how far each slice lies from the first along the two in-plane axes."""
    positions = np.array([one.position_mm for one in slices])
    return np.asarray((positions - positions[0]) @ direction[:, 1:])


def _step_notes(slices: Sequence[SliceHeader], step: float) -> list[str]:
    first = slices[0]
    if len(slices) == 1:
        stated = first.between_mm or first.thickness_mm
        source = "only the header's claim" if stated else "made up: its header states none"
        return [f"a single slice: its step of {step:g} mm is {source}"]
    notes = []
    confirmed = abs(first.between_mm - step) <= UNEVEN_MM
    if first.between_mm and not confirmed:
        notes.append(
            f"positions step by {step:.4g} mm, SpacingBetweenSlices is {first.between_mm:g} mm: "
            "positions rule"
        )
    if first.thickness_mm and abs(first.thickness_mm - step) > UNEVEN_MM:
        how = "overlap" if first.thickness_mm > step else "leave gaps"
        if confirmed:  # nothing disagrees: no numbers, so that all such volumes share one line
            notes.append(f"slices {how}: SliceThickness is not their step, {_CONFIRMED}")
        else:
            notes.append(
                f"positions step by {step:.4g} mm, SliceThickness is {first.thickness_mm:g} mm: "
                f"slices {how}"
            )
    return notes


__all__ = ["Gaps", "Plan", "Policy", "Tilt", "lay_out", "require_alike"]
