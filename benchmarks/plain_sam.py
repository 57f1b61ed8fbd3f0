"""The plain arithmetic of SAM-Med3D's windowed attention: padded tokens are computed like others.

Windows are padded with zeros, every pair of tokens gets its logit in one table, and the outputs of
padded tokens are thrown away. It is what medprep's attention is measured against and compared with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from medprep.models.sam_med3d.attention import WindowAttention


class PlainAttention(nn.Module):
    """Compute with the tensors of a `WindowAttention`, plainly."""

    def __init__(self, attention: WindowAttention) -> None:
        super().__init__()
        self.inner = attention

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, D, H, W, C) for the same."""
        batch, *grid, channels = x.shape
        side = self.inner.window
        missing = [-length % side for length in grid]
        x = functional.pad(x, (0, 0, 0, missing[2], 0, missing[1], 0, missing[0]))
        d, h, w = (length // side for length in x.shape[1:4])
        x = x.view(batch, d, side, h, side, w, side, channels).permute(0, 1, 3, 5, 2, 4, 6, 7)
        seen = self._attend(x.reshape(-1, side, side, side, channels))
        seen = seen.view(batch, d, h, w, side, side, side, channels).permute(0, 1, 4, 2, 5, 3, 6, 7)
        seen = seen.reshape(batch, d * side, h * side, w * side, channels)
        return seen[:, : grid[0], : grid[1], : grid[2]].contiguous()

    def _attend(self, x: Tensor) -> Tensor:
        """Give (B, S, S, S, C) for whole windows."""
        inner = self.inner
        batch, side = x.shape[:2]
        qkv = inner.qkv(x).reshape(batch, side**3, 3, inner.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.flatten(1, 2).unbind()  # (B * heads, S^3, channels of a head)
        logits = (q * inner.scale) @ k.transpose(-2, -1)
        logits = self._with_positions(logits, q.unflatten(1, (side, side, side)))
        seen = (logits.softmax(-1) @ v).view(batch, inner.heads, side, side, side, -1)
        return inner.proj(seen.permute(0, 2, 3, 4, 1, 5).flatten(4))

    def _with_positions(self, logits: Tensor, q: Tensor) -> Tensor:
        """Add relative position terms of the unscaled query, set where the original sets them."""
        side = self.inner.window
        at = torch.arange(side, device=q.device)
        apart = at[:, None] - at + side - 1
        d = torch.einsum("bdhwc,dkc->bdhwk", q, self.inner.rel_pos_d[apart])
        h = torch.einsum("bdhwc,hkc->bdhwk", q, self.inner.rel_pos_h[apart])
        w = torch.einsum("bdhwc,wkc->bdhwk", q, self.inner.rel_pos_w[apart])
        table = logits.view(len(q), *[side] * 6)
        table = table + d[:, :, :, :, None, None] + h[:, :, :, None, :, None]
        return (table + w[:, :, :, None, None]).view(logits.shape)


def make_plain(encoder: nn.Module) -> nn.Module:
    """Replace the attention of every block of an image encoder; give the encoder."""
    for block in encoder.blocks:
        block.attn = PlainAttention(block.attn)
    return encoder
