"""Coarser levels answer in training, and leave no trace in the net."""

from __future__ import annotations

import pytest
import torch

from medprep.models.registry import build
from medprep.training.losses import bce, dice_cross_entropy
from medprep.training.supervision import LEVELS, DeepSupervision, supervised


@pytest.mark.parametrize(("name", "side"), [("unet2d", 32), ("unet3d", 16)])
def test_levels_halve(name: str, side: int) -> None:
    net = build(name, width=2, out_channels=3)
    dimensions = 2 if name == "unet2d" else 3
    whole = DeepSupervision(net, LEVELS[name], 3)
    answers = whole(torch.rand(2, 1, *[side] * dimensions))
    assert [tuple(one.shape) for one in answers] == [
        (2, 3, *[side >> level] * dimensions) for level in range(len(LEVELS[name]) + 1)
    ]
    labels = torch.randint(0, 3, (2, *[side] * dimensions))
    supervised(dice_cross_entropy, answers, labels).backward()  # type: ignore[no-untyped-call]
    assert all(one.grad is not None for one in whole.parameters())
    assert list(net.state_dict()) == list(build(name, width=2, out_channels=3).state_dict())


def test_weights_halve_and_sum_to_one() -> None:
    wanted = torch.zeros(1, 1, 4, 4)
    answers = [torch.zeros(1, 1, 4, 4), torch.full((1, 1, 2, 2), 50.0)]
    # of the finest ln 2, of the coarser 50
    found = supervised(bce, answers, wanted).item()
    assert found == pytest.approx((2 * 0.6931472 + 1 * 50) / 3)


def test_one_level_is_the_loss_itself() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 8, 8), torch.randint(0, 3, (2, 8, 8))
    alone = dice_cross_entropy(logits, labels)
    assert supervised(dice_cross_entropy, [logits], labels).item() == alone.item()


def test_coarser_targets_are_labels_that_were_there() -> None:
    labels = torch.tensor([[[0, 0, 2, 2], [0, 0, 2, 2], [1, 1, 0, 0], [1, 1, 0, 0]]])
    seen = []

    def look(answer: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        seen.append(targets)
        return answer.sum()

    supervised(look, [torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 2, 2)], labels)
    assert seen[1].tolist() == [[[0, 2], [1, 0]]]
