"""Evaluations by hand, number by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medprep.metrics.evaluation import CaseScore, Evaluation, LabelScore, State


def label(
    organ: str,
    dice: float | None,
    *,
    state: State = "both",
    region: bool = False,
    voxels: tuple[int, int, int] = (1000, 900, 800),
    slices: Sequence[float | None] = (),
    **values: float | None,
) -> LabelScore:
    """Give an organ's score; ``voxels`` are the reference's, the prediction's, and both's."""
    return LabelScore(
        0 if region else 1, organ, region, state, *voxels, 0.01, 500.0, {"dice": dice, **values},
        tuple(slices),
    )  # fmt: skip


def evaluation(
    cases: Mapping[str, Sequence[LabelScore]], model: str = "run-1", **changes: Any
) -> Evaluation:
    """Give the scores of cases; a case's patient is what stands before its first ``-``."""
    rows = tuple(
        CaseScore(case, case.partition("-")[0], tuple(labels)) for case, labels in cases.items()
    )
    metrics = tuple(next(iter(cases.values()))[0].values) if cases else ("dice",)
    given: dict[str, Any] = {
        "model": model, "fold": "test", "reference": "extracted", "definition": "medprep",
        "says": "as told", "metrics": metrics, "tolerance_mm": {}, "cases": rows,
    }  # fmt: skip
    return Evaluation(**{**given, **changes})
