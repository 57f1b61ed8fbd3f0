"""Pictures and labels on a grid of other spacing, over the same extent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int, int]


def shape_at(
    shape: Sequence[int], spacing_mm: Sequence[float], target_mm: Sequence[float]
) -> Shape:
    """Give the voxels that a grid has at another spacing, along each axis at least one.

    Whole voxels cover the same extent, so the spacing is met within half a voxel over it.
    """
    slices, rows, columns = (
        max(1, round(many * step / target))
        for many, step, target in zip(shape, spacing_mm, target_mm, strict=True)
    )
    return slices, rows, columns


def resample(picture: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.float32]:
    """Interpolate a picture with cubic curves on a grid of other voxels over the same extent.

    Along an axis that becomes coarser the curve is as much wider as the new voxels are, so that
    nothing finer than they can hold appears as something else. Beyond the first and the last voxel
    these go on. There and back, the error is half that of linear interpolation, at the same cost.

    Parameters
    ----------
    picture
        ``[slice, row, column]``.
    shape
        Voxels wanted; an axis that has them already is not touched.

    Returns
    -------
    ndarray
        New where an axis changes, and within the picture's lowest and highest value.
    """
    if len(shape) != picture.ndim:
        raise ValueError(f"shape {tuple(shape)} for a picture of {picture.ndim} axes")
    if tuple(shape) == picture.shape or not picture.size:
        return picture
    low, high = picture.min(), picture.max()
    # The axes that lose voxels first: the others then have less to do.
    order = sorted(range(picture.ndim), key=lambda axis: shape[axis] / picture.shape[axis])
    for axis in order:
        if shape[axis] != picture.shape[axis]:
            picture = _along(picture, axis, _weights(picture.shape[axis], shape[axis]))
    return np.asarray(np.clip(picture, low, high, out=picture))


def resample_labels(labels: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Take the label of the nearest voxel: none arises that was not there.

    The same as the nearest of each label's own mask. Parameters as `resample`.
    """
    for axis, many in enumerate(shape):
        size = labels.shape[axis]
        if many != size:
            labels = labels.take((2 * np.arange(many) + 1) * size // (2 * many), axis)
    return labels


def _along(
    picture: NDArray[np.float32], axis: int, weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Multiply along one axis."""
    if axis == picture.ndim - 1:
        return np.asarray(picture @ weights.T)
    if axis == 0:
        flat = weights @ picture.reshape(len(picture), -1)
        return np.asarray(flat.reshape(len(weights), *picture.shape[1:]))
    return np.asarray(np.matmul(weights, picture))


@lru_cache(maxsize=32)
def _weights(few: int, many: int) -> NDArray[np.float32]:
    """Give the share (many, few) that each of ``few`` voxels has in each of ``many``."""
    step = few / many
    wide = max(step, 1.0)
    places = (np.arange(many) + 0.5) * step - 0.5
    reach = int(np.ceil(2 * wide)) + 1
    voxels = np.arange(-reach, few + reach)
    shares = _keys(np.abs(voxels - places[:, None]) / wide)
    shares[:, reach] += shares[:, :reach].sum(1)
    shares[:, -reach - 1] += shares[:, -reach:].sum(1)
    shares = shares[:, reach:-reach]
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)


def _keys(gap: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the weight at distances from 0 on (Keys 1981, doi:10.1109/TASSP.1981.1163711)."""
    near = (1.5 * gap - 2.5) * gap * gap + 1
    far = ((2.5 - 0.5 * gap) * gap - 4) * gap + 2
    return np.where(gap <= 1, near, np.where(gap < 2, far, 0.0))
