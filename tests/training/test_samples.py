"""Samples: what a patch shows is what prediction would see there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medprep.errors import TrainingError
from medprep.formats import png
from medprep.geometry import Geometry
from medprep.models.preparation import Preparation
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets
from medprep.training.cache import Store, Stored
from medprep.training.dataset import AugmentedSlices, Decoded, decode
from medprep.training.marks import PLACES
from medprep.training.online import SliceGrid
from medprep.training.samples import Samples

ORGANS = Targets({1: "liver", 2: "spleen"})
CT = Scaling("z-score", -50.0, 250.0, 100.0, 30.0)


def decoded(
    shape: tuple[int, int, int] = (4, 10, 12),
    spacing: tuple[float, float, float] = (2.0, 1.0, 1.0),
    *,
    name: str = "a",
    own: bool = True,
    channels: int = 1,
) -> Decoded:
    chance = np.random.default_rng(0)
    grid = Geometry.from_parts(shape, spacing)
    pictures = tuple(
        Stored(chance.integers(-100, 400, shape).astype(np.int16)) for _ in range(channels)
    )
    labels = chance.integers(0, 3, shape).astype(np.uint8)
    labels[0] = 0
    windows = ((-60.0, 300.0),) * channels
    return Decoded(name, own, pictures, Stored(labels), SliceGrid.of(grid), grid, windows)


def preparation(
    dimensions: int = 3,
    *scalings: Scaling,
    spacing: tuple[float, float, float] | None = None,
) -> Preparation:
    return Preparation(
        dimensions,  # type: ignore[arg-type]
        scalings or (CT,),
        spacing,
        (4, 8, 8)[-dimensions:],
        ORGANS,
    )


def prepared(wanted: Preparation, *cases: Decoded) -> Samples:
    return Samples.prepared(cases, wanted, Store(1 << 30))


@pytest.mark.parametrize("scaling", [CT, Scaling("z-score"), Scaling("window")])
@pytest.mark.parametrize("spacing", [None, (1.3, 1.5, 0.7)])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_training_sees_what_prediction_sees(
    scaling: Scaling, spacing: tuple[float, float, float] | None, dimensions: int
) -> None:
    one = decoded(channels=2)
    wanted = preparation(dimensions, scaling, scaling, spacing=spacing)
    pictures = [channel.array for channel in one.pictures]
    seen = wanted.to_net(pictures, one.grid.spacing_mm, one.windows)
    marks = wanted.labels_to_net(one.labels.array, one.grid.spacing_mm)
    (sample,) = prepared(wanted, one).of
    for number in range(seen.shape[1]):
        shown, labels = sample.plane(number)
        assert np.stack(shown).tobytes() == seen[:, number].tobytes()
        assert np.array_equal(labels, marks[number])
    if dimensions == 3:
        shown, labels = sample.box((1, 2, 3), (2, 4, 4), (1, 1, 1))
        assert np.stack(shown).tobytes() == seen[:, 1:3, 2:6, 3:7].tobytes()
        assert np.array_equal(labels, marks[1:3, 2:6, 3:7])


def test_nothing_is_copied_on_the_own_grid() -> None:
    one = decoded()
    store = Store(1 << 30)
    (sample,) = Samples.prepared([one], preparation(), store).of
    assert sample.pictures[0] is one.pictures[0]
    assert sample.pictures[0].array.dtype == np.int16
    assert store.held_bytes == 0
    (moved,) = Samples.prepared([one], preparation(spacing=(1.0, 1.0, 1.0)), store).of
    assert moved.pictures[0].array.dtype == np.float32
    assert moved.geometry is not None
    assert moved.geometry.spacing_mm == (1.0, 1.0, 1.0)
    assert moved.geometry.shape == moved.shape == (8, 10, 12)


def test_beyond_a_small_volume_it_goes_on_and_farther_off_is_nothing() -> None:
    (sample,) = prepared(preparation(3, Scaling("window", 0.0, 1.0)), decoded((2, 9, 9))).of
    inner, inner_labels = sample.box((0, 0, 0), (2, 9, 9), (1, 1, 1))
    (picture,), labels = sample.box((-1, -2, 0), (6, 13, 9), (4, 8, 8))
    assert np.array_equal(picture[1:3, 2:11], inner[0])
    assert np.array_equal(labels[1:3, 2:11], inner_labels)
    for beyond in (3, 4):
        assert np.array_equal(picture[beyond, 2:11], inner[0][-1]), "up to 4 slices it goes on"
        assert np.array_equal(labels[beyond, 2:11], inner_labels[-1])
    for part in (np.s_[0], np.s_[5], np.s_[:, :2], np.s_[:, 11:]):
        assert (picture[part] == inner[0].min()).all()
        assert not labels[part].any()


def test_where_the_organs_are() -> None:
    one = decoded()
    slices = prepared(preparation(2), one)
    assert slices.everywhere.tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]
    assert slices.with_organ.tolist() == [[0, 1], [0, 2], [0, 3]]
    volumes = prepared(preparation(), one, decoded((40, 40, 40), name="b", own=False))
    assert volumes.everywhere.tolist() == [[0, 0], [1, 0]]
    assert (volumes.count(own=True), volumes.count(own=False)) == (1, 1)
    for label, places in zip((1, 2), volumes.of[0].places, strict=True):
        flat = np.flatnonzero(one.labels.array == label)
        assert np.array_equal(places, flat), "few are kept all"
    many = volumes.of[1].places[0]
    assert len(many) == len(set(many.tolist())) == PLACES
    assert set(volumes.of[1].labels.array.ravel()[many]) == {1}


def test_copies_as_png_are_scaled_as_their_case(tmp_path: Path) -> None:
    one = decoded()
    grey = one.pictures[0].array
    numbers = np.clip(np.rint((grey + 60.0) / 360 * 225 + 10), 0, 255).astype(np.uint8)
    paths = []
    for index in range(len(numbers)):
        pair = tmp_path / f"{index}.png", tmp_path / f"{index}-l.png"
        png.write_grey(pair[0], numbers[index])
        png.write_labels(pair[1], one.labels.array[index])
        paths.append(pair)
    images, masks = zip(*paths, strict=True)
    copies = AugmentedSlices("a", images, masks, (10.0, 235.0), one.grid)
    (copy,) = decode([], [copies], Store(1 << 20))
    inside = (grey > -50) & (grey < 300)
    for scaling in (CT, Scaling("z-score"), Scaling("window")):
        wanted = preparation(2, scaling)
        own, other = prepared(wanted, one, copy).of
        step = 360 / 225 / own.scales[0].unit
        for index in range(4):
            apart = np.abs(own.plane(index)[0][0] - other.plane(index)[0][0])
            assert apart[inside[index]].max() < 0.51 * step + 1e-5
    with pytest.raises(
        TrainingError, match="a cannot be used: copies as PNG of a case that is not"
    ):
        prepared(preparation(2), copy)
    with pytest.raises(TrainingError, match="its copies are slices, of no use to a net for vol"):
        prepared(preparation(3), one, copy)


def test_what_does_not_fit_the_net_is_refused_by_name() -> None:
    with pytest.raises(TrainingError, match="a cannot be used: 2 channels; the net takes 1"):
        prepared(preparation(), decoded(channels=2))
    one = decoded()
    strange = Stored(np.where(one.labels.array == 2, 7, 0).astype(np.uint8))
    sample = Decoded("a", True, one.pictures, strange, one.grid, one.geometry, one.windows)
    with pytest.raises(TrainingError, match="a label of 7; those with a name are 1 to 2"):
        prepared(preparation(), sample)
    blank = Stored(np.zeros(one.shape, np.uint8))
    sample = Decoded("a", True, one.pictures, blank, one.grid, one.geometry, one.windows)
    with pytest.raises(TrainingError, match="no organ in any of 1 training volumes"):
        prepared(preparation(), sample)
    with pytest.raises(TrainingError, match="no organ in any of 0 training slices"):
        prepared(preparation(2))
