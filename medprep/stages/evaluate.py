"""Score predictions of held-out patients, with every convention named."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, Literal

from medprep.errors import LabelError, NothingDoneError, OptionError
from medprep.evaluations.results import Results
from medprep.execute import Failure
from medprep.formats import nifti
from medprep.metrics.evaluation import CaseScore, Evaluation, LabelScore
from medprep.metrics.measures import NO_REFERENCE, Measures
from medprep.stages.base import (
    CaseResult,
    CaseTask,
    Context,
    Summary,
    artifact_input,
    names_of,
    run_cases,
    task,
)
from medprep.stages.runs import Held, Run, find_run
from medprep.workspace.database import Artifact, CaseRow
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

_VERSION = 1
MADE_BY = {"extracted": "extract", "cleaned": "clean"}
"""Reference to the stage that makes it."""


@dataclass(frozen=True)
class Evaluate:
    """Options of ``evaluate``, and of ``dice``, which asks for that metric alone.

    Parameters
    ----------
    run
        Which models, or what the models of all folds are called together; none takes what was
        trained last. Several are compared.
    reference
        ``extracted``: the labels as the data set has them; ``cleaned``: after ``clean``.
    metrics
        Names of `medprep.metrics.catalogue.METRICS`; none takes those that suit the preset.
    preset
        A name of `medprep.metrics.definitions.DEFINITIONS`: how the metrics are defined.
    tolerance
        Of the normalised surface Dice: ``MM`` for every organ, ``ORGAN=MM`` for one.
    """

    run: tuple[str, ...] = ()
    reference: Literal["extracted", "cleaned"] = "extracted"
    metrics: tuple[str, ...] = ()
    preset: str = "medprep"
    tolerance: tuple[str, ...] = ()

    name: ClassVar[str] = "evaluate"
    needs: ClassVar[tuple[str, ...]] = ("predict",)

    def __post_init__(self) -> None:
        # A step that was recorded comes back from JSON with lists.
        for name in ("run", "metrics", "tolerance"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.reference not in MADE_BY:
            raise OptionError(f"--reference is '{self.reference}'; wanted is extracted or cleaned")
        if len(set(self.run)) < len(self.run):
            raise OptionError(f"--run names a model twice: {', '.join(self.run)}")
        Measures.of(self.metrics, self.preset, self.tolerance)

    def perform(self, context: Context) -> Summary:
        """Score every held-out case that has a prediction, and count those that have none."""
        workspace = context.workspace
        whole = Summary(self.name)
        evaluations: list[Evaluation] = []
        for wanted in self.run or (None,):
            summary, found = self._score_run(context, find_run(workspace, wanted))
            whole.made += summary.made
            whole.kept += summary.kept
            whole.failed |= summary.failed
            whole.lines += summary.lines
            evaluations += found
        results = Results(tuple(evaluations))
        results.write(workspace.layout.metrics)
        whole.lines.extend(results.text())
        whole.facts = results.as_record()
        return whole

    def _score_run(self, context: Context, run: Run) -> tuple[Summary, list[Evaluation]]:
        workspace = context.workspace
        held = run.held(workspace.database.cases())
        chosen = [row for part in held for row in part.rows]
        references = workspace.current(MADE_BY[self.reference])
        self._require_same_labels(references, run.names)
        tasks = self._tasks(workspace, run, chosen, references)
        summary = run_cases(context, self.name, tasks, _score)
        failed = {subject.split("/", 1)[1]: failure for subject, failure in summary.failed.items()}
        if tasks and len(failed) == len(tasks):
            first = next(iter(failed.values()))
            raise NothingDoneError(
                f"none of the {len(tasks)} predictions could be scored; the first: {first}"
            )
        scored = _recorded(workspace, run) | _as_missing(context, tasks, summary.failed)
        evaluations = [self._evaluation(scored, run, part, references, failed) for part in held]
        missing = {
            case.case: Failure("missing", "no prediction: counted as a failure")
            for one in evaluations
            for case in one.cases
            if any(label.state == "missing" for label in case.labels)
        }
        unlabelled = {
            row.name: Failure("missing", "no reference labels that are up to date")
            for row in chosen
            if row.name not in references
        }
        summary.failed = missing | unlabelled | failed
        summary.lines = run.notes()
        return summary, evaluations

    def _tasks(
        self,
        workspace: Workspace,
        run: Run,
        chosen: Sequence[CaseRow],
        references: Mapping[str, Artifact],
    ) -> list[CaseTask]:
        names = run.names
        measures = Measures.of(self.metrics, self.preset, self.tolerance)
        measures.require_organs(names.values())
        regions = _regions(references, names)
        predictions = workspace.current("predict")
        tasks = []
        for row in chosen:
            subject = f"{run.name}/{row.name}"
            prediction, reference = predictions.get(subject), references.get(row.name)
            if reference is None:
                continue
            inputs = [artifact_input(one) for one in (prediction, reference) if one is not None]
            payload = _Payload(
                workspace.layout, row.name, run.name, self.reference, prediction is not None, names,
                regions, measures,
            )  # fmt: skip
            options = {
                "reference": self.reference, "regions": regions, "measures": asdict(measures),
            }  # fmt: skip
            tasks.append(task(self.name, _VERSION, subject, inputs, options, payload))
        return tasks

    def _require_same_labels(
        self, references: Mapping[str, Artifact], names: Mapping[int, str]
    ) -> None:
        """Refuse references whose numbers mean other organs than those of the model."""
        for case, one in references.items():
            own = names_of(one.facts)
            if any(own.get(value) != name for value, name in names.items()):
                raise LabelError(
                    f"{case}: the {self.reference} labels are {', '.join(own.values())}, those of "
                    f"the model {', '.join(names.values())}; score with --reference "
                    + ("cleaned" if self.reference == "extracted" else "extracted")
                    + ", or train anew"
                )

    def _evaluation(
        self,
        scored: Mapping[str, Sequence[LabelScore]],
        run: Run,
        held: Held,
        references: Mapping[str, Artifact],
        failed: Mapping[str, Failure],
    ) -> Evaluation:
        measures = Measures.of(self.metrics, self.preset, self.tolerance)
        names = run.names
        regions = _regions(references, names)
        worst = tuple(measures.failed(names, regions))
        cases = tuple(
            CaseScore(row.name, row.patient, tuple(scored[row.name]))
            if row.name in scored
            else CaseScore(row.name, row.patient, worst, (NO_REFERENCE,))
            for row in held.rows
            if row.name in references
        )
        own = {row.name for row in held.rows}
        return Evaluation(
            model=held.called,
            fold=held.fold,
            reference=self.reference,
            definition=measures.definition,
            says=measures.says,
            metrics=measures.metrics,
            tolerance_mm=measures.tolerances([*names.values(), *regions]),
            cases=cases,
            failed={case: failure.message for case, failure in failed.items() if case in own},
            leaks=run.leaks,
            run=run.name,
            parts={case.case: held.parts[case.case] for case in cases if held.parts},
        )


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    run: str
    reference: str
    predicted: bool
    names: dict[int, str]
    regions: dict[str, tuple[str, ...]]
    measures: Measures


def _score(work: _Payload) -> CaseResult:
    layout = work.layout
    path = layout.labels if work.reference == "extracted" else layout.cleaned
    reference = nifti.read_label_map(path(work.case))
    predicted = None
    if work.predicted:
        found = nifti.read_label_map(layout.prediction(work.run, work.case))
        found.geometry.require_same(reference.geometry)
        predicted = found.array
    scores = work.measures.score(
        reference.array, predicted, work.names, reference.geometry, work.regions
    )
    return CaseResult((), {"labels": [asdict(one) for one in scores]})


def _recorded(workspace: Workspace, run: Run) -> dict[str, Sequence[LabelScore]]:
    """Give the scores of a run's cases that are up to date."""
    return {
        subject.split("/", 1)[1]: [LabelScore.from_record(one) for one in found.facts["labels"]]
        for subject, found in workspace.current(Evaluate.name).items()
        if subject.split("/", 1)[0] == run.name
    }


def _as_missing(
    context: Context, tasks: Sequence[CaseTask], failed: Collection[str]
) -> dict[str, Sequence[LabelScore]]:
    """Score cases whose prediction cannot be scored as if there were none; nothing is recorded."""
    payloads: dict[str, _Payload] = {one.subject: one.payload() for one in tasks}
    without = {name: replace(payloads[name], predicted=False) for name in failed}
    return {
        payload.case: [LabelScore.from_record(one) for one in outcome.facts["labels"]]
        for payload, outcome in context.work(Evaluate.name, _score, without)
        if isinstance(outcome, CaseResult)
    }


def _regions(
    references: Mapping[str, Artifact], names: Mapping[int, str]
) -> dict[str, tuple[str, ...]]:
    """Give the regions whose organs were all learnt."""
    found: dict[str, list[str]] = next(
        (one.facts.get("regions", {}) for one in references.values()), {}
    )
    known = set(names.values())
    return {name: tuple(parts) for name, parts in found.items() if known.issuperset(parts)}
