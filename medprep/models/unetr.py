"""UNETR in the form of the tutorial on it.

Hatamizadeh et al.: UNETR: Transformers for 3D Medical Image Segmentation (WACV 2022,
arXiv:2103.10504). This form differs from the paper: the MLPs are 2048 wide with ReLU, the last
tokens are not normalised, each step of the decoder has batch normalisation; `unetr_official` is the
authors' own. Kept though never used, so that counts and strict loading hold: ``encoder_norm``
(1,536 parameters at 768 channels).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn

from medprep.models.blocks import (
    Attention,
    TransformerBlock,
    conv_norm,
    crop_to,
    join,
    to_grid,
    up_conv,
)
from medprep.models.originals import Original
from medprep.models.tokens import DEPTH, PATCH, check_tokens, pad_to_shape

MLP = 2048
MLP_DROPOUT = 0.1
"""The original's MLPs do not heed its dropout."""
EPS = 1e-6
TAPS = (3, 6, 9, 12)
"""After so many blocks the decoder takes the tokens."""
WIDTHS = (512, 256, 128, 64)


@dataclass(frozen=True)
class UnetrConfig:
    """Size of a `Unetr`.

    Parameters
    ----------
    in_channels, out_channels
        Channels of the volume; channels of logits.
    shape
        Voxels along each axis, multiples of 16; smaller volumes are padded to it.
    embed_dim, heads
        Channels of a token; heads that share them.
    dropout
        Share of elements dropped while training, but in the MLPs, where it is always 0.1.
    """

    in_channels: int = 1
    out_channels: int = 1
    shape: tuple[int, int, int] = (128, 128, 128)
    embed_dim: int = 768
    heads: int = 12
    dropout: float = 0.1

    def __post_init__(self) -> None:
        # A checkpoint's record is JSON, which has lists only.
        object.__setattr__(self, "shape", tuple(self.shape))
        check_tokens(self, self.embed_dim)


def _pathway(embed_dim: int, steps: int) -> nn.Sequential:
    """From tokens (B, E, ...) to a volume twice as large a step."""
    widths = (embed_dim, *WIDTHS)[: steps + 1]
    return nn.Sequential(
        *(
            nn.Sequential(up_conv(3, into, out), *conv_norm(3, out, out))
            for into, out in pairwise(widths)
        )
    )


def _merge(width: int, last: nn.Module) -> nn.Sequential:
    """From two volumes of this width side by side to one, and what comes last."""
    return nn.Sequential(
        nn.Sequential(*conv_norm(3, 2 * width, width)),
        nn.Sequential(*conv_norm(3, width, width)),
        last,
    )


class Unetr(nn.Module):
    """Logits for every voxel; no activation at the end.

    With 4 channels in, 3 out, shape 128 x 128 x 128, 768 channels a token: 148,955,299 parameters.
    """

    ORIGINAL: ClassVar = Original(
        names=(
            (r"positions$", "transformer.embeddings.position_embeddings"),
            (r"patches\.", "transformer.embeddings.patch_embeddings."),
            (r"encoder_norm\.", "transformer.encoder_norm."),
            (r"blocks\.(\d+)\.norm1\.", lambda n: f"transformer.layer.{n}.attention_norm."),
            (r"blocks\.(\d+)\.norm2\.", lambda n: f"transformer.layer.{n}.mlp_norm."),
            (r"blocks\.(\d+)\.mlp\.0\.", lambda n: f"transformer.layer.{n}.mlp.w_1."),
            (r"blocks\.(\d+)\.mlp\.3\.", lambda n: f"transformer.layer.{n}.mlp.w_2."),
            (r"blocks\.(\d+)\.attention\.out\.", lambda n: f"transformer.layer.{n}.attn.out."),
            (
                r"blocks\.(\d+)\.attention\.qkv\.",
                lambda n: [f"transformer.layer.{n}.attn.{p}." for p in ("query", "key", "value")],
            ),
            (r"picture\.(\d)\.0\.", lambda n: f"decoder0.{n}.block.0.block."),
            (r"picture\.(\d)\.1\.", lambda n: f"decoder0.{n}.block.1."),
            (r"path9\.0\.([01])\.", lambda n: f"decoder9.block.{n}.block."),
            (r"path9\.0\.2\.", "decoder9.block.2."),
            (r"path([36])\.(\d)\.([01])\.", lambda z, n, k: f"decoder{z}.{n}.block.{k}.block."),
            (r"path([36])\.(\d)\.2\.", lambda z, n: f"decoder{z}.{n}.block.2."),
            (r"path12\.", "decoder12_upsampler.block."),
            (r"merge(\d)\.2\.", lambda z: f"decoder{z}_upsampler.2.block."),
            (r"merge(\d)\.(\d)\.0\.", lambda z, n: f"decoder{z}_upsampler.{n}.block.0.block."),
            (r"merge(\d)\.(\d)\.1\.", lambda z, n: f"decoder{z}_upsampler.{n}.block.1."),
            (r"head\.2\.", "decoder0_header.2.block."),
            (r"head\.(\d)\.0\.", lambda n: f"decoder0_header.{n}.block.0.block."),
            (r"head\.(\d)\.1\.", lambda n: f"decoder0_header.{n}.block.1."),
        ),
        sizes={
            "in_channels": ("patches.weight", 1),
            "out_channels": ("head.2.weight", 0),
            "embed_dim": ("patches.weight", 0),
        },
        tokens="positions",
        unseen={"heads": "embed_dim"},
    )

    def __init__(self, config: UnetrConfig) -> None:
        super().__init__()
        self.config = config
        embed = config.embed_dim
        self.grid = tuple(side // PATCH for side in config.shape)
        self.patches = nn.Conv3d(config.in_channels, embed, PATCH, stride=PATCH)
        self.positions = nn.Parameter(torch.zeros(1, prod(self.grid), embed))
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_block(config) for _ in range(DEPTH))
        self.encoder_norm = nn.LayerNorm(embed, eps=EPS).requires_grad_(False)
        self.picture = nn.Sequential(
            nn.Sequential(*conv_norm(3, config.in_channels, WIDTHS[-1] // 2)),
            nn.Sequential(*conv_norm(3, WIDTHS[-1] // 2, WIDTHS[-1])),
        )
        self.path3 = _pathway(embed, 3)
        self.path6 = _pathway(embed, 2)
        self.path9 = _pathway(embed, 1)
        self.path12 = up_conv(3, embed, WIDTHS[0])
        self.merge9 = _merge(WIDTHS[0], up_conv(3, WIDTHS[0], WIDTHS[1]))
        self.merge6 = _merge(WIDTHS[1], up_conv(3, WIDTHS[1], WIDTHS[2]))
        self.merge3 = _merge(WIDTHS[2], up_conv(3, WIDTHS[2], WIDTHS[3]))
        self.head = _merge(WIDTHS[3], nn.Conv3d(WIDTHS[3], config.out_channels, 1))

    def forward(self, volume: Tensor) -> Tensor:
        """Give logits.

        Parameters
        ----------
        volume
            (B, C, D, H, W) float; no side above the config's shape, replicated at the edges up to
            it.

        Returns
        -------
        Tensor
            (B, K, D, H, W).

        Raises
        ------
        GeometryError
            If a side is larger than the config's.
        """
        # B batch, C volume channels, K classes, E channels of a token, N = D/16 * H/16 * W/16
        size = volume.shape[2:]
        volume = pad_to_shape(volume, self.config.shape)
        tokens = self.patches(volume).flatten(2).transpose(1, 2)  # (B, N, E)
        tokens = self.dropout(tokens + self.positions)
        taps: list[Tensor] = []
        for number, block in enumerate(self.blocks, 1):
            tokens = block(tokens)
            if number in TAPS:
                taps.append(to_grid(tokens, self.grid))  # (B, E, D/16, H/16, W/16)
        z3, z6, z9, z12 = taps
        x = self.merge9(join(self.path9(z9), self.path12(z12)))  # (B, 256, D/4, H/4, W/4)
        x = self.merge6(join(self.path6(z6), x))  # (B, 128, D/2, H/2, W/2)
        x = self.merge3(join(self.path3(z3), x))  # (B, 64, D, H, W)
        return crop_to(self.head(join(self.picture(volume), x)), size)


def _block(config: UnetrConfig) -> TransformerBlock:
    embed = config.embed_dim
    return TransformerBlock(
        embed,
        Attention(embed, config.heads, bias=True, dropout=config.dropout),
        nn.Sequential(
            nn.Linear(embed, MLP),
            nn.ReLU(inplace=True),
            nn.Dropout(MLP_DROPOUT),
            nn.Linear(MLP, embed),
        ),
        eps=EPS,
    )
