"""Cubes around organs, and batches of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import TrainingError
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.models.prompts.clicks import Click
from medprep.models.prompts.framing import official_frame
from medprep.training.cache import Store
from medprep.training.clicking.batches import ClickBatches
from medprep.training.clicking.clicker import Clicker
from medprep.training.clicking.cubes import Cube, Organs
from medprep.training.dataset import TrainingCase, decode
from medprep.volume import LabelMap, Volume

SIDE = 16
CPU = torch.device("cpu")
GRID = Geometry.from_parts((20, 24, 30), (2.0, 1.0, 1.0), (5.0, -9.0, 40.0))


@pytest.fixture
def case(tmp_path: Path) -> TrainingCase:
    """A box in a corner, another elsewhere, and a speck."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[0:5, 2:9, 3:12] = 1
    labels[9:16, 12:20, 15:26] = 2
    labels[18, 22, 28] = 3
    noise = np.random.default_rng(0).normal(100, 30, GRID.shape)
    picture = (noise + 1000.0 * labels).clip(-2000, 4000).astype(np.int16)
    picture[:, :, :3] = -1500
    nifti.write(tmp_path / "i.nii.gz", Volume(picture, GRID))
    nifti.write(tmp_path / "l.nii.gz", LabelMap(labels, GRID, {}))
    return TrainingCase("a", tmp_path / "i.nii.gz", tmp_path / "l.nii.gz", None, "MR")


def organs(case: TrainingCase, spacing_mm: float = 1.0) -> Organs:
    return Organs.prepared(decode([case], (), Store()), SIDE, spacing_mm, Store())


def test_the_cube_around_the_box_is_the_one_of_the_authors_inference(case: TrainingCase) -> None:
    picture, labels = nifti.read(case.images[0]), nifti.read_labels(case.labels)
    found = organs(case, 1.5)
    assert [pair.label for pair in found.pairs] == [1, 2]
    assert found.left_out == ("a label 3",)
    for pair in found.pairs:
        frame, cube = (
            official_frame(picture, labels == pair.label, SIDE, 1.5),
            found.around_box(pair),
        )
        assert np.array_equal(cube.picture, frame.picture)
        assert np.array_equal(cube.mask, frame.mask)
        assert cube.first is None


def test_around_a_click_its_middle_is_a_voxel_of_the_organ(case: TrainingCase) -> None:
    found, chance = organs(case), np.random.default_rng(1)
    middles = set()
    for _ in range(20):
        cube = found.around_click(found.pairs[0], chance)
        assert cube.first == Click((8, 8, 8), True)
        assert cube.mask[8, 8, 8]
        middles.add(cube.mask.tobytes())
    assert len(middles) > 10


def test_grey_values_of_a_ct_are_clipped(case: TrainingCase) -> None:
    ct = TrainingCase(case.case, case.image, case.labels, None, "CT")
    plain, clipped = (organs(one).pairs[0].seen.picture.array for one in (case, ct))
    assert (plain.min(), clipped.min()) == (-1500, -1000)
    assert (plain.max() > 1000, clipped.max()) == (True, 1000)


def test_nothing_to_scale_by_names_the_case(case: TrainingCase) -> None:
    nifti.write(case.images[0], Volume(np.zeros(GRID.shape, np.int16), GRID))
    with pytest.raises(TrainingError, match="a cannot be used: no two different grey values"):
        organs(case)


@given(axes=st.sets(st.integers(0, 2)), place=st.tuples(*[st.integers(0, SIDE - 1)] * 3))
def test_a_flip_takes_mask_and_click_along(axes: set[int], place: tuple[int, int, int]) -> None:
    mask = np.zeros((SIDE,) * 3, np.bool_)
    mask[place] = True
    cube = Cube(mask.astype(np.float32), mask, Click(place, True)).flipped(tuple(axes))
    assert cube.first is not None
    assert cube.mask[cube.first.place]
    assert cube.picture[cube.first.place] == 1
    twice = cube.flipped(tuple(axes))
    assert np.array_equal(twice.mask, mask)
    assert twice.first == Click(place, True)


def test_seed_and_step_decide_a_batch_and_its_clicks(case: TrainingCase) -> None:
    def shown(seed: int, step: int) -> tuple[bytes, list[object]]:
        batch = ClickBatches(organs(case), 3, seed, 0.5).at(step)
        clicker = Clicker(batch)
        for _ in range(3):
            clicker.click(np.zeros_like(batch.masks))
        points = [one.numpy().tobytes() for one in clicker.points(CPU, newest_only=False)]
        return batch.pictures.tobytes() + batch.masks.tobytes(), [*points, batch.mask_round]

    assert shown(0, 4) == shown(0, 4)
    assert shown(0, 4) != shown(0, 5)
    assert shown(0, 4) != shown(1, 4)


def test_clicks_lie_where_the_mask_is_wrong(case: TrainingCase) -> None:
    batch = ClickBatches(organs(case), 4, 0, 0.0).at(0)
    clicker = Clicker(batch)
    clicker.click(np.zeros_like(batch.masks))
    clicker.click(np.ones_like(batch.masks))
    places, labels = (one.numpy() for one in clicker.points(CPU, newest_only=False))
    assert places.shape == (4, 2, 3)
    assert labels.tolist() == [[1, 0]] * 4, "first what is missing, then what is too much"
    for mask, own in zip(batch.masks, places.astype(int), strict=True):
        assert mask[tuple(own[0])]
        assert not mask[tuple(own[1])]
    newest, _ = clicker.points(CPU, newest_only=True)
    assert np.array_equal(newest.numpy(), places[:, 1:])
