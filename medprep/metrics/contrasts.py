"""Two models on the same patients: what differs, and how surely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from medprep.metrics.catalogue import METRICS
from medprep.metrics.comparison import Comparison, compare, holm
from medprep.metrics.evaluation import Evaluation


@dataclass(frozen=True)
class Contrast:
    """A metric of an organ by two models.

    Parameters
    ----------
    organ, metric
        Which.
    first, second
        Names of the models.
    comparison
        What was found; of a signed difference its size is compared.
    holm_p
        The permutation test's p, corrected (Holm) for all organs and pairs of models of this
        metric; None where there is none.
    """

    organ: str
    metric: str
    first: str
    second: str
    comparison: Comparison
    holm_p: float | None

    def as_record(self) -> dict[str, Any]:
        """Give it flat, for JSON and CSV."""
        found = asdict(self.comparison)
        interval = found.pop("interval", None) or {}
        return {
            "organ": self.organ, "metric": self.metric, "first": self.first, "second": self.second,
            **found, "interval_low": interval.get("low"), "interval_high": interval.get("high"),
            "interval_method": interval.get("method"), "holm_p": self.holm_p,
        }  # fmt: skip


def contrasts_of(evaluations: Sequence[Evaluation]) -> tuple[Contrast, ...]:
    """Compare every two models on the patients that both have scored.

    Returns
    -------
    tuple of Contrast
        By metric, organ and pair; a metric that only one of two models has is left out, and two
        models on different folds.
    """
    found = []
    for metric in METRICS:
        family = [
            (organ, ours.model, theirs.model, _compared(ours, theirs, organ, metric))
            for ours, theirs in combinations(evaluations, 2)
            if ours.fold == theirs.fold  # others have no patient in common
            if metric in ours.metrics and metric in theirs.metrics
            for organ in ours.organs
            if organ in theirs.organs
        ]
        corrected = holm([one.permutation_p for _, _, _, one in family])
        found += [
            Contrast(organ, metric, first, second, one, p)
            for (organ, first, second, one), p in zip(family, corrected, strict=True)
        ]
    return tuple(found)


def _compared(first: Evaluation, second: Evaluation, organ: str, metric: str) -> Comparison:
    """Compare, good being what the metric says; of a signed one a small size is."""
    better = METRICS[metric].better
    ours, theirs = (one.by_patient(organ, metric) for one in (first, second))
    if better == "zero":
        ours, theirs = (
            {patient: abs(value) for patient, value in own.items()} for own in (ours, theirs)
        )
    failed = max(first.failures(organ), second.failures(organ))
    (low, high), (least, most) = first.limits(metric), second.limits(metric)
    return compare(
        ours,
        theirs,
        "high" if better == "high" else "low",
        limits=(low - most, high - least),
        failed=failed,
    )
