"""Score files that are in no workspace: find pairs, read and score each, say how it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.errors import GeometryError, NothingDoneError, WriteError
from medprep.evaluations.levels import Labels
from medprep.evaluations.options import EvaluateFolders
from medprep.evaluations.pairs import Found, Pair, find_pairs
from medprep.evaluations.reading import ReadOptions, read_pair, settle
from medprep.evaluations.results import Results
from medprep.evaluations.sidecars import contamination_of
from medprep.execute import Failure, choose_jobs, map_cases, workers_at
from medprep.metrics.evaluation import CaseScore, Evaluation
from medprep.metrics.measures import NO_REFERENCE, Measures
from medprep.places.paths import path_of
from medprep.progress import Progress, Silent

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster


@dataclass(frozen=True)
class FolderOutcome:
    """How an evaluation without a workspace went.

    Parameters
    ----------
    results
        The scores.
    failed
        ``model/case`` to failure: missing predictions, what cannot be read, extra predictions.
    notes
        What was passed over or assumed, one sentence each.
    """

    results: Results
    failed: dict[str, Failure]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 where all is well, 8 where a prediction is missing, extra or cannot be scored."""
        return 8 if self.failed else 0

    @property
    def lines(self) -> list[str]:
        """What a person should read."""
        failed = [f"FAILED {name}: {failure}" for name, failure in self.failed.items()]
        return [*self.notes, *self.results.text(), *failed]

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs."""
        return {
            **self.results.as_record(),
            "notes": list(self.notes),
            "failed": {name: str(failure) for name, failure in self.failed.items()},
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True)
class _Task:
    pair: Pair
    reading: ReadOptions
    measures: Measures


def look_at(options: EvaluateFolders) -> list[str]:
    """Say which files would be scored against which, and what has no partner.

    Raises
    ------
    SourceError
        As `evaluate_folders`.
    """
    lines: list[str] = []
    for model, predicted in zip(options.models, options.predicted, strict=True):
        found = _find(options, predicted)
        lines += found.notes
        lines += [
            f"{model}/{pair.case}: {pair.predicted or 'MISSING, a failure'}" for pair in found.pairs
        ]
        lines += [f"{model}/{place}: no reference" for place in found.extra]
    return lines


def evaluate_folders(
    options: EvaluateFolders,
    *,
    jobs: int = 0,
    overwrite: bool = False,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> FolderOutcome:
    """Score each model's files against the reference's.

    Parameters
    ----------
    jobs
        Processes; 0 for as many as suit.
    overwrite
        Write over tables that are in the output.
    cluster
        Work on a Dask cluster: the address of its scheduler, or ``local:N``.

    Raises
    ------
    SourceError
        If nothing is found, or nothing matches.
    NothingDoneError
        If none of the pairs of any model could be scored.
    WriteError
        If the output holds tables of these models.
    """
    _require_free(options, overwrite)
    evaluations: list[Evaluation] = []
    failed: dict[str, Failure] = {}
    notes: list[str] = []
    shown = progress or Silent()
    read = [options.reference, *options.predicted]
    with workers_at(cluster, shown, read=read) as workers:
        for model, predicted in zip(options.models, options.predicted, strict=True):
            found = _find(options, predicted)
            evaluation, own, said = _score_all(
                options, model, predicted, found, jobs, workers, shown
            )
            notes += [note for note in (*found.notes, *said) if note not in notes]
            evaluations.append(evaluation)
            failed |= {f"{model}/{case}": failure for case, failure in own.items()}
    results = Results(tuple(evaluations))
    if options.output is not None:
        results.write(partial(_path, options.output))
    return FolderOutcome(results, failed, tuple(notes))


def _find(options: EvaluateFolders, predicted: str) -> Found:
    return find_pairs(
        path_of(options.reference),
        path_of(predicted),
        grid=None if options.grid is None else path_of(options.grid),
        patient_pattern=options.patient_pattern,
    )


def _score_all(
    options: EvaluateFolders,
    model: str,
    predicted: str,
    found: Found,
    jobs: int,
    workers: Cluster | None,
    progress: Progress,
) -> tuple[Evaluation, dict[str, Failure], tuple[str, ...]]:
    measures = options.measures()
    count = choose_jobs(jobs, len(found.pairs))
    reading = ReadOptions(options.organs, options.resample, options.spacing_mm)
    reading = settle(found.pairs, reading, jobs=count, cluster=workers)
    tasks = [_Task(pair, reading, measures) for pair in found.pairs]
    progress.start(f"evaluate {model}", len(tasks))
    scores, failed = _work(tasks, count, workers, progress)
    progress.finish()
    if reading.labels is None or not scores:
        first = next(iter(failed.values()), None)
        raise NothingDoneError(f"{model}: none of {len(tasks)} pairs can be scored; first: {first}")
    evaluation = _evaluation(
        options, model, predicted, found, measures, reading.labels, scores, failed
    )
    return evaluation, failed, reading.labels.notes


def _work(
    tasks: Sequence[_Task], jobs: int, workers: Cluster | None, progress: Progress
) -> tuple[list[CaseScore], dict[str, Failure]]:
    """Score the pairs; a prediction that cannot be scored counts as one that is missing."""
    scores: list[CaseScore] = []
    failed: dict[str, Failure] = {}
    instead: list[_Task] = []
    for task, outcome in map_cases(_score, tasks, jobs=jobs, cluster=workers):
        case = task.pair.case
        if isinstance(outcome, CaseScore):
            scores.append(outcome)
            if task.pair.predicted is None:
                failed[case] = Failure("missing", "no prediction: a failure, counted")
        else:
            failed[case] = outcome
            if task.pair.predicted is not None:
                instead.append(replace(task, pair=replace(task.pair, predicted=None)))
        progress.advance(1, case)
    if scores:  # else nothing can be scored, which is said
        again = map_cases(_score, instead, jobs=min(jobs, max(1, len(instead))), cluster=workers)
        scores += [one for _, one in again if isinstance(one, CaseScore)]
    return scores, failed


def _evaluation(
    options: EvaluateFolders,
    model: str,
    predicted: str,
    found: Found,
    measures: Measures,
    labels: Labels,
    scores: Sequence[CaseScore],
    failed: dict[str, Failure],
) -> Evaluation:
    """Put the scores in order; without a reference a case is a failure of every organ."""
    names, by_case = labels.names, {one.case: one for one in scores}
    measures.require_organs([*names.values(), *labels.regions])
    measured = {name for one in scores for label in one.labels for name in label.values}
    worst = tuple(measures.only(measured).failed(names, labels.regions))
    cases = tuple(
        by_case.get(pair.case, CaseScore(pair.case, pair.patient, worst, (NO_REFERENCE,)))
        for pair in found.pairs
    )
    unread = {case: one.message for case, one in failed.items() if one.code != "missing"}
    extra = tuple(str(place) for place in found.extra)
    failed |= {name: Failure("extra", "predicted, but there is no reference") for name in extra}
    return Evaluation(
        model=model,
        fold="",
        reference=path_of(options.reference).resolve().name,
        definition=measures.definition,
        says=measures.says,
        metrics=measures.metrics,
        tolerance_mm=measures.tolerances([*names.values(), *labels.regions]),
        cases=cases,
        extra=extra,
        failed=unread,
        leaks=contamination_of(path_of(predicted), found.pairs),
    )


def _require_free(options: EvaluateFolders, overwrite: bool) -> None:
    """Refuse to write over tables, before an hour is spent on new ones."""
    if options.output is None or overwrite:
        return
    for model in options.models:
        there = _path(options.output, model, ".json")
        if there.exists():
            raise WriteError(
                f"the tables of {model} are there already; --overwrite replaces them", path=there
            )


def _path(output: str, name: str, ending: str) -> Path:
    return Path(output, f"{name}{ending}")


def _score(task: _Task) -> CaseScore:
    pair = read_pair(task.pair, task.reading)
    measures, notes = task.measures, list(pair.notes)
    if not pair.spacing_known and measures.sized:
        measures = measures.without_size()
        if not measures.metrics:
            raise GeometryError(
                "the voxels' size is unknown, and every metric asked for is in mm or ml; give "
                "--grid DICOM_DIR or --spacing SLICE ROW COLUMN"
            )
        notes.append("size of the voxels unknown: nothing in mm or ml (--grid or --spacing tells)")
    labels = measures.score(pair.reference, pair.predicted, pair.names, pair.geometry, pair.regions)
    return CaseScore(task.pair.case, task.pair.patient, tuple(labels), tuple(notes))
