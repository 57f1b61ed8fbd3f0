"""The part of SAM-Med3D that draws the mask, for each click anew."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from medprep.models.sam_med3d.config import UPSCALING, SamMed3dConfig
from medprep.models.sam_med3d.layers import Head, LayerNorm3d
from medprep.models.sam_med3d.transformer import TwoWayTransformer

HYPER_DEPTH = 3


class MaskDecoder(nn.Module):
    """Tokens for masks and for their quality meet the image; each mask token then paints it."""

    def __init__(self, config: SamMed3dConfig) -> None:
        super().__init__()
        channels, tokens = config.prompt_dim, config.mask_tokens
        self.transformer = TwoWayTransformer(config)
        self.iou_token = nn.Embedding(1, channels)
        self.mask_tokens = nn.Embedding(tokens, channels)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose3d(channels, channels // 4, 2, stride=2),
            LayerNorm3d(channels // 4),
            nn.GELU(),
            # The second one is not normalised.
            nn.ConvTranspose3d(channels // 4, channels // UPSCALING, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            Head(channels, channels, channels // UPSCALING, HYPER_DEPTH) for _ in range(tokens)
        )
        # Its last layer is linear: a quality can lie outside 0 to 1.
        self.iou_prediction_head = Head(channels, config.iou_hidden, tokens, config.iou_depth)

    def forward(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        sparse_prompt_embeddings: Tensor,
        dense_prompt_embeddings: Tensor,
        multimask_output: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Draw masks.

        Parameters
        ----------
        image_embeddings
            (B, P, G, G, G), or (1, P, G, G, G) for several prompts to one volume.
        image_pe
            (1, P, G, G, G).
        sparse_prompt_embeddings
            (B, N, P).
        dense_prompt_embeddings
            (B, P, G, G, G).
        multimask_output
            Whether to give all masks but the first, in place of the first.

        Returns
        -------
        masks
            Logits (B, M, L, L, L), L = 4 * G.
        quality
            The overlap (intersection over union) that the net expects of each, (B, M).
        """
        # B batch, P channels, G tokens a side, M masks, F channels painted with
        own = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        own = own.expand(len(sparse_prompt_embeddings), -1, -1)
        tokens = torch.cat([own, sparse_prompt_embeddings], 1)
        image = image_embeddings + dense_prompt_embeddings
        tokens, seen = self.transformer(image, image_pe, tokens)
        wanted = slice(1, None) if multimask_output else slice(0, 1)
        masks = self._paint(tokens[:, 1:], seen.transpose(1, 2).reshape(image.shape), wanted)
        return masks, self.iou_prediction_head(tokens[:, 0])[:, wanted]

    def _paint(self, tokens: Tensor, image: Tensor, wanted: slice) -> Tensor:
        """Give the wanted masks (B, M, L, L, L) from all but the first token (B, T, P)."""
        painters = list(self.output_hypernetworks_mlps)
        pairs = zip(painters[wanted], tokens[:, : len(painters)].unbind(1)[wanted], strict=True)
        hyper = torch.stack([painter(token) for painter, token in pairs], 1)
        fine: Tensor = self.output_upscaling(image)
        masks = hyper @ fine.flatten(2)  # (B, M, F) @ (B, F, L^3)
        return masks.view(*masks.shape[:2], *fine.shape[2:])
