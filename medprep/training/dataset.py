"""Training slices in memory, and batches that depend on nothing but a seed and a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import MedprepError, TrainingError
from medprep.formats import nifti, png
from medprep.models.inputs import prepare
from medprep.training.online import Online, SliceGrid, generator_at

LARGEST_PATCH = 256
"""Larger slices are shown in crops: what the net sees at once stays within a laptop's memory."""
FOREGROUND_SHARE = 2 / 3
"""Share of a batch that holds an organ; slices without one teach little more of it."""
_PATCH_MULTIPLE = 16


@dataclass(frozen=True)
class TrainingCase:
    """A volume and its labels as NIfTI, and the window that becomes 0 to 1."""

    case: str
    image: Path
    labels: Path
    window: tuple[float, float]


@dataclass(frozen=True)
class AugmentedSlices:
    """Augmented slices of a case as PNG, their grid, and the window in the PNGs' own numbers."""

    case: str
    images: tuple[Path, ...]
    labels: tuple[Path, ...]
    window: tuple[float, float]
    grid: SliceGrid


Copies = AugmentedSlices | TrainingCase
"""Augmented copies of a case: its slices, or all of it as a volume."""


@dataclass(frozen=True)
class Batch:
    """Pictures (B, H, W) float32 from 0 to 1, labels (B, H, W) int64, and whose they are."""

    pictures: NDArray[np.float32]
    labels: NDArray[np.int64]
    cases: tuple[str, ...]


@dataclass
class SliceSet:
    """Slices as they were stored: 8 or 16 bits until they are shown to the net.

    The first ``own`` of them are the cases' own, the others augmented copies.
    """

    pictures: list[NDArray[Any]] = field(default_factory=list)
    labels: list[NDArray[np.uint8]] = field(default_factory=list)
    windows: list[tuple[float, float]] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    grids: list[SliceGrid] = field(default_factory=list)
    own: int = 0

    @classmethod
    def load(cls, cases: Sequence[TrainingCase], augmented: Sequence[Copies]) -> SliceSet:
        """Read all slices into memory.

        Parameters
        ----------
        cases
            What is learnt from.
        augmented
            Copies of them: slices as PNG, or volumes.

        Raises
        ------
        TrainingError
            If there is no slice, or none holds an organ.
        """
        slices = cls()
        for case in cases:
            slices._add_volume(case)
        slices.own = len(slices.pictures)
        for copies in augmented:
            if isinstance(copies, TrainingCase):
                slices._add_volume(copies)
                continue
            for image, mask in zip(copies.images, copies.labels, strict=True):
                pair = png.read(image), png.read(mask)
                slices._add(*pair, copies.window, copies.case, copies.grid)
        if not any(mask.any() for mask in slices.labels):
            raise TrainingError(
                f"no organ in any of {len(slices.labels)} training slices; look at what 'extract' "
                "and 'clean' left: medprep status"
            )
        return slices

    def _add_volume(self, case: TrainingCase) -> None:
        picture = nifti.read(case.image)
        labels = nifti.read_label_map(case.labels)
        picture.geometry.require_same(labels.geometry)
        grid = SliceGrid.of(picture.geometry)
        for one, mask in zip(picture.array, labels.array, strict=True):
            self._add(one, mask, case.window, case.case, grid)

    def _add(
        self,
        picture: NDArray[Any],
        mask: NDArray[Any],
        window: tuple[float, float],
        case: str,
        grid: SliceGrid,
    ) -> None:
        self.pictures.append(picture)
        self.labels.append(mask.astype(np.uint8))
        self.windows.append(window)
        self.cases.append(case)
        self.grids.append(grid)

    @property
    def patch(self) -> tuple[int, int]:
        """Rows and columns of a patch: the largest slice rounded up, within `LARGEST_PATCH`."""
        sides = np.max([picture.shape for picture in self.pictures], axis=0)
        rows, columns = (
            int(min(LARGEST_PATCH, -(-side // _PATCH_MULTIPLE) * _PATCH_MULTIPLE)) for side in sides
        )
        return rows, columns

    def with_organ(self) -> NDArray[np.int64]:
        """Give the numbers of the slices that hold an organ."""
        return np.flatnonzero([mask.any() for mask in self.labels])


class Batches:
    """Batches of a set of slices.

    Parameters
    ----------
    slices
        Where they come from.
    patch
        Rows and columns; smaller slices are continued by their edges, larger ones cropped.
    batch_size
        Slices a batch.
    seed
        With the step it decides everything, so that a resumed training needs no other state.
    online
        How slices are augmented as they are shown; None shows them as they are.
    """

    def __init__(
        self,
        slices: SliceSet,
        patch: tuple[int, int],
        batch_size: int,
        seed: int,
        online: Online | None = None,
    ) -> None:
        self._slices = slices
        self._with_organ = slices.with_organ()
        self._patch = patch
        self._size = batch_size
        self._seed = seed
        self._online = online

    def at(self, step: int) -> Batch:
        """Give the batch of a step."""
        chance = np.random.default_rng([self._seed, step])
        sure = round(self._size * FOREGROUND_SHARE)
        chosen = [
            *chance.choice(self._with_organ, sure),
            *chance.integers(0, len(self._slices.pictures), self._size - sure),
        ]
        pairs = [
            self._cut(*self._shown(int(number), step, place), chance)
            for place, number in enumerate(chosen)
        ]
        return Batch(
            np.stack([picture for picture, _ in pairs]),
            np.stack([labels for _, labels in pairs]).astype(np.int64),
            tuple(self._slices.cases[number] for number in chosen),
        )

    def _shown(
        self, number: int, step: int, place: int
    ) -> tuple[NDArray[Any], NDArray[np.uint8], tuple[float, float]]:
        """Give a slice as it is shown this time, and its window."""
        picture, labels = self._slices.pictures[number], self._slices.labels[number]
        if self._online is not None:
            grid = self._slices.grids[number]
            generator = generator_at(self._seed, step, place)
            try:
                picture, labels = self._online.apply(picture, labels, grid, generator)
            except MedprepError as error:
                case = self._slices.cases[number]
                raise TrainingError(f"{case} cannot be augmented: {error.message}") from error
        return picture, labels, self._slices.windows[number]

    def _cut(
        self,
        picture: NDArray[Any],
        labels: NDArray[np.uint8],
        window: tuple[float, float],
        chance: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        for axis, wanted in enumerate(self._patch):
            spare = picture.shape[axis] - wanted
            start = int(chance.integers(0, spare + 1)) if spare > 0 else 0
            take = range(start, start + min(wanted, picture.shape[axis]))
            picture, labels = np.take(picture, take, axis), np.take(labels, take, axis)
        missing = [
            (0, wanted - side) for wanted, side in zip(self._patch, picture.shape, strict=True)
        ]
        return (
            np.pad(prepare(picture, window), missing, mode="edge"),
            np.pad(labels, missing, mode="edge"),
        )
