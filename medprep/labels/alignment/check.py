"""Compare a mask with its own corrections, on its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.labels.alignment.fit import Fit, Placement, mean_beside, measure
from medprep.labels.alignment.levels import Levels
from medprep.labels.alignment.shifts import best_shift
from medprep.labels.alignment.stamp import FEWEST_VOXELS, Stamp
from medprep.labels.alignment.words import evidence_of, mend_of, stranger_words

Fault = Literal[
    "none",
    "reversed",
    "flip_x",
    "flip_y",
    "transposed",
    "slice_up",
    "slice_down",
    "shifted",
    "stranger",
]

TURNS: tuple[Fault, ...] = ("reversed", "flip_x", "flip_y", "transposed")
"""Faults that turn a mask over; the others move it, or it is another picture's."""

TURN_GAIN = 0.2
"""A mask turned over sits better by this much, of 3, before an alarm is raised."""
SLICE_GAIN = 0.1
"""The same for a mask moved by slices: neighbours look alike, so less is asked."""
SHIFT_GAIN = 0.25
"""The same for a mask moved in the plane: more, because the best of thousands is taken."""
SEATED = 0.3
"""A mask that sits fits better by this much than copies of it moved aside by a quarter."""
_FARTHEST_SLICES = 3
_NEAREST_PIXELS = 2
_TIE = 0.05
"""Of corrections that fit alike the simplest is named: turns before moves in the plane."""


@dataclass(frozen=True)
class Alignment:
    """What `check_alignment` found.

    Parameters
    ----------
    fault
        What is wrong; ``none`` where the mask sits or is too small to tell. Of two turns together
        the first one in the order of `Fault`; `mend` names both. ``slice_up``: the mask lies at
        higher slice numbers than its organ.
    flagged
        Whether an alarm is raised.
    confidence
        By how much, of 3, the correction sits better than the mask as given; for ``none`` by how
        much the given mask sits better than the best turn or slice; for ``stranger`` how far it is
        from sitting.
    evidence
        What is better after the correction, in numbers.
    mend
        What a person can do; empty for ``none``.
    shift
        Slices, rows and columns to move the mask by, where that mends it.
    """

    fault: Fault
    flagged: bool
    confidence: float
    evidence: str
    mend: str
    shift: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class _Candidate:
    placement: Placement
    fit: Fit
    gain: float
    asked: float
    """The gain it takes to raise an alarm."""


def check_alignment(
    picture: NDArray[Any],
    labels: NDArray[Any],
    spacing_mm: tuple[float, float, float] | None = None,
) -> Alignment:
    """Compare a mask as given with its corrections, and name the fault if one sits better.

    The corrections are the stack reversed, flips, the transposition (where rows and columns are
    as many), all of them together, up to three slices up or down, and every shift in the plane up
    to half the picture. Each is measured by `fit.measure`, all organs together. Nothing is
    learned from other pictures.

    Parameters
    ----------
    picture
        ``[slice, row, column]`` grey values of any number type; one slice will do.
    labels
        Same shape; 0 is no organ, each other value one.
    spacing_mm
        Between slices, rows and columns: only to state a shift in millimetres.

    Returns
    -------
    Alignment
        Under 500 voxels of organs (on a picture averaged down, see `Levels`, that many there), or
        a picture of one value, give ``none`` without an alarm.

    Raises
    ------
    LabelError
        If the shapes differ or have not three axes.
    """
    if picture.ndim != 3 or picture.shape != labels.shape:
        raise LabelError(
            f"a picture of shape {picture.shape} and labels of shape {labels.shape}; wanted are "
            "three axes, the same for both"
        )
    levels = Levels.of(picture)
    fewest = FEWEST_VOXELS * levels.factor**2
    if np.count_nonzero(labels) < fewest:
        return _silent(f"too little to judge: under {fewest} voxels of organs")
    stamp = Stamp.of(labels, levels.factor)
    if not stamp.organs:
        return _silent("too little to judge: no organ has an outline")
    if levels.level.min() == levels.level.max():
        return _silent("nothing to judge: the picture has one value")
    return _judge(picture, levels, stamp, spacing_mm)


def _silent(why: str) -> Alignment:
    return Alignment("none", False, 0.0, why, "")


def _judge(
    picture: NDArray[Any],
    levels: Levels,
    stamp: Stamp,
    spacing_mm: tuple[float, float, float] | None,
) -> Alignment:
    given = measure(levels, stamp, Placement())
    square = picture.shape[1] == picture.shape[2]
    tried = _placements(picture.shape[0], square)
    candidates = [_try(levels, stamp, given, place, asked) for place, asked in tried]
    shifted = best_shift(levels, stamp)
    candidates.append(_try(levels, stamp, given, Placement(shift=shifted), SHIFT_GAIN))
    winner = _winner(levels, stamp, candidates)
    if winner is not None:
        return _named(picture, levels, stamp, given, winner, spacing_mm)
    seat = given.total - mean_beside(levels, stamp, Placement())
    if seat < SEATED:
        evidence, mend = stranger_words(given, seat, SEATED)
        return Alignment("stranger", True, SEATED - seat, evidence, mend)
    margin = -max(c.gain for c in candidates[:-1])
    evidence = f"sits: better by {margin:.2f} of 3 than its best turn or move by slices"
    return Alignment("none", False, margin, evidence, "")


def _placements(slices: int, square: bool) -> list[tuple[Placement, float]]:
    """Give every correction but the shifts in the plane, and the gain asked of it."""
    turns = [
        Placement(reversed_slices, transposed, flip_x, flip_y)
        for reversed_slices in ((False, True) if slices > 1 else (False,))
        for transposed in ((False, True) if square else (False,))
        for flip_x in (False, True)
        for flip_y in (False, True)
    ]
    farthest = min(_FARTHEST_SLICES, slices - 1)
    steps = [n for n in range(-farthest, farthest + 1) if n]
    moves = [Placement(shift=(n, 0, 0)) for n in steps]
    return [(turn, TURN_GAIN) for turn in turns[1:]] + [(move, SLICE_GAIN) for move in moves]


def _try(
    levels: Levels, stamp: Stamp, given: Fit, placement: Placement, asked: float
) -> _Candidate:
    fit = measure(levels, stamp, placement)
    return _Candidate(placement, fit, fit.total - given.total, asked)


def _winner(levels: Levels, stamp: Stamp, candidates: list[_Candidate]) -> _Candidate | None:
    """Choose the correction that sits best, the simplest of equals; None where none does."""
    good = [c for c in candidates if c.gain > c.asked and not _is_small(c.placement)]
    good = [c for c in good if c.fit.total - mean_beside(levels, stamp, c.placement) >= SEATED]
    if not good:
        return None
    best = max(c.gain for c in good)
    return min(
        (c for c in good if c.gain >= best - _TIE), key=lambda c: (_steps(c.placement), -c.gain)
    )


def _is_small(placement: Placement) -> bool:
    """Tell whether it only moves a pixel in the plane, which outlines drawn by hand do too."""
    slices, rows, columns = placement.shift
    return not slices and 0 < max(abs(rows), abs(columns)) < _NEAREST_PIXELS


def _steps(placement: Placement) -> int:
    turns = (
        placement.reversed_slices,
        placement.transposed,
        placement.flip_x,
        placement.flip_y,
    )
    slices, *plane = placement.shift
    return sum(turns) + bool(slices) + 2 * any(plane)


def _named(
    picture: NDArray[Any],
    levels: Levels,
    stamp: Stamp,
    given: Fit,
    winner: _Candidate,
    spacing_mm: tuple[float, float, float] | None,
) -> Alignment:
    placement = winner.placement
    slices, rows, columns = placement.shift
    shift = (slices, rows * levels.factor, columns * levels.factor)
    return Alignment(
        fault=_fault(placement),
        flagged=True,
        confidence=winner.gain,
        evidence=evidence_of(picture, levels, stamp, given, winner.fit, placement),
        mend=mend_of(placement, shift, spacing_mm),
        shift=shift,
    )


def _fault(placement: Placement) -> Fault:
    if placement.reversed_slices:
        return "reversed"
    if placement.transposed:
        return "transposed"
    if placement.flip_x:
        return "flip_x"
    if placement.flip_y:
        return "flip_y"
    if placement.shift[0]:
        return "slice_up" if placement.shift[0] < 0 else "slice_down"
    return "shifted"
