"""What such a training is drawn from: organs of cases, and the cube around each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError, MedprepError, TrainingError
from medprep.models.prompts.clicks import Click
from medprep.models.prompts.framing import canonical, cut, normalised, official_corner
from medprep.training.cache import Store, Stored
from medprep.training.dataset import Decoded
from medprep.training.marks import PLACES

CT_HU = (-1000, 1000)
"""Grey values of a CT are clipped to these, as the authors do in training."""
FEWEST = 100
"""Voxels of an organ in its cube; what has fewer is left out. The authors leave out 1000."""


@dataclass(frozen=True)
class Seen:
    """A case at the net's spacing.

    Parameters
    ----------
    case
        Its id.
    picture
        ``[right, front, head]``, as it was read.
    labels
        uint8, of the same shape.
    """

    case: str
    picture: Stored
    labels: Stored


@dataclass(frozen=True)
class Pair:
    """An organ of a case.

    Parameters
    ----------
    seen
        The case.
    label
        The organ's.
    corner
        First voxel of the cube around the middle of its box.
    voxels
        Up to `medprep.training.marks.PLACES` voxels of it as flat indices, evenly taken.
    own
        Whether it is of the case itself, not of a copy.
    """

    seen: Seen
    label: int
    corner: tuple[int, ...]
    voxels: NDArray[np.int64]
    own: bool


@dataclass(frozen=True)
class Cube:
    """What the net is shown, ``[right, front, head]``.

    Parameters
    ----------
    picture
        float32, scaled as `medprep.models.prompts.framing.normalised` does.
    mask
        The organ, bool.
    first
        The click that it was cut around, or None.
    """

    picture: NDArray[np.float32]
    mask: NDArray[np.bool_]
    first: Click | None

    def flipped(self, axes: tuple[int, ...]) -> Cube:
        """Give it with some of its axes running the other way."""
        first = self.first
        if first is not None:
            last = len(self.mask) - 1
            x, y, z = (last - at if n in axes else at for n, at in enumerate(first.place))
            first = Click((x, y, z), first.positive)
        return Cube(np.flip(self.picture, axes), np.flip(self.mask, axes), first)


@dataclass(frozen=True)
class Organs:
    """All organs of some cases.

    Parameters
    ----------
    pairs
        Case by case, label by label.
    side, spacing_mm
        Of the cube: voxels along each side, and what lies between two of them.
    left_out
        Case and label of those that are too small.
    """

    pairs: tuple[Pair, ...]
    side: int
    spacing_mm: float
    left_out: tuple[str, ...]

    @classmethod
    def prepared(
        cls, decoded: Iterable[Decoded], side: int, spacing_mm: float, store: Store
    ) -> Organs:
        """Put cases on the net's grid and find their organs.

        Parameters
        ----------
        decoded
            What `medprep.training.dataset.decode` gives.
        store
            Keeps what is put on another grid.

        Raises
        ------
        TrainingError
            If a case cannot be used.
        """
        pairs, left = list[Pair](), list[str]()
        for one in decoded:
            try:
                found, small = _pairs(one, side, spacing_mm, store)
            except MedprepError as error:
                raise TrainingError(f"{one.case} cannot be used: {error.message}") from error
            pairs += found
            left += small
        return cls(tuple(pairs), side, spacing_mm, tuple(left))

    def count(self, *, own: bool) -> int:
        """Give the number of organs of cases themselves, or of copies."""
        return sum(pair.own == own for pair in self.pairs)

    def around_box(self, pair: Pair) -> Cube:
        """Cut the cube around the middle of an organ's box, as the authors do."""
        return self._cube(pair, pair.corner, None)

    def around_click(self, pair: Pair, chance: np.random.Generator) -> Cube:
        """Cut the cube around a voxel of an organ, as it is when a person clicks there.

        Where there are no grey values to scale by, it is the one around the organ's box.
        """
        flat = int(pair.voxels[chance.integers(len(pair.voxels))])
        voxel = np.unravel_index(flat, pair.seen.labels.array.shape)
        half = self.side // 2
        first = Click((half, half, half), True)
        try:
            return self._cube(pair, [int(at) - half for at in voxel], first)
        except FormatError:
            return self.around_box(pair)

    def _cube(self, pair: Pair, corner: Sequence[int], first: Click | None) -> Cube:
        shape = (self.side,) * 3
        labels = cut(pair.seen.labels.array, corner, shape)
        return Cube(normalised(cut(pair.seen.picture.array, corner, shape)), labels == pair.label,
                    first)  # fmt: skip


def _pairs(
    one: Decoded, side: int, spacing_mm: float, store: Store
) -> tuple[list[Pair], list[str]]:
    """Give a case's organs, and the names of those that are too small."""
    if one.geometry is None:
        raise TrainingError(
            "its copies are slices, of no use to a net for volumes; make others (medprep augment "
            "--dimensions 3), or delete these"
        )
    if len(one.pictures) > 1:
        raise TrainingError(f"it has {len(one.pictures)} channels; wanted is one")
    picture: NDArray[Any] = one.pictures[0].array
    if one.modality == "CT":
        picture = np.clip(picture, *CT_HU).astype(picture.dtype)
    picture, _ = canonical(picture, one.geometry, spacing_mm, linear=True)
    labels, _ = canonical(one.labels.array, one.geometry, spacing_mm, linear=False)
    seen = Seen(one.case, store.add(picture), store.add(labels))
    labels = seen.labels.array  # in one piece: a flat index is one of it
    pairs, left = [], []
    shape = (side,) * 3
    for label in [int(value) for value in np.unique(one.labels.array) if value]:
        mask = labels == label
        corner = official_corner(mask, side) if mask.any() else (0, 0, 0)
        if np.count_nonzero(cut(mask, corner, shape)) < FEWEST:
            left.append(f"{one.case} label {label}")
            continue
        normalised(cut(seen.picture.array, corner, shape))
        voxels = np.flatnonzero(mask)
        take = np.linspace(0, len(voxels) - 1, min(PLACES, len(voxels))).round()
        pairs.append(Pair(seen, label, corner, voxels[take.astype(np.int64)], one.own))
    return pairs, left
