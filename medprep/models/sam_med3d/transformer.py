"""The decoder's transformer: tokens look at the image, the image looks at tokens."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from medprep.models.sam_med3d.config import DECODER_SHRINKING, SamMed3dConfig
from medprep.models.sam_med3d.layers import Mlp, join_heads, split_heads


class TwoWayTransformer(nn.Module):
    """Layers of attention both ways, and a last look of the tokens at the image."""

    def __init__(self, config: SamMed3dConfig) -> None:
        super().__init__()
        layers = (TwoWayLayer(config, first=not number) for number in range(config.decoder_depth))
        self.layers = nn.ModuleList(layers)
        self.final_attn_token_to_image = _across(config)
        # Here and in the layers eps is torch's own 1e-5, not the 1e-6 of all else in the net.
        self.norm_final_attn = nn.LayerNorm(config.prompt_dim)

    def forward(self, image: Tensor, image_places: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Mix tokens and image.

        Parameters
        ----------
        image, image_places
            (B, P, G, G, G); the places may stand once for the whole batch.
        tokens
            (B, T, P); they are also their own places.

        Returns
        -------
        tokens
            (B, T, P).
        image
            (B, G * G * G, P).
        """
        keys, places = (whole.flatten(2).transpose(1, 2) for whole in (image, image_places))
        queries = tokens
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, places)
        seen = self.final_attn_token_to_image(queries + tokens, keys + places, keys)
        return self.norm_final_attn(queries + seen), keys


class TwoWayLayer(nn.Module):
    """Tokens look at themselves, then at the image, are worked on, and the image looks at them.

    Parameters
    ----------
    config
        Of the whole net.
    first
        Whether it is the transformer's first layer, whose tokens nothing was added to yet.
    """

    def __init__(self, config: SamMed3dConfig, first: bool) -> None:
        super().__init__()
        channels = config.prompt_dim
        self.first = first
        self.self_attn = Attention(channels, channels, config.decoder_heads)
        self.norm1 = nn.LayerNorm(channels)
        self.cross_attn_token_to_image = _across(config)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = Mlp(channels, config.decoder_mlp, functional.relu)
        self.norm3 = nn.LayerNorm(channels)
        self.norm4 = nn.LayerNorm(channels)
        self.cross_attn_image_to_token = _across(config)

    def forward(
        self, queries: Tensor, keys: Tensor, token_places: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give the tokens (B, T, P) and the image (B, N, P) after one layer."""
        if self.first:
            # The tokens are their own places here, and are replaced, not added to.
            queries = self.self_attn(queries, queries, queries)
        else:
            placed = queries + token_places
            queries = queries + self.self_attn(placed, placed, queries)
        queries = self.norm1(queries)
        seen = self.cross_attn_token_to_image(queries + token_places, keys + places, keys)
        queries = self.norm2(queries + seen)
        queries = self.norm3(queries + self.mlp(queries))
        seen = self.cross_attn_image_to_token(keys + places, queries + token_places, queries)
        return queries, self.norm4(keys + seen)


class Attention(nn.Module):
    """Attention of queries to keys.

    Parameters
    ----------
    channels
        Of what comes in and goes out.
    inner
        Of all heads together.
    heads
        Their number.
    """

    def __init__(self, channels: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(channels, inner)
        self.k_proj = nn.Linear(channels, inner)
        self.v_proj = nn.Linear(channels, inner)
        self.out_proj = nn.Linear(inner, channels)

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Let queries (B, N, C) look at keys and values (B, M, C): (B, N, C)."""
        projected = (self.q_proj(queries), self.k_proj(keys), self.v_proj(values))
        q, k, v = (split_heads(x, self.heads) for x in projected)
        out: Tensor = self.out_proj(join_heads(functional.scaled_dot_product_attention(q, k, v)))
        return out


def _across(config: SamMed3dConfig) -> Attention:
    """Make the attention between tokens and image, on fewer channels."""
    inner = config.prompt_dim // DECODER_SHRINKING
    return Attention(config.prompt_dim, inner, config.decoder_heads)
