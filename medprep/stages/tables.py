"""What people read beside the artifacts: ``cases.csv``, and the line that repeats the work."""

from __future__ import annotations

import csv
import hashlib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from medprep.files import AtomicFiles, csv_bytes
from medprep.reporting.data import LogRow
from medprep.stages.base import CHAIN
from medprep.workspace.workspace import Workspace

_STAGES = ("convert", "extract", "clean", "augment")
_COLUMNS = (
    "case", "patient", "sequence", "modality", "labelled", "fold", "part", "slices", *_STAGES,
    "reason",
)  # fmt: skip
_ROWS = 1000
"""So many rows of a table are put into words at once."""


def write_cases(workspace: Workspace) -> None:
    """Write the table, unless it is there as it would be; nothing before the first split."""
    if not any(workspace.database.each("SELECT 1 FROM cases LIMIT 1")):
        return
    path, database = workspace.layout.root / "cases.csv", workspace.database
    known = database.written(path.name)
    if not known or known != sha256_of(path):
        content = write_chunks(path, csv_chunks(_COLUMNS, _case_rows(workspace)))
        database.put_written(path.name, content)


def _case_rows(workspace: Workspace) -> Iterator[list[object]]:
    stale = [workspace.currency.stale(stage) for stage in _STAGES]
    joins, cells = "", ""
    for stage in _STAGES:
        cells += f", {stage}_made.key IS NOT NULL, {stage}_failed.message"
        for table, short in (("artifacts", "made"), ("failures", "failed")):
            joins += (
                f" LEFT JOIN {table} AS {stage}_{short} ON {stage}_{short}.stage = '{stage}'"
                f" AND {stage}_{short}.subject = one.name"
            )
    query = (
        "SELECT one.name, one.patient, one.sequence, one.modality, one.labelled, one.fold,"  # noqa: S608
        f" one.part, one.slices{cells} FROM cases AS one{joins} ORDER BY one.name"
    )
    for row in workspace.database.each(query):
        states, reasons = [], []
        for number, (stage, made, message) in enumerate(
            zip(_STAGES, row[8::2], row[9::2], strict=True)
        ):
            if message is not None:
                states.append("failed")
                reasons.append(f"{stage}: {message}")
            else:
                states.append("ok" if made and row[0] not in stale[number] else "")
        labelled = "yes" if row[4] else "no"
        yield [*row[:4], labelled, *row[5:8], *states, "; ".join(reasons)]


def csv_chunks(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield a table piece by piece, together what `medprep.files.csv_bytes` gives."""
    every = chain([columns], rows)
    while some := list(islice(every, _ROWS)):
        yield csv_bytes(some[0], some[1:])


def write_chunks(path: Path, chunks: Iterable[bytes]) -> str:
    """Write a file whole or not at all, and give the SHA-256 of its content."""
    content = hashlib.sha256()
    with AtomicFiles() as files:
        temporary = files.file(path)
        temporary.touch(0o644)
        with temporary.open("wb") as handle:
            for chunk in chunks:
                handle.write(chunk)
                content.update(chunk)
    return content.hexdigest()


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file; ``""`` where it cannot be read."""
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return ""


def repeat_command(workspace: Workspace, source: str) -> str:
    """Give one line that does again what was done here, on the data set in ``source``."""
    steps = workspace.database.steps()
    words = ["medprep"]
    for name in CHAIN:
        if name in steps:
            words.extend(shlex.split(steps[name].command))
    return shlex.join([source if word == "SOURCE" else word for word in words])


def read_log(path: Path) -> tuple[LogRow, ...]:
    """Read a training log."""
    with path.open(newline="") as handle:
        return tuple(
            LogRow(int(row["step"]), float(row["loss"]), _number(row["validation_dice"]))
            for row in csv.DictReader(handle)
        )


def _number(text: str) -> float | None:
    return float(text) if text else None
