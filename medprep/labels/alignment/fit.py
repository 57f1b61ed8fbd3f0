"""How well a mask sits on a picture where it is laid: three numbers between 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medprep.labels.alignment.levels import Levels
from medprep.labels.alignment.stamp import OrganStamp, Points, Stamp

_BINS = 32
_FEWEST_POINTS = 20
_NOISE_LEVELS = 8.0
"""Slopes far below this many levels a pixel count as noise (Haber and Modersitzki's edge
parameter)."""


@dataclass(frozen=True)
class Placement:
    """How a mask is laid on its picture: turned first, then moved.

    Parameters
    ----------
    reversed_slices, transposed, flip_x, flip_y
        What is done, in this order; x are columns, y are rows.
    shift
        Slices, rows and columns moved, in pixels of `Levels`.
    """

    reversed_slices: bool = False
    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False
    shift: tuple[int, int, int] = (0, 0, 0)

    def move(self, points: Points, shape: tuple[int, int, int]) -> Points:
        """Give the points' new places; some may lie outside the picture."""
        slices, rows, columns = points
        if self.reversed_slices:
            slices = shape[0] - 1 - slices
        if self.transposed:
            rows, columns = columns, rows
        if self.flip_x:
            columns = shape[2] - 1 - columns
        if self.flip_y:
            rows = shape[1] - 1 - rows
        return slices + self.shift[0], rows + self.shift[1], columns + self.shift[2]


class Fit(NamedTuple):
    """How well a mask sits; all organs together, by the length of their outlines.

    Parameters
    ----------
    ring
        How well the grey values inside tell from those of a ring around it: the Jensen-Shannon
        divergence of their histograms in bits, 0 (alike) to 1 (nothing in common).
    caps
        The same, against what lies right above and below.
    border
        How much the picture changes across the outline and nowhere along it: mean squared cosine
        between its gradient and the outline's normal, damped where there is no slope (normalised
        gradient fields; Haber and Modersitzki 2006), 0 to 1.
    spread
        Standard deviation of the levels inside, of 255.
    """

    ring: float
    caps: float
    border: float
    spread: float

    @property
    def total(self) -> float:
        """The sum of the three, 0 to 3; in a picture of one slice there are no caps."""
        return self.ring + self.caps + self.border


NOTHING = Fit(0.0, 0.0, 0.0, 0.0)


def measure(levels: Levels, stamp: Stamp, placement: Placement) -> Fit:
    """Say how well a mask sits; an organ mostly outside the picture has no say."""
    parts, weights = [], []
    for organ in stamp.organs:
        found = _organ(levels, organ, placement)
        if found is not None:
            parts.append(found)
            weights.append(organ.weight)
    if not parts:
        return NOTHING
    return Fit(*np.average(parts, axis=0, weights=weights).tolist())


def mean_beside(levels: Levels, stamp: Stamp, placement: Placement) -> float:
    """Give the mean fit of eight copies moved aside by a quarter of the mask's size."""
    extent = [high - low + 1 for low, high in zip(stamp.low, stamp.high, strict=True)]
    if placement.transposed:
        extent = [extent[0], extent[2], extent[1]]
    down, right = max(2, extent[1] // 4), max(2, extent[2] // 4)
    n, row, column = placement.shift
    totals = []
    for y in (-down, 0, down):
        for x in (-right, 0, right):
            if x or y:
                moved = replace(placement, shift=(n, row + y, column + x))
                fit = measure(levels, stamp, moved)
                if fit != NOTHING:  # else it is mostly outside the picture
                    totals.append(fit.total)
    return float(np.mean(totals)) if totals else 0.0


def _organ(levels: Levels, organ: OrganStamp, placement: Placement) -> Fit | None:
    inside = _levels(levels, organ.inside, placement)
    if 2 * inside.size < organ.inside[0].size or not inside.size:
        return None
    own = _histogram(inside)
    ring = _divergence(own, _histogram(_levels(levels, organ.ring, placement)))
    caps = _divergence(own, _histogram(_levels(levels, organ.caps, placement)))
    return Fit(ring, caps, _border(levels, organ, placement), float(inside.std()))


def _levels(levels: Levels, points: Points, placement: Placement) -> NDArray[np.uint8]:
    places = placement.move(points, levels.level.shape)
    seen = _inside(places, levels.level.shape, 0)
    return levels.level[tuple(axis[seen] for axis in places)]


def _inside(places: Points, shape: tuple[int, ...], edge: int) -> NDArray[np.bool_]:
    slices, rows, columns = places
    seen = (slices >= 0) & (slices < shape[0])
    seen &= (rows >= edge) & (rows < shape[1] - edge)
    seen &= (columns >= edge) & (columns < shape[2] - edge)
    return seen


def _histogram(levels: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.bincount(levels >> 3, minlength=_BINS)


def _divergence(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    if one.sum() < _FEWEST_POINTS or other.sum() < _FEWEST_POINTS:
        return 0.0
    return float(divergence(one[:, None], other[:, None])[0])


def divergence(one: NDArray[np.number], other: NDArray[np.number]) -> NDArray[np.float64]:
    """Jensen-Shannon divergence in bits of histograms along the first axis.

    Half a count in each bin keeps a few points from looking like a perfect separation.
    """
    first = (one + 0.5) / (one + 0.5).sum(axis=0)
    second = (other + 0.5) / (other + 0.5).sum(axis=0)
    middle = (first + second) / 2
    bits = first * np.log2(first / middle) + second * np.log2(second / middle)
    result: NDArray[np.float64] = bits.sum(axis=0) / 2
    return result


def _border(levels: Levels, organ: OrganStamp, placement: Placement) -> float:
    places = placement.move(organ.border, levels.level.shape)
    seen = _inside(places, levels.level.shape, 1)
    if not seen.any():
        return 0.0
    n, row, column = (axis[seen] for axis in places)
    smooth = levels.smooth
    down = (smooth[n, row + 1, column] - smooth[n, row - 1, column]) / 2
    right = (smooth[n, row, column + 1] - smooth[n, row, column - 1]) / 2
    across_rows, across_columns = organ.row_normal[seen], organ.column_normal[seen]
    if placement.transposed:
        across_rows, across_columns = across_columns, across_rows
    # The square below makes a mirrored normal's sign matter only against the other component.
    if placement.flip_x:
        across_columns = -across_columns
    if placement.flip_y:
        across_rows = -across_rows
    across = down * across_rows + right * across_columns
    return float(np.mean(across**2 / (down**2 + right**2 + _NOISE_LEVELS**2)))
