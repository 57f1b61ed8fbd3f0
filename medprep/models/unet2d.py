"""The 2D U-Net as the CHAOS liver tutorial trains it.

Ronneberger, Fischer, Brox: U-Net (MICCAI 2015, arXiv:1505.04597), with padded convolutions, batch
normalisation, and dropout after each pooling and each concatenation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from medprep.errors import OptionError

LEVELS = 5
MULTIPLE = 2 ** (LEVELS - 1)
"""Rows and columns the net works on are multiples of this; others are padded and cropped back."""


@dataclass(frozen=True)
class UNet2dConfig:
    """Size of a `UNet2d`.

    Parameters
    ----------
    in_channels, out_channels
        Channels of the picture; channels of logits.
    width
        Channels of the first level; each of the four below doubles them. The original has 64.
    dropout
        Share of elements dropped while training.
    """

    in_channels: int = 1
    out_channels: int = 1
    width: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        if min(self.in_channels, self.out_channels, self.width) < 1:
            raise OptionError(f"channels and width are 1 or more, not {self}")
        if not 0 <= self.dropout < 1:
            raise OptionError(f"dropout lies from 0 to below 1, not {self.dropout}")


class UNet2d(nn.Module):
    """Logits for every pixel; no activation at the end.

    With one input and one output channel at width 64 it has 31,042,369 parameters.
    """

    def __init__(self, config: UNet2dConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**level for level in range(LEVELS)]
        inputs = [config.in_channels, *widths[:-1]]
        self.down = nn.ModuleList(
            _double_conv(into, out) for into, out in zip(inputs, widths, strict=True)
        )
        # Registered in the order in which data flow, so that checkpoints of the original pair up.
        self.up = nn.ModuleList()
        for level in reversed(range(LEVELS - 1)):
            wide, narrow = widths[level + 1], widths[level]
            self.up.append(nn.ConvTranspose2d(wide, narrow, 2, stride=2))
            self.up.append(_double_conv(2 * narrow, narrow))
        self.head = nn.Conv2d(config.width, config.out_channels, 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, picture: Tensor) -> Tensor:
        """Give logits.

        Parameters
        ----------
        picture
            (B, C, H, W) float; any H and W, replicated at the edges up to a multiple of 16.

        Returns
        -------
        Tensor
            (B, K, H, W).
        """
        # B batch, C picture channels, K classes, F width
        rows, columns = picture.shape[-2:]
        below, right = -rows % MULTIPLE, -columns % MULTIPLE
        x = (
            functional.pad(picture, (0, right, 0, below), "replicate")
            if below or right
            else picture
        )
        skips: list[Tensor] = []
        for level, conv in enumerate(self.down):  # (B, F * 2^level, H / 2^level, W / 2^level)
            if level:
                x = self.dropout(functional.max_pool2d(x, 2))
            x = conv(x)
            skips.append(x)
        for up, conv in zip(self.up[::2], self.up[1::2], strict=True):
            skips.pop()
            x = conv(self.dropout(torch.cat([up(x), skips[-1]], 1)))
        logits: Tensor = self.head(x)
        return logits[..., :rows, :columns]


def _double_conv(into: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(into, out, 3, padding=1),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
        nn.Conv2d(out, out, 3, padding=1),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
