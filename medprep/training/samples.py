"""What batches are drawn from: slices or volumes, prepared once, and where their organs lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from medprep.errors import MedprepError, TrainingError
from medprep.geometry import Geometry
from medprep.models.preparation import Preparation
from medprep.models.resampling import resample
from medprep.models.scaling import Scale, Scaling, Window
from medprep.training.cache import Packed, Store
from medprep.training.dataset import Decoded
from medprep.training.marks import places_of
from medprep.training.online import SliceGrid
from medprep.training.sample import Sample
from medprep.training.shards import Places, Shard
from medprep.training.together import Arrays, Together

_AS_IT_IS = Scale(0.0, 1.0)
_UNSEEN = np.empty((0, 0, 0), np.float32)

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]
_Sources = dict[str, tuple[tuple[Window, ...], tuple[Scale, ...]]]
"""Windows and scales of the cases' own pictures."""


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
        cls,
        decoded: Iterable[Decoded],
        preparation: Preparation,
        store: Store,
        together: Together | None = None,
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
        together
            Keeps what of it came from shards; None leaves that to the store too.

        Raises
        ------
        TrainingError
            If nothing holds an organ, a case has other channels or labels than the net, or a copy
            is of no use to it.
        """
        found: list[Sample] = []
        sources: _Sources = {}
        for one in decoded:
            with _named(one.case):
                found.append(_scaled(one, preparation, sources))
        _put_on_grid(found, preparation, store, together)
        if preparation.dimensions == 3:
            found = [replace(one, places=_places(one, store)) for one in found]
        return cls(found, preparation)

    def count(self, *, own: bool) -> int:
        """Give the number of slices or volumes that are the cases' own, or copies."""
        return sum(self.of[sample].own == own for sample, _ in self.everywhere.tolist())


def _put_on_grid(
    samples: list[Sample], preparation: Preparation, store: Store, together: Together | None
) -> None:
    """Resample those samples that do not lie on the net's grid."""
    moved = [
        number
        for number, one in enumerate(samples)
        if preparation.shape_in_net(one.shape, one.grid.spacing_mm) != one.shape
    ]
    made: dict[int, Shard] = {}
    if together is not None:
        shards = [number for number in moved if samples[number].shard is not None]
        made = together.make(shards, lambda number: _arrays(samples[number], preparation))
    for number in moved:
        one, shard = samples[number], made.get(number)
        grid, geometry = _grid(one, preparation)
        if shard is None:
            pictures, labels, _ = _arrays(one, preparation)
            stored = [*map(store.add, pictures), store.add(labels)]
        else:
            stored = [
                Packed(path, shard.geometry.shape, store.recent)
                for path in (*shard.pictures, shard.labels)
            ]
        scales = (_AS_IT_IS,) * len(one.pictures)
        samples[number] = replace(
            one, pictures=tuple(stored[:-1]), scales=scales, labels=stored[-1], grid=grid,
            geometry=geometry, shard=shard,
        )  # fmt: skip


@contextmanager
def _named(case: str) -> Iterator[None]:
    """Tell whose an error is."""
    try:
        yield
    except MedprepError as error:
        raise TrainingError(f"{case} cannot be used: {error.message}") from error


def _scaled(one: Decoded, preparation: Preparation, sources: _Sources) -> Sample:
    preparation.require_channels(one.pictures)
    if preparation.dimensions == 3 and one.geometry is None:
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
    return Sample(
        one.case, one.own, one.pictures, scales, one.labels, one.grid, one.geometry, (), one.shard
    )


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


def _grid(sample: Sample, preparation: Preparation) -> tuple[SliceGrid, Geometry | None]:
    """Give the net's grid of a sample."""
    old, spacing = sample.shape, sample.grid.spacing_mm
    shape = preparation.shape_in_net(old, spacing)
    slices, rows, columns = (
        step * before / after for step, before, after in zip(spacing, old, shape, strict=True)
    )
    geometry = sample.geometry
    if geometry is not None:
        geometry = Geometry.from_parts(shape, (slices, rows, columns), direction=geometry.direction)
    return SliceGrid((slices, rows, columns), sample.grid.orientation), geometry


def _arrays(sample: Sample, preparation: Preparation) -> Arrays:
    """Give channels and labels of a sample on the net's grid, and that grid as far as it matters.

    Slices that have moved each on their own have none.
    """
    with _named(sample.case):
        shape = preparation.shape_in_net(sample.shape, sample.grid.spacing_mm)
        pictures = [
            resample(scale.apply(picture.array), shape)
            for picture, scale in zip(sample.pictures, sample.scales, strict=True)
        ]
        labels = preparation.labels_to_net(sample.labels.array, sample.grid.spacing_mm)
        geometry = _grid(sample, preparation)[1]
        return pictures, labels, geometry or Geometry.from_parts(shape, (1.0, 1.0, 1.0))
