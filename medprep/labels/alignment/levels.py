"""A picture made comparable: grey values as ranks, on a grid that is cheap to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.opencv import load_cv2

LARGEST_SIDE = 256
"""Rows and columns are averaged together until neither is more than this."""
_STEPS = 4096
_PADDING_SHARE = 1 / 8
_BLUR_PIXELS = 1.0


@dataclass(frozen=True, eq=False)
class Levels:
    """Ranks of a picture's grey values.

    Parameters
    ----------
    level
        ``[slice, row, column]`` uint8: the share of voxels that are darker, of 255. One step
        means the same in a CT in HU, an MR of any scale and an 8-bit PNG.
    smooth
        The same, blurred in each slice, float32: gradients are taken from it.
    factor
        How many rows and columns of the picture became one.
    """

    level: NDArray[np.uint8]
    smooth: NDArray[np.float32]
    factor: int

    @classmethod
    def of(cls, picture: NDArray[Any], largest_side: int = LARGEST_SIDE) -> Levels:
        """Rank the grey values of ``[slice, row, column]``; what is not finite counts as dark."""
        factor = -(-max(picture.shape[1:]) // largest_side)
        return cls.again(_ranks(_averaged(picture, factor)), factor)

    @classmethod
    def again(cls, level: NDArray[np.uint8], factor: int) -> Levels:
        """Take ranks that were kept."""
        cv2 = load_cv2()
        smooth = np.empty(level.shape, np.float32)
        for plane, blurred in zip(level, smooth, strict=True):
            cv2.GaussianBlur(plane.astype(np.float32), (0, 0), _BLUR_PIXELS, dst=blurred)
        return cls(level, smooth, factor)


def _averaged(picture: NDArray[Any], factor: int) -> NDArray[np.float32]:
    cv2 = load_cv2()
    slices, rows, columns = picture.shape
    size = (-(-rows // factor), -(-columns // factor))
    averaged = np.empty((slices, *size), np.float32)
    for plane, small in zip(picture, averaged, strict=True):
        values = plane.astype(np.float32)
        if factor > 1:
            missing = size[0] * factor - rows, size[1] * factor - columns
            values = np.pad(values, ((0, missing[0]), (0, missing[1])), mode="edge")
            cv2.resize(values, size[::-1], dst=small, interpolation=cv2.INTER_AREA)
        else:
            small[:] = values
    return averaged


def _ranks(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rank by a histogram; one value that pads a large share of the picture has no say in it."""
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, values[finite].min(initial=0))
    sample = values.reshape(-1)[:: max(1, values.size // 500_000)]
    low, high = np.quantile(sample, (0.001, 0.999))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    scale = (_STEPS - 1) / (high - low) if high > low else 0.0
    ranked = np.empty(values.shape, np.uint8)
    counts = np.zeros(_STEPS, np.int64)
    for plane in values:
        counts += np.bincount(_step(plane, low, scale).reshape(-1), minlength=_STEPS)
    padding = counts.argmax()
    if counts[padding] > _PADDING_SHARE * counts.sum() and np.count_nonzero(counts) > 1:
        counts[padding] = 0
    below = np.cumsum(counts) - counts / 2
    table = np.rint(below * (255 / counts.sum())).astype(np.uint8)
    for plane, out in zip(values, ranked, strict=True):
        out[:] = table[_step(plane, low, scale)]
    return ranked


def _step(plane: NDArray[np.float32], low: float, scale: float) -> NDArray[np.uint16]:
    steps: NDArray[np.uint16] = np.clip((plane - low) * scale, 0, _STEPS - 1).astype(np.uint16)
    return steps
