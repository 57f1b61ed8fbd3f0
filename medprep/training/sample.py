"""A volume as the net sees it, or a stack of slices, read in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry
from medprep.models.scaling import Scale
from medprep.training.cache import Stored
from medprep.training.online import Floats, Labels, SliceGrid
from medprep.training.shards import Shard


@dataclass(frozen=True)
class Sample:
    """A volume as the net sees it, or a stack of slices.

    Parameters
    ----------
    case
        Whose it is.
    own
        Whether it is the case itself, not a copy.
    pictures
        A channel each, ``[slice, row, column]``: as read, where the net sees the own grid; float32
        and scaled where it sees another.
    scales
        What is left to do to each channel's numbers when they are shown.
    labels
        uint8, of the same shape.
    grid
        Of its slices.
    geometry
        Of the volume; None of slices that have moved each on its own.
    places
        For each organ in a volume, voxels of it as flat indices; nothing for slices.
    shard
        What is known of it beforehand, where it lies in shards as it is.
    """

    case: str
    own: bool
    pictures: tuple[Stored, ...]
    scales: tuple[Scale, ...]
    labels: Stored
    grid: SliceGrid
    geometry: Geometry | None
    places: Sequence[NDArray[np.int64]] = ()
    shard: Shard | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Slices, rows and columns."""
        return self.labels.shape

    def with_organ(self) -> list[bool]:
        """Tell of each slice whether it holds an organ."""
        if self.shard is not None:
            return [bool(one) for one in self.shard.with_organ()]
        return [bool(plane.any()) for plane in self.labels.array]

    def plane(self, number: int) -> tuple[list[Floats], Labels]:
        """Give a slice's channels, scaled, and its labels, both ``[row, column]``."""
        box = (slice(number, number + 1), slice(None), slice(None))
        pictures = [
            scale.apply(picture.part(box)[0])
            for picture, scale in zip(self.pictures, self.scales, strict=True)
        ]
        return pictures, np.asarray(self.labels.part(box)[0])

    def box(
        self, start: Sequence[int], shape: Sequence[int], least: Sequence[int]
    ) -> tuple[list[Floats], Labels]:
        """Give channels, scaled, and labels in a box.

        Parameters
        ----------
        start
            Its first voxel, which may lie before the volume's.
        shape
            Its sides.
        least
            A volume that is smaller than this is continued by its last voxels up to it; what lies
            farther off is each channel's lowest value in the box, and background.
        """
        inside, cut, missing = [], [], []
        for first, side, have, few in zip(start, shape, self.shape, least, strict=True):
            begin, end = max(first, 0), min(first + side, max(have, few))
            inside.append(slice(begin - first, end - first))
            cut.append(slice(begin, end))
            missing.append((0, max(0, end - have)))
        taken = (cut[0], cut[1], cut[2])
        arrays: list[NDArray[Any]] = [
            scale.apply(picture.part(taken))
            for picture, scale in zip(self.pictures, self.scales, strict=True)
        ]
        arrays.append(np.asarray(self.labels.part(taken)))
        if any(more for _, more in missing):
            arrays = [np.pad(array, missing, mode="edge") for array in arrays]
        if arrays[-1].shape != tuple(shape):
            outside = [*(picture.min() for picture in arrays[:-1]), 0]
            arrays = [
                _laid(array, shape, tuple(inside), fill)
                for array, fill in zip(arrays, outside, strict=True)
            ]
        return arrays[:-1], arrays[-1]


def _laid(
    array: NDArray[Any], shape: Sequence[int], inside: tuple[slice, ...], fill: float
) -> NDArray[Any]:
    whole = np.full(tuple(shape), fill, array.dtype)
    whole[inside] = array
    return whole
