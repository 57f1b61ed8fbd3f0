"""The leak gate: whether the same picture, or nearly the same, stands in two folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from medprep.dicom.stacks import Policy
from medprep.errors import LeakError
from medprep.files import AtomicFiles, csv_bytes, digest, write_bytes
from medprep.folds import FOLDS
from medprep.leaks import Fingerprint, Leak, find_leaks, fingerprint, planes
from medprep.places.hand import ahead
from medprep.stages.base import (
    CaseResult,
    Context,
    artifact_input,
    is_up_to_date,
    run_cases,
    source_input,
    task,
)
from medprep.stages.pictures import SourcePicture
from medprep.workspace.database import Artifact, CaseRow, Input
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import fold_key

PRINTS = "fingerprint"
GATE = "leaks"
_VERSION = 2
_NAMED = 3
"""So many leaks a message names before it only counts them."""


__all__ = ["Leak", "across", "find", "require_none", "tell"]


def find(context: Context) -> list[Leak]:
    """Compare the pictures of all folds; what was compared before is not compared again.

    A case whose picture cannot be read fails when it is converted, and is not looked at here.
    """
    workspace = context.workspace
    rows = [row for row in workspace.database.cases() if row.labelled and row.fold in FOLDS]
    _take_prints(context, rows)
    made = workspace.current(PRINTS)
    group_of = {row.name: fold_key(row) for row in rows if row.name in made}
    inputs = tuple(artifact_input(made[name]) for name in sorted(group_of)) + tuple(
        Input("source", f"{row.name}/fold", fold_key(row)) for row in rows if row.name in made
    )
    key = digest([GATE, _VERSION, [asdict(one) for one in inputs]])
    known = workspace.database.artifacts(GATE).get("set")
    if known is not None and is_up_to_date(context, known, key):
        return [Leak(**one) for one in known.facts["leaks"]]
    paths = ahead(workspace.layout.fingerprint(name) for name in group_of)
    read = (Fingerprint.from_bytes(path.read_bytes()) for path in paths)
    prints = dict(zip(group_of, read, strict=True))
    leaks = find_leaks(prints, group_of)
    target = workspace.layout.root / "leaks.csv"
    write_bytes(target, _table(leaks, group_of))
    facts = {"leaks": [asdict(leak) for leak in leaks], "cases": len(prints)}
    relative = workspace.layout.relative(target)
    workspace.database.put(Artifact(GATE, "set", key, inputs, (relative,), facts))
    return leaks


def across(leaks: Sequence[Leak], roles: dict[str, str]) -> list[Leak]:
    """Give the leaks between what trains and what validates or tests.

    Parameters
    ----------
    roles
        Case to ``train``, ``val``, ``test``; others are in no fold.
    """
    return [leak for leak in leaks if _crosses({roles.get(leak.one), roles.get(leak.other)})]


def _crosses(roles: set[str | None]) -> bool:
    return "train" in roles and bool(roles & {"val", "test"})


def torn(rows: Sequence[CaseRow], roles: dict[str, str]) -> list[str]:
    """Give the patients of whom one case trains and another validates or tests."""
    of: dict[str, set[str | None]] = {}
    for row in rows:
        of.setdefault(row.patient, set()).add(roles[row.name])
    return sorted(patient for patient, own in of.items() if _crosses(own))


def require_none(leaks: Sequence[Leak], allowed: bool) -> None:
    """Refuse to train across a leak.

    Raises
    ------
    LeakError
        If there is one and it is not allowed.
    """
    if leaks and not allowed:
        raise LeakError(
            f"{tell(leaks)}: the Dice would count what was learnt by heart. Look at leaks.csv; "
            "give the patients (split --patient-pattern), leave the copies out, or train all the "
            "same with --allow-leaks, which every table will say"
        )


def tell(leaks: Sequence[Leak]) -> str:
    """Give the leaks in one line."""
    named = [
        f"{one.one} slice {one.one_slice} and {one.other} slice {one.other_slice} ({_how(one)})"
        for one in leaks[:_NAMED]
    ]
    more = f" and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
    what = (
        f"{len(leaks)} pairs of pictures in two folds are"
        if len(leaks) > 1
        else ("1 pair of pictures in two folds is")
    )
    return f"{what} the same or nearly so: {'; '.join(named)}{more}"


def _how(leak: Leak) -> str:
    if leak.kind in ("mirrored", "turned"):
        return leak.change
    return f"{leak.kind}: {leak.change}" if leak.change else leak.kind


def _take_prints(context: Context, rows: Sequence[CaseRow]) -> None:
    workspace = context.workspace
    tasks = []
    for row in rows:
        payload = _Payload(workspace.layout, row.name, SourcePicture.of(workspace, row))
        tasks.append(
            task(PRINTS, _VERSION, row.name, [source_input(row, "picture")], None, payload)
        )
    summary = run_cases(context, PRINTS, tasks, _take_print)
    workspace.database.forget(PRINTS, list(summary.failed))


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    source: SourcePicture


def _take_print(work: _Payload) -> CaseResult:
    volume = work.source.read(Policy("resample", "resample")).volume
    compared = planes(volume.array, volume.geometry)
    target = work.layout.fingerprint(work.case)
    with AtomicFiles() as files:
        files.file(target).write_bytes(fingerprint(compared).to_bytes())
    return CaseResult((work.layout.relative(target),), {})


def _table(leaks: Sequence[Leak], group_of: dict[str, str]) -> bytes:
    columns = [*Leak.__dataclass_fields__, "one_fold", "other_fold"]
    rows = [[*asdict(one).values(), group_of[one.one], group_of[one.other]] for one in leaks]
    return csv_bytes(columns, rows)
