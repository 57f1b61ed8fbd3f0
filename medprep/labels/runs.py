"""Runs of equal labels along the rows of a label map, and the connected pieces they make.

An organ of millions of voxels is some ten thousand runs, and runs touch wherever their voxels do:
what holds for runs is found in a small part of the time that looking at voxels takes, and needs
hardly any memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Touch = Literal["26", "6", "slice"]
"""What makes neighbours: faces, edges and corners; faces; faces within one slice (4)."""

_STEPS: dict[Touch, tuple[tuple[tuple[int, int], ...], int]] = {
    "26": (((-1, -1), (-1, 0), (-1, 1), (0, -1)), 1),
    "6": (((-1, 0), (0, -1)), 0),
    "slice": (((0, -1),), 0),
}
"""The rows before a row, as steps in slice and row, and how far beyond its ends a run reaches."""

_DENSE = 64
"""Where runs are shorter than this on average, as in noise, looking at all voxels is quicker."""
_BLOCK = 1 << 20
"""So many voxels are looked at in one go: they stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Runs:
    """Stretches of one label along a row, in C order.

    Parameters
    ----------
    shape
        Slices, rows and columns of the label map.
    start
        Flat index of the first voxel of each.
    length
        Voxels of each.
    label
        Their label, 0 for background.
    """

    shape: tuple[int, int, int]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    label: NDArray[Any]

    def select(self, which: NDArray[np.bool_]) -> Runs:
        """Give some of them."""
        return Runs(self.shape, self.start[which], self.length[which], self.label[which])

    def voxels(self) -> Iterator[tuple[slice, NDArray[np.int64]]]:
        """Yield blocks of runs: which ones, and the flat indices of their voxels."""
        ends = np.cumsum(self.length)
        first = 0
        while first < ends.size:
            done = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(np.searchsorted(ends, done + _BLOCK, "right")))
            part = slice(first, last)
            length = self.length[part]
            offset = self.start[part] - (ends[part] - length - done)
            yield part, np.repeat(offset, length) + np.arange(int(length.sum()))
            first = last


@dataclass(frozen=True, eq=False)
class Pieces:
    """The connected pieces that runs make, in the C order of their first voxels.

    Parameters
    ----------
    of_run
        The piece of each run.
    size
        Voxels of each piece.
    label
        Label of each piece.
    """

    of_run: NDArray[np.int64]
    size: NDArray[np.int64]
    label: NDArray[Any]


def find_runs(labels: NDArray[Any]) -> Runs:
    """Find the runs of all labels, background too.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, in C order. No voxel gives no run.
    """
    slices, rows, columns = labels.shape
    height = max(1, _BLOCK // max(1, columns))
    planes = labels.reshape(slices * rows, columns)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]] = []
    for row in range(0, slices * rows if columns else 0, height):
        block = planes[row : row + height].reshape(-1)
        begins = np.empty(block.size, bool)
        np.not_equal(block[1:], block[:-1], out=begins[1:])
        begins[::columns] = True
        start = np.flatnonzero(begins)
        found.append((start + row * columns, np.diff(start, append=block.size), block[start]))
    if not found:
        nothing = np.zeros(0, np.int64)
        return Runs((slices, rows, columns), nothing, nothing, np.zeros(0, labels.dtype))
    start, length, label = (np.concatenate(part) for part in zip(*found, strict=True))
    return Runs((slices, rows, columns), start, length, label)


def find_pieces(labels: NDArray[Any], runs: Runs, touch: Touch) -> Pieces:
    """Find the connected pieces.

    Parameters
    ----------
    labels
        What the runs are of.
    runs
        All runs of some labels; each label's pieces are its own.
    touch
        What makes neighbours.
    """
    dense = runs.start.size * _DENSE > labels.size and touch != "slice"
    first = _numbered(labels, runs, touch) if dense else _joined(runs, touch)
    roots = np.flatnonzero(first == np.arange(first.size))
    of_run = np.searchsorted(roots, first)
    size = np.zeros(roots.size, np.int64)
    np.add.at(size, of_run, runs.length)
    return Pieces(of_run, size, runs.label[roots])


def per_label(label: NDArray[np.integer], voxels: NDArray[np.int64]) -> dict[int, int]:
    """Sum voxels by label; labels without any, and background, are not in it."""
    total = np.zeros(int(label.max(initial=0)) + 1, np.int64)
    np.add.at(total, label, voxels)
    return {int(one): int(total[one]) for one in np.flatnonzero(total) if one}


def _joined(runs: Runs, touch: Touch) -> NDArray[np.int64]:
    """Give of each run the first run of its piece."""
    steps, reach = _STEPS[touch]
    pairs = [_neighbours(runs, step, reach) for step in steps]
    later, earlier = (np.concatenate(part) for part in zip(*pairs, strict=True))
    first = np.arange(runs.start.size)
    while later.size:
        # Each root goes under its first neighbour, then each run under its root.
        np.minimum.at(first, later, earlier)
        while not np.array_equal(above := first[first], first):
            first = above
        one, other = first[later], first[earlier]
        apart = one != other
        one, other = one[apart], other[apart]
        later, earlier = np.maximum(one, other), np.minimum(one, other)
    return first


def _neighbours(
    runs: Runs, step: tuple[int, int], reach: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the pairs of runs of one label that touch, the second in the row a step away."""
    _, rows, columns = runs.shape
    row = runs.start // columns
    # A column behind each row and a row behind each slice: what reaches out finds nothing there.
    begin = runs.start + row + row // rows * (columns + 1)
    end = begin + runs.length - 1
    away = (step[0] * (rows + 1) + step[1]) * (columns + 1)
    lowest = np.searchsorted(end, begin + (away - reach))
    count = np.searchsorted(begin, end + (away + reach), "right") - lowest
    one = np.repeat(np.arange(begin.size), count)
    other = np.arange(one.size) - np.repeat(np.cumsum(count) - count - lowest, count)
    same = runs.label[one] == runs.label[other]
    return one[same], other[same]


def _numbered(labels: NDArray[Any], runs: Runs, touch: Touch) -> NDArray[np.int64]:
    """Say the same as `_joined` by numbering every voxel."""
    import cc3d

    if not runs.label.any():
        # As numbers, not as bool: for that cc3d 4.1 has a way of its own, which fails on thin
        # volumes ("maximum length exception").
        labels = (labels == 0).view(np.uint8)
    numbers = cc3d.connected_components(labels, connectivity=int(touch))
    number = numbers.reshape(-1)[runs.start]
    first = np.full(int(number.max(initial=0)) + 1, runs.start.size)
    np.minimum.at(first, number, np.arange(runs.start.size))
    return np.asarray(first[number], np.int64)
