"""Attention within windows of a grid of tokens, with the numbers of zero-padded windows.

The original pads the grid with zeros, after the first normalisation, to a multiple of the window,
and the padded tokens take part: as keys and values, and as queries whose outputs are thrown away.
At its full size that is 2,744 tokens in place of 512. The same numbers come from far less:

* Queries of padded tokens change nothing that is kept, so only real ones are computed.
* A padded token is zero, so its query, key and value are the bias of ``qkv``. The shares of
  padded keys in the attention add up to that of one key, whose logit is
  log(sum over padded positions of exp(logit)).
* Where a padded key stands enters that sum only by the relative position terms, d + h + w. What is
  padded is the window less a box, which is three boxes side by side, and over a box the sum of
  exp(d + h + w) takes sums of exp(h) and of exp(w) by themselves, see `_padded_share`.

The relative position terms are not those of the paper (Li et al. 2022, MViTv2, arXiv:2112.01526),
where each axis has a term for query and key along it. The original puts the axes of its terms in
the wrong places before it adds them, and the released weights were trained so. What is added to
the logit of the query at (d, h, w) and the key at (i, j, k) is, with q the unscaled query and
D, H, W the tables of the three axes at the difference of two places,

    q(d, h, w) . D(d - k)  +  q(d, h, i) . H(h - k)  +  q(d, h, j) . W(j - k)

in place of q(d, h, w) . (D(d - i) + H(h - j) + W(w - k)).
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from medprep.models.sam_med3d.layers import join_heads


class _Terms(NamedTuple):
    """What relative positions add: B windows, N heads, D, H, W real tokens a side, S the window.

    Parameters
    ----------
    d
        (B, N, D, H, W, S): the query's place, the key's last index.
    h, w
        (B, N, D, H, S, S): the query's first two indices, the key's first (for h) or second (for
        w) index, the key's last.
    """

    d: Tensor
    h: Tensor
    w: Tensor


class WindowAttention(nn.Module):
    """Self-attention of tokens within windows, with decomposed relative positions.

    Parameters
    ----------
    channels, heads
        Of the tokens; the heads divide the channels.
    window
        Tokens along each side of a window; the grid's side for attention over all.
    """

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.scale = (channels // heads) ** -0.5
        # Registered in the order of the released weights.
        shape = (2 * window - 1, channels // heads)
        self.rel_pos_d = nn.Parameter(torch.zeros(shape))
        self.rel_pos_h = nn.Parameter(torch.zeros(shape))
        self.rel_pos_w = nn.Parameter(torch.zeros(shape))
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Let tokens of each window see one another.

        Parameters
        ----------
        x
            (B, D, H, W, C), normalised.

        Returns
        -------
        Tensor
            (B, D, H, W, C).
        """
        qkv = self.qkv(x)
        seen = torch.empty_like(qkv[..., : x.shape[-1]])
        for place in product(*(_segments(side, self.window) for side in x.shape[1:4])):
            part = (slice(None), *(slice(start, stop) for start, stop, _ in place))
            sizes = [size for _, _, size in place]
            seen[part] = _join_windows(self._attend(_cut_windows(qkv[part], sizes)), seen[part])
        out: Tensor = self.proj(seen)
        return out

    def _attend(self, qkv: Tensor) -> Tensor:
        """Attend within windows whose real tokens are a box at their first corner.

        B windows, D, H, W real tokens along each side, C channels: (B, D, H, W, 3 * C) gives
        (B, D, H, W, C).
        """
        sizes = qkv.shape[1:4]
        shape = (*qkv.shape[:4], 3, self.heads, -1)
        q, k, v = qkv.view(shape).permute(4, 0, 5, 1, 2, 3, 6).unbind()
        terms = self._terms(q)
        bias = _bias(terms, sizes)
        q, k, v = q.flatten(2, 4), k.flatten(2, 4), v.flatten(2, 4)
        if any(size < self.window for size in sizes):
            # One key more stands for all padded ones; its own product with the query comes as for
            # any other.
            share = _padded_share(terms, sizes).flatten(2).unsqueeze(-1)
            bias = torch.cat([bias, share.to(bias.dtype)], -1)
            _, key, value = self.qkv.bias.to(k.dtype).view(3, self.heads, 1, -1)
            k = torch.cat([k, key.expand(len(k), -1, -1, -1)], 2)
            v = torch.cat([v, value.expand(len(v), -1, -1, -1)], 2)
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=self.scale)
        return join_heads(seen).view(len(seen), *sizes, -1)

    def _terms(self, q: Tensor) -> _Terms:
        """Give what relative positions add to logits, from (B, N, D, H, W, C) unscaled queries."""
        side, (depth, height, width) = self.window, q.shape[2:5]
        at = torch.arange(side, device=q.device)
        apart = at[:, None] - at + side - 1
        # Keys pick queries by their own indices here, so padded queries are needed after all: they
        # are the bias.
        padded = self.qkv.bias.to(q.dtype).view(3, self.heads, 1, 1, 1, -1)[0]
        lines = torch.cat([q, padded.expand(len(q), -1, depth, height, side - width, -1)], 4)
        return _Terms(
            torch.einsum("bndhwc,dkc->bndhwk", q, self.rel_pos_d[apart[:depth]]),
            torch.einsum("bndhic,hkc->bndhik", lines, self.rel_pos_h[apart[:height]]),
            torch.einsum("bndhjc,jkc->bndhjk", lines, self.rel_pos_w[apart]),
        )


def _bias(terms: _Terms, sizes: torch.Size) -> Tensor:
    """Give what is added to logits of real queries and keys: (B, N, D * H * W, D * H * W)."""
    depth, height, width = sizes
    of_lines = terms.h[..., :depth, None, :width] + terms.w[..., None, :height, :width]
    own = terms.d[..., None, None, :width]
    # A sum takes its layout from its terms; in another one, flattening would copy this large table.
    bias = own.contiguous() + of_lines.unsqueeze(4).contiguous()
    return bias.flatten(5).flatten(2, 4)


def _padded_share(terms: _Terms, sizes: torch.Size) -> Tensor:
    """Give log of the sum of exp(d + h + w) over padded keys (i, j, k): (B, N, D, H, W).

    Padded are those padded along k; those real along k and padded along i; those real along k and
    i and padded along j. d does not depend on i and j, h not on j, w not on i. Nothing is
    subtracted, so nothing cancels.
    """
    depth, height, width = sizes
    d, h, w = terms
    any_j = w.logsumexp(-2)
    real_k = slice(None, width)
    boxes = []
    if width < d.shape[-1]:
        boxes.append((h.logsumexp(-2) + any_j, slice(width, None)))
    if depth < d.shape[-1]:
        boxes.append((h[..., depth:, :].logsumexp(-2) + any_j, real_k))
    if height < d.shape[-1]:
        padded_j = w[..., height:, :].logsumexp(-2)
        boxes.append((h[..., :depth, :].logsumexp(-2) + padded_j, real_k))
    sums = [d[..., part] + lines[..., None, part] for lines, part in boxes]
    return torch.cat(sums, -1).logsumexp(-1)


def _segments(side: int, window: int) -> list[tuple[int, int, int]]:
    """Cut an axis into whole windows and the rest: start, stop, real tokens of each window."""
    whole = side - side % window
    cut = [(0, whole, window), (whole, side, side - whole)]
    return [(start, stop, size) for start, stop, size in cut if stop > start]


def _cut_windows(x: Tensor, sizes: list[int]) -> Tensor:
    """Turn (B, D, H, W, C) into (B * windows, *sizes, C)."""
    batch, depth, height, width, channels = x.shape
    d, h, w = sizes
    x = x.view(batch, depth // d, d, height // h, h, width // w, w, channels)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, d, h, w, channels)


def _join_windows(windows: Tensor, like: Tensor) -> Tensor:
    """Undo `_cut_windows`; ``like`` has the shape that comes back."""
    batch, depth, height, width, channels = like.shape
    d, h, w = windows.shape[1:4]
    x = windows.view(batch, depth // d, height // h, width // w, d, h, w, channels)
    return x.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(like.shape)
