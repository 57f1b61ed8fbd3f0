"""Batches depend on seed and step alone, stay in register, and hold organs."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medprep.augmentation.recipe import Recipe, Step
from medprep.errors import TrainingError, WorkerError
from medprep.geometry import Geometry
from medprep.models.preparation import Preparation
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets
from medprep.training.batches import Batch, Batches
from medprep.training.cache import Store
from medprep.training.dataset import Decoded
from medprep.training.online import Online, SliceGrid
from medprep.training.samples import Samples
from medprep.training.workers import Ahead

ORGANS = Targets({1: "liver", 2: "spleen"})
LIVER = Targets({1: "liver", 2: "tumour"}, {"whole": ("liver", "tumour")})
NNUNET = Online(Recipe.preset("nnunet"), "nnunet", {})
WINDOW = Scaling("window", 0.0, 200.0)
SHAPES = ((5, 20, 20), (3, 40, 30), (9, 60, 18))
PATCHES = {2: (32, 32), 3: (4, 16, 24)}


def volume(shape: tuple[int, int, int], name: str, store: Store, channels: int = 1) -> Decoded:
    """Balls of other greys: 100 and 200 of what labels 1 and 2 are."""
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    labels = np.zeros(shape, np.uint8)
    for label, share in ((1, 0.3), (2, 0.7)):
        centre = np.asarray(shape) * share
        labels[(np.abs(places - centre) < np.asarray(shape) / 5).all(-1)] = label
    grid = Geometry.from_parts(shape, (1.5, 1.0, 1.0))
    pictures = tuple(store.add((100 * labels).astype(np.int16)) for _ in range(channels))
    return Decoded(name, True, pictures, store.add(labels), SliceGrid.of(grid), grid, ())


def made(
    dimensions: int,
    size: int = 4,
    seed: int = 7,
    *,
    targets: Targets = ORGANS,
    channels: int = 1,
    online: Online | None = None,
    store: Store | None = None,
    shapes: tuple[tuple[int, int, int], ...] = SHAPES,
) -> Batches:
    store = store or Store(1 << 30)
    preparation = Preparation(
        dimensions,  # type: ignore[arg-type]
        (WINDOW,) * channels,
        None,
        PATCHES[dimensions],
        targets,
    )
    cases = [volume(shape, f"c{n}", store, channels) for n, shape in enumerate(shapes)]
    samples = Samples.prepared(cases, preparation, store)
    return Batches(samples, preparation, size, seed, online)


def equal(one: Batch, two: Batch) -> bool:
    return (
        one.pictures.tobytes() == two.pictures.tobytes()
        and one.targets.tobytes() == two.targets.tobytes()
        and one.cases == two.cases
    )


@pytest.mark.parametrize("online", [None, NNUNET])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_batch_follows_from_seed_and_step(dimensions: int, online: Online | None) -> None:
    one, two = (made(dimensions, online=online) for _ in range(2))
    two.at(3)
    for step in (0, 5, 5, 9):
        assert equal(one.at(step), two.at(step))
    assert not equal(one.at(0), one.at(1))
    assert not equal(one.at(0), made(dimensions, seed=8, online=online).at(0))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_each_device_takes_its_places(dimensions: int) -> None:
    batches = made(dimensions, 5, online=NNUNET)
    whole = batches.at(4)
    for places in ([0, 2, 4], [1, 3], [2]):
        part = batches.at(4, places)
        assert part.pictures.tobytes() == whole.pictures[places].tobytes()
        assert np.array_equal(part.targets, whole.targets[places])
        assert part.cases == tuple(whole.cases[place] for place in places)


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("channels", [1, 2])
def test_shapes_and_types(dimensions: int, channels: int) -> None:
    patch = PATCHES[dimensions]
    batch = made(dimensions, channels=channels).at(0)
    assert batch.pictures.shape == (4, channels, *patch)
    assert batch.pictures.dtype == np.float32
    assert batch.pictures.flags.c_contiguous
    assert batch.targets.shape == (4, *patch)
    assert batch.targets.dtype == np.int64
    regions = made(dimensions, channels=channels, targets=LIVER).at(0)
    assert regions.targets.shape == (4, 2, *patch)
    assert regions.targets.dtype == np.float32
    assert np.array_equal(regions.targets[:, 0], batch.targets > 0)
    assert np.array_equal(regions.targets[:, 1], batch.targets == 2)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pictures_and_labels_stay_in_register(dimensions: int) -> None:
    turns = Recipe(
        rotate_degrees=Step(1.0, -30, 30), rotate_3d_degrees=30, zoom=Step(0.5, 0.7, 1.4), flip=0.5
    )
    for online, most in ((None, 0.0), (Online(turns, "turns", {}), 0.05)):
        batches = made(dimensions, 8, channels=2, online=online)
        for step in range(5):
            batch = batches.at(step)
            for channel in range(2):
                apart = np.abs(batch.pictures[:, channel] * 2 - batch.targets) > 0.6
                assert apart.mean() <= most


@pytest.mark.parametrize("dimensions", [2, 3])
def test_most_of_a_batch_holds_an_organ(dimensions: int) -> None:
    shapes = ((9, 200, 200), (40, 80, 90))
    batches = made(dimensions, 6, shapes=shapes)
    free = 0
    for step in range(12):
        batch = batches.at(step)
        assert batch.targets[:4].any(tuple(range(1, batch.targets.ndim))).all()
        free += 2 - int(batch.targets[4:].any(tuple(range(1, batch.targets.ndim))).sum())
    assert free, "and some hold none"


def test_every_organ_has_its_turn_and_lies_anywhere() -> None:
    batches = made(3, 3, shapes=((30, 60, 60),))
    seen = np.zeros((2, *PATCHES[3]))
    labels = set()
    for step in range(60):
        batch = batches.at(step)
        labels |= set(np.unique(batch.targets[:2]))
        seen[0] += (batch.targets[:2] > 0).sum(0)
    assert labels == {0, 1, 2}
    corners = seen[0][[0, 0, -1, -1], [0, -1, 0, -1], [0, -1, -1, 0]]
    assert (corners > 0).all()


def test_slices_larger_than_the_patch_are_cropped_around_an_organ() -> None:
    batches = made(2, 3, shapes=((4, 300, 300),))
    shown = {batches.at(step).targets[0].tobytes() for step in range(20)}
    assert len(shown) > 5
    assert np.zeros(PATCHES[2], np.int64).tobytes() not in shown


def test_stored_pictures_stay_as_they_were() -> None:
    store = Store(1 << 30)
    one = volume((5, 30, 30), "a", store)
    before = one.pictures[0].array.copy(), one.labels.array.copy()
    preparation = Preparation(3, (WINDOW,), None, (4, 16, 16), ORGANS)
    samples = Samples.prepared([one], preparation, store)
    for step in range(5):
        Batches(samples, preparation, 3, 0, NNUNET).at(step)
    assert np.array_equal(one.pictures[0].array, before[0])
    assert np.array_equal(one.labels.array, before[1])


def test_from_files_as_from_memory(tmp_path: Path) -> None:
    with Store(0, tmp_path) as store:
        mapped = made(3, store=store, online=NNUNET)
        assert equal(mapped.at(2), made(3, online=NNUNET).at(2))


def test_workers_make_the_same_batches(tmp_path: Path) -> None:
    plain = made(3, online=NNUNET)
    with Store(0, tmp_path) as store, Ahead(made(3, online=NNUNET, store=store), 2) as ahead:
        for step in (0, 1, 2, 7, 8, 3, 3):
            assert equal(ahead.at(step), plain.at(step))
        assert ahead.at(4, [1]).cases == plain.at(4, [1]).cases


def test_a_dead_worker_is_told_with_its_cause() -> None:
    with Ahead(made(2), 1) as ahead:
        ahead.at(0)
        process = ahead._workers[0].process
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(10)
        with pytest.raises(WorkerError, match=r"step \d+: killed by SIGKILL; .* memory"):
            for step in range(1, 9):
                ahead.at(step)


class Failing(Batches):
    def at(self, step: int, places: Any = None) -> Batch:
        if step:
            raise TrainingError("c1 cannot be augmented") if step == 1 else KeyError("gone")
        return super().at(step, places)


def test_what_a_worker_raised_is_raised_here() -> None:
    failing = made(2)
    failing.__class__ = Failing
    with Ahead(failing, 1) as ahead:
        ahead.at(0)
        with pytest.raises(TrainingError, match="c1 cannot be augmented"):
            ahead.at(1)
        with pytest.raises(WorkerError, match="step 3: KeyError: 'gone'"):
            ahead.at(2)


def test_a_case_that_cannot_be_moved_is_named() -> None:
    lost = Online(Recipe(elastic_amplitude_mm=Step(1.0, 1, 1), elastic_spacing_mm=1.0), "x", {})
    with pytest.raises(TrainingError, match=r"c\d cannot be augmented: an elastic deformation"):
        batches = made(2, online=lost)
        sample = batches._samples.of
        wide = SliceGrid((9.0, 9.0, 9.0), "PL")
        batches._samples.of = [type(one)(**{**vars(one), "grid": wide}) for one in sample]
        batches.at(0)
