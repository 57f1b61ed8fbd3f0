"""Places in the cube as random Fourier features (Tancik et al. 2020, arXiv:2006.10739)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from medprep.models.sam_med3d.config import AXES


class FourierPositions(nn.Module):
    """Sines and cosines of places along random directions.

    Parameters
    ----------
    channels
        Of an encoded place; a multiple of 3.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        # A buffer: drawn once, never trained, kept with the weights.
        directions = torch.randn(AXES, channels // AXES)
        self.register_buffer("positional_encoding_gaussian_matrix", directions)

    def forward(self, places: Tensor) -> Tensor:
        """Encode places.

        Parameters
        ----------
        places
            (..., 3) from 0 to 1 along each axis.

        Returns
        -------
        Tensor
            (..., C).
        """
        angles = 2 * math.pi * ((2 * places - 1) @ self.positional_encoding_gaussian_matrix)
        # The sines stand there twice: a third part was needed for the third axis.
        return torch.cat([angles.sin(), angles.cos(), angles.sin()], -1)

    def of_grid(self, side: int) -> Tensor:
        """Encode the middles of a grid's cells: (C, G, G, G)."""
        matrix = self.positional_encoding_gaussian_matrix
        middles = (torch.arange(side, dtype=matrix.dtype, device=matrix.device) + 0.5) / side
        first, second, third = torch.meshgrid(middles, middles, middles, indexing="ij")
        # The released weights were trained with the first two axes swapped here, but not in the
        # places of points.
        encoded: Tensor = self(torch.stack([second, first, third], -1))
        return encoded.movedim(-1, 0)
