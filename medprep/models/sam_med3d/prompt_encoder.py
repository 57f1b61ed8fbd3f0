"""The part of SAM-Med3D that reads clicks and the mask they are to mend."""

from __future__ import annotations

from typing import NoReturn

from torch import Tensor, nn
from torch.nn import functional

from medprep.errors import OptionError
from medprep.models.sam_med3d.config import AXES, MASK_SHRINKING, SamMed3dConfig
from medprep.models.sam_med3d.layers import Halving, LayerNorm3d
from medprep.models.sam_med3d.positions import FourierPositions

PADDING, NEGATIVE, POSITIVE = -1, 0, 1
"""Labels of points: stands for nothing, lies outside, lies inside of what is to be marked."""


class PromptEncoder(nn.Module):
    """Clicks become sparse embeddings, a low-resolution mask a dense one."""

    def __init__(self, config: SamMed3dConfig) -> None:
        super().__init__()
        channels, hidden = config.prompt_dim, config.mask_in_channels
        self.image_size, self.grid, self.low_res = config.image_size, config.grid, config.low_res
        self.pe_layer = FourierPositions(channels)
        # Of negative and positive points. The embeddings of a box's corners, which the original
        # asks for, are in no released file.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, channels) for _ in range(2))
        self.not_a_point_embed = nn.Embedding(1, channels)
        self.mask_downscaling = nn.Sequential(
            Halving(1, hidden // MASK_SHRINKING),
            LayerNorm3d(hidden // MASK_SHRINKING),
            nn.GELU(),
            Halving(hidden // MASK_SHRINKING, hidden),
            LayerNorm3d(hidden),
            nn.GELU(),
            nn.Conv3d(hidden, channels, 1),
        )
        self.no_mask_embed = nn.Embedding(1, channels)

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None = None,
        boxes: None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Encode what is known of the organ.

        Parameters
        ----------
        points
            Voxel indices (B, N, 3) in the order of the volume's axes, and labels (B, N): 1 inside,
            0 outside, -1 for none. None gives no sparse embedding at all.
        boxes
            Only None: the original's boxes never worked.
        masks
            Logits (B, 1, L, L, L), L the config's ``low_res``. None says that there is no mask;
            that is not the same as a mask of zeros, which the authors give with the first click.

        Returns
        -------
        sparse
            (B, N + 1, P), or (B, 0, P) without points.
        dense
            (B, P, G, G, G).

        Raises
        ------
        OptionError
            If boxes are given, or a shape or a label is wrong.
        """
        if boxes is not None:
            _refuse_boxes()
        batch = 1 if masks is None else len(masks)
        if points is not None:
            batch = len(points[0])
        return self._sparse(points, batch), self._dense(masks, batch)

    def get_dense_pe(self) -> Tensor:
        """Encode the places of the embedding's tokens: (1, P, G, G, G)."""
        return self.pe_layer.of_grid(self.grid).unsqueeze(0)

    def _sparse(self, points: tuple[Tensor, Tensor] | None, batch: int) -> Tensor:
        weight = self.not_a_point_embed.weight
        if points is None:
            return weight.new_empty((batch, 0, weight.shape[1]))
        places, labels = points
        _require_points(places, labels)
        # Where there is no box, the net was always trained with one point more that is none.
        places = functional.pad(places, (0, 0, 0, 1))
        labels = functional.pad(labels.long(), (0, 1), value=PADDING).unsqueeze(-1)
        # From a voxel's index to its middle, as a share of the cube.
        encoded: Tensor = self.pe_layer((places.to(weight.dtype) + 0.5) / self.image_size)
        encoded = encoded.masked_fill(labels == PADDING, 0)
        kinds = (self.not_a_point_embed, *self.point_embeddings)
        for label, kind in zip((PADDING, NEGATIVE, POSITIVE), kinds, strict=True):
            encoded = encoded + (labels == label) * kind.weight
        return encoded

    def _dense(self, masks: Tensor | None, batch: int) -> Tensor:
        side = self.grid
        if masks is None:
            nothing: Tensor = self.no_mask_embed.weight
            return nothing.view(1, -1, 1, 1, 1).expand(batch, -1, side, side, side)
        wanted = (batch, 1, *[self.low_res] * AXES)
        if tuple(masks.shape) != wanted:
            raise OptionError(f"masks are logits of shape {wanted}, not {tuple(masks.shape)}")
        dense: Tensor = self.mask_downscaling(masks)
        return dense


def _refuse_boxes() -> NoReturn:
    raise OptionError(
        "SAM-Med3D takes no boxes: the original's code for them cannot run and no released weights "
        "hold their embeddings; give points, such as the box's middle"
    )


def _require_points(places: Tensor, labels: Tensor) -> None:
    if places.dim() != 3 or places.shape[-1] != AXES or labels.shape != places.shape[:2]:
        raise OptionError(
            f"points are (B, N, 3) with labels (B, N), not {tuple(places.shape)} with "
            f"{tuple(labels.shape)}"
        )
    known = (labels == PADDING) | (labels == NEGATIVE) | (labels == POSITIVE)
    if not known.all():
        raise OptionError(f"labels of points are 1, 0 or -1, not {labels[~known].tolist()}")
