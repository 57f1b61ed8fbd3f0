"""What a training by clicks makes small, and masks enlarged for it; both of few passes over memory.

They are a third of a step on a CPU when they are written plainly: every operation on the whole cube
is a pass over memory, and autograd keeps each one's result.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SMOOTH = 1e-5
"""Keeps the Dice of an empty mask defined."""


def dice_bce_squared(logits: Tensor, wanted: Tensor) -> Tensor:
    """Give binary cross-entropy plus one minus the soft Dice with squares, mean over the batch.

    The numbers of MONAI's ``DiceCELoss(sigmoid=True, squared_pred=True)``, which SAM-Med3D was
    trained with.

    Parameters
    ----------
    logits, wanted
        (B, ...) float of one type; what is wanted is 0 or 1 and takes no gradient.
    """
    loss: Tensor = _DiceBce.apply(logits.flatten(1), wanted.flatten(1))  # type: ignore[no-untyped-call]
    return loss


class _DiceBce(torch.autograd.Function):
    """The loss of (B, N), with its gradient by hand."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, wanted: Tensor) -> Tensor:
        share = logits.sigmoid()
        # y is 0 or 1, so it is its own square, and the entropy is softplus(x) - x * y.
        entropy = functional.softplus(logits).sum() - torch.vdot(logits.ravel(), wanted.ravel())
        both = 2 * torch.linalg.vecdot(share, wanted) + SMOOTH
        squares = torch.linalg.vecdot(share, share) + wanted.sum(1) + SMOOTH
        ctx.save_for_backward(share, wanted, both, squares)
        loss: Tensor = entropy / logits.numel() + 1 - (both / squares).mean()
        return loss

    @staticmethod
    def backward(ctx: Any, *given: Tensor) -> tuple[Tensor, None]:
        share, wanted, both, squares = ctx.saved_tensors
        many = len(share)
        towards = share * (2 * both / (squares * squares * many))[:, None]
        towards.addcmul_(wanted, (2 / (squares * many))[:, None], value=-1)
        towards.mul_(share).addcmul_(towards, share, value=-1)  # times s (1 - s)
        towards.add_(share, alpha=1 / share.numel()).add_(wanted, alpha=-1 / share.numel())
        return towards.mul_(given[0]), None


def enlarged(low_res: Tensor, side: int) -> Tensor:
    """Give ``SamMed3d.enlarge`` of (B, 1, L, L, L), but for rounding: one axis after the other.

    As products of matrices forward and backward take a tenth of the time on a CPU.
    """
    rise = _rise(low_res.shape[-1], side).to(low_res)
    x = low_res[:, 0] @ rise.T  # (B, L, L, S)
    x = rise @ x  # (B, L, S, S)
    x = rise @ x.flatten(2)  # (B, S, S * S)
    return x.view(len(x), 1, side, side, side)


@cache
def _rise(low: int, high: int) -> Tensor:
    """Give the matrix (H, L) that interpolates linearly from L places to H."""
    whole = functional.interpolate(torch.eye(low)[None], high, mode="linear", align_corners=False)
    return whole[0].T.contiguous()
