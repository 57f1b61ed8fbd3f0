"""Batches depend on seed and step alone; the loss is what its formula says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medprep.errors import OptionError
from medprep.training.dataset import Batches, SliceSet
from medprep.training.losses import dice_cross_entropy
from medprep.training.options import MOST_STEPS_CPU, TrainingOptions, settle


def slices(*shapes: tuple[int, int]) -> SliceSet:
    chance = np.random.default_rng(0)
    found = SliceSet()
    for number, shape in enumerate(shapes):
        found.pictures.append(chance.integers(0, 400, shape).astype(np.int16))
        found.labels.append((found.pictures[-1] > 200).astype(np.uint8) * (number % 2))
        found.windows.append((0.0, 400.0))
        found.cases.append(f"case{number}")
    return found


def test_a_batch_follows_from_seed_and_step() -> None:
    given = slices((20, 20), (40, 30), (300, 290), (16, 16))
    one, two = (Batches(given, given.patch, 6, seed=7) for _ in range(2))
    two.at(3)
    for step in (0, 5, 5):
        a, b = one.at(step), two.at(step)
        assert np.array_equal(a.pictures, b.pictures)
        assert np.array_equal(a.labels, b.labels)
    assert not np.array_equal(one.at(0).pictures, one.at(1).pictures)


def test_patch_holds_the_largest_slice_within_its_bound() -> None:
    assert slices((20, 33)).patch == (32, 48)
    assert slices((20, 33), (512, 10)).patch == (256, 48)


def test_pictures_and_labels_stay_in_register() -> None:
    given = slices((20, 20), (40, 30), (300, 290), (60, 16))
    batches = Batches(given, given.patch, 8, seed=1)
    for step in range(10):
        batch = batches.at(step)
        assert batch.pictures.shape == batch.labels.shape == (8, *given.patch)
        organ = batch.labels == 1
        assert (batch.pictures[organ] > 0.5).all()


def test_most_of_a_batch_holds_an_organ() -> None:
    given = slices(*[(16, 16)] * 2, *[(16, 16)] * 18)
    for mask in given.labels[2:]:
        mask[:] = 0
    batch = Batches(given, (16, 16), 9, seed=0).at(0)
    assert sum(mask.any() for mask in batch.labels) >= 6


def test_loss_of_a_perfect_and_of_a_blank_answer() -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    labels[0, :2] = 1
    sure = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1).float() * 200 - 100
    assert dice_cross_entropy(sure, labels).item() == pytest.approx(0, abs=1e-6)
    even = torch.zeros(1, 2, 4, 4)
    # cross-entropy ln 2; Dice (2 * 4 + 1) / (8 + 8 + 1)
    assert dice_cross_entropy(even, labels).item() == pytest.approx(np.log(2) + 1 - 9 / 17)


def test_loss_of_background_only_is_finite() -> None:
    loss = dice_cross_entropy(torch.randn(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64))
    assert torch.isfinite(loss)


def test_default_steps_are_capped_and_given_ones_are_not() -> None:
    assert settle(TrainingOptions(), "cpu", 10**6, (256, 256)).steps == MOST_STEPS_CPU
    assert settle(TrainingOptions(steps=7), "cpu", 10**6, (256, 256)).steps == 7
    assert settle(TrainingOptions(epochs=2, batch_size=5), "cpu", 11, (64, 64)).steps == 5
    assert settle(TrainingOptions(), "cuda", 100, (64, 64)).width == 64


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"lr": -1.0}, {"steps": 5, "epochs": 2}, {"seed": -1}, {"minutes": 0.0}]
)
def test_wrong_options(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        TrainingOptions(**wrong)  # type: ignore[arg-type]
