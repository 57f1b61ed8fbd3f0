"""Who is the patient of each case: by the files' names where asked, checked by the headers."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medprep.dicom.names import pseudonym
from medprep.errors import SplitError
from medprep.files import natural_key, safe_name
from medprep.folds.identity import Identified, identity_conflicts, one_person
from medprep.folds.patterns import compiled, grouped, suggestion
from medprep.places.paths import is_far
from medprep.reporting.text import counted
from medprep.sources.base import SourceCase, SourceSet
from medprep.stages.case_facts import CaseFacts

_ENDINGS = (".gz", ".nii", ".png", ".jpg", ".jpeg")


def relative_names(cases: tuple[SourceCase, ...], root: Path) -> dict[str, str]:
    """Give the path of each case's first picture below the source, with forward slashes."""
    start = _absolute(root)
    names = {}
    for case in cases:
        if case.pictures:
            path = _absolute(case.pictures[0])
            below = path.relative_to(start) if path.is_relative_to(start) else Path(path.name)
            names[case.case] = below.as_posix()
    return names


def _absolute(path: Path) -> Path:
    """Give the path as the user sees it, links kept."""
    return path if is_far(path) else Path(os.path.abspath(path))  # noqa: PTH100


def with_patients(found: SourceSet, pattern: str | None, root: Path, key: bytes) -> SourceSet:
    """Take patients from the files' names where a pattern is given, else say if one would suit.

    Parameters
    ----------
    found
        The data set with the patients that its folders or headers give.
    pattern
        As ``--patient-pattern`` has it. A case whose name it does not match stays its own patient.
    root
        The source.
    key
        Of pseudonyms: names in a DICOM tree may hold a person's name.

    Raises
    ------
    SplitError
        If no name matches, or two patients would get one public id.
    """
    names = relative_names(found.cases, root)
    if pattern is None:
        files = [n.rpartition("/")[2] for n in names.values()]
        alone = len({case.patient for case in found.cases}) == len(found.cases)
        single = all(case.reader in ("nifti", "png") for case in found.cases)
        notice = suggestion(map(_stem, files)) if alone and single else None
        return replace(found, notes=(*found.notes, notice)) if notice else found
    texts = grouped(compiled(pattern), names)
    patients = _public(found, texts, key)
    cases = tuple(
        replace(case, patient=patients[case.case], identity=texts[case.case])
        if case.case in texts
        else case
        for case in found.cases
    )
    count = len({patients[case] for case in texts})
    who = f"{counted(len(texts), 'case')} of {counted(count, 'patient')}"
    notes = [f"{who} by the names of their files"]
    others = [case.case for case in found.cases if case.case not in texts]
    if others:
        notes.append(
            f"{len(others)} names do not match --patient-pattern, first {others[0]}: they keep the "
            "patient they had"
        )
    kept = tuple(note for note in found.notes if others or not note.startswith("no patient is"))
    return replace(found, cases=cases, notes=(*kept, *notes))


def _stem(name: str) -> str:
    for ending in _ENDINGS:
        if name.casefold().endswith(ending):
            name = name[: -len(ending)]
    return name


def names_of_cases(by: str, cases: Sequence[SourceCase]) -> dict[str, list[str]]:
    """Give every name that cases or patients may go by, in lower case, with their cases.

    A case goes by its id and by what the source calls it; a name that several share is none of
    theirs where another has it for an id.
    """
    exact: dict[str, list[str]] = defaultdict(list)
    loose: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        own = case.case if by == "case" else case.patient
        exact[own.casefold()].append(case.case)
        others = {case.identity.casefold(), safe_name(case.identity)}
        if by == "case" and len(case.pictures) == 1:
            stem = _stem(case.pictures[0].name.casefold())
            others |= {stem, stem.removesuffix("_0000")}
        for name in others - {own.casefold(), ""}:
            loose[name].append(case.case)
    return {**loose, **exact}


def _public(found: SourceSet, texts: Mapping[str, str], key: bytes) -> dict[str, str]:
    """Give each case's public patient id, and refuse one that two patients would share."""
    secret = {case.case for case in found.cases if case.reader in ("dicom-tree", "dicom-masks")}
    patients: dict[str, str] = {}
    behind: dict[str, set[str]] = defaultdict(set)
    for case in found.cases:
        text = texts.get(case.case)
        if text is None:
            behind[case.patient].add("")
            continue
        word = f"p{text}" if text.isdecimal() else text
        public = pseudonym(text, key) if case.case in secret else safe_name(word)
        patients[case.case] = public
        behind[public].add(text.casefold())
    shared = sorted((p for p, several in behind.items() if len(several) > 1), key=natural_key)
    if shared:
        raise SplitError(
            f"--patient-pattern gives {len(shared)} ids to two patients each, first {shared[0]}; "
            "letters and digits alone must tell patients apart"
        )
    return patients


def one_patient_each(
    found: SourceSet, facts: Mapping[str, CaseFacts], *, told_by_name: bool
) -> SourceSet:
    """Hold the headers' identities against the patients, and make one of who is one person.

    Parameters
    ----------
    found
        The data set.
    facts
        With the identities, where they were read.
    told_by_name
        The user said who is who: nothing is changed then, disagreement is only told.

    Returns
    -------
    SourceSet
        Cases of one person bear one patient's id, and notes say so.
    """
    records = []
    for case in found.cases:
        own = facts.get(case.case, CaseFacts())
        records.append(Identified(case.case, case.patient, own.patient_id, own.patient_name))
    conflicts = identity_conflicts(records)
    leader = {} if told_by_name else one_person(conflicts)
    notes = []
    for conflict in conflicts:
        end = ""
        if conflict.kind == "one-person":
            end = "; the names of files rule" if told_by_name else "; they go into one fold"
        notes.append(f"{conflict}{end}")
    cases = tuple(
        replace(case, patient=leader.get(case.patient, case.patient)) for case in found.cases
    )
    return replace(found, cases=cases, notes=(*found.notes, *notes))
