"""Axes to right, front and head, and voxels of one grid taken from another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry

SPACING_MM = 1.5
"""Of the volumes that the released SAM-Med3D was trained with."""

_LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0])
_DECIMALS = 8
"""Of a voxel. Float noise of headers would else decide what lies at a volume's very edge."""


def cropped(geometry: Geometry, corner: Sequence[int], shape: Sequence[int]) -> Geometry:
    """Give the grid of so many voxels from a corner on, which may lie outside the own one."""
    affine = geometry.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.asarray(corner, np.float64)
    return Geometry((shape[0], shape[1], shape[2]), affine)


def lattice(
    place_mm: Sequence[float], shape: Sequence[int], spacing_mm: float = SPACING_MM
) -> Geometry:
    """Give the grid [right, front, head] of one spacing whose first voxel lies on a place."""
    affine = np.eye(4)
    affine[:3, :3] = _LPS_OF_RAS * spacing_mm
    affine[:3, 3] = place_mm
    return Geometry((shape[0], shape[1], shape[2]), affine)


def reached(own: Geometry, target: Geometry) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the box of a grid, first voxel and end, that holds another grid's voxels.

    It is two voxels larger, so that no edge comes where none is; empty where they lie apart.
    """
    index = np.linalg.solve(own.affine[:3, :3], (target.corners_mm - own.affine[:3, 3]).T)
    low = np.clip(np.floor(index.min(1)) - 2, 0, own.shape).astype(int)
    high = np.clip(np.ceil(index.max(1)) + 3, 0, own.shape).astype(int)
    return low, high


def sample(
    array: NDArray[Any],
    own: Geometry,
    target: Geometry,
    *,
    nearest: bool = False,
    outside: float = 0.0,
) -> NDArray[Any]:
    """Give an array's values at the voxels of another grid.

    Parameters
    ----------
    array
        On the grid ``own``.
    target
        The grid wanted, at any angle.
    nearest
        Take the nearest voxel, in the array's type; else interpolate linearly, in float32.
    outside
        What lies more than half a voxel outside the array.
    """
    import SimpleITK as sitk

    matrix = np.round(np.linalg.solve(own.affine, target.affine), _DECIMALS)
    low, high = reached(own, target)  # only what is looked at is copied
    kind = array.dtype if nearest else np.dtype(np.float32)
    if (high <= low).any():
        return np.full(target.shape, outside, kind)
    box = array[tuple(slice(*ends) for ends in zip(low, high, strict=True))]
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize([int(n) for n in target.shape[::-1]])
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    resampler.SetDefaultPixelValue(outside)
    # Both in voxels, not in mm: the transform is all there is between them.
    move = sitk.AffineTransform(3)
    move.SetMatrix(matrix[2::-1, 2::-1].ravel().tolist())
    move.SetTranslation((matrix[:3, 3] - low)[::-1].tolist())
    resampler.SetTransform(move)
    found = resampler.Execute(sitk.GetImageFromArray(np.ascontiguousarray(box, kind)))
    return np.asarray(sitk.GetArrayFromImage(found))
