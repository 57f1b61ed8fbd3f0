"""Dropout of single elements, made quick on a CPU.

torch draws a double for every element there, which in a narrow U-Net takes as long as a
convolution. Here 16 bits decide of each, the mask is kept as bits of truth rather than numbers, and
where two pictures are joined anyway the joining writes what is left of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from medprep.models.blocks import join

_CHANCES = 2**16
_LEAST_DRAW = -(2**63)


class Dropout(nn.Dropout):
    """Drop single elements while training, and scale what is left.

    Srivastava et al.: Dropout (JMLR 15, 2014). On a CPU the share is rounded to 1/65536, in what is
    dropped and in the scale alike, so that the expected value stays; elsewhere it is torch's.
    """

    def forward(self, picture: Tensor, skip: Tensor | None = None) -> Tensor:
        """Give what is left of (B, C, ...), or of two such set side by side."""
        p = round(self.p * _CHANCES) / _CHANCES
        own = picture.device.type == "cpu" and not torch.compiler.is_compiling()
        parts = (picture,) if skip is None else (picture, skip)
        if self.training and 0 < p < 1 and own:
            left: Tensor = _Left.apply(p, *parts)  # type: ignore[no-untyped-call]
            return left
        whole = picture if skip is None else join(picture, skip)
        return functional.dropout(whole, self.p, self.training)


class _Left(torch.autograd.Function):
    """What a draw leaves of pictures set side by side."""

    @staticmethod
    def forward(ctx: Any, p: float, *parts: Tensor) -> Tensor:
        out = _side_by_side(parts)
        keep = _drawn(out, p)
        ctx.save_for_backward(keep)
        ctx.scale, ctx.channels = 1 / (1 - p), [part.shape[1] for part in parts]
        out.copy_(keep).mul_(ctx.scale)
        for left, part in zip(torch.split(out, ctx.channels, 1), parts, strict=True):
            left.mul_(part)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (gradient,) = gradients
        keep: Tensor = ctx.saved_tensors[0]
        whole = keep.to(gradient.dtype).mul_(ctx.scale).mul_(gradient)
        return (None, *torch.split(whole, ctx.channels, 1))


def _side_by_side(parts: tuple[Tensor, ...]) -> Tensor:
    """Give room for them, laid out as the first is."""
    first = parts[0]
    shape = (len(first), sum(part.shape[1] for part in parts), *first.shape[2:])
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(first.ndim)
    if last is None or not first.is_contiguous(memory_format=last):
        last = torch.contiguous_format
    return torch.empty(shape, dtype=first.dtype, memory_format=last)


def _drawn(like: Tensor, p: float) -> Tensor:
    """Draw for every element whether it stays; laid out in memory as they are."""
    count = like.numel()
    draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(_LEAST_DRAW, None)
    stays = draws.view(torch.int16)[:count] >= round(p * _CHANCES) - _CHANCES // 2
    return stays.as_strided(like.size(), like.stride())
