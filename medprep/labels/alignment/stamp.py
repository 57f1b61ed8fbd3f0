"""A mask as a few thousand points, so that it can be laid on a picture in many ways at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.opencv import load_cv2

Points = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
"""Slice, row and column numbers, in pixels of `Levels`."""

RING_PIXELS = 3
FEWEST_VOXELS = 500
"""Fewer, of all organs together, sit anywhere by chance."""
_FEWEST_OF_ORGAN = 30
MOST_POINTS = 4000
"""Of each kind and organ: enough for histograms, and the cost no longer grows with the mask."""
_STEEP = 0.2
"""A blurred mask rises by 0.4 a pixel on a straight border; half of that still has a direction."""


@dataclass(frozen=True, eq=False)
class OrganStamp:
    """One organ of a mask.

    Parameters
    ----------
    inside
        Points in it.
    ring
        Points of no organ around it, within its slices.
    caps
        Points of no organ right above and below it.
    border
        Points on its outline within the slices.
    row_normal, column_normal
        Unit direction across the outline at each of them.
    weight
        Length of its outline, in pixels: its say beside other organs.
    """

    inside: Points
    ring: Points
    caps: Points
    border: Points
    row_normal: NDArray[np.float32]
    column_normal: NDArray[np.float32]
    weight: int


@dataclass(frozen=True, eq=False)
class Stamp:
    """All organs of a mask that are large enough to say anything.

    Parameters
    ----------
    organs
        Ordered by label.
    shape
        Of the picture in pixels of `Levels`.
    low, high
        First and last slice, row and column of any organ.
    """

    organs: tuple[OrganStamp, ...]
    shape: tuple[int, int, int]
    low: tuple[int, int, int]
    high: tuple[int, int, int]

    @classmethod
    def of(cls, labels: NDArray[Any], factor: int, most_points: int = MOST_POINTS) -> Stamp:
        """Take the points of ``[slice, row, column]`` labels; 0 is no organ."""
        rows, columns = (-(-n // factor) for n in labels.shape[1:])
        small = labels[:, factor // 2 :: factor, factor // 2 :: factor]
        shape = (labels.shape[0], rows, columns)
        foreground = small != 0
        found = [np.flatnonzero(foreground.any(axis=pair)) for pair in ((1, 2), (0, 2), (0, 1))]
        if not found[0].size:
            return cls((), shape, (0, 0, 0), (0, 0, 0))
        low = tuple(int(axis[0]) for axis in found)
        high = tuple(int(axis[-1]) for axis in found)
        # Room for the ring and the caps, which may lie outside the organs' box.
        room = (1, RING_PIXELS + 1, RING_PIXELS + 1)
        start = [max(0, a - r) for a, r in zip(low, room, strict=True)]
        stop = [b + r + 1 for b, r in zip(high, room, strict=True)]
        box = np.ascontiguousarray(small[tuple(map(slice, start, stop))])
        organs = [_organ(box, label, start, most_points) for label in np.unique(box) if label]
        kept = tuple(organ for organ in organs if organ is not None)
        return cls(kept, shape, (low[0], low[1], low[2]), (high[0], high[1], high[2]))


def _organ(box: NDArray[Any], label: Any, start: list[int], most: int) -> OrganStamp | None:
    cv2 = load_cv2()
    own = box == label
    if np.count_nonzero(own) < _FEWEST_OF_ORGAN:
        return None
    side = 2 * RING_PIXELS + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    ring = np.zeros(box.shape, np.uint8)
    slope = np.zeros((2, *box.shape), np.float32)
    for n in np.flatnonzero(own.any(axis=(1, 2))):
        plane = own[n].astype(np.uint8)
        cv2.dilate(plane, disc, dst=ring[n])
        blurred = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), 1.0)
        cv2.Sobel(blurred, cv2.CV_32F, 0, 1, dst=slope[0, n], scale=1 / 8)
        cv2.Sobel(blurred, cv2.CV_32F, 1, 0, dst=slope[1, n], scale=1 / 8)
    caps = np.zeros(box.shape, bool)
    caps[1:] |= own[:-1]
    caps[:-1] |= own[1:]
    empty = box == 0
    steep = np.hypot(slope[0], slope[1])
    outline = np.flatnonzero(steep > _STEEP)
    border = _spread(outline, most)
    if not border.size:
        return None
    down, right = (axis.reshape(-1)[border] / steep.reshape(-1)[border] for axis in slope)
    return OrganStamp(
        inside=_points(_spread(np.flatnonzero(own), most), own.shape, start),
        ring=_points(_spread(np.flatnonzero(empty & (ring > 0)), most), own.shape, start),
        caps=_points(_spread(np.flatnonzero(empty & caps), most), own.shape, start),
        border=_points(border, own.shape, start),
        row_normal=down,
        column_normal=right,
        weight=outline.size,
    )


def _spread(indices: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Thin out evenly."""
    if indices.size <= most:
        return indices
    return indices[np.linspace(0, indices.size - 1, most).astype(np.int64)]


def _points(indices: NDArray[np.int64], shape: tuple[int, ...], start: list[int]) -> Points:
    slices, rows, columns = (axis.astype(np.int32) for axis in np.unravel_index(indices, shape))
    return slices + start[0], rows + start[1], columns + start[2]
