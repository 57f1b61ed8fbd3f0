"""What people read beside the artifacts: ``cases.csv``, and the line that repeats the work."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path

from medprep.files import csv_bytes, write_bytes
from medprep.reporting.data import LogRow
from medprep.stages.base import CHAIN
from medprep.workspace.workspace import Workspace

_COLUMNS = ("convert", "extract", "clean", "augment")


def write_cases(workspace: Workspace) -> None:
    """Write the table anew; nothing before the first split."""
    rows = workspace.database.cases()
    if not rows:
        return
    made = {stage: workspace.current(stage) for stage in _COLUMNS}
    failed = {(one.stage, one.subject): one for one in workspace.database.failures()}
    columns = ["case", "patient", "sequence", "modality", "labelled", "fold", "part", "slices"]
    cells = []
    for row in rows:
        reasons = [
            f"{s}: {failed[s, row.name].message}" for s in _COLUMNS if (s, row.name) in failed
        ]
        states = [
            "failed" if (stage, row.name) in failed else "ok" if row.name in made[stage] else ""
            for stage in _COLUMNS
        ]
        labelled = "yes" if row.labelled else "no"
        cells.append(
            [row.name, row.patient, row.sequence, row.modality, labelled, row.fold, row.part]
            + [row.slices, *states, "; ".join(reasons)]
        )
    table = csv_bytes([*columns, *_COLUMNS, "reason"], cells)
    write_bytes(workspace.layout.root / "cases.csv", table)


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
