"""The scores that lie in a workspace: read back, and whether they are still true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from medprep.errors import MedprepError
from medprep.metrics.evaluation import Evaluation, LabelScore
from medprep.stages.evaluate import MADE_BY
from medprep.stages.runs import Run, find_run
from medprep.workspace.database import Artifact
from medprep.workspace.workspace import Workspace


def evaluation_of(record: Mapping[str, Any]) -> Evaluation | None:
    """Give what it says; None where an earlier release, or somebody else, wrote something else."""
    try:
        return Evaluation.from_record(record["evaluation"]) if "conventions" in record else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def out_of_date(found: Evaluation | None, called: str) -> str:
    """Say that scores are not those of the data as they are now, and what makes them anew."""
    run = (found and found.run) or called
    return (
        f"The scores of {called} are out of date and left out; score anew: medprep evaluate "
        f"--run {run}"
    )


def are_current(workspace: Workspace, found: Evaluation) -> bool:
    """Tell whether the same would be scored now: the run, its cases, and what is made of them."""
    try:
        run = find_run(workspace, found.run or found.model)
    except MedprepError:
        return False
    cohort = {case.case for case in found.cases}
    if run.leaks != found.leaks or cohort != _cohort(workspace, run, found):
        return False
    scored, predicted = workspace.current("evaluate"), workspace.current("predict")
    for case in found.cases:
        if case.case in found.failed:
            continue
        subject = f"{found.run or found.model}/{case.case}"
        missing = any(label.state == "missing" for label in case.labels)
        if subject not in scored or missing == (subject in predicted):
            return False
        # The table is written after the last case is recorded: a stop in between leaves an old one.
        if [asdict(label) for label in case.labels] != _labels(scored[subject]):
            return False
    return True


def _cohort(workspace: Workspace, run: Run, found: Evaluation) -> set[str]:
    """Give the cases that would be in a table of this name."""
    references = workspace.current(MADE_BY.get(found.reference, ""))
    held = run.held(workspace.database.cases())
    rows = [row for part in held if part.called == found.model for row in part.rows]
    return {row.name for row in rows if row.name in references}


def _labels(scored: Artifact) -> list[dict[str, Any]]:
    return [asdict(LabelScore.from_record(one)) for one in scored.facts["labels"]]
