"""The three parts of SAM-Med3D in one net."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from medprep.models.sam_med3d.config import SamMed3dConfig
from medprep.models.sam_med3d.image_encoder import ImageEncoder
from medprep.models.sam_med3d.mask_decoder import MaskDecoder
from medprep.models.sam_med3d.prompt_encoder import PromptEncoder


class SamMed3d(nn.Module):
    """Segment anything in a volume, told by clicks; with the default config 100,509,232 parameters.

    It has no ``forward``: the embedding of a volume serves all its clicks, so the parts are called
    one by one, as the room's docstring shows.
    """

    def __init__(self, config: SamMed3dConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config)
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)

    def answer(
        self, embedding: Tensor, points: tuple[Tensor, Tensor] | None, low_res: Tensor
    ) -> Tensor:
        """Give the low-resolution logits (B, 1, L, L, L) that answer clicks.

        Parameters
        ----------
        embedding
            Of the volumes, as the image encoder gives it.
        points
            As the prompt encoder takes them; None: only the mask is to be mended.
        low_res
            The answer before, zeros at the first click.
        """
        sparse, dense = self.prompt_encoder(points=points, masks=low_res)
        masks: Tensor
        masks, _ = self.mask_decoder(
            image_embeddings=embedding,
            image_pe=self.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )
        return masks

    def enlarge(self, low_res: Tensor) -> Tensor:
        """Bring low-resolution logits (B, M, L, L, L) to the volume's (B, M, S, S, S)."""
        size = (self.config.image_size,) * 3
        return functional.interpolate(low_res, size, mode="trilinear", align_corners=False)
