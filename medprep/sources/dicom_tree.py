"""Any DICOM tree: its series are the cases, and nobody has drawn masks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from medprep.dicom.grouping import Stack, group
from medprep.dicom.names import name_stacks, pseudonym
from medprep.dicom.records import Origin
from medprep.dicom.scan import Scan, scan
from medprep.organs import OrganTable
from medprep.sources.base import SourceCase, SourceSet

_NAMED_ROLES = 5


def find_tree(root: Path, key: bytes) -> SourceSet | None:
    """Find every volume in a DICOM tree.

    Parameters
    ----------
    root
        Its folder.
    key
        Of the patients' pseudonyms.

    Returns
    -------
    SourceSet or None
        None where the folder holds no DICOM picture.
    """
    found = scan(root)
    if not found.slices:
        return None
    stacks = group(found.slices)
    files = _files_of_series(stacks)
    cases = [
        _case(stack, name, files, key)
        for stack, name in zip(stacks, name_stacks(stacks, key), strict=True)
    ]
    broken = tuple((one.path, one.why) for one in found.broken)
    cases.sort(key=lambda case: case.case)
    return SourceSet("dicom", tuple(cases), OrganTable(()), _notes(cases, found), broken)


def _files_of_series(stacks: list[Stack]) -> dict[Origin, list[Path]]:
    files: dict[Origin, dict[str, Path]] = defaultdict(dict)
    for stack in stacks:
        for one in stack.slices:
            files[one.origin].setdefault(str(one.blob), one.blob.file)
    return {origin: [own[name] for name in sorted(own)] for origin, own in files.items()}


def _case(stack: Stack, name: str, files: dict[Origin, list[Path]], key: bytes) -> SourceCase:
    first = stack.slices[0]
    patient = pseudonym(first.origin.patient, key)
    pictures = [one.blob.file for one in stack.slices]
    if any(one.frames > 1 for one in stack.slices):
        # A file may hold frames of several stacks: only the whole series tells them apart.
        pictures = files[first.origin]
    return SourceCase(
        case=name,
        patient=patient,
        sequence=name.removeprefix(patient + "-"),
        modality=first.origin.modality,
        identity=first.origin.patient,
        reader="dicom-tree",
        pictures=tuple(dict.fromkeys(pictures)),
        masks=(),
    )


def _notes(cases: list[SourceCase], found: Scan) -> tuple[str, ...]:
    patients = {case.patient for case in cases}
    notes = [f"DICOM tree: {len(cases)} volumes of {len(patients)} patients, no masks"]
    roles = sorted({one.why for one in found.others})
    if roles:
        named = ", ".join(roles[:_NAMED_ROLES])
        notes.append(f"passed over: {len(found.others)} other DICOM objects ({named})")
    if found.strangers:
        notes.append(f"passed over: {len(found.strangers)} files that are no DICOM")
    return tuple(notes)
