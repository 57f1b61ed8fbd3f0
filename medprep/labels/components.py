"""Clean a label map: one piece per organ, no specks, no holes, and an account of every voxel.

Only voxels that are not background are looked at one by one; an organ fills a few percent of a
volume, and one pass over all labels costs as much as one over a single label.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError, OptionError

_ROUNDING = 1e-9
"""A piece of exactly the smallest volume stays, though its millilitres are a rounded product."""


@dataclass(frozen=True)
class CleaningOptions:
    """What `clean_labels` does.

    Parameters
    ----------
    largest
        Keep only the largest piece of each organ.
    min_volume_ml
        Drop pieces below this volume; 0 drops none.
    fill_holes
        Fill holes with the organ around them.

    Raises
    ------
    OptionError
        If the volume is negative or no number.
    """

    largest: bool = True
    min_volume_ml: float = 0.05
    fill_holes: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.min_volume_ml) and self.min_volume_ml >= 0):
            raise OptionError(
                f"the smallest volume kept is 0 ml or more, not {self.min_volume_ml} ml"
            )


@dataclass(frozen=True)
class CleaningRow:
    """What cleaning did to one label: ``before - removed + filled == after``, in voxels.

    Parameters
    ----------
    label, name
        Which one.
    components
        Pieces found.
    before
        Voxels found.
    removed_components, removed
        Pieces and voxels that became background.
    filled
        Background voxels that became this label.
    after
        Voxels left.
    """

    label: int
    name: str
    components: int
    before: int
    removed_components: int
    removed: int
    filled: int
    after: int


def clean_labels(
    labels: NDArray[Any],
    voxel_ml: float | None,
    options: CleaningOptions,
    names: Mapping[int, str],
) -> tuple[NDArray[Any], list[CleaningRow]]:
    """Keep each organ's largest piece, drop small ones, then fill holes.

    A piece is a set of voxels of one label that touch by faces, edges or corners (26 neighbours);
    of equally large ones the piece whose first voxel comes first in C order counts as the largest.
    A hole is a set of background voxels that touch by faces (6 neighbours), does not reach the
    volume's border and lies against one label alone: a gap between two organs is none. The place
    of a dropped piece is background, so a hole where one organ was around it; a voxel of a piece
    that stays never changes. Cleaning what is clean changes nothing.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, uint8 or uint16.
    voxel_ml
        Volume of a voxel; None where the spacing is unknown, then no piece is too small.
    options
        What to do.
    names
        Label value to name; each gets a row, also one of which there is no voxel.

    Returns
    -------
    cleaned : ndarray
        Same shape and type.
    rows : list of CleaningRow
        In the order of the label values.

    Raises
    ------
    LabelError
        If the array is of another type or shape, or holds a label without a name.
    """
    if labels.ndim != 3 or labels.dtype not in (np.uint8, np.uint16):
        raise LabelError(
            "labels are [slice, row, column] of uint8 or uint16, "
            f"not {labels.ndim} axes of {labels.dtype}"
        )
    cleaned = np.array(labels, order="C")
    pieces = _Pieces.find(cleaned)
    nameless = sorted(set(pieces.label[1:].tolist()) - set(names))
    if nameless:
        raise LabelError(f"labels {nameless} have no name (there are {dict(names)})")
    keep = _kept(pieces, voxel_ml, options)
    cleaned.reshape(-1)[pieces.voxel[~keep[pieces.of_voxel]]] = 0
    filled = _fill_holes(cleaned) if options.fill_holes else {}
    return cleaned, [
        _row(label, names[label], pieces, keep, filled.get(label, 0)) for label in sorted(names)
    ]


@dataclass(frozen=True, eq=False)
class _Pieces:
    """The connected pieces of all labels; piece 0 is the background."""

    voxel: NDArray[np.int64]
    """Flat indices of the voxels that are not background."""
    of_voxel: NDArray[Any]
    """The piece of each of them."""
    size: NDArray[np.int64]
    label: NDArray[Any]

    @classmethod
    def find(cls, labels: NDArray[Any]) -> _Pieces:
        import cc3d

        numbers = cc3d.connected_components(labels, connectivity=26).reshape(-1)
        voxel = np.flatnonzero(numbers != 0)  # three times as quick on bool as on numbers
        of_voxel = numbers[voxel]
        size = np.bincount(of_voxel, minlength=1)
        label = np.zeros(size.size, labels.dtype)
        label[of_voxel] = labels.reshape(-1)[voxel]
        return cls(voxel, of_voxel, size, label)


def _kept(pieces: _Pieces, voxel_ml: float | None, options: CleaningOptions) -> NDArray[np.bool_]:
    """Tell of each piece whether it stays."""
    keep = np.ones(pieces.size.size, bool)
    if options.largest:
        keep[:] = False
        for label in np.unique(pieces.label[1:]):
            same = np.flatnonzero(pieces.label == label)
            # Pieces are numbered by their first voxel, and argmax takes the first of equals.
            keep[same[pieces.size[same].argmax()]] = True
    if voxel_ml is not None:
        keep &= pieces.size * voxel_ml >= options.min_volume_ml * (1 - _ROUNDING)
    return keep


def _fill_holes(labels: NDArray[Any]) -> dict[int, int]:
    """Fill holes in place; give the voxels filled of each label that had any."""
    import cc3d

    inner = labels[_box(labels)]
    if not inner.size:
        return {}
    numbers = cc3d.connected_components(
        np.ascontiguousarray(inner == 0), connectivity=6, binary_image=True
    )
    closed = np.ones(int(numbers.max()) + 1, bool)
    closed[0] = False
    for axis in range(3):
        # All beyond the box is background, so what touches its faces is open to the outside.
        closed[np.take(numbers, (0, -1), axis)] = False
    if not closed.any():
        return {}
    where = np.nonzero(closed[numbers])
    hole = numbers[where]
    around = _label_around(inner, where, hole, closed.size)
    inner[where] = around[hole]
    counts = np.bincount(around[hole])
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts) if label}


def _label_around(
    labels: NDArray[Any], where: tuple[NDArray[np.int64], ...], hole: NDArray[Any], holes: int
) -> NDArray[Any]:
    """Give the one label that lies against each hole, 0 where there are several."""
    lowest = np.full(holes, np.iinfo(labels.dtype).max, labels.dtype)
    highest = np.zeros(holes, labels.dtype)
    for axis in range(3):
        for step in (-1, 1):
            beside = labels[tuple(w + step * (axis == n) for n, w in enumerate(where))]
            wall = beside != 0
            np.minimum.at(lowest, hole[wall], beside[wall])
            np.maximum.at(highest, hole[wall], beside[wall])
    return np.where(lowest == highest, lowest, 0).astype(labels.dtype)


def _box(labels: NDArray[Any]) -> tuple[slice, ...]:
    """Give the smallest box that holds every voxel that is not background."""
    box = []
    for axis in range(3):
        others = tuple(n for n in range(3) if n != axis)
        found = np.flatnonzero(labels.any(axis=others))
        box.append(slice(found[0], found[-1] + 1) if found.size else slice(0, 0))
    return tuple(box)


def _row(
    label: int, name: str, pieces: _Pieces, keep: NDArray[np.bool_], filled: int
) -> CleaningRow:
    mine = pieces.label == label
    before = int(pieces.size[mine].sum())
    removed = int(pieces.size[mine & ~keep].sum())
    return CleaningRow(
        label=label,
        name=name,
        components=int(mine.sum()),
        before=before,
        removed_components=int((mine & ~keep).sum()),
        removed=removed,
        filled=filled,
        after=before - removed + filled,
    )
