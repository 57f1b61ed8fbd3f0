"""What is in a workspace; looks only, so it works beside a running command."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medprep.stages.base import CHAIN
from medprep.stages.tables import repeat_command
from medprep.workspace.workspace import Workspace


@dataclass(frozen=True)
class StageStatus:
    """How one stage stands: artifacts up to date, stale, failures, and how it last ended."""

    stage: str
    current: int
    stale: int
    failed: int
    last: str


@dataclass(frozen=True)
class Status:
    """What a workspace holds.

    Parameters
    ----------
    preset
        Kind of data set.
    cases
        Number of cases.
    patients
        How many are in which fold.
    stages
        One for each stage that ran.
    failures
        What failed, without paths.
    scores
        Lines for each scored run; one where its scores are out of date.
    command
        The line that repeats the work; ``SOURCE`` stands for the folder of the data set where its
        path is not known any more.
    artifacts
        URL where files of single cases lie; None: in the workspace's folder.
    """

    preset: str
    cases: int
    patients: str
    stages: tuple[StageStatus, ...]
    failures: tuple[str, ...]
    scores: tuple[str, ...]
    command: str
    artifacts: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs."""
        return asdict(self)


def status(workspace: Path | str = "medprep-work") -> Status:
    """Look at a workspace.

    Raises
    ------
    WorkspaceError
        If there is none.
    """
    with Workspace(Path(workspace), readonly=True) as opened:
        meta = opened.require_split()
        database = opened.database
        cases = 0
        fold_of: dict[str, str] = {}
        for _, patient, fold in database.each(
            "SELECT name, patient, fold FROM cases ORDER BY name"
        ):
            cases += 1
            fold_of[patient] = fold or "without masks"
        folds = Counter(fold_of.values())
        failures = database.failures()
        return Status(
            preset=str(meta["preset"]),
            cases=cases,
            patients=", ".join(f"{count} {fold}" for fold, count in sorted(folds.items())),
            stages=tuple(_stages(opened, cases)),
            failures=tuple(f"{one.subject} {one.stage}: {one.message}" for one in failures),
            scores=tuple(_scores(opened)),
            command=repeat_command(opened, str(opened.ledger.source)),
            artifacts=None if opened.layout.far is None else str(opened.layout.far),
        )


def _stages(workspace: Workspace, cases: int) -> list[StageStatus]:
    database, currency = workspace.database, workspace.currency
    failed = Counter(one.stage for one in database.failures())
    found = []
    for name, step in database.steps().items():
        current, stale = (cases, 0) if name == "split" else currency.count(name)
        found.append(StageStatus(name, current, stale, failed[name], step.status))
    return sorted(found, key=lambda one: CHAIN.index(one.stage))


def _scores(workspace: Workspace) -> list[str]:
    from medprep.evaluations.results import text_of
    from medprep.stages.score_records import are_current, evaluation_of, out_of_date

    lines: list[str] = []
    for path in sorted((workspace.layout.root / "metrics").glob("*.json")):
        try:
            record = json.loads(path.read_text("utf-8"))
            if "evaluation" not in record:  # comparisons of models lie here too
                continue
            found = evaluation_of(record)
            if found is not None and are_current(workspace, found):
                lines += text_of(found)
            else:
                lines.append(out_of_date(found, path.stem))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            lines.append(f"metrics/{path.name} cannot be read; score anew: medprep evaluate")
    return lines
