"""The 2D U-Net as the CHAOS liver tutorial trains it.

Ronneberger, Fischer, Brox: U-Net (MICCAI 2015, arXiv:1505.04597), with padded convolutions, batch
normalisation, and dropout after each pooling and each concatenation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from medprep.errors import OptionError
from medprep.models.blocks import crop_to, double_conv, pad_to, round_up, up_conv
from medprep.models.dropout import Dropout
from medprep.models.originals import Original

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

    ORIGINAL: ClassVar = Original(
        names=(
            (r"down\.(\d)\.", lambda n: f"conv{n + 1}.conv."),
            (r"up\.([0246])\.", lambda n: f"up{6 + n // 2}."),
            (r"up\.([1357])\.", lambda n: f"conv{6 + n // 2}.conv."),
            (r"head\.", "conv10."),
        ),
        sizes={
            "in_channels": ("down.0.0.weight", 1),
            "out_channels": ("head.weight", 0),
            "width": ("down.0.0.weight", 0),
        },
    )

    def __init__(self, config: UNet2dConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**level for level in range(LEVELS)]
        inputs = [config.in_channels, *widths[:-1]]
        self.down = nn.ModuleList(
            double_conv(2, into, out, out) for into, out in zip(inputs, widths, strict=True)
        )
        self.up = nn.ModuleList()
        for narrow, wide in zip(widths[-2::-1], widths[:0:-1], strict=True):
            self.up.append(up_conv(2, wide, narrow))
            self.up.append(double_conv(2, 2 * narrow, narrow, narrow))
        self.head = nn.Conv2d(config.width, config.out_channels, 1)
        self.dropout = Dropout(config.dropout)

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
        size = picture.shape[2:]
        x = pad_to(picture, round_up(size, MULTIPLE))
        skips: list[Tensor] = []
        for level, conv in enumerate(self.down):  # (B, F * 2^level, H / 2^level, W / 2^level)
            if level:
                x = self.dropout(functional.max_pool2d(x, 2))
            x = conv(x)
            skips.append(x)
        for up, conv in zip(self.up[::2], self.up[1::2], strict=True):
            skips.pop()
            x = conv(self.dropout(up(x), skips[-1]))
        return crop_to(self.head(x), size)
