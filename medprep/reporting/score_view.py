"""The report's section on scores, ready for the template: tables in order, figures drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medprep.metrics.catalogue import METRICS, Metric
from medprep.metrics.comparison import EFFECT, PERMUTATION, WILCOXON
from medprep.metrics.contrasts import Contrast
from medprep.metrics.evaluation import CaseScore, Evaluation, LabelScore
from medprep.metrics.statistics import Interval, unseen_failures
from medprep.reporting.agreement import Agreement, agreements
from medprep.reporting.case_figures import along, volumes
from medprep.reporting.data import ModelScores, ReportData, WorstCase
from medprep.reporting.score_figures import bars, differences, strips
from medprep.reporting.scores import (
    METHODS,
    Counts,
    Headline,
    MetricBlock,
    Otherwise,
    blocks_of,
    counts_of,
    drawn_metrics,
    headline_of,
    main_metrics,
    named,
    otherwise_of,
    worst_first,
)

_MOST_PAIRS = 3
"""Pairs of models that are drawn; a table has all."""
_TESTS = (
    f"p, permutation: {PERMUTATION}",
    "p, Holm: the same, corrected for all organs and pairs of models of a metric",
    f"p, Wilcoxon: {WILCOXON}",
    f"effect size: {EFFECT}",
)


@dataclass(frozen=True)
class Chart:
    """A picture and what it shows in words."""

    png: bytes
    alt: str


@dataclass(frozen=True)
class ModelView:
    """One model's tables and figures.

    Parameters
    ----------
    scores, evaluation, counts
        What they are of.
    blocks, folded
        Metrics that stand open, and the others.
    parts
        The first metric in each part of a cross-validation; empty without parts.
    otherwise
        Its Dice by other conventions.
    columns, lines
        Metrics of the table of cases, and its rows, the worst first.
    agreement
        Each organ's volumes, drawn.
    worst
        Cases to look at, each with its Dice along the slices (None where it has none).
    notes
        What was done to cases to score them; ``failed`` and ``extra`` are the evaluation's.
    intervals
        How intervals were made, and what is wrong with them; one line each.
    """

    scores: ModelScores
    evaluation: Evaluation
    counts: Counts
    blocks: list[MetricBlock]
    folded: list[MetricBlock]
    parts: list[tuple[str, MetricBlock]]
    otherwise: list[Otherwise]
    columns: list[Metric]
    lines: list[tuple[CaseScore, LabelScore]]
    agreement: list[tuple[Agreement, Chart]]
    worst: list[tuple[WorstCase, Chart | None]]
    notes: list[tuple[str, str]]
    intervals: list[str]


@dataclass(frozen=True)
class ScoresView:
    """All models: each in one number, together in charts, one by one, and side by side."""

    headlines: list[tuple[ModelView, Headline]]
    strips: list[Chart]
    bars: list[Chart]
    models: list[ModelView]
    contrasts: list[tuple[Metric, list[Contrast]]]
    folded_contrasts: list[tuple[Metric, list[Contrast]]]
    differences: list[Chart]
    tests: list[str]


def scores_view(data: ReportData) -> ScoresView:
    """Put a report's scores in order and draw them; without scores everything is empty."""
    models = [_model(one) for one in data.scores]
    evaluations = [one.evaluation for one in data.scores]
    metrics = list(dict.fromkeys(one for each in evaluations for one in drawn_metrics(each)))
    by_metric = _by_metric(data.contrasts)
    shown = {one for each in evaluations for one in main_metrics(each)}
    compared = [
        (row.organ, row.comparison.interval)
        for row in data.contrasts
        if row.comparison.interval is not None
    ]
    return ScoresView(
        headlines=[
            (one, found) for one in models if (found := headline_of(one.evaluation)) is not None
        ],
        strips=[_strips(evaluations, one) for one in metrics],
        bars=[_bars(evaluations, one) for one in metrics],
        models=models,
        contrasts=[one for one in by_metric if one[0] in shown],
        folded_contrasts=[one for one in by_metric if one[0] not in shown],
        differences=_differences(evaluations, data.contrasts, metrics[:1]),
        tests=[*_TESTS, *_warnings(compared)],
    )


def _model(scores: ModelScores) -> ModelView:
    one = scores.evaluation
    columns = main_metrics(one)
    blocks = blocks_of(one, columns)
    others = [METRICS[name] for name in one.metrics if METRICS[name] not in columns]
    folded = blocks_of(one, others)
    return ModelView(
        scores=scores,
        evaluation=one,
        counts=counts_of(one),
        blocks=blocks,
        folded=folded,
        parts=[(part, blocks_of(own, columns[:1])[0]) for part, own in one.by_part().items()],
        otherwise=otherwise_of(one),
        columns=columns,
        lines=worst_first(one),
        agreement=[(each, _volumes(each)) for each in agreements(one)],
        worst=[(each, _along(each)) for each in scores.worst],
        notes=[(case.case, note) for case in one.cases for note in case.notes],
        intervals=_intervals(one, [*blocks, *folded]),
    )


def _intervals(evaluation: Evaluation, blocks: Sequence[MetricBlock]) -> list[str]:
    """Say how the intervals were made, and of which organs they are not to be trusted."""
    rows = [(row.organ, row.short.interval) for block in blocks for row in block.rows]
    given = [(organ, one) for organ, one in rows if one is not None]
    methods: dict[float, dict[str, None]] = {}
    for _, one in given:
        methods.setdefault(one.confidence, {})[METHODS[one.method]] = None
    said = [
        f"{share:.0%} interval of the mean, by patient: {' or '.join(names)}"
        for share, names in methods.items()
    ]
    said += _warnings(given)
    if given and not any(evaluation.failures(organ) for organ in evaluation.organs):
        said.append(unseen_failures(max(row.short.n for block in blocks for row in block.rows)))
    return [one for one in said if one]


def _warnings(given: Iterable[tuple[str, Interval]]) -> list[str]:
    """Say once of each organ why its intervals are not to be trusted."""
    first: dict[str, str] = {}
    for organ, one in given:
        if one.warning:
            first.setdefault(organ, one.warning)
    warned: dict[str, list[str]] = {}
    for organ, warning in first.items():
        warned.setdefault(warning, []).append(organ.replace("_", " "))
    return [f"* {', '.join(organs)}: {warning}" for warning, organs in warned.items()]


def _strips(evaluations: Sequence[Evaluation], metric: Metric) -> Chart:
    own = [one for one in evaluations if metric.name in one.metrics]
    return Chart(strips(own, metric), f"{named(metric)} of every patient, by organ")


def _bars(evaluations: Sequence[Evaluation], metric: Metric) -> Chart:
    own = [one for one in evaluations if metric.name in one.metrics]
    shorts = [
        [(row.organ, row.short) for block in blocks_of(one, [metric]) for row in block.rows]
        for one in own
    ]
    return Chart(bars(own, metric, shorts), f"Mean {named(metric)} with its interval, by organ")


def _volumes(one: Agreement) -> Chart:
    return Chart(volumes(one), f"Difference of the volumes of {one.organ} over their mean")


def _along(one: WorstCase) -> Chart | None:
    if not one.label.slice_dice:
        return None
    alt = f"Dice of {one.label.organ} in each slice of {one.case.case}"
    return Chart(along(one.label, one.errors.slice_number), alt)


def _by_metric(rows: Sequence[Contrast]) -> list[tuple[Metric, list[Contrast]]]:
    found: dict[str, list[Contrast]] = {}
    for row in rows:
        found.setdefault(row.metric, []).append(row)
    return [(METRICS[name], own) for name, own in found.items()]


def _differences(
    evaluations: Sequence[Evaluation], rows: Sequence[Contrast], metrics: Sequence[Metric]
) -> list[Chart]:
    by_name = {one.model: one for one in evaluations}
    names = {metric.name for metric in metrics}
    pairs: dict[tuple[str, str], list[Contrast]] = {}
    for row in rows:
        if row.metric in names:
            pairs.setdefault((row.first, row.second), []).append(row)
    return [
        Chart(
            differences(by_name[first], by_name[second], own),
            f"Difference of each patient between {first} and {second}, by organ",
        )
        for (first, second), own in list(pairs.items())[:_MOST_PAIRS]
    ]
