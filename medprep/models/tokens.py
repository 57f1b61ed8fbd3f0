"""What the two forms of UNETR share: volumes of one shape, cut into tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from medprep.errors import GeometryError, OptionError
from medprep.models.blocks import pad_to

PATCH = 16
"""Voxels along each side of a token."""
DEPTH = 12
"""Blocks of the transformer."""


class Sizes(Protocol):
    """The fields that both configs have."""

    @property
    def in_channels(self) -> int: ...  # noqa: D102
    @property
    def out_channels(self) -> int: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def heads(self) -> int: ...  # noqa: D102
    @property
    def dropout(self) -> float: ...  # noqa: D102


def check_tokens(config: Sizes, channels: int) -> None:
    """Refuse a config that no net can have.

    Raises
    ------
    OptionError
        Naming what was found and what is wanted.
    """
    if min(config.in_channels, config.out_channels, config.heads, channels) < 1:
        raise OptionError(f"channels and heads are 1 or more, not {config}")
    if len(config.shape) != 3 or any(side < 1 or side % PATCH for side in config.shape):
        raise OptionError(f"shape is three multiples of {PATCH}, not {config.shape}")
    if channels % config.heads:
        raise OptionError(
            f"heads share a token's {channels} channels equally; {config.heads} heads cannot"
        )
    if not 0 <= config.dropout < 1:
        raise OptionError(f"dropout lies from 0 to below 1, not {config.dropout}")


def pad_to_shape(volume: Tensor, shape: Sequence[int]) -> Tensor:
    """Replicate the far edges of (B, C, D, H, W) up to the shape that a net was built for.

    Raises
    ------
    GeometryError
        If a side is larger: the net has learnt a position for each token of its shape.
    """
    size = tuple(volume.shape[2:])
    if len(size) != len(shape) or any(side > most for side, most in zip(size, shape, strict=True)):
        raise GeometryError(
            f"the volume is {size}, the net was built for {tuple(shape)} and has a learnt position "
            "for each token of that; predict by sliding windows of this shape, or build the net "
            "with a larger one"
        )
    return pad_to(volume, shape)
