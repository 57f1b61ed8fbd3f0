"""Masks that are DICOM series themselves, one folder for each organ, as in 3D-IRCADb-01.

::

    3Dircadb1.5/PATIENT_DICOM/image_0 ... image_138
                MASKS_DICOM/liver/image_0 ...        0 and 255
                MASKS_DICOM/livertumor01/image_0 ...
                LABELLED_DICOM/  MESHES_VTK/         passed over

A voxel may belong to several organs: a tumour lies inside its liver.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medprep.dicom.blobs import Blob
from medprep.dicom.headers import looks_like_dicom, read_slices
from medprep.dicom.names import pseudonym
from medprep.dicom.tags import NoDicomError
from medprep.errors import DicomError, SourceError
from medprep.files import natural_key, walk_folders
from medprep.organs import Organ, OrganTable
from medprep.sources.base import SourceCase, SourceSet
from medprep.sources.organ_masks import MASKS, files_by_organ, read_organ_masks

_PICTURES = "patient_dicom"
_ZIPS = (f"{_PICTURES}.zip", f"{MASKS}.zip")
_SLICE = re.compile(r"image_\d+")
_PUBLIC = re.compile(r"3dircadb(\d+)\.(\d+)")
"""Names of the public set; every other folder's name may be a person's."""


@dataclass
class _Found:
    """The files of one patient."""

    pictures: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)


@dataclass
class _Passed:
    """What was met and not taken."""

    strangers: int = 0
    zipped: list[Path] = field(default_factory=list)
    unreadable: list[OSError] = field(default_factory=list)


def find_dicom_masks(root: Path, key: bytes) -> SourceSet | None:
    """Find every patient with a ``PATIENT_DICOM`` folder.

    Parameters
    ----------
    root
        A patient's folder, or any folder above.
    key
        Of the patients' pseudonyms; those of 3D-IRCADb-01 keep their numbers.

    Returns
    -------
    SourceSet or None
        None where there is no such folder with slices.

    Raises
    ------
    SourceError
        If its slices lie in zip archives, or two folders would be one case or one organ.
    """
    found, passed = _walk(root.absolute())
    if not any(one.pictures for one in found.values()):
        if passed.zipped:
            raise SourceError("its slices lie in zip archives; unpack them", path=passed.zipped[0])
        return None
    cases: dict[str, SourceCase] = {}
    lonely = 0
    for home, one in found.items():
        if not one.pictures:
            lonely += 1
            continue
        case = _case(home, one, key)
        if case.case in cases:
            raise SourceError(
                f"two folders give the case {case.case}; point at one of them", path=home
            )
        cases[case.case] = case
    listed = tuple(sorted(cases.values(), key=lambda case: natural_key(case.case)))
    names = sorted({name for case in listed for name in case.organs}, key=natural_key)
    table = OrganTable(tuple(Organ(name, ((n, n),)) for n, name in enumerate(names, 1)))
    notes = [
        f"dicom-masks: {len(listed)} patients, {sum(bool(case.masks) for case in listed)} with "
        f"masks of {len(names)} organs"
    ]
    left = {
        "files outside PATIENT_DICOM and MASKS_DICOM, or no DICOM slice": passed.strangers,
        "patients with masks and without pictures": lonely,
        "folders that cannot be read": len(passed.unreadable),
    }
    notes.extend(f"passed over: {count} {what}" for what, count in left.items() if count)
    return SourceSet("dicom-masks", listed, table, tuple(notes))


def _walk(root: Path) -> tuple[dict[Path, _Found], _Passed]:
    found: dict[Path, _Found] = {}
    passed = _Passed()
    for folder, files in walk_folders(root, passed.unreadable.append):
        home, kind = _place(folder)
        slices = [path for path in files if kind and _is_slice(path)]
        passed.strangers += len(files) - len(slices)
        if slices:
            one = found.setdefault(home, _Found())
            (one.pictures if kind == _PICTURES else one.masks).extend(slices)
        if not kind:
            passed.zipped.extend(path for path in files if path.name.casefold() in _ZIPS)
    return found, passed


def _place(folder: Path) -> tuple[Path, str]:
    """Give the patient's folder and which of its two trees this folder is in, or ``""``."""
    parts = [part.casefold() for part in folder.parts]
    if "__macosx" not in parts:  # macOS packs a shadow of every folder
        for number, part in enumerate(parts):
            if part in (_PICTURES, MASKS):
                return [folder, *folder.parents][len(parts) - number], part
    return folder, ""


def _is_slice(path: Path) -> bool:
    return bool(_SLICE.fullmatch(path.name.casefold())) or looks_like_dicom(path)


def _case(home: Path, found: _Found, key: bytes) -> SourceCase:
    public = _PUBLIC.fullmatch(home.name.casefold())
    name = pseudonym(home.name, key)
    if public:
        name = f"3dircadb{int(public[1])}-{int(public[2]):02d}"
    organs = files_by_organ(found.masks)
    return SourceCase(
        case=name,
        patient=name,
        sequence="",
        modality=_modality(found.pictures),
        identity=home.name,
        reader="dicom-masks",
        pictures=tuple(sorted(found.pictures, key=lambda path: natural_key(path.as_posix()))),
        masks=tuple(path for paths in organs.values() for path in paths),
        organs=tuple(organ for organ, paths in organs.items() for _ in paths),
    )


def _modality(pictures: Sequence[Path]) -> str:
    try:
        slices = read_slices(Blob.of(pictures[0]))[1]
    except (DicomError, NoDicomError):  # the case will fail by itself when it is converted
        return ""
    return slices[0].origin.modality if slices else ""


__all__ = ["files_by_organ", "find_dicom_masks", "read_organ_masks"]
