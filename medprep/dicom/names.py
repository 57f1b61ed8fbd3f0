"""Public names of volumes: a pseudonym for the patient, numbers for everything else."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Sequence

from medprep.dicom.grouping import Stack

_DIGITS = 10


def pseudonym(patient: str, key: bytes) -> str:
    """Give a patient's public id: the same for the same key, and telling nothing without it.

    HMAC-SHA256 (FIPS 198-1), cut to 40 bits: two of a million patients share one with a chance of
    a third, so `name_stacks` tells patients apart by more than this.
    """
    return "p" + hmac.new(key, patient.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def name_stacks(stacks: Sequence[Stack], key: bytes) -> list[str]:
    """Give each stack its name: ``<patient>-<series number><suffix>``.

    The study's number stands between the two where the patient has several, and a letter follows
    the series number where several series of a study share it.
    """
    studies: dict[str, dict[str, int]] = defaultdict(dict)
    series: dict[tuple[str, str, int], dict[str, int]] = defaultdict(dict)
    for stack in stacks:
        origin = stack.slices[0].origin
        known = studies[origin.patient]
        known.setdefault(origin.study, len(known) + 1)
        same = series[origin.patient, origin.study, origin.number]
        same.setdefault(origin.series, len(same) + 1)
    names = []
    for stack in stacks:
        origin = stack.slices[0].origin
        name = pseudonym(origin.patient, key)
        if len(studies[origin.patient]) > 1:
            name += f"-{studies[origin.patient][origin.study]}"
        name += f"-{origin.number:03d}"
        same = series[origin.patient, origin.study, origin.number]
        if len(same) > 1:
            name += _letters(same[origin.series])
        names.append(name + stack.suffix)
    return _distinct(names)


def _letters(number: int) -> str:
    """Count a, b, ..., z, aa, ab, ..."""
    text = ""
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def _distinct(names: list[str]) -> list[str]:
    """Give what still shares a name a number, by order."""
    counted, seen = Counter(names), Counter[str]()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(f"{name}_x{seen[name]}" if counted[name] > 1 else name)
    return distinct
