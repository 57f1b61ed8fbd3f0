"""The losses are what their formulas say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medprep.errors import OptionError
from medprep.training.losses import bce, dice_bce, dice_cross_entropy, named_loss
from medprep.training.recipes import Loss


def half_marked() -> torch.Tensor:
    labels = torch.zeros(1, 4, 4, dtype=torch.int64)
    labels[0, :2] = 1
    return labels


def test_loss_of_a_perfect_and_of_a_blank_answer() -> None:
    labels = half_marked()
    sure = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1).float() * 200 - 100
    assert dice_cross_entropy(sure, labels).item() == pytest.approx(0, abs=1e-6)
    even = torch.zeros(1, 2, 4, 4)
    # cross-entropy ln 2; Dice (2 * 4 + 1) / (8 + 8 + 1)
    assert dice_cross_entropy(even, labels).item() == pytest.approx(np.log(2) + 1 - 9 / 17)


def test_of_regions_that_overlap() -> None:
    wanted = torch.zeros(1, 2, 4, 4)
    wanted[0, 0] = 1
    wanted[0, 1, :2] = 1
    assert dice_bce(wanted * 200 - 100, wanted).item() == pytest.approx(0, abs=1e-6)
    even = torch.zeros(1, 2, 4, 4)
    assert bce(even, wanted).item() == pytest.approx(np.log(2))
    # Dice of the first (2 * 8 + 1) / (8 + 16 + 1), of the second (2 * 4 + 1) / (8 + 8 + 1)
    dice = (17 / 25 + 9 / 17) / 2
    assert dice_bce(even, wanted).item() == pytest.approx(np.log(2) + 1 - dice)


def test_class_weights() -> None:
    labels, logits = half_marked(), torch.zeros(1, 2, 4, 4)
    logits[:, 1] = 1.0
    wrong, right = np.log(1 + np.e), np.log(1 + np.exp(-1))
    weighed = named_loss("ce", exclusive=True, channels=2, weights=(1.0, 3.0))(logits, labels)
    assert weighed.item() == pytest.approx((1 * wrong + 3 * right) / 4)


@pytest.mark.parametrize(("name", "exclusive"), [("dice-ce", True), ("ce", True), ("bce", False)])
def test_loss_of_background_only_is_finite(name: Loss, exclusive: bool) -> None:
    loss = named_loss(name, exclusive=exclusive, channels=3)
    wanted = torch.zeros(2, 8, 8, dtype=torch.int64) if exclusive else torch.zeros(2, 3, 8, 8)
    assert torch.isfinite(loss(torch.randn(2, 3, 8, 8), wanted))


@pytest.mark.parametrize(
    ("name", "exclusive", "weights"),
    [("bce", True, ()), ("ce", False, ()), ("dice-ce", True, (1.0, 2.0)), ("l2", True, ())],
)
def test_what_does_not_go_together(name: Loss, exclusive: bool, weights: tuple[float]) -> None:
    with pytest.raises(OptionError):
        named_loss(name, exclusive=exclusive, channels=2, weights=weights)


@pytest.mark.parametrize("many", [1, 2, 4])
def test_a_weight_for_each_class(many: int) -> None:
    with pytest.raises(OptionError, match=f"--class-weight is given {many} times; wanted is 3"):
        named_loss("ce", exclusive=True, channels=3, weights=(1.0,) * many)
