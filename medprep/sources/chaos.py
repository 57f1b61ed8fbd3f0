"""The CHAOS challenge (Kavur et al. 2021): abdominal MR and CT with organ masks.

Wherever a user points (the whole set, ``Train_Sets``, ``MR``, one patient), the folders named
``DICOM_anon`` and the folders above them say what is what::

    <set>/MR/<number>/T1DUAL/DICOM_anon/{InPhase,OutPhase}   <set>/MR/<number>/T1DUAL/Ground
    <set>/MR/<number>/T2SPIR/DICOM_anon                      <set>/MR/<number>/T2SPIR/Ground
    <set>/CT/<number>/DICOM_anon                             <set>/CT/<number>/Ground

Test sets have no ``Ground``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from medprep.dicom.headers import looks_like_dicom, read_dataset, slice_header
from medprep.errors import DicomError, SourceError
from medprep.files import natural_key, walk_files
from medprep.organs import CHAOS_CT, CHAOS_MR
from medprep.sources.base import Preset, SourceCase, SourceSet

_PICTURES, _MASKS = "dicom_anon", "ground"
_PRESET_OF: dict[str, Preset] = {
    "t1in": "chaos-mr-t1in",
    "t2": "chaos-mr-t2",
    "t1out": "chaos-mr-t1out",
    "ct": "chaos-ct",
}
"""In the order that decides between sequences with equally many labelled patients."""


def find_chaos(root: Path) -> tuple[list[SourceCase], int]:
    """Find every case of every sequence below a folder, and count the files that are no DICOM.

    A folder without CHAOS cases gives an empty list.

    Raises
    ------
    SourceError
        If two folders give the same case.
    """
    folders: dict[Path, list[Path]] = {}
    for path in walk_files(root):
        for folder in path.parents:
            if folder.name.casefold() == _PICTURES:
                folders.setdefault(folder, []).append(path)
                break
    found: dict[str, SourceCase] = {}
    strangers = 0
    for folder, files in folders.items():
        slices = [path for path in files if looks_like_dicom(path)]
        strangers += len(files) - len(slices)
        for case in _cases_of(folder, slices):
            if case.case in found:
                raise SourceError(
                    f"two folders give the case {case.case}; point at one of them", path=folder
                )
            found[case.case] = case
    return sorted(found.values(), key=lambda case: natural_key(case.case)), strangers


def choose_chaos(cases: list[SourceCase], preset: Preset | None, strangers: int) -> SourceSet:
    """Take the cases of one preset: the one named, or the one with most labelled patients.

    Raises
    ------
    SourceError
        If the named preset has no case here.
    """
    labelled = Counter(case.sequence for case in cases if case.masks)
    present = {case.sequence for case in cases}
    sequences = list(_PRESET_OF)
    if preset is None:
        taken = max(sequences, key=lambda s: (s in present, labelled[s], -sequences.index(s)))
    else:
        taken = next(s for s, name in _PRESET_OF.items() if name == preset)
    kept = tuple(case for case in cases if case.sequence == taken)
    others = [s for s in sequences if s in present and s != taken]
    listed = ", ".join(f"{_PRESET_OF[s]} ({labelled[s]} labelled)" for s in others)
    if not kept:
        raise SourceError(f"no case of {preset} here; this folder holds {listed}")
    notes = [
        f"{_PRESET_OF[taken]}: {len(kept)} cases, {labelled[taken]} with masks"
        + ("" if preset else " (the sequence with most labelled patients)")
    ]
    if others:
        notes.append(f"left out: {listed}; take one by --preset NAME in another workspace")
    if strangers:
        notes.append(f"{strangers} files among the slices are no DICOM and were passed over")
    notes.extend(_phase_notes(cases, taken))
    table = CHAOS_CT if taken == "ct" else CHAOS_MR
    return SourceSet(_PRESET_OF[taken], kept, table, tuple(notes))


def _cases_of(folder: Path, slices: list[Path]) -> list[SourceCase]:
    place = folder.resolve().parent
    if place.name.casefold() in ("t1dual", "t2spir"):
        number, modality = place.parent.name, "MR"
    else:
        number, modality = place.name, "CT"
    if not number.isdecimal():
        return []
    if place.name.casefold() == "t1dual":
        stacks = {
            "t1in": [p for p in slices if _phase(p, folder) == "inphase"],
            "t1out": [p for p in slices if _phase(p, folder) == "outphase"],
        }
    else:
        stacks = {"t2" if modality == "MR" else "ct": slices}
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
        if stack
    ]


def _phase(path: Path, folder: Path) -> str:
    return path.relative_to(folder).parts[0].casefold()


def _masks(place: Path) -> tuple[Path, ...]:
    for folder in place.iterdir():
        if folder.name.casefold() == _MASKS and folder.is_dir():
            pictures = (p for p in folder.iterdir() if p.suffix.casefold() == ".png")
            return tuple(sorted(pictures, key=lambda path: natural_key(path.name)))
    return ()


def _phase_notes(cases: Sequence[SourceCase], taken: str) -> list[str]:
    """In phase is the longer echo at 1.5 T: say where the folders are named the other way."""
    if taken not in ("t1in", "t1out"):
        return []
    notes = []
    by_name = {case.case: case for case in cases}
    for case in cases:
        other = by_name.get(f"{case.patient}-t1out")
        if case.sequence != "t1in" or other is None:
            continue
        echoes = [_echo_ms(one.pictures[0]) for one in (case, other)]
        if None not in echoes and echoes[0] < echoes[1]:  # type: ignore[operator]
            notes.append(
                f"{case.patient}: InPhase has the shorter echo ({echoes[0]:g} ms, OutPhase "
                f"{echoes[1]:g} ms): are the folders exchanged?"
            )
    return notes


def _echo_ms(path: Path) -> float | None:
    try:
        return slice_header(read_dataset(path, pixels=False), path).echo_time_ms
    except DicomError:  # the case itself will be recorded as failed when it is converted
        return None
