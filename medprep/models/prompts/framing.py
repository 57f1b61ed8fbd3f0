"""Cut out the cube that SAM-Med3D sees, and bring a mask of it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError, LabelError
from medprep.geometry import Geometry
from medprep.models.prompts.grids import SPACING_MM, cropped, sample
from medprep.turns import Turn
from medprep.volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

_FEWEST = 8
"""Voxels along each side: below it is no volume."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A cube as the authors' inference cuts it out.

    Parameters
    ----------
    picture
        ``[right, front, head]``, float32: mean 0 and standard deviation 1 over what was above 0.
    geometry
        Its grid.
    mask
        The reference in it, bool.
    """

    picture: NDArray[np.float32]
    geometry: Geometry
    mask: NDArray[np.bool_]


def require_volume(volume: Volume) -> None:
    """Refuse what is no volume that can be marked.

    Raises
    ------
    FormatError
        If it is in colour, flat, smaller than 8 voxels on a side, or holds NaN or infinity.
    """
    array = volume.array
    shape = " x ".join(str(n) for n in array.shape[:3])
    if array.ndim != 3:
        raise FormatError("the volume is in colour; wanted is one grey value a voxel")
    if min(array.shape) == 1:
        raise FormatError(
            f"{shape} voxels are a 2D picture; SAM-Med3D marks volumes: give the whole series"
        )
    if min(array.shape) < _FEWEST:
        raise FormatError(f"{shape} voxels; wanted are at least {_FEWEST} on each side")
    if array.dtype.kind == "f":
        bad = array.size - int(np.count_nonzero(np.isfinite(array)))
        if bad:
            raise FormatError(
                f"{bad} voxels are NaN or infinite; wanted are finite numbers: set them to the "
                "background's value first"
            )


def frame(volume: Volume, geometry: Geometry) -> NDArray[np.float32]:
    """Give what lies on a grid, linearly interpolated, 0 outside the volume.

    Parameters
    ----------
    volume
        Of any spacing and orientation.
    geometry
        The cube's grid, as `grids.lattice` gives it.

    Returns
    -------
    ndarray
        ``[right, front, head]``, scaled as `normalised` does.

    Raises
    ------
    FormatError
        If there is nothing above 0, or only one value.
    """
    turn = Turn.to_ras(volume.geometry)
    own = turn.geometry(volume.geometry)
    return normalised(sample(turn.array(volume.array), own, geometry))


def normalised(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Bring what is above 0 to mean 0 and standard deviation 1; the rest moves with it.

    Raises
    ------
    FormatError
        If there is nothing above 0, or only one value.
    """
    import torch

    # With torch, for the authors' numbers: its standard deviation divides by one less than n.
    values = torch.from_numpy(np.ascontiguousarray(picture)).float()
    body = values[values > 0]
    spread = body.std() if len(body) > 1 else torch.zeros(())
    if not spread > 0:
        raise FormatError(
            "no two different grey values above 0 around the point; SAM-Med3D is scaled by those: "
            "see whether the point lies in the body"
        )
    scaled: NDArray[np.float32] = ((values - body.mean()) / spread).numpy()
    return scaled


def official_frame(
    volume: Volume, mask: NDArray[np.bool_], side: int = 128, spacing_mm: float = SPACING_MM
) -> Frame:
    """Cut out the cube as the authors' inference does, around the middle of a reference's box.

    Resampled to the net's spacing along the volume's own axes, the picture linearly in its own
    type, the mask by nearest neighbours; then turned to right, front and head, cropped or padded
    with 0 to the cube, scaled.

    Parameters
    ----------
    volume
        Of any spacing and orientation.
    mask
        The organ on the volume's grid; it is needed to place the cube.
    side, spacing_mm
        Voxels of the cube along each side, and what lies between two of them.

    Raises
    ------
    LabelError
        If the mask is empty, or is so at that spacing.
    FormatError
        If the volume is thinner than that, or has no two different values above 0.
    """
    picture, geometry = canonical(volume.array, volume.geometry, spacing_mm, linear=True)
    label, _ = canonical(mask.astype(np.uint8), volume.geometry, spacing_mm, linear=False)
    if not label.any():
        raise LabelError(f"the organ has no voxel at {spacing_mm} mm: it is too small")
    corner, shape = official_corner(label, side), (side, side, side)
    cube = cut(picture, corner, shape)
    seen = cut(label, corner, shape).astype(np.bool_)
    return Frame(normalised(cube), cropped(geometry, corner, shape), seen)


def official_corner(mask: NDArray[Any], side: int) -> tuple[int, ...]:
    """Give the first voxel of the cube around the middle of a mask's box; some voxel is not 0."""
    corner = []
    for axis in range(3):
        ends = np.flatnonzero(mask.any(tuple(other for other in range(3) if other != axis)))
        # The voxel before the middle where no voxel is the middle.
        corner.append((int(ends[0]) + int(ends[-1]) + 1 - side) // 2)
    return tuple(corner)


def official_back(mask: NDArray[np.bool_], own: Geometry, grid: Geometry) -> NDArray[np.bool_]:
    """Bring a cube's mask to the volume's grid by nearest neighbours, as the authors do.

    Parameters
    ----------
    mask
        ``[right, front, head]``.
    own
        The cube's grid.
    grid
        The volume's.

    Returns
    -------
    ndarray
        ``[slice, row, column]``.
    """
    import SimpleITK as sitk

    # The first axis runs fastest in the authors' arrays.
    columns_first = Geometry(own.shape[::-1], own.affine[:, [2, 1, 0, 3]])
    picture = _itk(mask.astype(np.uint8).transpose(2, 1, 0), columns_first)
    resampler = sitk.ResampleImageFilter()
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    resampler.SetSize([int(n) for n in grid.shape[::-1]])
    resampler.SetOutputSpacing(grid.spacing_mm[::-1])
    resampler.SetOutputOrigin(grid.origin_mm)
    resampler.SetOutputDirection(grid.direction[:, ::-1].ravel().tolist())
    return np.asarray(sitk.GetArrayFromImage(resampler.Execute(picture))).astype(np.bool_)


def canonical(
    array: NDArray[Any], geometry: Geometry, spacing_mm: float, *, linear: bool
) -> tuple[NDArray[Any], Geometry]:
    """Resample as the authors do, then turn the axes to those nearest to right, front and head.

    Parameters
    ----------
    array
        On the grid ``geometry``.
    spacing_mm
        Between voxels along each axis.
    linear
        Interpolate, in the array's own type; else take the nearest voxel.

    Returns
    -------
    ndarray, Geometry
        ``[right, front, head]``; a view where nothing else is needed.

    Raises
    ------
    FormatError
        If the volume is thinner than the spacing.
    """
    found, grid = _at_spacing(array, geometry, spacing_mm, linear=linear)
    turn = Turn.to_ras(grid)
    return turn.array(found), turn.geometry(grid)


def _at_spacing(
    array: NDArray[Any], geometry: Geometry, spacing_mm: float, *, linear: bool
) -> tuple[NDArray[Any], Geometry]:
    """Resample along the own axes about the middle, to no more than the volume's extent."""
    import SimpleITK as sitk

    picture = _itk(array, geometry)
    size = np.array(picture.GetSize())
    many = np.floor(size * np.array(picture.GetSpacing()) / spacing_mm)
    if many.min() < 1:
        raise FormatError(f"the volume is thinner than {spacing_mm} mm")
    last = picture.TransformIndexToPhysicalPoint([int(n) - 1 for n in size])
    middle = (np.array(last) + np.array(picture.GetOrigin())) / 2
    direction = np.array(picture.GetDirection()).reshape(3, 3)
    reference = sitk.Image([int(n) for n in many], picture.GetPixelID())
    reference.SetDirection(picture.GetDirection())
    reference.SetSpacing([spacing_mm] * 3)
    reference.SetOrigin((middle - direction @ ((many - 1) / 2 * spacing_mm)).tolist())
    resampler = sitk.ResampleImageFilter()
    resampler.SetInterpolator(sitk.sitkLinear if linear else sitk.sitkNearestNeighbor)
    resampler.SetReferenceImage(reference)
    found = sitk.GetArrayFromImage(resampler.Execute(picture))
    grid = Geometry.from_parts(
        found.shape, [spacing_mm] * 3, reference.GetOrigin(), direction[:, ::-1]
    )
    return found, grid


def _itk(array: NDArray[Any], geometry: Geometry) -> sitk.Image:
    import SimpleITK as sitk

    picture = sitk.GetImageFromArray(np.ascontiguousarray(array))
    picture.SetSpacing(geometry.spacing_mm[::-1])
    picture.SetOrigin(geometry.origin_mm)
    picture.SetDirection(geometry.direction[:, ::-1].ravel().tolist())
    return picture


def cut(array: NDArray[Any], corner: Sequence[int], shape: Sequence[int]) -> NDArray[Any]:
    """Crop from a corner, which may lie outside; 0 where the array ends."""
    cube = np.zeros(shape, array.dtype)
    there, here = [], []
    for start, many, size in zip(corner, shape, array.shape, strict=True):
        low, high = max(start, 0), max(min(start + many, size), 0)
        there.append(slice(low, high))
        here.append(slice(low - start, max(high, low) - start))
    cube[tuple(here)] = array[tuple(there)]
    return cube
