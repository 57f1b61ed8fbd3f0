"""Any plane of numbers as a small grey picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError
from medprep.opencv import load_cv2

SIDE = 64
"""Rows and columns of a thumbnail."""

SAMPLES = 16
"""Rows and columns of the grid of single pixels that `sample` takes."""

_CUT_PERCENT = 0.5


def as_grey(plane: NDArray[Any]) -> NDArray[Any]:
    """Give one number for each pixel.

    Parameters
    ----------
    plane
        ``[row, column]``, or ``[row, column, 3 or 4]``: red, green, blue; a fourth channel is
        alpha and ignored.

    Returns
    -------
    ndarray
        ``[row, column]``. Equal channels keep their numbers; others give their mean. Of floats,
        what is not finite takes the lowest finite value (0 where none is finite).

    Raises
    ------
    FormatError
        If the plane has other axes or holds no real numbers.
    """
    plane = np.asarray(plane)
    if plane.ndim == 3 and plane.shape[2] in (3, 4):
        plane = plane[..., :3]
        same = bool((plane == plane[..., :1]).all())
        plane = plane[..., 0] if same else plane.mean(axis=-1, dtype=np.float64)
    if plane.ndim != 2 or plane.dtype.kind not in "buif":
        raise FormatError(
            f"a slice of shape {plane.shape} and type {plane.dtype}; wanted are numbers as "
            "[row, column] or [row, column, 3 or 4]"
        )
    if plane.dtype.kind != "f":
        return plane
    finite = np.isfinite(plane)
    if finite.all():
        return plane
    return np.where(finite, plane, plane[finite].min() if finite.any() else 0)


def thumbnail(grey: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Shrink a picture to ``[SIDE, SIDE]``, its grey levels stretched to 0-255.

    The half percent of darkest and of brightest places is cut off first: one hot pixel must not
    darken the rest.

    Returns
    -------
    ndarray or None
        None for a blank picture: without pixels, constant, or with something on less than half a
        percent of its area.
    """
    if grey.size == 0 or grey.min() == grey.max():
        return None
    low, high = float(grey.min()), float(grey.max())
    unit = ((grey.astype(np.float64) - low) / (high - low)).astype(np.float32)
    small = load_cv2().resize(unit, (SIDE, SIDE), interpolation=load_cv2().INTER_AREA)
    low, high = (float(edge) for edge in np.percentile(small, (_CUT_PERCENT, 100 - _CUT_PERCENT)))
    if high - low < 1e-6:
        return None
    stretched: NDArray[np.uint8] = np.rint(
        np.clip((small - low) * (255 / (high - low)), 0, 255)
    ).astype(np.uint8)
    return stretched


def sample(ranks: NDArray[Any]) -> NDArray[np.uint32]:
    """Take ``[SAMPLES, SAMPLES]`` single pixels, at places that flips and turns exchange."""
    rows, columns = (_places(length) for length in ranks.shape)
    return ranks[np.ix_(rows, columns)].astype(np.uint32)


def _places(length: int) -> NDArray[np.intp]:
    first = ((np.arange(SAMPLES // 2) + 0.5) * length / SAMPLES).astype(np.intp)
    return np.concatenate([first, length - 1 - first[::-1]])
