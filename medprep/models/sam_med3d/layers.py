"""Small layers that several parts share."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional


class LayerNorm3d(nn.LayerNorm):
    """Layer normalisation over the channels of (B, C, D, H, W), each voxel by itself.

    Its eps is 1e-6, where torch's own and the decoder's transformer have 1e-5.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, C, D, H, W)."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Mlp(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, channels: int, hidden: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.lin1 = nn.Linear(channels, hidden)
        self.lin2 = nn.Linear(hidden, channels)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Give (..., C)."""
        hidden = self.activation(self.lin1(x))
        out: Tensor = self.lin2(hidden)
        return out


class Head(nn.Module):
    """Linear layers with ReLU between them and nothing at the end."""

    def __init__(self, into: int, hidden: int, out: int, depth: int) -> None:
        super().__init__()
        widths = [into, *[hidden] * (depth - 1), out]
        self.layers = nn.ModuleList(map(nn.Linear, widths[:-1], widths[1:]))

    def forward(self, x: Tensor) -> Tensor:
        """Give (..., out)."""
        for layer in self.layers[:-1]:
            x = functional.relu(layer(x))
        last: Tensor = self.layers[-1](x)
        return last


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Turn (B, N, heads * C) into (B, heads, N, C)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """Turn (B, heads, N, C) into (B, N, heads * C)."""
    return x.transpose(1, 2).flatten(2)
