"""Overlap of two label maps: the Dice coefficient, by volume and by slice.

Dice (1945, doi:10.2307/1932409): twice the voxels in common by the voxels of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError, LabelError

EMPTY_CONVENTION = (
    "label in neither reference nor prediction: not scored, counted; in one of them only: Dice 0"
)
"""What a volume's Dice is where a label is missing; stands beside every table."""

SLICE_CONVENTIONS: dict[Literal["one", "skip"], str] = {
    "one": "slices with the label in neither reference nor prediction count as 1",
    "skip": "slices with the label in neither reference nor prediction are left out",
}
"""What an empty slice does to a mean over slices; stands beside every such mean."""


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """Voxels of each label from 0 to n, each array int64 of length n + 1."""

    reference: NDArray[np.int64]
    predicted: NDArray[np.int64]
    intersection: NDArray[np.int64]


@dataclass(frozen=True)
class OverlapRow:
    """How one label of one case agrees.

    Parameters
    ----------
    label, name
        Which one.
    reference_voxels, predicted_voxels, intersection
        Voxels in each, and in both.
    dice
        0 to 1; None where both are empty (`EMPTY_CONVENTION`).
    """

    label: int
    name: str
    reference_voxels: int
    predicted_voxels: int
    intersection: int
    dice: float | None


class SliceMean(NamedTuple):
    """A mean over slices.

    ``value`` is None where no slice was left to score; ``empty`` slices held the label in neither.
    """

    value: float | None
    empty: int


@dataclass(frozen=True)
class Summary:
    """Values in short: mean and median are None of none, ``sd`` (n - 1) of fewer than two."""

    mean: float | None
    sd: float | None
    median: float | None
    n: int


def label_counts(reference: NDArray[Any], predicted: NDArray[Any], n_labels: int) -> LabelCounts:
    """Count each label's voxels in two label maps and in both.

    Parameters
    ----------
    reference, predicted
        Equal shapes, integers from 0 (background) to ``n_labels``. No voxel gives counts of 0.

    Raises
    ------
    GeometryError
        If the shapes differ.
    LabelError
        If a value is beyond ``n_labels`` or the arrays hold no whole numbers.
    """
    _require_alike(reference, predicted)
    side = n_labels + 1
    confusion = np.zeros(side * side, np.int64)
    # Plane by plane, and only where one of the two is not background: little memory, and quick.
    for one, other in zip(reference, predicted, strict=True):
        seen = (one | other) != 0
        ours, theirs = one[seen], other[seen]
        _require_labels(ours, n_labels, "reference")
        _require_labels(theirs, n_labels, "prediction")
        confusion += np.bincount(ours.astype(np.intp) * side + theirs, minlength=confusion.size)
    confusion[0] = reference.size - confusion.sum()
    square = confusion.reshape(side, side)
    return LabelCounts(square.sum(axis=1), square.sum(axis=0), square.diagonal().copy())


def dice(reference_voxels: int, predicted_voxels: int, intersection: int) -> float | None:
    """Give 2|A and B| / (|A| + |B|), or None where both are empty (`EMPTY_CONVENTION`)."""
    both = reference_voxels + predicted_voxels
    return 2.0 * intersection / both if both else None


def overlap_rows(
    reference: NDArray[Any], predicted: NDArray[Any], names: Mapping[int, str]
) -> list[OverlapRow]:
    """Score every named label of one case by volume.

    Parameters
    ----------
    reference, predicted
        ``[slice, row, column]`` on one grid.
    names
        Label value to name.

    Returns
    -------
    list of OverlapRow
        In the order of the label values.

    Raises
    ------
    GeometryError, LabelError
        As `label_counts`.
    """
    counts = label_counts(reference, predicted, max(names, default=0))
    rows = []
    for label in sorted(names):
        ours, theirs, common = (
            int(count[label]) for count in (counts.reference, counts.predicted, counts.intersection)
        )
        score = dice(ours, theirs, common)
        rows.append(OverlapRow(label, names[label], ours, theirs, common, score))
    return rows


def slice_mean_dice(
    reference: NDArray[Any],
    predicted: NDArray[Any],
    label: int,
    empty: Literal["one", "skip"],
) -> SliceMean:
    """Give the mean of a label's Dice in each slice.

    Parameters
    ----------
    reference, predicted
        ``[slice, row, column]`` on one grid.
    empty
        What a slice without the label in both does (`SLICE_CONVENTIONS`). A slice with it in one
        of them scores 0.

    Raises
    ------
    GeometryError
        If the shapes differ.
    """
    _require_alike(reference, predicted)
    axes = tuple(range(1, reference.ndim))
    ours, theirs = reference == label, predicted == label
    both = np.count_nonzero(ours, axis=axes) + np.count_nonzero(theirs, axis=axes)
    common = np.count_nonzero(ours & theirs, axis=axes)
    blank = both == 0
    scores = np.where(blank, 1.0, 2.0 * common / np.maximum(both, 1))
    scored = scores if empty == "one" else scores[~blank]
    value = float(scored.mean()) if scored.size else None
    return SliceMean(value, int(blank.sum()))


def summarise(values: Sequence[float]) -> Summary:
    """Give mean, standard deviation, median and number of values; all finite."""
    if not values:
        return Summary(None, None, None, 0)
    array = np.asarray(values, np.float64)
    spread = float(array.std(ddof=1)) if array.size > 1 else None
    return Summary(float(array.mean()), spread, float(np.median(array)), array.size)


def _require_alike(reference: NDArray[Any], predicted: NDArray[Any]) -> None:
    if reference.shape != predicted.shape or reference.ndim < 1:
        raise GeometryError(
            f"reference and prediction lie on different grids: {reference.shape} and "
            f"{predicted.shape} voxels; put the prediction on the reference's grid first"
        )
    for which, array in (("reference", reference), ("prediction", predicted)):
        if array.dtype.kind not in "bui":
            raise LabelError(f"a {which} holds whole numbers, not {array.dtype}")


def _require_labels(values: NDArray[Any], n_labels: int, which: str) -> None:
    lowest, highest = int(values.min(initial=0)), int(values.max(initial=0))
    if lowest < 0 or highest > n_labels:
        found = lowest if lowest < 0 else highest
        raise LabelError(
            f"the {which} holds the label {found}; wanted are 0 (background) to {n_labels}"
        )
