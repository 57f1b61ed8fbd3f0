"""The sizes of a SAM-Med3D."""

from __future__ import annotations

from dataclasses import dataclass

from medprep.errors import OptionError

AXES = 3
UPSCALING = 8
"""The decoder's first up-convolution divides the channels by 4, its second by 2."""
MASK_SHRINKING = 4
"""Two convolutions of stride 2 bring a low-resolution mask to the grid of tokens."""
DECODER_SHRINKING = 2
"""Attention between tokens and image works on half the channels."""
_MOST_LAYERS = 128


@dataclass(frozen=True)
class SamMed3dConfig:
    """Sizes of a `SamMed3d`; the defaults are those of the released ``vit_b_ori``.

    Parameters
    ----------
    image_size
        Voxels along each side of the cube that the net sees.
    patch_size
        Voxels along each side of a token.
    embed_dim, depth, heads, mlp_ratio
        Channels, blocks and heads of the image encoder; width of its MLPs over its channels.
    window
        Tokens along each side of a window in the blocks that look at windows.
    global_blocks
        The blocks, counted from 0, that look at the whole volume.
    prompt_dim
        Channels of the embeddings of image and prompts.
    mask_in_channels
        Channels of the convolutions that read a low-resolution mask.
    mask_tokens
        Masks that the decoder can give: the first alone, or all the others.
    iou_depth, iou_hidden
        Layers and width of the head that guesses how good each mask is.
    decoder_depth, decoder_heads, decoder_mlp
        Layers, heads and MLP width of the decoder's transformer.
    """

    image_size: int = 128
    patch_size: int = 16
    embed_dim: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    window: int = 14
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    prompt_dim: int = 384
    mask_in_channels: int = 16
    mask_tokens: int = 4
    iou_depth: int = 3
    iou_hidden: int = 256
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp: int = 2048

    def __post_init__(self) -> None:
        # A checkpoint's record is JSON, which has lists only.
        object.__setattr__(self, "global_blocks", tuple(self.global_blocks))
        for name, value in vars(self).items():
            if name != "global_blocks" and not value > 0:
                raise OptionError(f"{name} is above 0, not {value}")
        for name in ("depth", "iou_depth", "decoder_depth", "mask_tokens"):
            # Each is a module to build, and the number may come from a file.
            if getattr(self, name) > _MOST_LAYERS:
                raise OptionError(f"{name} is at most {_MOST_LAYERS}, not {getattr(self, name)}")
        if self.mask_tokens < 2:
            raise OptionError(f"mask_tokens is 2 or more, not {self.mask_tokens}")
        if not set(self.global_blocks) <= set(range(self.depth)):
            raise OptionError(
                f"global_blocks lie from 0 to {self.depth - 1}, not {self.global_blocks}"
            )
        self._require_multiple("image_size", self.patch_size)
        self._require_multiple("embed_dim", self.heads)
        self._require_multiple("prompt_dim", AXES)
        self._require_multiple("prompt_dim", UPSCALING)
        self._require_multiple("prompt_dim", DECODER_SHRINKING * self.decoder_heads)
        self._require_multiple("mask_in_channels", MASK_SHRINKING)

    def _require_multiple(self, name: str, factor: int) -> None:
        value = getattr(self, name)
        if value % factor:
            raise OptionError(f"{name} is a multiple of {factor}, not {value}")

    @property
    def grid(self) -> int:
        """Tokens along each side."""
        return self.image_size // self.patch_size

    @property
    def low_res(self) -> int:
        """Voxels along each side of a low-resolution mask."""
        return MASK_SHRINKING * self.grid
