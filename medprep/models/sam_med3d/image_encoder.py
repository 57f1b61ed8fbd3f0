"""The part of SAM-Med3D that looks at the volume, once for any number of clicks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from medprep.errors import OptionError
from medprep.models.sam_med3d.attention import WindowAttention
from medprep.models.sam_med3d.config import SamMed3dConfig
from medprep.models.sam_med3d.layers import LayerNorm3d, Mlp


class ImageEncoder(nn.Module):
    """A vision transformer over cubes of voxels, and a neck that narrows its channels."""

    def __init__(self, config: SamMed3dConfig) -> None:
        super().__init__()
        side, channels, out = config.grid, config.embed_dim, config.prompt_dim
        self.image_size = config.image_size
        self.pos_embed = nn.Parameter(torch.zeros(1, side, side, side, channels))
        self.patch_embed = PatchEmbed(config.patch_size, channels)
        self.blocks = nn.ModuleList(Block(config, number) for number in range(config.depth))
        self.neck = nn.Sequential(
            nn.Conv3d(channels, out, 1, bias=False),
            LayerNorm3d(out),
            nn.Conv3d(out, out, 3, padding=1, bias=False),
            LayerNorm3d(out),
        )

    def forward(self, volume: Tensor) -> Tensor:
        """Give the volume's embedding.

        Parameters
        ----------
        volume
            (B, 1, S, S, S) float, S the config's ``image_size``.

        Returns
        -------
        Tensor
            (B, P, G, G, G): P the config's ``prompt_dim``, G its ``grid``.

        Raises
        ------
        OptionError
            If the volume has another shape.
        """
        wanted = (1, *[self.image_size] * 3)
        if tuple(volume.shape[1:]) != wanted:
            raise OptionError(f"the net sees (B, {wanted}) voxels, not {tuple(volume.shape)}")
        # B batch, G tokens a side, C channels: (B, G, G, G, C)
        x = self.patch_embed(volume) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.neck(x.movedim(-1, 1))
        return embedding


class PatchEmbed(nn.Module):
    """Each cube of voxels becomes a token."""

    def __init__(self, patch: int, channels: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(1, channels, patch, stride=patch)

    def forward(self, volume: Tensor) -> Tensor:
        """Turn (B, 1, S, S, S) into (B, G, G, G, C)."""
        tokens: Tensor = self.proj(volume)
        return tokens.movedim(1, -1)


class Block(nn.Module):
    """Attention within windows or over all, then an MLP, each added to what came in.

    Parameters
    ----------
    config
        Of the whole net.
    number
        The block's own, counted from 0.
    """

    def __init__(self, config: SamMed3dConfig, number: int) -> None:
        super().__init__()
        channels = config.embed_dim
        window = config.grid if number in config.global_blocks else config.window
        # The encoder's eps is 1e-6; the decoder's is torch's own.
        self.norm1 = nn.LayerNorm(channels, eps=1e-6)
        self.attn = WindowAttention(channels, config.heads, window)
        self.norm2 = nn.LayerNorm(channels, eps=1e-6)
        # GELU as it is, not the approximation by tanh.
        self.mlp = Mlp(channels, int(channels * config.mlp_ratio), functional.gelu)

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, G, G, G, C)."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out
