"""The loss by clicks against MONAI's, its gradient against differences, the quick enlargement."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.training.clicking.losses import dice_bce_squared, enlarged


def sample(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    logits = 3 * torch.randn(shape, dtype=torch.double)
    wanted = (torch.rand(shape) < 0.2).double()
    wanted[-1] = 0  # an organ that a cube does not hold
    return logits.requires_grad_(), wanted


def plain(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The same, as one would write it down."""
    share, axes = logits.sigmoid(), (1, 2, 3, 4)
    dice = (2 * (share * wanted).sum(axes) + 1e-5) / (
        (share**2).sum(axes) + (wanted**2).sum(axes) + 1e-5
    )
    return functional.binary_cross_entropy_with_logits(logits, wanted) + (1 - dice).mean()


def test_value_and_gradient_are_those_of_the_formula() -> None:
    logits, wanted = sample((3, 1, 4, 5, 6))
    loss = dice_bce_squared(logits, wanted)
    (5 * loss).backward()
    ours, logits.grad = logits.grad, None
    other = plain(logits, wanted)
    (5 * other).backward()
    torch.testing.assert_close(loss, other)
    torch.testing.assert_close(ours, logits.grad)
    assert torch.autograd.gradcheck(lambda one: dice_bce_squared(one, wanted), (logits,))


def test_value_is_monais() -> None:
    losses = pytest.importorskip("monai.losses")
    logits, wanted = sample((2, 1, 6, 6, 6))
    theirs = losses.DiceCELoss(sigmoid=True, squared_pred=True, reduction="mean")
    torch.testing.assert_close(dice_bce_squared(logits, wanted), theirs(logits, wanted))


def test_large_logits_stay_finite() -> None:
    logits = torch.tensor([[[[[1e4, -1e4]]]]], requires_grad=True)
    loss = dice_bce_squared(logits, torch.tensor([[[[[0.0, 1.0]]]]]))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize(("side", "patch"), [(64, 8), (48, 8), (32, 16)])
def test_enlarged_as_the_net_does(side: int, patch: int) -> None:
    net = SamMed3d(SamMed3dConfig(
        image_size=side, patch_size=patch, embed_dim=24, depth=1, heads=3, global_blocks=(),
        prompt_dim=48,
    ))  # fmt: skip
    torch.manual_seed(0)
    low = torch.randn(2, 1, *[net.config.low_res] * 3, requires_grad=True)
    ours, theirs = enlarged(low, side), net.enlarge(low)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    weights = torch.randn_like(theirs)
    (mine,) = torch.autograd.grad((ours * weights).sum(), low)
    (other,) = torch.autograd.grad((theirs * weights).sum(), low)
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)
