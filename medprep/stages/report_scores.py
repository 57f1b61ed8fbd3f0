"""From the workspace's scores to the report's: which are up to date, and their worst cases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medprep.formats import nifti
from medprep.metrics.contrasts import Contrast, contrasts_of
from medprep.metrics.evaluation import Evaluation
from medprep.reporting.data import ErrorMap, ModelScores, WorstCase
from medprep.reporting.error_map import error_map
from medprep.reporting.scores import to_show
from medprep.stages.run_names import OUT_OF_FOLD, families
from medprep.stages.score_records import are_current, evaluation_of, out_of_date
from medprep.workspace.database import Artifact
from medprep.workspace.workspace import Workspace

_MOST_WORST = 3
"""So many cases of each model are drawn."""

Made = Mapping[str, Mapping[str, Artifact]]


@dataclass(frozen=True)
class Scores:
    """The sections of a report about scores, and what is left out of them and why."""

    models: tuple[ModelScores, ...]
    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...]


def gather_scores(workspace: Workspace, made: Made) -> Scores:
    """Read the scores of every model that is up to date, and draw some of its worst cases."""
    models, notes = [], []
    several = families(made["train"])
    for run in [*made["train"], *several, *(name + OUT_OF_FOLD for name in several)]:
        path = workspace.layout.metrics(run, ".json")
        if not path.is_file():
            continue
        record = _read(path)
        found = evaluation_of(record)
        if found is None or not are_current(workspace, found):
            notes.append(out_of_date(found, run))
            continue
        models.append(ModelScores(found, tuple(record["conventions"]), ()))
    drawn = tuple(replace(one, worst=_worst(workspace, made, one.evaluation)) for one in models)
    return Scores(drawn, _contrasts([one.evaluation for one in models]), tuple(notes))


def _read(path: Path) -> dict[str, Any]:
    """Read a table of scores; empty where it holds something else."""
    try:
        record = json.loads(path.read_text("utf-8"))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _contrasts(evaluations: Sequence[Evaluation]) -> tuple[Contrast, ...]:
    """Compare models that were scored alike; with no patient in common there is no row."""
    alike: dict[tuple[object, ...], list[Evaluation]] = {}
    for one in evaluations:
        how = (one.definition, one.reference, one.fold, *sorted(one.tolerance_mm.items()))
        alike.setdefault(how, []).append(one)
    return tuple(row for own in alike.values() for row in contrasts_of(own) if row.comparison.n)


def _worst(workspace: Workspace, made: Made, evaluation: Evaluation) -> tuple[WorstCase, ...]:
    """Draw the worst cases, one after the other; what is no longer there is left out."""
    layout = workspace.layout
    reference_of = layout.cleaned if evaluation.reference == "cleaned" else layout.labels
    drawn = []
    for case, label in to_show(evaluation, _MOST_WORST):
        image = layout.image(case.case)
        run = evaluation.run or evaluation.model
        paths = (reference_of(case.case), layout.prediction(run, case.case))
        if not all(path.is_file() for path in (image, *paths)):
            continue
        errors = _errors(made["convert"][case.case].facts, image, *paths, label.label)
        drawn.append(WorstCase(case, label, errors))
    return tuple(drawn)


def _errors(
    facts: Mapping[str, Any], image: Path, reference: Path, predicted: Path, label: int
) -> ErrorMap:
    ours = nifti.read_label_map(reference)
    mask = ours.array == label
    geometry = ours.geometry if facts["spacing_known"] else None
    theirs = nifti.read_label_map(predicted).array == label
    window = (facts["window"]["low"], facts["window"]["high"])
    return error_map(nifti.read(image).array, mask, theirs, geometry, window)
