"""Our volumes of a folder beside the NIfTI files that others made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import group
from medprep.dicom.headers import looks_like_dicom, read_slices
from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Plan, Policy, lay_out
from medprep.volume import Volume

_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def plans_of(source: Path, **policy: Any) -> list[Plan]:
    """Plan every volume of a folder or file."""
    paths = sorted(source.iterdir()) if source.is_dir() else [source]
    slices = [one for p in paths if looks_like_dicom(p) for one in read_slices(Blob.of(p))[1]]
    return [plan for stack in group(slices) for plan in lay_out(stack, Policy(**policy))]


def volumes_of(source: Path, **policy: Any) -> list[Volume]:
    """Read every volume of a folder or file."""
    return [read_plan(plan).volume for plan in plans_of(source, **policy)]


def canonical(volume: Volume) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Give voxels and RAS affine with axes turned to right, front, top as far as they go."""
    affine = _RAS @ volume.geometry.affine[:, [2, 1, 0, 3]]
    array = volume.array.swapaxes(0, 2)
    if array.ndim == 4:  # nibabel keeps a colour in one voxel
        array = np.ascontiguousarray(array).view([("R", "u1"), ("G", "u1"), ("B", "u1")])[..., 0]
    kind = array.dtype
    image = nibabel.as_closest_canonical(nibabel.Nifti1Image(array, affine, dtype=kind))
    return _plain(image), image.affine


def references_in(path: Path) -> list[tuple[NDArray[Any], NDArray[np.float64]]]:
    """Give the volumes of a NIfTI in the same way; several where it has a fourth axis."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    array = _plain(image)
    if np.asarray(image.dataobj).ndim == 3:
        return [(array, image.affine)]
    return [(array[..., number], image.affine) for number in range(array.shape[3])]


def _plain(image: Any) -> NDArray[Any]:
    """Give voxels with colours along a last axis, transparency left out."""
    array = np.asarray(image.dataobj)
    names = array.dtype.names
    return array if names is None else np.stack([array[name] for name in names[:3]], axis=-1)


def corners_mm(shape: tuple[int, ...], affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give where the eight corners lie."""
    last = np.array(shape[:3]) - 1
    index = np.array([corner * last for corner in np.ndindex(2, 2, 2)])
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])


def require_same_place(
    ours: tuple[NDArray[Any], NDArray[np.float64]],
    theirs: tuple[NDArray[Any], NDArray[np.float64]],
    within_mm: float = 1e-3,
) -> None:
    """Refuse other shapes and corners that lie apart."""
    assert ours[0].shape == theirs[0].shape
    apart = corners_mm(ours[0].shape, ours[1]) - corners_mm(theirs[0].shape, theirs[1])
    assert np.linalg.norm(apart, axis=1).max() < within_mm


def require_same(volume: Volume, theirs: tuple[NDArray[Any], NDArray[np.float64]]) -> None:
    """Refuse another voxel (but for noise of 32-bit floats) or another place."""
    ours = canonical(volume)
    require_same_place(ours, theirs)
    if ours[0].dtype.kind == "f":
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-6, atol=0)
    else:
        assert np.array_equal(ours[0], theirs[0])
