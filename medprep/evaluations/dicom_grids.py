"""The grids of pictures in DICOM, for masks drawn on their slices that state no place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import Stack
from medprep.dicom.headers import looks_like_dicom, read_slices
from medprep.dicom.records import SliceHeader
from medprep.dicom.stacks import Policy, lay_out, require_alike
from medprep.dicom.tags import NoDicomError
from medprep.errors import DicomError, SourceError
from medprep.evaluations.matching import match
from medprep.evaluations.places import Place
from medprep.files import walk_files
from medprep.geometry import Geometry

_PICTURES, _IN_PHASE, _OUT_PHASE = "dicom_anon", "inphase", "outphase"


@dataclass(frozen=True)
class SliceGrid:
    """Where the slices of a series lie.

    Parameters
    ----------
    geometry
        Slices sorted along the normal.
    order
        For each slice of the grid the index of its file, by name.
    spacing_known
        False where the headers state no millimetres.
    notes
        What a person should know.
    """

    geometry: Geometry
    order: tuple[int, ...]
    spacing_known: bool
    notes: tuple[str, ...]


def find_series(root: Path) -> list[Place]:
    """Find every folder below a path that holds DICOM files; of two phases the first.

    Raises
    ------
    SourceError
        If there is no such folder, or a folder cannot be read.
    """
    if not root.is_dir():
        raise SourceError("--grid: no such folder; wanted is one of DICOM files", path=root)
    folders: dict[Path, list[Path]] = {}
    for path in walk_files(root):
        if looks_like_dicom(path):
            folders.setdefault(path.parent, []).append(path)
    places = []
    for folder, files in folders.items():
        first = {one.name.casefold() for one in folders if one.parent == folder.parent}
        if folder.name.casefold() != _OUT_PHASE or _IN_PHASE not in first:
            places.append(Place("dicom", tuple(files), folder.relative_to(root).parts))
    return places


def beside(place: Place) -> Place | None:
    """Give the pictures that CHAOS lays beside a folder ``Ground``; None where there are none."""
    if not place.sliced or place.path.name.casefold() != "ground":
        return None
    above = place.path.absolute().parent
    try:
        folders = [one for one in above.iterdir() if one.name.casefold() == _PICTURES]
    except OSError:
        return None
    found = [series for folder in folders if folder.is_dir() for series in find_series(folder)]
    return found[0] if len(found) == 1 else None


def series_of(references: Sequence[Place], root: Path) -> dict[int, Place]:
    """Give the series of each reference, by the names of their folders.

    One series for one reference fits whatever they are called.

    Raises
    ------
    SourceError
        If there is no DICOM in the folder, or none that fits.
    """
    found = find_series(root)
    if not found:
        raise SourceError("--grid: no DICOM in this folder", path=root)
    if len(found) == 1 and len(references) == 1:
        return {0: found[0]}
    partner = match(references, found).partner
    if not partner:
        raise SourceError(
            f"--grid: {len(found)} series, first '{found[0]}', and {len(references)} volumes of "
            f"slices, first '{references[0]}': no names fit; wanted are folders named as the "
            "volumes are, or one series for one volume",
            path=root,
        )
    return {index: found[other] for index, other in partner.items()}


def read_slice_grid(files: Sequence[Path]) -> SliceGrid:
    """Lay out a series by its headers alone.

    Parameters
    ----------
    files
        One slice each, in natural order of their names.

    Raises
    ------
    DicomError
        If a file is no grey slice, or they are no single even stack.
    """
    slices = [_only_slice(path) for path in files]
    require_alike(slices)
    # A tilted stack is kept as it was scanned: its voxels are measured where they lie.
    plan = lay_out(Stack(tuple(slices)), Policy(tilt="keep"))[0]
    return SliceGrid(plan.geometry, plan.order, _spacing_known(plan.slices), plan.notes)


def _spacing_known(slices: Sequence[SliceHeader]) -> bool:
    """Tell whether no step of the grid was made up."""
    first = slices[0]
    if len(slices) > 1 and first.position_mm is not None:
        return first.plane.spacing_known
    return first.plane.spacing_known and bool(first.between_mm or first.thickness_mm)


def _only_slice(path: Path) -> SliceHeader:
    try:
        role, slices = read_slices(Blob.of(path))
    except NoDicomError:
        raise DicomError("not readable as DICOM", path=path) from None
    if len(slices) != 1:
        raise DicomError(f"{len(slices) or 'no'} slices ({role}); wanted is one a file", path=path)
    return slices[0]
