"""UNETR as the paper's authors published it, in MONAI.

Hatamizadeh et al.: UNETR: Transformers for 3D Medical Image Segmentation (WACV 2022,
arXiv:2103.10504); the form of their repository: patches through one linear layer, instance
normalisation without parameters, convolutions without bias, residual blocks. The paper speaks of
92.58 million parameters; their code has 92,790,958. Kept though never used, so that counts and
strict loading hold: ``cls_token``, and ``conv3`` of the residual blocks that keep their number of
channels (three: two in ``encoder2``, one in ``encoder3``). Later releases of MONAI lack those four
and have 24 other tensors that are never used (``norm_cross_attn``); both load.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn

from medprep.errors import OptionError
from medprep.models.blocks import Attention, TransformerBlock, crop_to, join, to_grid, up_conv
from medprep.models.originals import Original
from medprep.models.tokens import DEPTH, PATCH, check_tokens, pad_to_shape

EPS = 1e-5
SLOPE = 0.01
TAPS = (4, 7, 10)
"""After so many blocks the decoder takes the tokens; it also takes the last ones, normalised."""
SPREAD = 0.02
"""Standard deviation of the first weights of positions and patches."""


@dataclass(frozen=True)
class UnetrOfficialConfig:
    """Size of a `UnetrOfficial`; the defaults are those of the authors' BTCV net.

    Parameters
    ----------
    in_channels, out_channels
        Channels of the volume; channels of logits.
    shape
        Voxels along each axis, multiples of 16; smaller volumes are padded to it.
    feature_size
        Channels of the finest level of the decoder; each coarser one doubles them.
    hidden_size, mlp_dim, heads
        Channels of a token; width of the MLPs; heads that share the channels.
    dropout
        Share of elements dropped while training.
    """

    in_channels: int = 1
    out_channels: int = 14
    shape: tuple[int, int, int] = (96, 96, 96)
    feature_size: int = 16
    hidden_size: int = 768
    mlp_dim: int = 3072
    heads: int = 12
    dropout: float = 0.0

    def __post_init__(self) -> None:
        # A checkpoint's record is JSON, which has lists only.
        object.__setattr__(self, "shape", tuple(self.shape))
        check_tokens(self, self.hidden_size)
        if min(self.feature_size, self.mlp_dim) < 1:
            raise OptionError(f"feature_size and mlp_dim are 1 or more, not {self}")


class ResidualBlock(nn.Module):
    """Two convolutions, and a shortcut that has one where the channels change."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.changes = into != out
        self.conv1 = nn.Conv3d(into, out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv3d(out, out, 3, padding=1, bias=False)
        self.conv3 = nn.Conv3d(into, out, 1, bias=False).requires_grad_(self.changes)
        self.norm = nn.InstanceNorm3d(out)
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, out, D, H, W) of (B, into, D, H, W)."""
        shortcut = self.norm(self.conv3(x)) if self.changes else x
        inner = self.activation(self.norm(self.conv1(x)))
        out: Tensor = self.activation(self.norm(self.conv2(inner)) + shortcut)
        return out


class UpBlock(nn.Module):
    """Doubles the sides of the deeper volume and merges it with a skip."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.up = up_conv(3, into, out, bias=False)
        self.block = ResidualBlock(2 * out, out)

    def forward(self, deeper: Tensor, skip: Tensor) -> Tensor:
        """Give (B, out, 2D, 2H, 2W) of (B, into, D, H, W) and (B, out, 2D, 2H, 2W)."""
        out: Tensor = self.block(join(self.up(deeper), skip))
        return out


def _path(into: int, out: int, steps: int) -> nn.Sequential:
    """From tokens to a volume that is doubled once, and once more for each further step."""
    more = (nn.Sequential(up_conv(3, out, out, bias=False), ResidualBlock(out, out))
            for _ in range(steps))  # fmt: skip
    return nn.Sequential(up_conv(3, into, out, bias=False), *more)


def _adapt(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Bring the form of later releases of MONAI to the authors' own."""
    kept = {
        name: tensor
        for name, tensor in tensors.items()
        if not re.match(r"vit\.blocks\.\d+\.(norm_cross_attn|cross_attn)\.", name)
    }
    start = "vit.patch_embedding.patch_embeddings."
    weight = kept.get(f"{start}weight")
    if weight is not None and weight.ndim == 5:  # their "conv": the same sum in another order
        del kept[f"{start}weight"]
        kept[f"{start}1.weight"] = weight.permute(0, 2, 3, 4, 1).flatten(1)
        kept[f"{start}1.bias"] = kept.pop(f"{start}bias")
    return kept


class UnetrOfficial(nn.Module):
    """Logits for every voxel; no activation at the end.

    With one channel in, 14 out and the other defaults: 92,790,958 parameters.
    """

    ORIGINAL: ClassVar = Original(
        names=(
            (r"positions$", "vit.patch_embedding.position_embeddings"),
            (r"cls_token$", "vit.patch_embedding.cls_token"),
            (r"patches\.", "vit.patch_embedding.patch_embeddings.1."),
            (r"blocks\.(\d+)\.attention\.qkv\.", lambda n: f"vit.blocks.{n}.attn.qkv."),
            (r"blocks\.(\d+)\.attention\.out\.", lambda n: f"vit.blocks.{n}.attn.out_proj."),
            (r"blocks\.(\d+)\.mlp\.0\.", lambda n: f"vit.blocks.{n}.mlp.linear1."),
            (r"blocks\.(\d+)\.mlp\.3\.", lambda n: f"vit.blocks.{n}.mlp.linear2."),
            (r"(?=blocks\.|norm\.)", "vit."),
            (r"encoder1\.conv(\d)\.", lambda n: f"encoder1.layer.conv{n}.conv."),
            (r"encoder(\d)\.0\.", lambda z: f"encoder{z}.transp_conv_init.conv."),
            (r"encoder(\d)\.(\d)\.0\.", lambda z, n: f"encoder{z}.blocks.{n - 1}.0.conv."),
            (
                r"encoder(\d)\.(\d)\.1\.conv(\d)\.",
                lambda z, n, k: f"encoder{z}.blocks.{n - 1}.1.conv{k}.conv.",
            ),
            (r"decoder(\d)\.up\.", lambda z: f"decoder{z}.transp_conv.conv."),
            (
                r"decoder(\d)\.block\.conv(\d)\.",
                lambda z, n: f"decoder{z}.conv_block.conv{n}.conv.",
            ),
            (r"head\.", "out.conv.conv."),
        ),
        sizes={
            "in_channels": ("encoder1.conv1.weight", 1),
            "out_channels": ("head.weight", 0),
            "feature_size": ("encoder1.conv1.weight", 0),
            "hidden_size": ("norm.weight", 0),
            "mlp_dim": ("blocks.0.mlp.0.weight", 0),
        },
        tokens="positions",
        unseen={"heads": "hidden_size"},
        adapt=_adapt,
    )

    def __init__(self, config: UnetrOfficialConfig) -> None:
        super().__init__()
        self.config = config
        hidden, fine = config.hidden_size, config.feature_size
        self.grid = tuple(side // PATCH for side in config.shape)
        self.patches = nn.Linear(config.in_channels * PATCH**3, hidden)
        self.positions = nn.Parameter(torch.zeros(1, prod(self.grid), hidden))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, hidden), requires_grad=False)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(_block(config) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(hidden, eps=EPS)
        self.encoder1 = ResidualBlock(config.in_channels, fine)
        self.encoder2 = _path(hidden, 2 * fine, 2)
        self.encoder3 = _path(hidden, 4 * fine, 1)
        self.encoder4 = _path(hidden, 8 * fine, 0)
        self.decoder5 = UpBlock(hidden, 8 * fine)
        self.decoder4 = UpBlock(8 * fine, 4 * fine)
        self.decoder3 = UpBlock(4 * fine, 2 * fine)
        self.decoder2 = UpBlock(2 * fine, fine)
        self.head = nn.Conv3d(fine, config.out_channels, 1)
        nn.init.trunc_normal_(self.positions, std=SPREAD)
        nn.init.trunc_normal_(self.patches.weight, std=SPREAD)
        nn.init.zeros_(self.patches.bias)

    @property
    def never_used(self) -> set[str]:
        """Names of the tensors that the logits do not depend on."""
        return {"cls_token"} | {
            f"{name}.conv3.weight"
            for name, module in self.named_modules()
            if isinstance(module, ResidualBlock) and not module.changes
        }

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
        # B batch, C volume channels, K classes, E channels of a token, N = D/16 * H/16 * W/16,
        # F channels of the finest level
        size = volume.shape[2:]
        volume = pad_to_shape(volume, self.config.shape)
        tokens = self.dropout(self.patches(_cut(volume)) + self.positions)  # (B, N, E)
        taps: list[Tensor] = []
        for number, block in enumerate(self.blocks, 1):
            tokens = block(tokens)
            if number in TAPS:
                taps.append(to_grid(tokens, self.grid))  # (B, E, D/16, H/16, W/16)
        early, middle, late = taps
        x = to_grid(self.norm(tokens), self.grid)
        x = self.decoder5(x, self.encoder4(late))  # (B, 8F, D/8, H/8, W/8)
        x = self.decoder4(x, self.encoder3(middle))  # (B, 4F, D/4, H/4, W/4)
        x = self.decoder3(x, self.encoder2(early))  # (B, 2F, D/2, H/2, W/2)
        x = self.decoder2(x, self.encoder1(volume))  # (B, F, D, H, W)
        return crop_to(self.head(x), size)


def _cut(volume: Tensor) -> Tensor:
    """Cut (B, C, D, H, W) into tokens (B, N, 16 * 16 * 16 * C), channels innermost."""
    batch, channels, *size = volume.shape
    cut = [part for side in size for part in (side // PATCH, PATCH)]
    return (
        volume.reshape(batch, channels, *cut)
        .permute(0, 2, 4, 6, 3, 5, 7, 1)
        .flatten(4)
        .flatten(1, 3)
    )


def _block(config: UnetrOfficialConfig) -> TransformerBlock:
    hidden = config.hidden_size
    return TransformerBlock(
        hidden,
        Attention(hidden, config.heads, bias=False, dropout=config.dropout),
        nn.Sequential(
            nn.Linear(hidden, config.mlp_dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.mlp_dim, hidden),
            nn.Dropout(config.dropout),
        ),
        eps=EPS,
    )
