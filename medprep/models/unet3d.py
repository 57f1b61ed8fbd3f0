"""The 3D U-Net.

Çiçek et al.: 3D U-Net (MICCAI 2016, arXiv:1606.06650), with padded convolutions and a PReLU for
each channel, or ELU. The paper's 19,069,955 parameters count neither those of batch normalisation
and PReLU nor the biases of the three up-convolutions; all of them together are 19,077,859.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from medprep.errors import OptionError
from medprep.models.blocks import (
    Activation,
    crop_to,
    double_conv,
    join,
    pad_to,
    round_up,
    up_conv,
)
from medprep.models.originals import Original

LEVELS = 4
MULTIPLE = 2 ** (LEVELS - 1)
"""Sides the net works on are multiples of this; others are padded and cropped back."""

ACTIVATIONS: dict[str, Activation] = {
    "prelu": nn.PReLU,
    "elu": lambda channels: nn.ELU(inplace=True),
}


@dataclass(frozen=True)
class UNet3dConfig:
    """Size of a `UNet3d`.

    Parameters
    ----------
    in_channels, out_channels
        Channels of the volume; channels of logits.
    width
        Channels inside the first level, which gives twice as many; each of the three below doubles
        them. The original has 32.
    activation
        ``prelu``, with a slope learnt for each channel, or ``elu``.
    """

    in_channels: int = 1
    out_channels: int = 1
    width: int = 32
    activation: Literal["prelu", "elu"] = "prelu"

    def __post_init__(self) -> None:
        if min(self.in_channels, self.out_channels, self.width) < 1:
            raise OptionError(f"channels and width are 1 or more, not {self}")
        if self.activation not in ACTIVATIONS:
            raise OptionError(
                f"activation is one of {', '.join(ACTIVATIONS)}, not '{self.activation}'"
            )


class UNet3d(nn.Module):
    """Logits for every voxel; no activation at the end.

    With three input and three output channels at width 32 it has 19,077,859 parameters.
    """

    ORIGINAL: ClassVar = Original(
        names=(
            (r"down\.0\.", "init_conv."),
            (r"down\.(\d)\.", lambda n: f"down_conv{n}."),
            (r"up\.([024])\.", lambda n: f"up_sample{1 + n // 2}."),
            (r"up\.([135])\.", lambda n: f"up_conv{1 + n // 2}."),
            (r"head\.", "final_conv."),
        ),
        sizes={
            "in_channels": ("down.0.0.weight", 1),
            "out_channels": ("head.weight", 0),
            "width": ("down.0.0.weight", 0),
        },
        without={"down.0.2.weight": {"activation": "elu"}},
    )

    def __init__(self, config: UNet3dConfig) -> None:
        super().__init__()
        self.config = config
        activation = ACTIVATIONS[config.activation]
        widths = [config.width * 2**level for level in range(LEVELS + 1)]
        inputs = [config.in_channels, *widths[1:-1]]
        self.down = nn.ModuleList(
            double_conv(3, into, middle, 2 * middle, activation)
            for into, middle in zip(inputs, widths[:-1], strict=True)
        )
        self.up = nn.ModuleList()
        for narrow, wide in zip(widths[-2:0:-1], widths[:1:-1], strict=True):
            self.up.append(up_conv(3, wide, wide))
            self.up.append(double_conv(3, narrow + wide, narrow, narrow, activation))
        self.head = nn.Conv3d(widths[1], config.out_channels, 1)

    def forward(self, volume: Tensor) -> Tensor:
        """Give logits.

        Parameters
        ----------
        volume
            (B, C, D, H, W) float; any size, replicated at the edges up to a multiple of 8.

        Returns
        -------
        Tensor
            (B, K, D, H, W).
        """
        # B batch, C volume channels, K classes, F width
        size = volume.shape[2:]
        x = pad_to(volume, round_up(size, MULTIPLE))
        skips: list[Tensor] = []
        for level, conv in enumerate(self.down):  # (B, 2F * 2^level, D / 2^level, ...)
            if level:
                x = functional.max_pool3d(x, 2)
            x = conv(x)
            skips.append(x)
        for up, conv in zip(self.up[::2], self.up[1::2], strict=True):
            skips.pop()
            x = conv(join(skips[-1], up(x)))
        return crop_to(self.head(x), size)
