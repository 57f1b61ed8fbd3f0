"""What other programs make of a DICOM series: reference files, SimpleITK, dcm2niix."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

WITNESSES = ("reference", "SimpleITK", "dcm2niix")
LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Grid:
    """Voxels ``[i, j, k]`` or ``[i, j, k, colour]`` and where they lie, LPS."""

    voxels: Any
    affine: Any

    @property
    def corners(self) -> Any:
        """(8, 3) LPS positions of the corner voxels' centres."""
        ends = [(0, n - 1) for n in self.voxels.shape[:3]]
        index = np.array([[i, j, k, 1] for i in ends[0] for j in ends[1] for k in ends[2]])
        return (index @ self.affine.T)[:, :3]

    def turned_like(self, other: Grid) -> Grid:
        """Flip and permute axes until they run as another's do; each voxel keeps its place."""
        turn = io_orientation(np.linalg.inv(other.affine) @ self.affine)
        affine = self.affine @ inv_ornt_aff(turn, self.voxels.shape[:3])
        return Grid(apply_orientation(self.voxels, turn), affine)


def witnesses(source: Path, references: list[Path]) -> Iterator[tuple[str, list[Grid]]]:
    """Yield what others made of a series."""
    if references:
        yield "reference", [grid for path in references for grid in from_nifti(path)]
    yield "SimpleITK", from_simpleitk(source)
    if shutil.which("dcm2niix"):
        yield "dcm2niix", from_dcm2niix(source)


def from_nifti(path: Path) -> list[Grid]:
    """Read a NIfTI; one grid for each volume of a fourth axis."""
    image = nibabel.load(path)
    array = np.asarray(image.dataobj)
    if array.dtype.names:
        array = np.stack([array[name] for name in array.dtype.names[:3]], axis=-1)
        return [Grid(array, LPS_RAS @ image.affine)]
    array = array.reshape(*array.shape[:3], -1)
    return [Grid(array[..., n], LPS_RAS @ image.affine) for n in range(array.shape[3])]


def from_simpleitk(folder: Path) -> list[Grid]:
    """Read each series of a folder as GDCM sorts it."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    if not folder.is_dir():
        return [_of_image(sitk.ReadImage(str(folder)))]
    found = []
    for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid))
        image = reader.Execute()
        found += (
            [_of_image(image)]
            if image.GetDimension() == 3
            else [_of_image(image[..., n]) for n in range(image.GetSize()[3])]
        )
    return found


def _of_image(image: Any) -> Grid:
    array = sitk.GetArrayFromImage(image).swapaxes(0, 2)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Grid(array, affine)


def from_dcm2niix(source: Path) -> list[Grid]:
    """Convert with dcm2niix, plain: neither cropped nor merged."""
    with tempfile.TemporaryDirectory() as scratch:
        inside, outside = Path(scratch, "in"), Path(scratch, "out")
        inside.mkdir(), outside.mkdir()
        for path in source.iterdir() if source.is_dir() else [source]:
            shutil.copy(path, inside)
        command = ["dcm2niix", "-b", "n", "-z", "n", "-m", "n", "-f", "%s_%p_%e", "-o", outside]
        subprocess.run([*map(str, command), str(inside)], capture_output=True, check=False)
        paths = [p for p in sorted(outside.glob("*.nii")) if "_Tilt" not in p.name]
        return [grid for path in paths for grid in from_nifti(path)]
