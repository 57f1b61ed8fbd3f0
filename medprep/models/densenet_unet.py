"""A 2D DenseUNet-167: our own net after the description of H-DenseUNet's.

Li et al.: H-DenseUNet: Hybrid Densely Connected UNet for Liver and Tumor Segmentation from CT
Volumes (IEEE TMI 2018, arXiv:1709.07330), on the encoder of DenseNet-161 (Huang et al. 2017,
arXiv:1608.06993). As described there: skips are added, not concatenated, the deepest one through a
1x1 convolution; the decoder enlarges by nearest neighbour; dropout 0.3 before the last
normalisation. Ours: batch normalisation has its usual running statistics, and no scaling layer of
its own behind it, which would learn the same twice. No original's weights fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from medprep.errors import OptionError
from medprep.models.blocks import crop_to, join, pad_to, relu, round_up
from medprep.models.originals import Original

BLOCKS = (6, 12, 36, 24)
"""Layers of each dense block."""
BOTTLENECK = 4
"""A dense layer's 1x1 convolution gives so many times what the layer adds."""
EPS = 1.1e-5
MULTIPLE = 2 ** (len(BLOCKS) + 1)
"""Rows and columns the net works on are multiples of this; others are padded and cropped back."""


@dataclass(frozen=True)
class DenseUNetConfig:
    """Size of a `DenseUNet`.

    Parameters
    ----------
    in_channels, out_channels
        Channels of the picture; channels of logits.
    width
        Channels of the first convolution, an even number; each dense layer adds half as many. The
        original has 96.
    dropout
        Share of elements dropped while training, before the last normalisation.
    """

    in_channels: int = 1
    out_channels: int = 1
    width: int = 96
    dropout: float = 0.3

    def __post_init__(self) -> None:
        if min(self.in_channels, self.out_channels) < 1:
            raise OptionError(f"channels are 1 or more, not {self}")
        if self.width < 2 or self.width % 2:
            raise OptionError(f"width is an even number from 2 on, not {self.width}")
        if not 0 <= self.dropout < 1:
            raise OptionError(f"dropout lies from 0 to below 1, not {self.dropout}")


def _norm(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels, eps=EPS), relu(channels)]


class DenseBlock(nn.Module):
    """Layers that each see all that came before them, and add ``growth`` channels."""

    def __init__(self, into: int, growth: int, layers: int) -> None:
        super().__init__()
        inner = BOTTLENECK * growth
        self.layers = nn.ModuleList(
            nn.Sequential(
                *_norm(into + number * growth),
                nn.Conv2d(into + number * growth, inner, 1, bias=False),
                *_norm(inner),
                nn.Conv2d(inner, growth, 3, padding=1, bias=False),
            )
            for number in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, into + layers * growth, H, W) of (B, into, H, W)."""
        for layer in self.layers:
            x = join(x, layer(x))
        return x


class DenseUNet(nn.Module):
    """Logits for every pixel; no activation at the end.

    With three input and three output channels at width 96 it has 49,527,843 parameters.
    """

    ORIGINAL: ClassVar = Original(
        names=None,
        sizes={
            "in_channels": ("stem.0.weight", 1),
            "out_channels": ("head.weight", 0),
            "width": ("stem.0.weight", 0),
        },
    )

    def __init__(self, config: DenseUNetConfig) -> None:
        super().__init__()
        self.config = config
        width, growth = config.width, config.width // 2
        self.stem = nn.Sequential(
            nn.Conv2d(config.in_channels, width, 7, stride=2, padding=3, bias=False), *_norm(width)
        )
        self.dense = nn.ModuleList()
        self.shrink = nn.ModuleList()
        skips, into = [width], width
        for layers in BLOCKS:
            self.dense.append(DenseBlock(into, growth, layers))
            skips.append(into + layers * growth)
            into = skips[-1] // 2
            # The deepest block is not shrunk, only normalised.
            halve = [nn.Conv2d(skips[-1], into, 1, bias=False), nn.AvgPool2d(2)]
            deepest = len(self.dense) == len(BLOCKS)
            self.shrink.append(nn.Sequential(*_norm(skips[-1]), *([] if deepest else halve)))
        self.line = nn.Conv2d(skips[3], skips[4], 1)
        last = max(1, 2 * width // 3)
        outs = [skips[2], skips[1], skips[0], width]
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(wide, narrow, 3, padding=1), *_norm(narrow))
            for wide, narrow in zip([skips[4], *outs], outs, strict=False)
        )
        self.last = nn.Sequential(
            nn.Conv2d(width, last, 3, padding=1), nn.Dropout(config.dropout), *_norm(last)
        )
        self.head = nn.Conv2d(last, config.out_channels, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """Give logits.

        Parameters
        ----------
        picture
            (B, C, H, W) float; any H and W, replicated at the edges up to a multiple of 32.

        Returns
        -------
        Tensor
            (B, K, H, W).
        """
        # B batch, C picture channels, K classes, F width
        size = picture.shape[2:]
        x = self.stem(pad_to(picture, round_up(size, MULTIPLE)))  # (B, F, H/2, W/2)
        skips = [x]
        x = functional.max_pool2d(x, 3, stride=2, padding=1)
        for dense, shrink in zip(self.dense, self.shrink, strict=True):
            wide = dense(x)  # (B, 4F | 8F | 22F | 23F, H/4 | H/8 | H/16 | H/32, ...)
            skips.append(wide)
            x = shrink(wide)
        skips[3] = self.line(skips[3])
        for up, skip in zip(self.up, skips[3::-1], strict=True):
            x = up(_double(x) + skip)
        return crop_to(self.head(self.last(_double(x))), size)


def _double(x: Tensor) -> Tensor:
    """Double each side by repeating."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
