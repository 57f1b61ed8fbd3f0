"""Rows of the workspace's tables; what medprep never writes into a cell is damage."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading a cell raises that holds something else."""


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case: what it is, where it stands in the split, and what its source files hash to."""

    name: str
    patient: str
    sequence: str
    modality: str
    reader: str
    labelled: bool
    fold: str
    part: int | None
    slices: int
    bytes: int
    picture_key: str
    mask_key: str
    roles: str = ""
    """What it is in each fold number, where fold and part do not say it (`folds.schemes`)."""


@dataclass(frozen=True, slots=True)
class Input:
    """One thing an artifact was made from: ``key`` is its key at that time."""

    stage: str
    subject: str
    key: str


@dataclass(frozen=True)
class Artifact:
    """What a stage made for a case or a run: files, facts, and the key of how it was made."""

    stage: str
    subject: str
    key: str
    inputs: tuple[Input, ...]
    files: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FailureRow:
    """Why a stage could not make something."""

    stage: str
    subject: str
    code: str
    message: str


@dataclass(frozen=True)
class Step:
    """One run of a stage with all its options."""

    stage: str
    options: dict[str, Any]
    command: str
    versions: dict[str, str]
    started: str
    status: str


def to_case(*row: Any) -> CaseRow:
    """Read a row of ``cases``; damage raises one of `DAMAGE`."""
    name, patient, sequence, modality, reader, labelled, fold, part, slices, size, *others = row
    texts = (name, patient, sequence, modality, reader, fold, *others)
    numbers = (slices, size, 0 if part is None else part)
    if {*map(type, texts)} != {str} or {*map(type, numbers)} != {int}:
        raise ValueError("a cell is of another type")
    return CaseRow(*row[:5], bool(labelled), *row[6:])  # type: ignore[call-arg]


def of_case(case: CaseRow) -> tuple[Any, ...]:
    """Give the cells of a case."""
    return tuple(getattr(case, name) for name in CaseRow.__slots__)


def to_input(kind: str, name: str, key: str) -> Input:
    """Read a row of ``inputs``; damage raises one of `DAMAGE`."""
    stage, _, role = kind.partition("/")
    return Input(stage, f"{name}/{role}" if role else name, _text(key))


def of_input(one: Input) -> tuple[str, str, str]:
    """Give kind, name and key: a source's role goes to its kind, so that its name is a case's."""
    if one.stage != "source":
        return one.stage, one.subject, one.key
    case, _, role = one.subject.rpartition("/")
    return f"source/{role}", case, one.key


def to_artifact(
    stage: str, subject: str, key: str, files: str, facts: str, *, inputs: tuple[Input, ...]
) -> Artifact:
    """Read a row of ``artifacts``; damage raises one of `DAMAGE`."""
    return Artifact(stage, _text(subject), _text(key), inputs, texts(files), _record(facts))


def to_step(
    stage: str, options: str, command: str, versions: str, started: str, status: str
) -> Step:
    """Read a row of ``steps``; damage raises one of `DAMAGE`."""
    step = Step(stage, _record(options), command, _record(versions), started, status)
    _require_kinds(step, command=str, started=str, status=str)
    return step


def of_step(step: Step) -> tuple[str, ...]:
    """Give the cells of a step, as `to_step` takes them."""
    options, versions = json.dumps(step.options), json.dumps(step.versions)
    return step.stage, options, step.command, versions, step.started, step.status


def _record(cell: str) -> dict[str, Any]:
    """Give a JSON object."""
    found = json.loads(cell)
    if not isinstance(found, dict):
        raise ValueError("no record")
    return found


def texts(cell: str) -> tuple[str, ...]:
    """Read a JSON list of texts; damage raises one of `DAMAGE`."""
    return _all_texts(json.loads(cell))


def triples(cell: str) -> tuple[tuple[str, str, str], ...]:
    """Read a JSON list of three texts each; damage raises one of `DAMAGE`."""
    found = [_all_texts(one) for one in json.loads(cell)]
    return tuple((stage, subject, key) for stage, subject, key in found)


def _text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise ValueError("no text")
    return cell


def _all_texts(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError("no list of texts")
    return tuple(found)


def _require_kinds(one: Any, **kinds: type) -> None:
    """Refuse a row in which SQLite, which takes anything anywhere, holds another type."""
    for name, kind in kinds.items():
        if not isinstance(getattr(one, name), kind):
            raise ValueError(f"{name} is of another type")
