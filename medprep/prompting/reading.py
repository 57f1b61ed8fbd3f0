"""Read a scan, whatever it is stored as, and labels drawn on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medprep.errors import DicomError, LabelError, SourceError
from medprep.formats import itk, nifti
from medprep.volume import LabelMap, Volume

if TYPE_CHECKING:
    from medprep.inference.prompts.points import Space
    from medprep.trees.survey import Found

_NIFTI = (".nii", ".nii.gz")
_ITK = (".nrrd", ".mha")
_NAMED = 5


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume, and how its users speak of places.

    Parameters
    ----------
    volume
        On its own grid.
    space
        Of points that say nothing else.
    notes
        What a person should know of it.
    """

    volume: Volume
    space: Space
    notes: tuple[str, ...] = ()


def read_scan(path: Path) -> Scan:
    """Read a NIfTI, NRRD or MetaImage file, or a folder, archive or file of one DICOM series.

    Raises
    ------
    SourceError
        If there is nothing, or no DICOM.
    DicomError
        If there is more than one series, or one that cannot become a volume.
    FormatError, GeometryError
        If the file cannot be read.
    """
    if not path.exists():
        raise SourceError("there is no such file or folder; see how it is spelt", path=path)
    name = path.name.casefold()
    if name.endswith(_NIFTI):
        return Scan(nifti.read(path), "ras", nifti.oddities(path))
    if name.endswith(_ITK):
        return Scan(Volume(*itk.read(path)), "lps")
    return _read_dicom(path)


def read_labels(path: Path, volume: Volume) -> LabelMap:
    """Read a NIfTI label map that lies on a volume's grid.

    Raises
    ------
    SourceError
        If there is none.
    LabelError
        If it is empty.
    GeometryError
        If it lies on another grid.
    FormatError
        If it is no label map.
    """
    if not path.exists():
        raise SourceError("there is no such label map; see how it is spelt", path=path)
    labels = nifti.read_label_map(path)
    labels.geometry.require_same(volume.geometry)
    if not labels.array.any():
        raise LabelError("the label map is empty: there is no organ to click on", path=path)
    return labels


def _read_dicom(path: Path) -> Scan:
    from medprep.dicom.series import read_plan
    from medprep.trees.survey import survey

    found = survey(path, b"")
    usable = [one for one in found.volumes if one.plan is not None]
    if len(usable) != 1 or usable[0].plan is None:
        raise _not_one(found.volumes, path)
    series = read_plan(usable[0].plan)
    return Scan(series.volume, "lps", series.notes)


def _not_one(volumes: tuple[Found, ...], path: Path) -> SourceError | DicomError:
    usable = [one for one in volumes if one.plan is not None]
    if not volumes:
        return SourceError(
            "no DICOM volume here; wanted is a NIfTI, NRRD or MetaImage file, or the folder of "
            "one DICOM series",
            path=path,
        )
    if not usable:
        return DicomError(f"no series can become a volume: {volumes[0].failure}", path=path)
    names = [one.name for one in usable[:_NAMED]]
    more = f" and {len(usable) - _NAMED} more" if len(usable) > _NAMED else ""
    return DicomError(
        f"{len(usable)} volumes: {', '.join(names)}{more}; wanted is one: give its own folder, or "
        "convert the tree first (medprep convert DIR --output OUT) and give one file",
        path=path,
    )
