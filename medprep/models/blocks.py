"""Parts that several nets share, in two and three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Dimensions = Literal[2, 3]
Activation = Callable[[int], nn.Module]
"""Makes the activation for so many channels."""

CONV = {2: nn.Conv2d, 3: nn.Conv3d}
UP = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def relu(channels: int) -> nn.Module:
    """Give a ReLU; it needs no channels."""
    return nn.ReLU(inplace=True)


def conv_norm(
    dimensions: Dimensions, into: int, out: int, activation: Activation = relu
) -> list[nn.Module]:
    """Give a 3-wide convolution with bias, batch normalisation and an activation."""
    return [
        CONV[dimensions](into, out, 3, padding=1),
        BATCH_NORM[dimensions](out),
        activation(out),
    ]


def double_conv(
    dimensions: Dimensions, into: int, middle: int, out: int, activation: Activation = relu
) -> nn.Sequential:
    """Give two `conv_norm`, one after the other."""
    return nn.Sequential(
        *conv_norm(dimensions, into, middle, activation),
        *conv_norm(dimensions, middle, out, activation),
    )


def up_conv(dimensions: Dimensions, into: int, out: int, *, bias: bool = True) -> nn.Module:
    """Give the transposed convolution that doubles each side."""
    return UP[dimensions](into, out, 2, stride=2, bias=bias)


def round_up(size: Sequence[int], multiple: int) -> tuple[int, ...]:
    """Give the next multiple of each side."""
    return tuple(side + -side % multiple for side in size)


def pad_to(x: Tensor, size: Sequence[int]) -> Tensor:
    """Replicate the far edges of (B, C, ...) until it has a size; as it is where it has it."""
    missing = [wanted - side for wanted, side in zip(size, x.shape[2:], strict=True)]
    if not any(missing):
        return x
    pads = [amount for missed in reversed(missing) for amount in (0, missed)]
    return functional.pad(x, pads, "replicate")


def crop_to(x: Tensor, size: torch.Size) -> Tensor:
    """Cut the far edges of (B, C, ...) off; as it is where there is nothing to cut."""
    if x.shape[2:] == size:  # a slice of everything would still copy the gradient
        return x
    for axis, side in enumerate(size, 2):
        x = x.narrow(axis, 0, side)
    return x


class Attention(nn.Module):
    """Self-attention of several heads.

    Vaswani et al.: Attention Is All You Need (2017, arXiv:1706.03762).

    Parameters
    ----------
    channels, heads
        The heads share the channels equally.
    bias
        Of queries, keys and values; what leaves always has one.
    dropout
        Of the attention weights, and of what leaves.
    """

    def __init__(self, channels: int, heads: int, *, bias: bool, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels, bias=bias)
        self.out = nn.Linear(channels, channels)
        self.weights_dropout = nn.Dropout(dropout)
        self.out_dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Give (B, N, C) of (B, N, C)."""
        # B batch, N tokens, C channels, H heads
        split = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, H, C / H)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each (B, H, N, C / H)
        share = self.weights_dropout.p if self.weights_dropout.training else 0.0
        seen = functional.scaled_dot_product_attention(query, key, value, dropout_p=share)
        out: Tensor = self.out_dropout(self.out(seen.transpose(1, 2).flatten(2)))
        return out


class TransformerBlock(nn.Module):
    """Attention, then an MLP, each behind its normalisation and beside a shortcut.

    Parameters
    ----------
    channels
        Of a token.
    attention, mlp
        Modules from (B, N, C) to (B, N, C).
    eps
        Of the two layer normalisations.
    """

    def __init__(self, channels: int, attention: nn.Module, mlp: nn.Module, *, eps: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels, eps=eps)
        self.attention = attention
        self.norm2 = nn.LayerNorm(channels, eps=eps)
        self.mlp = mlp

    def forward(self, tokens: Tensor) -> Tensor:
        """Give (B, N, C) of (B, N, C)."""
        tokens = tokens + self.attention(self.norm1(tokens))
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


def to_grid(tokens: Tensor, grid: Sequence[int]) -> Tensor:
    """Put (B, N, C) tokens in their places: (B, C, *grid)."""
    return tokens.transpose(1, 2).reshape(len(tokens), tokens.shape[2], *grid)


def join(first: Tensor, second: Tensor) -> Tensor:
    """Set the channels of two pictures side by side."""
    return torch.cat([first, second], 1)
