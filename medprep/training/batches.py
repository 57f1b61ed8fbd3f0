"""Batches that depend on nothing but a seed and a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medprep.errors import MedprepError, TrainingError
from medprep.models.preparation import Preparation
from medprep.training.blocks import Blocks
from medprep.training.online import Floats, Labels, Online, generator_at
from medprep.training.sample import Sample
from medprep.training.samples import Samples

FOREGROUND_SHARE = 2 / 3
"""Share of a batch that is laid around an organ, where it may lie anywhere in the patch; what
holds none teaches little more of it."""


@dataclass(frozen=True)
class Batch:
    """What a net is shown in one step; P stands for the sides of a patch.

    Parameters
    ----------
    pictures
        float32 (B, C, P).
    targets
        Classes: int64 (B, P); regions: float32 (B, K, P). A batch without any organ
        may come.
    cases
        Whose the B are.
    """

    pictures: NDArray[np.float32]
    targets: NDArray[np.int64] | NDArray[np.float32]
    cases: tuple[str, ...]


class Whole(Protocol):
    """What gives any places of the batch of a step."""

    def at(self, step: int, places: Sequence[int] | None = None) -> Batch:
        """Give them."""


class Share:
    """One process's part of every batch.

    Parameters
    ----------
    whole
        Gives all of it, or some places.
    places
        Which this process sees; None sees all.
    """

    def __init__(self, whole: Whole, places: Sequence[int] | None) -> None:
        self._whole, self._places = whole, places

    def at(self, step: int) -> Batch:
        """Give it."""
        return self._whole.at(step, self._places)


class Batches:
    """Batches of samples.

    Parameters
    ----------
    samples
        Where they come from.
    preparation
        Its patch and its targets; smaller samples are continued by their edges, larger ones
        cropped.
    batch_size
        Patches a batch.
    seed
        With the step it decides everything, so that a resumed training needs no other state.
    online
        How pictures are augmented as they are shown; None shows them as they are.
    block
        Cases that each place of a batch is shown at a time; None draws from all in each step.
    """

    def __init__(
        self,
        samples: Samples,
        preparation: Preparation,
        batch_size: int,
        seed: int,
        online: Online | None = None,
        block: int | None = None,
    ) -> None:
        self._samples = samples
        self._preparation = preparation
        self.batch_size = batch_size
        self._sure = round(batch_size * FOREGROUND_SHARE)
        self._seed = seed
        self._online = online
        self._blocks = None if block is None else self._in_blocks(block)

    def _in_blocks(self, block: int) -> tuple[Blocks, Blocks]:
        """Give the orders of what holds an organ, and of everything."""
        visits, pools = 1, (self._samples.with_organ, self._samples.everywhere)
        if self._preparation.dimensions == 3:
            voxels = np.mean([prod(one.shape) for one in self._samples.of])
            visits = max(1, round(float(voxels) / prod(self._preparation.patch)))
        places = self._sure, self.batch_size - self._sure
        around, anywhere = (
            Blocks(pool, max(1, count), block, visits, self._seed, name)
            for pool, count, name in zip(pools, places, ("organs", "everything"), strict=True)
        )
        return around, anywhere

    def at(self, step: int, places: Sequence[int] | None = None) -> Batch:
        """Give the batch of a step.

        Parameters
        ----------
        step
            From 0.
        places
            Which of the batch's, from 0; None gives all. Of several devices each takes its own.
        """
        wanted = range(self.batch_size) if places is None else places
        shown = [self._shown(step, place) for place in wanted]
        targets = self._preparation.targets
        encoded: Any = targets.encode(np.stack([labels for _, labels, _ in shown]))
        if not targets.exclusive:
            encoded = np.ascontiguousarray(encoded.swapaxes(0, 1))
        pictures = np.empty((len(shown), len(shown[0][0]), *self._preparation.patch), np.float32)
        for place, (channels, _, _) in zip(pictures, shown, strict=True):
            for channel, picture in zip(place, channels, strict=True):
                channel[...] = picture
        return Batch(pictures, encoded, tuple(case for _, _, case in shown))

    def _shown(self, step: int, place: int) -> tuple[list[Floats], Labels, str]:
        """Give channels, labels and case of one place."""
        chance = generator_at(self._seed, step, place)
        samples, around = self._samples, place < self._sure
        if self._blocks is None:
            pool = samples.with_organ if around else samples.everywhere
            number, index = pool[int(chance.integers(len(pool)))].tolist()
        elif around:
            number, index = self._blocks[0].row(step, place)
        else:
            number, index = self._blocks[1].row(step, place - self._sure)
        sample = samples.of[number]
        try:
            if self._preparation.dimensions == 2:
                pictures, labels = self._slice(sample, index, around, chance)
            else:
                pictures, labels = self._patch(sample, around, chance)
        except MedprepError as error:
            raise TrainingError(f"{sample.case} cannot be augmented: {error.message}") from error
        return pictures, labels, sample.case

    def _slice(
        self, sample: Sample, index: int, around: bool, chance: np.random.Generator
    ) -> tuple[list[Floats], Labels]:
        pictures, labels = sample.plane(index)
        if self._online is not None:
            pictures, labels = self._online.slice_shown(pictures, labels, sample.grid, chance)
        patch, voxel = self._preparation.patch, None
        if around and np.greater(labels.shape, patch).any():
            marked = np.flatnonzero(labels)  # a turn may have moved all of it out of sight
            if len(marked):
                voxel = np.unravel_index(int(marked[chance.integers(len(marked))]), labels.shape)
        start = _start(labels.shape, patch, voxel, chance)
        box = tuple(slice(first, first + side) for first, side in zip(start, patch, strict=True))
        padded = self._preparation.padded
        return [padded(picture[box]) for picture in pictures], padded(labels[box])

    def _patch(
        self, sample: Sample, around: bool, chance: np.random.Generator
    ) -> tuple[list[Floats], Labels]:
        patch, voxel = self._preparation.patch, None
        if around:
            organ = sample.places[int(chance.integers(len(sample.places)))]
            voxel = np.unravel_index(int(organ[chance.integers(len(organ))]), sample.shape)
        start = _start(sample.shape, patch, voxel, chance)
        if self._online is None or sample.geometry is None:
            return sample.box(start, patch, patch)

        def read(first: tuple[int, ...], shape: tuple[int, ...]) -> tuple[list[Floats], Labels]:
            begin = [one + more for one, more in zip(start, first, strict=True)]
            return sample.box(begin, shape, patch)

        sides = (patch[0], patch[1], patch[2])
        return self._online.patch_shown(read, sides, sample.geometry, chance)


def _start(
    shape: Sequence[int],
    patch: Sequence[int],
    voxel: Sequence[Any] | None,
    chance: np.random.Generator,
) -> list[int]:
    """Draw where a patch begins: anywhere inside, or anywhere where it holds a voxel."""
    start = []
    for axis, (have, side) in enumerate(zip(shape, patch, strict=True)):
        first, last = 0, max(0, have - side)
        if voxel is not None:
            first, last = max(0, int(voxel[axis]) - side + 1), min(last, int(voxel[axis]))
        start.append(int(chance.integers(first, last + 1)))
    return start
