"""The surface of every label of a map, found in one pass.

A voxel lies on its label's border where a neighbour's label is another, whichever label it is; so
the borders of all labels are found together, plane by plane, in the box that is not background.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medprep.metrics.definitions import Definition

Box = tuple[slice, slice, slice]


class Surface(NamedTuple):
    """Points of one label's surface.

    ``places`` (n,) int64, ascending, flat in the grid of points; ``codes`` (n,) uint8, the
    windows' neighbour codes, or None where points are voxels.
    """

    places: NDArray[np.int64]
    codes: NDArray[np.uint8] | None


class Surfaces:
    """The surface points of every label of a map in a box.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, integers, 0 is background.
    box
        From `foreground_box`: beyond it is background, or the volume ends.
    definition
        What a surface is.
    """

    def __init__(self, labels: NDArray[Any], box: Box, definition: Definition) -> None:
        self._windows = definition.border == "windows"
        found = _windows(labels[box]) if self._windows else _voxels(labels[box], definition)
        self._places, self._values = found

    def of(self, label: int) -> Surface:
        """Give one label's surface; without points where the map does not hold it."""
        inside = self._values == label
        if not self._windows:
            return Surface(self._places[inside], None)
        # The first of eight voxels is the highest bit, as neighbour codes have it.
        codes = np.packbits(inside, axis=1)[:, 0]
        border = codes != 0  # none is 255: every window holds more than one label
        return Surface(self._places[border], codes[border])


def foreground_box(*maps: NDArray[Any]) -> Box:
    """Give the box of all voxels that are not 0 in one of the maps, and one voxel around it.

    Parameters
    ----------
    *maps
        ``[slice, row, column]``, of one shape. Of maps without foreground the box is empty.
    """
    seen = [np.zeros(n, bool) for n in maps[0].shape]
    for labels in maps:
        if not labels.size:
            continue
        flat = labels.max(axis=0)
        seen[0] |= labels.max(axis=(1, 2)) != 0
        seen[1] |= flat.max(axis=1) != 0
        seen[2] |= flat.max(axis=0) != 0
    ranges = []
    for along in seen:
        places = np.flatnonzero(along)
        low, high = (int(places[0]), int(places[-1]) + 1) if places.size else (0, 0)
        ranges.append(slice(max(low - 1, 0), min(high + 1, along.size) if places.size else 0))
    return ranges[0], ranges[1], ranges[2]


def points_shape(box: Box, definition: Definition) -> tuple[int, int, int]:
    """Give the shape of the grid of points in which `Surface.places` counts."""
    more = int(definition.border == "windows")
    one, two, three = (along.stop - along.start + more for along in box)
    return one, two, three


def _voxels(labels: NDArray[Any], definition: Definition) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Index and label of every border voxel."""
    mark = _mark_corners if definition.border == "corners" else _mark_faces
    depth, *plane = labels.shape
    places, values = [np.zeros(0, np.int64)], [np.zeros(0, labels.dtype)]
    for at in range(depth):
        here = np.ascontiguousarray(labels[at])
        border = mark(labels, at, here)
        if definition.edge:
            border[[0, -1]] = border[:, [0, -1]] = True
            if at in (0, depth - 1):
                border[:] = True
        border &= here != 0
        found = np.flatnonzero(border)
        places.append(found + at * plane[0] * plane[1])
        values.append(here.ravel()[found])
    return np.concatenate(places), np.concatenate(values)


def _mark_faces(labels: NDArray[Any], at: int, here: NDArray[Any]) -> NDArray[np.bool_]:
    """Voxels of a plane with another label among their 6 neighbours."""
    border = np.zeros(here.shape, bool)
    for beside in (at - 1, at + 1):
        if 0 <= beside < len(labels):
            border |= here != labels[beside]
    differs = here[1:] != here[:-1]
    border[1:] |= differs
    border[:-1] |= differs
    differs = here[:, 1:] != here[:, :-1]
    border[:, 1:] |= differs
    border[:, :-1] |= differs
    return border


def _mark_corners(labels: NDArray[Any], at: int, here: NDArray[Any]) -> NDArray[np.bool_]:
    """Voxels of a plane with another label among their 26 neighbours."""
    near = labels[max(at - 1, 0) : at + 2]
    low, high = near.min(axis=0), near.max(axis=0)
    for axis in (0, 1):
        low, high = _spread(low, axis, np.minimum), _spread(high, axis, np.maximum)
    return np.asarray(low != high)


def _spread(plane: NDArray[Any], axis: int, pick: np.ufunc) -> NDArray[Any]:
    """Each value and its two neighbours along an axis, reduced to one."""
    out = plane.copy()
    turned, spread = np.moveaxis(plane, axis, 0), np.moveaxis(out, axis, 0)
    pick(spread[1:], turned[:-1], out=spread[1:])
    pick(spread[:-1], turned[1:], out=spread[:-1])
    return out


def _windows(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Index and eight labels of every 2x2x2 window that holds more than one label.

    Window ``[i, j, k]`` has voxel ``[i - 1, j - 1, k - 1]`` as its first and ``[i, j, k]`` as its
    last; what lies beyond the box is background.
    """
    depth, rows, columns = labels.shape
    blank = np.zeros((rows + 2, columns + 2), labels.dtype)
    places, values = [np.zeros(0, np.int64)], [np.zeros((0, 8), labels.dtype)]
    below = blank
    for at in range(depth + 1 if labels.size else 0):
        above = blank
        if at < depth:
            above = blank.copy()
            above[1:-1, 1:-1] = labels[at]
        low, high = np.minimum(below, above), np.maximum(below, above)
        low, high = np.minimum(low[1:], low[:-1]), np.maximum(high[1:], high[:-1])
        mixed = np.minimum(low[:, 1:], low[:, :-1]) != np.maximum(high[:, 1:], high[:, :-1])
        found = np.flatnonzero(mixed)
        places.append(found + at * mixed.size)
        first = found + found // (columns + 1)  # a row of voxels is one longer than one of windows
        corners = first[:, None] + np.array([0, 1, columns + 2, columns + 3])
        values.append(np.hstack([below.ravel()[corners], above.ravel()[corners]]))
        below = above
    return np.concatenate(places), np.concatenate(values)
