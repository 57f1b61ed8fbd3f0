"""Masks whose edges were interpolated, or that went through JPEG: levels back to those they were.

An edge drawn between an organ of level 252 and the background passes through the levels of every
other organ, so a level alone does not tell what its pixel is; its neighbours do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.opencv import load_cv2
from medprep.organs import Organ

_REACH = 5
"""Side in pixels of the window in which a pixel looks for what it can be: an edge blurred by
linear or cubic interpolation, or by JPEG at the sizes of masks, is at most two pixels wide."""

_TOGETHER = 4
"""So many pixels of an organ's commonest level within 3 x 3 are no edge: half of the kidney's 126
is the liver's 63, and a straight edge of such pixels has three."""


def snap_levels(grey: NDArray[Any], organs: tuple[Organ, ...]) -> tuple[NDArray[Any], int]:
    """Set every doubtful pixel to the level of an organ, or of the background, beside it.

    A pixel is sure where its level is 0, where a whole 3 x 3 square that holds it lies in one
    organ's range (for the background: nearer to 0 than to any organ), or where it and three more
    of the 3 x 3 around it have the commonest level of an organ (a thin part of it). Any other
    pixel becomes the one among the sure organs and background of the 5 x 5 pixels around it whose
    level is nearest to its own (of equal ones the lower level). One whose level lies in a range,
    and not between the levels of two that are sure around it, is no mixture of them and stays.
    Slices without a level outside all ranges are left alone.

    Parameters
    ----------
    grey
        ``[slice, row, column]``, uint8 or uint16.
    organs
        Of the whole data set.

    Returns
    -------
    snapped : ndarray
        Same shape and type; every level lies in a range or is 0.
    changed : int
        Pixels that became another organ, or background, than their level says.
    """
    snapped = grey.copy()
    levels = [_commonest(grey, organ) for organ in organs]
    changed = 0
    for plane in snapped:
        own = _classes(plane, organs)
        if (own < 0).any():
            better = _settled(plane, own, levels)
            moved = better != own
            changed += int(np.count_nonzero(moved))
            plane[moved] = np.array([0, *levels], plane.dtype)[better[moved]]
    return snapped, changed


def _commonest(grey: NDArray[Any], organ: Organ) -> int:
    """Give the level most voxels of an organ have; the middle of its range where none has."""
    counts: dict[int, int] = {}
    for low, high in organ.ranges:
        inside = grey[(grey >= low) & (grey <= high)]
        found, often = np.unique(inside, return_counts=True)
        counts |= {int(level): int(n) for level, n in zip(found, often, strict=True)}
    low, high = organ.ranges[0]
    return max(counts, key=lambda level: (counts[level], -level)) if counts else (low + high) // 2


def _classes(plane: NDArray[Any], organs: tuple[Organ, ...]) -> NDArray[np.int16]:
    """Give 0 for background, n for the n-th organ, -1 for a level in no range."""
    classes = np.where(plane == 0, 0, -1).astype(np.int16)
    for number, organ in enumerate(organs, 1):
        for low, high in organ.ranges:
            classes[(plane >= low) & (plane <= high)] = number
    return classes


def _settled(plane: NDArray[Any], own: NDArray[np.int16], levels: list[int]) -> NDArray[np.int16]:
    cv2 = load_cv2()
    square = np.ones((3, 3), np.uint8)
    window = np.ones((_REACH, _REACH), np.uint8)
    settled = own.copy()
    doubtful = np.ones(plane.shape, bool)
    near = []
    for number, level in enumerate([0, *levels]):
        # Ringing leaves a few levels in the background: what is nearer to 0 than to any organ.
        mask = (own == number if number else plane < min(levels, default=2) / 2).astype(np.uint8)
        exact = (plane == level).astype(np.uint8)
        together = cv2.boxFilter(exact, cv2.CV_16U, (3, 3), normalize=False)
        sure = cv2.morphologyEx(mask, cv2.MORPH_OPEN, square).astype(bool)
        sure |= (exact != 0) & ((together >= _TOGETHER) | (level == 0))
        doubtful &= ~sure
        near.append(cv2.dilate(sure.astype(np.uint8), window).astype(bool))
    best = np.full(plane.shape, np.inf)
    above, below = np.zeros(plane.shape, bool), np.zeros(plane.shape, bool)
    nearest = np.maximum(own, 0)
    by_level = sorted(enumerate([0, *levels]), key=lambda pair: pair[1])
    for number, level in by_level:
        away = np.where(near[number], np.abs(plane.astype(np.float64) - level), np.inf)
        closer = away < best
        best[closer] = away[closer]
        nearest[closer] = number
        above |= near[number] & (plane < level)
        below |= near[number] & (plane > level)
    mixed = doubtful & ((own < 0) | (above & below))
    settled[mixed] = nearest[mixed]
    settled[(own < 0) & ~doubtful] = 0  # no range holds them, so it is the background they are in
    return settled
