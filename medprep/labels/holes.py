"""Fill the holes of organs, in three dimensions or slice by slice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.labels.runs import Runs, find_pieces, find_runs, per_label

Holes = Literal["none", "2d", "3d"]
"""Which holes are filled."""


def fill_holes(labels: NDArray[Any], holes: Holes) -> dict[int, int]:
    """Fill the holes of a label map in place.

    A hole is a set of background voxels that touch by faces, does not reach the volume's border
    and lies against one label alone: a gap between two organs is none. In ``"2d"`` each slice
    counts as a volume of its own, so whatever is a hole in ``"3d"`` is one in ``"2d"`` too.
    Filling what is filled changes nothing.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, in C order; is changed.
    holes
        Which ones.

    Returns
    -------
    dict
        The voxels filled of each label that had a hole.
    """
    if holes == "none":
        return {}
    runs = find_runs(labels)
    runs = runs.select(runs.label == 0)
    pieces = find_pieces(labels, runs, "6" if holes == "3d" else "slice")
    closed = np.ones(pieces.size.size, bool)
    closed[pieces.of_run[_at_border(runs, holes)]] = False
    inner = closed[pieces.of_run]
    runs, of_run = runs.select(inner), pieces.of_run[inner]
    label = _label_around(labels, runs, of_run, closed.size, holes)
    runs = replace(runs, label=label[of_run])
    flat = labels.reshape(-1)
    for part, voxels in runs.voxels():
        flat[voxels] = np.repeat(runs.label[part], runs.length[part])
    return per_label(runs.label, runs.length)


def _at_border(runs: Runs, holes: Holes) -> NDArray[np.bool_]:
    """Tell which runs touch the border of the volume, or of their slice."""
    slices, rows, columns = runs.shape
    row, column = np.divmod(runs.start, columns)
    of_slice, row = np.divmod(row, rows)
    border = (row == 0) | (row == rows - 1) | (column == 0) | (column + runs.length == columns)
    if holes == "3d":
        border |= (of_slice == 0) | (of_slice == slices - 1)
    return np.asarray(border)


def _label_around(
    labels: NDArray[Any], runs: Runs, hole: NDArray[np.int64], holes: int, kind: Holes
) -> NDArray[Any]:
    """Give the one label that lies against each hole, 0 where there are several."""
    lowest = np.full(holes, np.iinfo(labels.dtype).max, labels.dtype)
    highest = np.zeros(holes, labels.dtype)
    _, rows, columns = runs.shape
    flat = labels.reshape(-1)
    for part, voxels in runs.voxels():
        of_voxel = np.repeat(hole[part], runs.length[part])
        for step in (1, columns, rows * columns)[: 3 if kind == "3d" else 2]:
            for away in (-step, step):
                beside = flat[voxels + away]
                wall = beside != 0
                np.minimum.at(lowest, of_voxel[wall], beside[wall])
                np.maximum.at(highest, of_voxel[wall], beside[wall])
    return np.where(lowest == highest, lowest, 0).astype(labels.dtype)
