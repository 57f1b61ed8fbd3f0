"""What the report says of each model's scores: which metrics, in which order, in short."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

from medprep.metrics.catalogue import METRICS, Metric
from medprep.metrics.evaluation import CaseScore, Evaluation, LabelScore
from medprep.metrics.statistics import Summary, summarise

_MAIN = ("dice", "nsd", "hd95_mm", "assd_mm", "chaos_score", "volume_difference_ml")
"""What stands open, where it was asked for; the others are folded away."""
_DRAWN = ("dice", "hd95_mm", "assd_mm", "nsd", "chaos_score")
"""What is drawn, the first two of them that were asked for."""
NOTHING = "–"
METHODS: Mapping[str, str] = MappingProxyType(
    {
        "bca": "BCa bootstrap",
        "percentile": "percentile bootstrap",
        "t": "Student's t",
        "bootstrap-t": "bootstrap-t",
    }
)
"""How an interval was made, in words."""


@dataclass(frozen=True)
class Counts:
    """Who is behind the numbers of a model.

    Parameters
    ----------
    patients, cases
        How many have a row.
    neither, one_only
        Organs of cases that are in neither (not scored), and in one of the two only.
    missing
        Cases without a prediction: failures.
    extra
        Predictions without a reference.
    failed
        Cases that could not be scored: failures too.
    """

    patients: int
    cases: int
    neither: int
    one_only: int
    missing: int
    extra: int
    failed: int


@dataclass(frozen=True)
class OrganRow:
    """A metric of an organ over all patients, and its cases in neither, and failed or missing."""

    organ: str
    short: Summary
    neither: int
    missing: int


@dataclass(frozen=True)
class MetricBlock:
    """A metric of all organs."""

    metric: Metric
    rows: tuple[OrganRow, ...]


@dataclass(frozen=True)
class Otherwise:
    """An organ's mean Dice by this report's convention, and by those that others use."""

    organ: str
    by_patient: float | None
    pooled: float | None
    slices_empty_one: float | None
    slices_empty_left_out: float | None


@dataclass(frozen=True)
class Headline:
    """A model in one number: patients' means over their organs, regions left out."""

    metric: Metric
    short: Summary
    organs: tuple[OrganRow, ...]


def drawn_metrics(evaluation: Evaluation) -> list[Metric]:
    """Give the metrics that are drawn, at most two; the first is the one that ranks cases."""
    known = [name for name in _DRAWN if name in evaluation.metrics][:2]
    return [METRICS[name] for name in known or evaluation.metrics[:1]]


def main_metrics(evaluation: Evaluation) -> list[Metric]:
    """Give the metrics that stand open; the first three where none of the usual ones is there."""
    known = [name for name in _MAIN if name in evaluation.metrics]
    return [METRICS[name] for name in known or evaluation.metrics[:3]]


def counts_of(evaluation: Evaluation) -> Counts:
    """Count cases and what is amiss with them."""
    labels = [label for case in evaluation.cases for label in case.labels if not label.region]
    states = [label.state for label in labels]
    missing = [
        case.case
        for case in evaluation.cases
        if case.case not in evaluation.failed and any(o.state == "missing" for o in case.labels)
    ]
    return Counts(
        len({case.patient for case in evaluation.cases}),
        len(evaluation.cases),
        states.count("neither"),
        states.count("reference only") + states.count("prediction only"),
        len(missing),
        len(evaluation.extra),
        len(evaluation.failed),
    )


def blocks_of(evaluation: Evaluation, metrics: Sequence[Metric]) -> list[MetricBlock]:
    """Sum up metrics by patient."""
    return [
        MetricBlock(one, tuple(_organ_row(evaluation, organ, one) for organ in evaluation.organs))
        for one in metrics
    ]


def headline_of(evaluation: Evaluation) -> Headline | None:
    """Give a model in one number; None where nothing was scored."""
    metric = drawn_metrics(evaluation)[0]
    single = [organ for organ in evaluation.organs if organ not in evaluation.regions]
    values: dict[str, list[float]] = {}
    for organ in single:
        for patient, value in evaluation.by_patient(organ, metric.name).items():
            values.setdefault(patient, []).append(value)
    if not values:
        return None
    failed = max(evaluation.failures(organ) for organ in single)
    means = [fmean(own) for own in values.values()]
    rows = tuple(_organ_row(evaluation, organ, metric) for organ in single)
    return Headline(metric, summarise(means, limits=metric.limits, failed=failed), rows)


def otherwise_of(evaluation: Evaluation) -> list[Otherwise]:
    """Give the Dice by other conventions; nothing where no Dice was asked for."""
    if "dice" not in evaluation.metrics:
        return []
    return [
        Otherwise(
            organ,
            _mean(evaluation.by_patient(organ, "dice")),
            evaluation.pooled_dice(organ),
            _mean(evaluation.slice_dice(organ, "one")),
            _mean(evaluation.slice_dice(organ, "skip")),
        )
        for organ in evaluation.organs
    ]


def worst_first(evaluation: Evaluation) -> list[tuple[CaseScore, LabelScore]]:
    """Sort all organs of all cases: missing predictions first, what is not scored last."""
    metric = drawn_metrics(evaluation)[0]

    def badness(row: tuple[CaseScore, LabelScore]) -> tuple[bool, bool, float, str, str]:
        case, label = row
        value = label.values.get(metric.name)
        good = 0.0 if value is None else value if metric.better == "high" else -abs(value)
        return value is None, label.state != "missing", good, case.case, label.organ

    rows = [(case, label) for case in evaluation.cases for label in case.labels]
    return sorted(rows, key=badness)


def to_show(evaluation: Evaluation, most: int) -> list[tuple[CaseScore, LabelScore]]:
    """Choose the worst cases that can be looked at, each with its worst organ, worst first.

    What has no prediction or is in neither cannot be looked at; regions are left out, for their
    organs are there.
    """
    found: dict[str, tuple[CaseScore, LabelScore]] = {}
    for case, label in worst_first(evaluation):
        if label.state not in ("missing", "neither") and not label.region:
            found.setdefault(case.case, (case, label))
    return list(found.values())[:most]


def written(value: float | None, metric: Metric) -> str:
    """Write a value: shares with four places, everything with a unit and points with two."""
    if value is None:
        return NOTHING
    return f"{value:.4f}" if is_share(metric) else f"{value:,.2f}"


def is_share(metric: Metric) -> bool:
    """Tell whether it goes from 0 to 1."""
    return not metric.unit and metric.family != "chaos"


def named(metric: Metric) -> str:
    """Give its title with its unit."""
    return f"{metric.title}, {metric.unit}" if metric.unit else metric.title


def _organ_row(evaluation: Evaluation, organ: str, metric: Metric) -> OrganRow:
    states = evaluation.states(organ)
    short = evaluation.summary(organ, metric.name)
    return OrganRow(organ, short, states.get("neither", 0), states.get("missing", 0))


def _mean(values: dict[str, float]) -> float | None:
    return fmean(values.values()) if values else None
