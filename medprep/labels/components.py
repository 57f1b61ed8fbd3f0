"""The connected pieces of organs: which are largest, which large enough.

All labels are looked at at once, by their runs (`medprep.labels.runs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.labels.runs import Pieces, Runs, find_pieces, find_runs

ROUNDING = 1e-9
"""What is exactly as large as the limit stays, though its millilitres are a rounded product."""


def require_labels(labels: NDArray[Any]) -> None:
    """Refuse what is no label map.

    Raises
    ------
    LabelError
        If the array is not ``[slice, row, column]`` of uint8 or uint16.
    """
    if labels.ndim != 3 or labels.dtype not in (np.uint8, np.uint16):
        raise LabelError(
            "labels are [slice, row, column] of uint8 or uint16, "
            f"not {labels.ndim} axes of {labels.dtype}"
        )


def require_names(labels: Iterable[int], names: Mapping[int, str]) -> None:
    """Refuse labels that nobody names.

    Raises
    ------
    LabelError
        If there are such.
    """
    if nameless := sorted(set(labels) - set(names)):
        raise LabelError(f"labels {nameless} have no name (there are {dict(names)})")


def box_of(labels: NDArray[Any], margin: int = 0) -> tuple[slice, ...]:
    """Give the smallest box that holds every voxel that is not background, and a margin.

    Without such a voxel the box is empty.
    """
    box = []
    for axis in range(3):
        found = np.flatnonzero(labels.any(axis=tuple(n for n in range(3) if n != axis)))
        ends = (int(found[0]) - margin, int(found[-1]) + 1 + margin) if found.size else (0, 0)
        box.append(slice(max(0, ends[0]), ends[1]))
    return tuple(box)


def organ_pieces(labels: NDArray[Any]) -> tuple[Runs, Pieces]:
    """Give the runs that are not background, and their pieces by 26 neighbours.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, in C order.
    """
    runs = find_runs(labels)
    runs = runs.select(runs.label != 0)
    return runs, find_pieces(labels, runs, "26")


def largest(pieces: Pieces, count: Mapping[int, int]) -> NDArray[np.bool_]:
    """Tell which pieces are among the largest of their label.

    Of equally large ones those come first whose first voxel comes first in C order.

    Parameters
    ----------
    pieces
        Of all labels.
    count
        Label to how many of its pieces stay; of a label that is not there all stay.
    """
    # Pieces are numbered by their first voxel, and a stable sort keeps that order among equals.
    order = np.lexsort((-pieces.size, pieces.label))
    label = pieces.label[order]
    rank = np.arange(order.size) - np.searchsorted(label, label)
    limit = np.array([count.get(one, order.size) for one in label.tolist()], np.int64)
    keep = np.zeros(order.size, bool)
    keep[order] = rank < limit
    return keep


def large_enough(pieces: Pieces, voxel_ml: float | None, least_ml: float) -> NDArray[np.bool_]:
    """Tell which pieces have at least a volume; all, where a voxel's volume is unknown."""
    if voxel_ml is None:
        return np.ones(pieces.size.size, bool)
    return np.asarray(pieces.size * voxel_ml >= least_ml * (1 - ROUNDING))


def clear(labels: NDArray[Any], runs: Runs) -> None:
    """Make runs background, in place."""
    flat = labels.reshape(-1)
    for _, voxels in runs.voxels():
        flat[voxels] = 0
