"""Majority smoothing: a voxel takes the most frequent label around it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import OptionError
from medprep.labels.components import box_of, require_labels
from medprep.labels.runs import find_runs

_BLOCK = 1 << 20
"""So many numbers are counted in one go."""


def smooth_labels(labels: NDArray[Any], radius: int) -> NDArray[Any]:
    """Give each voxel the most frequent label of the cube around it.

    The cube has ``2 * radius + 1`` voxels along each side, whatever the spacing; the voxel itself
    counts, and so does background. At the volume's border the cube is cut: only voxels inside
    the volume count. A voxel keeps its label where two labels are the most frequent.

    It is one pass, in which all voxels change at once, and a second one may change more. Repeated
    it eats organs from their round ends: the spleens of ten CHAOS MR cases keep 98% of their
    voxels (median) after one pass of radius 1, and 69% after sixty, which is not yet the end.
    What is thinner than half the cube vanishes.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, uint8 or uint16.
    radius
        In voxels, 0 or more; 0 changes nothing.

    Returns
    -------
    ndarray
        A new array of the same shape and type.

    Raises
    ------
    OptionError
        If the radius is negative.
    LabelError
        If the array is of another type or shape.
    """
    require_labels(labels)
    if radius < 0:
        raise OptionError(f"the radius of smoothing is 0 voxels or more, not {radius}")
    result = np.array(labels, order="C")
    box = box_of(result, 2 * radius)
    if radius == 0 or not result[box].size:
        return result
    values = np.union1d(find_runs(result).label, np.zeros(1, result.dtype))
    number = np.zeros(int(values[-1]) + 1, np.min_scalar_type(values.size))
    number[values] = np.arange(values.size)
    # Beyond the volume stands a number that is no label. Where the box ends inside the volume
    # that stands in for background, whose voxels there see nothing else and stay.
    padded = np.pad(number[result[box]], radius, constant_values=values.size)
    _smooth(padded, values.size, radius)
    result[box] = values[padded[(slice(radius, -radius),) * 3]]
    return result


def _smooth(padded: NDArray[Any], labels: int, radius: int) -> None:
    """Smooth in place; the outermost voxels are no part of the volume."""
    steps = np.stack(np.meshgrid(*[np.arange(-radius, radius + 1)] * 3, indexing="ij"), -1)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    cube = steps.reshape(-1, 3) @ strides
    flat = padded.reshape(-1)
    voxels = np.flatnonzero(_unlike(padded, radius, labels))
    block = max(1, _BLOCK // max(cube.size, labels + 1))
    new = flat[voxels]
    for at in range(0, voxels.size, block):
        part = slice(at, at + block)
        new[part] = _majority(flat, voxels[part], cube, labels)
    flat[voxels] = new


def _unlike(padded: NDArray[Any], radius: int, labels: int) -> NDArray[np.bool_]:
    """Tell which voxels have a cube that may hold more than one label."""
    near = np.zeros(padded.shape, bool)
    for axis in range(3):
        here, there = _shifted(padded, axis, 1)
        unlike = (here != there) & (here < labels) & (there < labels)
        for part in _shifted(near, axis, 1):
            part |= unlike
    for axis in range(3):
        reached = near.copy()
        for step in range(1, radius + 1):
            for one, other in ((0, 1), (1, 0)):
                _shifted(reached, axis, step)[one][...] |= _shifted(near, axis, step)[other]
        near = reached
    return np.asarray(near & (padded < labels))


def _shifted(array: NDArray[Any], axis: int, step: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give all but the last and all but the first planes along an axis."""
    moved = np.moveaxis(array, axis, 0)
    return moved[:-step], moved[step:]


def _majority(
    flat: NDArray[Any], voxels: NDArray[np.int64], cube: NDArray[np.int64], labels: int
) -> NDArray[Any]:
    """Give the most frequent label around each voxel, its own where there are two."""
    around = flat[voxels[:, None] + cube] + np.arange(voxels.size)[:, None] * (labels + 1)
    counts = np.bincount(around.reshape(-1), minlength=voxels.size * (labels + 1))
    counts = counts.reshape(voxels.size, labels + 1)[:, :labels]
    alone = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) == 1
    return np.where(alone, counts.argmax(axis=1), flat[voxels]).astype(flat.dtype)
