"""What batches are drawn from: slices or volumes, prepared once, and where their organs lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import MedprepError, TrainingError
from medprep.geometry import Geometry
from medprep.models.preparation import Preparation
from medprep.models.resampling import resample
from medprep.models.scaling import Scale, Scaling, Window
from medprep.training.cache import Store, Stored
from medprep.training.dataset import Decoded
from medprep.training.marks import places_of
from medprep.training.online import SliceGrid
from medprep.training.shards import Places, Shard

_AS_IT_IS = Scale(0.0, 1.0)
_UNSEEN = np.empty((0, 0, 0), np.float32)

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]
_Sources = dict[str, tuple[tuple[Window, ...], tuple[Scale, ...]]]
"""Windows and scales of the cases' own pictures."""


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


@dataclass
class Samples:
    """All that batches are drawn from.

    Parameters
    ----------
    of
        Cases, then copies.
    preparation
        How they were prepared.
    """

    of: list[Sample]
    preparation: Preparation
    everywhere: NDArray[np.int64] = field(init=False)
    """(N, 2): each slice as sample and number; of volumes the number is 0."""
    with_organ: NDArray[np.int64] = field(init=False)
    """Those of them that hold an organ."""

    def __post_init__(self) -> None:
        slices = self.preparation.dimensions == 2
        rows: list[tuple[int, int]] = []
        organs: list[bool] = []
        for number, sample in enumerate(self.of):
            marked = sample.with_organ()
            found = marked if slices else [any(marked)]
            rows.extend((number, index) for index in range(len(found)))
            organs.extend(found)
        self.everywhere = np.asarray(rows, np.int64).reshape(-1, 2)
        self.with_organ = self.everywhere[np.asarray(organs, bool)]
        if not len(self.with_organ):
            raise TrainingError(
                f"no organ in any of {len(rows)} training {'slices' if slices else 'volumes'}; "
                "look at what 'extract' and 'clean' left: medprep status"
            )

    @classmethod
    def prepared(
        cls, decoded: Iterable[Decoded], preparation: Preparation, store: Store
    ) -> Samples:
        """Prepare what was read: every case before its copies.

        Parameters
        ----------
        decoded
            What `medprep.training.dataset.decode` gives.
        preparation
            What to do.
        store
            Keeps what is put on another grid.

        Raises
        ------
        TrainingError
            If nothing holds an organ, a case has other channels or labels than the net, or a copy
            is of no use to it.
        """
        found: list[Sample] = []
        sources: _Sources = {}
        for one in decoded:
            try:
                sample = _prepared(one, preparation, store, sources)
            except MedprepError as error:
                raise TrainingError(f"{one.case} cannot be used: {error.message}") from error
            found.append(sample)
        return cls(found, preparation)

    def count(self, *, own: bool) -> int:
        """Give the number of slices or volumes that are the cases' own, or copies."""
        return sum(self.of[sample].own == own for sample, _ in self.everywhere.tolist())


def _prepared(one: Decoded, preparation: Preparation, store: Store, sources: _Sources) -> Sample:
    preparation.require_channels(one.pictures)
    volumes = preparation.dimensions == 3
    if volumes and one.geometry is None:
        raise TrainingError(
            "its copies are slices, of no use to a net for volumes; make others (medprep augment "
            "--dimensions 3), or delete these"
        )
    last, highest = len(preparation.targets.names), _highest(one)
    if highest > last:
        raise TrainingError(f"it holds a label of {highest}; those with a name are 1 to {last}")
    scales = tuple(
        _scale(scaling, one, channel, sources)
        for channel, scaling in enumerate(preparation.scalings)
    )
    if one.own:
        sources[one.case] = one.windows, scales
    sample = Sample(
        one.case, one.own, one.pictures, scales, one.labels, one.grid, one.geometry, (), one.shard
    )
    if preparation.shape_in_net(one.shape, one.grid.spacing_mm) != one.shape:
        sample = replace(_resampled(sample, preparation, store), shard=None)
    return replace(sample, places=_places(sample, store)) if volumes else sample


def _highest(one: Decoded) -> int:
    if one.shard is not None:
        return max(one.shard.values, default=0)
    return int(one.labels.array.max(initial=0))


def _places(sample: Sample, store: Store) -> Sequence[NDArray[np.int64]]:
    if sample.shard is not None:
        return Places(sample.shard, store.recent)
    return tuple(places_of(sample.labels.array).values())


def _scale(scaling: Scaling, one: Decoded, channel: int, sources: _Sources) -> Scale:
    window = one.windows[channel] if one.windows else None
    each_its_own = scaling.kind == "window" and scaling.low is None
    if one.geometry is not None or each_its_own:
        if one.shard is not None and scaling.mean is None and scaling.low is None:
            scaling = _with_moments(scaling, *one.shard.moments[channel])
        looks = scaling.kind == "z-score" and scaling.mean is None
        return scaling.settle(one.pictures[channel].array if looks else _UNSEEN, window)
    # The numbers of a PNG: its window is the one of the case's grey values.
    windows, scales = sources.get(one.case, ((), ()))
    if window is None or not windows:
        raise TrainingError("copies as PNG of a case that is not there, or has no window")
    slope = (windows[channel][1] - windows[channel][0]) / (window[1] - window[0])
    return scales[channel].for_numbers(slope, windows[channel][0] - window[0] * slope)


def _with_moments(scaling: Scaling, mean: float, sd: float) -> Scaling:
    return replace(scaling, mean=mean, sd=sd) if scaling.kind == "z-score" else scaling


def _resampled(sample: Sample, preparation: Preparation, store: Store) -> Sample:
    """Put a sample on the net's grid."""
    old, spacing = sample.shape, sample.grid.spacing_mm
    shape = preparation.shape_in_net(old, spacing)
    pictures = tuple(
        store.add(resample(scale.apply(picture.array), shape))
        for picture, scale in zip(sample.pictures, sample.scales, strict=True)
    )
    slices, rows, columns = (
        step * before / after for step, before, after in zip(spacing, old, shape, strict=True)
    )
    geometry = sample.geometry
    if geometry is not None:
        geometry = Geometry.from_parts(shape, (slices, rows, columns), direction=geometry.direction)
    return replace(
        sample,
        pictures=pictures,
        scales=(_AS_IT_IS,) * len(pictures),
        labels=store.add(preparation.labels_to_net(sample.labels.array, spacing)),
        grid=SliceGrid((slices, rows, columns), sample.grid.orientation),
        geometry=geometry,
    )


def _laid(
    array: NDArray[Any], shape: Sequence[int], inside: tuple[slice, ...], fill: float
) -> NDArray[Any]:
    whole = np.full(tuple(shape), fill, array.dtype)
    whole[inside] = array
    return whole
