"""The CHAOS challenge (Kavur et al. 2021): abdominal MR and CT with organ masks.

Wherever a user points (the whole set, ``Train_Sets``, ``MR``, one patient), the folders named
``DICOM_anon`` and the folders above them say what is what::

    <set>/MR/<number>/T1DUAL/DICOM_anon/{InPhase,OutPhase}   <set>/MR/<number>/T1DUAL/Ground
    <set>/MR/<number>/T2SPIR/DICOM_anon                      <set>/MR/<number>/T2SPIR/Ground
    <set>/CT/<number>/DICOM_anon                             <set>/CT/<number>/Ground

Test sets have no ``Ground``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medprep.dicom.blobs import Blob
from medprep.dicom.headers import looks_like_dicom, read_slices
from medprep.dicom.tags import NoDicomError
from medprep.errors import DicomError, SourceError
from medprep.files import natural_key, walk_folders
from medprep.organs import CHAOS_CT, CHAOS_MR
from medprep.places.paths import is_far
from medprep.sources.base import Preset, SourceCase, SourceSet

_PICTURES, _MASKS = "dicom_anon", "ground"
_PRESET_OF: dict[str, Preset] = {
    "t1in": "chaos-mr-t1in",
    "t2": "chaos-mr-t2",
    "t1out": "chaos-mr-t1out",
    "ct": "chaos-ct",
}
"""In the order that decides between sequences with equally many labelled patients."""
_SEQUENCE_OF = {"t1dual": "", "t2spir": "t2", "ct": "ct"}


@dataclass
class _Found:
    """One ``DICOM_anon`` folder: the folders in it and all files below it."""

    parts: set[str] = field(default_factory=set)
    files: list[Path] = field(default_factory=list)


def find_chaos(root: Path) -> tuple[list[SourceCase], tuple[str, ...]]:
    """Find every case of every sequence below a folder.

    Returns
    -------
    list of SourceCase
        Empty where the folder holds no CHAOS case. A folder whose slices are missing gives a case
        without pictures, which fails when it is converted.
    tuple of str
        What was passed over.

    Raises
    ------
    SourceError
        If two folders give the same case.
    """
    unreadable: list[OSError] = []
    found = _find_folders(root, unreadable)
    cases: dict[str, SourceCase] = {}
    strangers = unnamed = 0
    for folder, content in found.items():
        slices = [path for path in content.files if looks_like_dicom(path)]
        strangers += len(content.files) - len(slices)
        own = _cases_of(folder, content.parts, slices)
        unnamed += bool(slices and not own)
        for case in own:
            if case.case in cases:
                raise SourceError(
                    f"two folders give the case {case.case}; point at one of them", path=folder
                )
            cases[case.case] = case
    if not any(case.pictures for case in cases.values()):
        return [], ()
    passed_over = {
        "files among the slices that are no DICOM": strangers,
        "folders of slices below no numbered patient": unnamed,
        "folders that cannot be read": len(unreadable),
    }
    notes = tuple(f"passed over: {count} {what}" for what, count in passed_over.items() if count)
    return sorted(cases.values(), key=lambda case: natural_key(case.case)), notes


def _find_folders(root: Path, unreadable: list[OSError]) -> dict[Path, _Found]:
    found: dict[Path, _Found] = {}
    # Names as the user sees them, links kept.
    start = root if is_far(root) else Path(os.path.abspath(root))  # noqa: PTH100
    for folder, files in walk_folders(start, unreadable.append):
        if "__MACOSX" in folder.parts:  # macOS packs a shadow of every folder
            continue
        for home in (folder, *folder.parents):
            if home.name.casefold() == _PICTURES:
                content = found.setdefault(home, _Found())
                content.parts.update(part.casefold() for part in folder.relative_to(home).parts[:1])
                content.files.extend(files)
                break
    return found


def choose_chaos(
    cases: Sequence[SourceCase], preset: Preset | None, passed_over: Sequence[str]
) -> SourceSet:
    """Take the cases of one preset: the one named, or the one with most labelled patients.

    Raises
    ------
    SourceError
        If the named preset has no case here.
    """
    present = {case.sequence for case in cases if case.pictures}
    labelled = Counter(case.sequence for case in cases if case.masks and case.pictures)
    sequences = list(_PRESET_OF)
    if preset is None:
        taken = max(sequences, key=lambda s: (s in present, labelled[s], -sequences.index(s)))
    else:
        taken = next(s for s, name in _PRESET_OF.items() if name == preset)
    others = [s for s in sequences if s in present and s != taken]
    listed = ", ".join(f"{_PRESET_OF[s]} ({labelled[s]} labelled)" for s in others)
    if taken not in present:
        raise SourceError(f"no case of {preset} here; this folder holds {listed}")
    kept = tuple(case for case in cases if case.sequence == taken)
    notes = [
        f"{_PRESET_OF[taken]}: {len(kept)} cases, {labelled[taken]} with masks"
        + ("" if preset else " (the sequence with most labelled patients)")
    ]
    if others:
        notes.append(f"left out: {listed}; take one by --preset NAME in another workspace")
    notes.extend(passed_over)
    if taken in ("t1in", "t1out"):
        notes.extend(_phase_notes(cases))
    table = CHAOS_CT if taken == "ct" else CHAOS_MR
    return SourceSet(_PRESET_OF[taken], kept, table, tuple(notes))


def _cases_of(folder: Path, parts: set[str], slices: list[Path]) -> list[SourceCase]:
    place = _place(folder)
    if place is None:
        return []
    kind, number = place
    modality = "CT" if kind == "ct" else "MR"
    stacks = {_SEQUENCE_OF[kind]: slices}
    if kind == "t1dual":
        stacks = {
            sequence: [path for path in slices if _phase(path, folder) == phase]
            for sequence, phase in (("t1in", "inphase"), ("t1out", "outphase"))
            if phase in parts
        }
    masks = _masks(folder.parent)
    patient = f"{modality.lower()}{int(number):02d}"
    return [
        SourceCase(
            case=f"{patient}-{sequence}",
            patient=patient,
            sequence=sequence,
            modality=modality,
            identity=f"{modality}/{number}",
            reader="dicom",
            pictures=tuple(sorted(stack, key=lambda path: natural_key(path.name))),
            masks=masks,
        )
        for sequence, stack in stacks.items()
    ]


def _place(folder: Path) -> tuple[str, str] | None:
    """Give the kind (t1dual, t2spir, ct) and the patient's number of a ``DICOM_anon`` folder.

    Names as the user sees them come before those that a link leads to.
    """
    above = (folder.parent, folder.resolve().parent)
    for place in above:
        if place.name.casefold() in ("t1dual", "t2spir") and place.parent.name.isdecimal():
            return place.name.casefold(), place.parent.name
    for place in above:
        if place.name.isdecimal():
            return "ct", place.name
    return None


def _phase(path: Path, folder: Path) -> str:
    return path.relative_to(folder).parts[0].casefold()


def _masks(place: Path) -> tuple[Path, ...]:
    try:
        for folder in sorted(place.iterdir()):
            if folder.name.casefold() == _MASKS and folder.is_dir():
                pictures = [
                    path
                    for path in folder.iterdir()
                    if path.suffix.casefold() == ".png" and not path.name.startswith("._")
                ]
                return tuple(sorted(pictures, key=lambda path: natural_key(path.name)))
    except OSError as error:
        text = f"a folder of masks cannot be read ({error.strerror})"
        raise SourceError(text, path=error.filename) from error
    return ()


def _phase_notes(cases: Sequence[SourceCase]) -> list[str]:
    """In phase is the longer echo at 1.5 T: say where the folders are named the other way."""
    first = {case.case: case.pictures[0] for case in cases if case.pictures}
    notes = []
    for patient in sorted({case.patient for case in cases}, key=natural_key):
        pair = [first.get(f"{patient}-{sequence}") for sequence in ("t1in", "t1out")]
        echoes = [None if path is None else _echo_ms(path) for path in pair]
        if echoes[0] is not None and echoes[1] is not None and echoes[0] < echoes[1]:
            notes.append(
                f"{patient}: InPhase has the shorter echo ({echoes[0]:g} ms, OutPhase "
                f"{echoes[1]:g} ms): are the folders exchanged?"
            )
    return notes


def _echo_ms(path: Path) -> float | None:
    try:
        slices = read_slices(Blob.of(path))[1]
        return slices[0].contrast.echo_ms if slices else None
    except (
        DicomError,
        NoDicomError,
    ):  # the case itself will be recorded as failed when it is converted
        return None
