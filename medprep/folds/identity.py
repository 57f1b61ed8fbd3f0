"""Who is who: what DICOM headers say, held against the patients that folders and names give.

Nothing here gives away an identity: records go in with private ids and names, and come out with
public ones.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from medprep.files import natural_key

_Kind = Literal["one-person", "several-people", "placeholder"]
_Tag = Literal["PatientID", "PatientName"]
_Value = tuple[_Tag, str]

_PLACEHOLDERS = {
    "anonymous", "anonymised", "anonymized", "anon", "anonym", "anonyme", "deidentified",
    "deidentifiedpatient", "removed", "unknown", "unnamed", "none", "null", "nil", "na", "nan",
    "noname", "noid", "notprovided", "patient", "patientid", "patientname", "subject", "test",
    "x", "xx", "xxx", "xxxx",
}  # fmt: skip
_MANY = 3
"""From so many patients on, a value that all of them have identifies none."""


@dataclass(frozen=True)
class Identified:
    """A case and what is said of whom it shows.

    Parameters
    ----------
    case, patient
        Public ids; the patient as the folders or the names of files have it.
    patient_id, patient_name
        PatientID (0010,0020) and PatientName (0010,0010); ``""`` where unknown. Private.
    """

    case: str
    patient: str
    patient_id: str = ""
    patient_name: str = ""


@dataclass(frozen=True)
class Conflict:
    """A disagreement about who is who.

    Parameters
    ----------
    kind
        ``one-person``: several patients share an identity. ``several-people``: one patient's
        cases have several. ``placeholder``: so many patients share a value that it is none.
    by
        The tag that says so.
    patients, cases
        Public ids, in natural order.
    """

    kind: _Kind
    by: _Tag
    patients: tuple[str, ...]
    cases: tuple[str, ...]

    def __str__(self) -> str:
        who = _listed(self.patients)
        if self.kind == "one-person":
            return f"{who} hold the same {self.by}: one person under {len(self.patients)} names"
        if self.kind == "several-people":
            return f"{who}: its cases hold different {self.by} ({_listed(self.cases)})"
        return (
            f"all {len(self.patients)} patients hold the same {self.by}: it is taken for a "
            "placeholder and tells nobody apart"
        )


def is_placeholder(value: str) -> bool:
    """Tell whether a PatientID or PatientName is what anonymisers leave: ``""``, 0, Anonymous."""
    plain = re.sub(r"[\W_]+", "", value.casefold())
    return plain in _PLACEHOLDERS or not plain.strip("0")


def identity_conflicts(cases: Sequence[Identified]) -> list[Conflict]:
    """Hold the identity in the headers against the patients as they are.

    A case's identity is its PatientID, or its PatientName where the id is empty or a placeholder.
    Values are compared without regard to case, blanks and empty components of a name.

    Returns
    -------
    list of Conflict
        In natural order of patients; none where headers say nothing or agree.
    """
    common = _said_by_all(cases)
    found = [
        _conflict("placeholder", by, [one for one in cases if (by, value) in _values(one)])
        for by, value in common
    ]
    shared: dict[_Value, list[Identified]] = defaultdict(list)
    several: dict[tuple[str, _Tag], dict[str, Identified]] = defaultdict(dict)
    for one in cases:
        identity = next((value for value in _values(one) if value not in common), None)
        if identity is not None:
            shared[identity].append(one)
            several[one.patient, identity[0]].setdefault(identity[1], one)
    for (by, _), members in shared.items():
        if len({one.patient for one in members}) > 1:
            found.append(_conflict("one-person", by, members))
    for (_, by), of_one in several.items():
        if len(of_one) > 1:
            found.append(_conflict("several-people", by, list(of_one.values())))
    return sorted(found, key=lambda one: ([natural_key(p) for p in one.patients], one.kind, one.by))


def _values(one: Identified) -> list[_Value]:
    """Give what identifies a case, the id before the name; placeholders do not."""
    both: tuple[_Value, ...] = (
        ("PatientID", one.patient_id),
        ("PatientName", one.patient_name),
    )
    return [(by, _plain(value)) for by, value in both if not is_placeholder(value)]


def _said_by_all(cases: Sequence[Identified]) -> list[_Value]:
    """Give the values that every one of many patients has: no identity, whatever they look like."""
    everybody = {one.patient for one in cases}
    holders: dict[_Value, set[str]] = defaultdict(set)
    for one in cases:
        for value in _values(one):
            holders[value].add(one.patient)
    if len(everybody) < _MANY:
        return []
    return sorted(value for value, patients in holders.items() if patients == everybody)


def _plain(value: str) -> str:
    return re.sub(r"\s+", " ", value.casefold()).strip(" ^\0")


def _conflict(kind: _Kind, by: _Tag, members: Sequence[Identified]) -> Conflict:
    patients = sorted({one.patient for one in members}, key=natural_key)
    cases = sorted({one.case for one in members}, key=natural_key)
    return Conflict(kind, by, tuple(patients), tuple(cases))


def one_person(conflicts: Iterable[Conflict]) -> dict[str, str]:
    """Give the patients that are somebody else, and who: the first of those that are one person."""
    leader: dict[str, str] = {}

    def find(patient: str) -> str:
        while patient in leader:
            patient = leader[patient]
        return patient

    for conflict in conflicts:
        if conflict.kind == "one-person":
            roots = sorted({find(patient) for patient in conflict.patients}, key=natural_key)
            leader.update(dict.fromkeys(roots[1:], roots[0]))
    return {patient: find(patient) for patient in leader}


def _listed(names: Sequence[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
