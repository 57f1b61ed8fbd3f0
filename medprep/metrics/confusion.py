"""Which label lies on which: the voxels of two label maps, counted in one pass.

Nearly all of a volume is background in both. Eight bytes at a time are looked at, and only where
one of the two maps has something is anything counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError, LabelError

_LINE = 64
"""Bytes that memory gives at once: slices that interleave in them are copied together."""
_PAIRED = 8
"""With at most so many labels (background included) two voxels are counted as one number."""
_NAMED = 5
"""So many strange labels are told by an error."""


def confusion_matrix(
    reference: NDArray[Any], predicted: NDArray[Any], n_labels: int
) -> NDArray[np.int64]:
    """Count the voxels of each pair of labels.

    Parameters
    ----------
    reference, predicted
        Equal shapes, whole numbers from 0 (background) to ``n_labels``, in any memory layout and
        width. No voxel gives counts of 0.
    n_labels
        The highest label.

    Returns
    -------
    ndarray
        int64 ``[reference label, predicted label]``, ``n_labels + 1`` on a side.

    Raises
    ------
    GeometryError
        If the shapes differ.
    LabelError
        If a map holds no whole numbers, or one that is negative or beyond ``n_labels``.
    """
    require_alike(reference, predicted)
    total = np.zeros((n_labels + 1, n_labels + 1), np.int64)
    ours, theirs = (_in_order(one[None], reference.strides)[0] for one in (reference, predicted))
    ours, theirs = np.atleast_2d(ours, theirs)
    for matrix in slice_confusions(ours, theirs, range(1, n_labels + 1)):
        total += matrix
    return total


def slice_confusions(
    reference: NDArray[Any], predicted: NDArray[Any], labels: Sequence[int]
) -> Iterator[NDArray[np.int64]]:
    """Count the voxels of each pair of labels, slice by slice.

    Parameters
    ----------
    reference, predicted
        ``[slice, ...]``, as for `confusion_matrix`.
    labels
        Those that may occur beside the background: positive and ascending. Place 0 of a matrix is
        the background, place ``i + 1`` is ``labels[i]``.

    Yields
    ------
    ndarray
        int64 ``[place in reference, place in prediction]``.

    Raises
    ------
    GeometryError, LabelError
        As `confusion_matrix`; any label but those of ``labels`` is refused.
    """
    require_alike(reference, predicted)
    places = _places(labels)
    ours, theirs = (_in_order(one, reference.strides[1:]) for one in (reference, predicted))
    step = _LINE // max(reference.itemsize, predicted.itemsize)
    for start in range(0, len(reference), step):
        slabs = [np.ascontiguousarray(one[start : start + step]) for one in (ours, theirs)]
        for one, other in zip(*slabs, strict=True):
            mine, its = _seen(one.reshape(-1), other.reshape(-1))
            for values, whole, which in (
                (mine, reference, "reference"),
                (its, predicted, "prediction"),
            ):
                if _is_strange(values, labels, places):
                    raise LabelError(_strangers(whole, labels, which))
            matrix = _count(mine, its, len(labels) + 1, places)
            matrix[0, 0] += one.size - mine.size
            yield matrix


def require_alike(reference: NDArray[Any], predicted: NDArray[Any]) -> None:
    """Refuse what are no two label maps of one shape.

    Raises
    ------
    GeometryError
        If the shapes differ, or there is no axis.
    LabelError
        If a map holds other numbers than whole ones.
    """
    if reference.shape != predicted.shape or reference.ndim < 1:
        raise GeometryError(
            f"reference and prediction lie on different grids: {reference.shape} and "
            f"{predicted.shape} voxels; put the prediction on the reference's grid first"
        )
    for which, array in (("reference", reference), ("prediction", predicted)):
        if array.dtype.kind not in "bui":
            raise LabelError(f"a {which} holds whole numbers, not {array.dtype}")


def _in_order(array: NDArray[Any], strides: Sequence[int]) -> NDArray[Any]:
    """Turn the axes after the first so that memory runs through; no count depends on it."""
    order = sorted(range(len(strides)), key=lambda axis: -abs(strides[axis]))
    return array.transpose(0, *(axis + 1 for axis in order))


def _places(labels: Sequence[int]) -> NDArray[np.intp] | None:
    """Give label to its place, -1 for a strange one; None where each label is its own place."""
    if list(labels) == list(range(1, len(labels) + 1)):
        return None
    places = np.full(max(labels) + 1, -1, np.intp)
    places[[0, *labels]] = range(len(labels) + 1)
    return places


def _seen(one: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give all voxels that are not background in both, and maybe some that are."""
    if one.itemsize == other.itemsize and one.nbytes % 8 == 0:
        ours, theirs = one.view(np.uint64), other.view(np.uint64)
        at = np.flatnonzero(ours | theirs)
        return ours[at].view(one.dtype), theirs[at].view(other.dtype)
    at = np.flatnonzero((one != 0) | (other != 0))
    return one[at], other[at]


def _is_strange(
    values: NDArray[Any], labels: Sequence[int], places: NDArray[np.intp] | None
) -> bool:
    highest = int(values.max(initial=0))
    if highest > max(labels, default=0) or int(values.min(initial=0)) < 0:
        return True
    return places is not None and bool((places[values.astype(np.intp)] < 0).any())


def _strangers(whole: NDArray[Any], labels: Sequence[int], which: str) -> str:
    found, voxels = np.unique(whole[~np.isin(whole, [0, *labels])], return_counts=True)
    told = [
        f"{value} in {count} voxel{'s' * (count != 1)}"
        for value, count in zip(found[:_NAMED].tolist(), voxels.tolist(), strict=False)
    ]
    more = f" and {found.size - _NAMED} more labels" if found.size > _NAMED else ""
    if list(labels) == list(range(1, len(labels) + 1)):
        wanted = f"0 (background) to {len(labels)}"
    else:
        wanted = f"0 (background), {', '.join(map(str, labels))}"
    return f"the {which} holds the label {', '.join(told)}{more}; wanted are {wanted}"


def _count(
    mine: NDArray[Any], its: NDArray[Any], side: int, places: NDArray[np.intp] | None
) -> NDArray[np.int64]:
    if places is not None:
        mine, its = places[mine.astype(np.intp)], places[its.astype(np.intp)]
    bins = side * side
    if side > _PAIRED:
        counts = np.bincount(mine.astype(np.intp) * side + its.astype(np.intp), minlength=bins)
        return np.asarray(counts.reshape(side, side), np.int64)
    odd = mine.size % 2
    codes = np.zeros(mine.size + odd, np.uint8)
    codes[: mine.size] = mine.astype(np.uint8) * np.uint8(side) + its.astype(np.uint8)
    twos = np.bincount(codes.view(np.uint16), minlength=bins * 256).reshape(bins, 256)
    counts = twos.sum(axis=1) + twos.sum(axis=0)[:bins]
    counts[0] -= odd
    return np.asarray(counts.reshape(side, side), np.int64)
