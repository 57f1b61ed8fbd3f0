"""What scoring gives: labels of cases, cases of a model, and all of it in short by patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Any, Literal, Self

from medprep.files import natural_key
from medprep.metrics.catalogue import METRICS
from medprep.metrics.statistics import Summary, summarise

State = Literal["both", "neither", "reference only", "prediction only", "missing"]
"""Where a label is: in both, ...; ``missing``: there is no prediction at all."""


@dataclass(frozen=True)
class LabelScore:
    """How one organ, or one region, of one case agrees.

    Parameters
    ----------
    label
        Its number; 0 for a region.
    organ
        Its name.
    region
        Whether it is several organs together.
    state
        Where it is.
    reference_voxels, predicted_voxels, intersection
        Voxels in each, and in both.
    voxel_ml
        Volume of a voxel.
    diagonal_mm
        Of the volume: no distance in it is larger.
    values
        Metric to value; None where the metric is not defined and so not scored.
    slice_dice
        Dice of each slice along the first axis, None where the organ is in neither; empty where
        no Dice was asked for.
    """

    label: int
    organ: str
    region: bool
    state: State
    reference_voxels: int
    predicted_voxels: int
    intersection: int
    voxel_ml: float
    diagonal_mm: float
    values: Mapping[str, float | None]
    slice_dice: tuple[float | None, ...] = ()

    def slices(self, empty: Literal["one", "skip"]) -> list[float]:
        """Give the Dice of the slices that count (`medprep.metrics.overlap.SLICE_CONVENTIONS`)."""
        filled = (1.0 if one is None and empty == "one" else one for one in self.slice_dice)
        return [one for one in filled if one is not None]

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Undo `dataclasses.asdict`, also after JSON."""
        return cls(**{**record, "slice_dice": tuple(record["slice_dice"])})


@dataclass(frozen=True)
class CaseScore:
    """The labels of one case; ``notes`` say what was done to score it, one sentence each."""

    case: str
    patient: str
    labels: tuple[LabelScore, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """All scored cases of one model.

    Parameters
    ----------
    model
        Name of the run, or of the folder that holds the predictions.
    fold
        Whose cases: ``test``, ``val``, or ``""`` where nobody split them.
    reference
        What they were scored against: ``extracted``, ``cleaned``, or the name of a folder.
    definition, says
        Name of the metrics' definition, and it in words.
    metrics
        Names, in the order of `medprep.metrics.catalogue.METRICS`.
    tolerance_mm
        Of the normalised surface Dice, by organ; empty without it.
    cases
        In the order of their names.
    extra
        Predictions that have no reference.
    failed
        Case to reason: those that could not be scored.
    leaks
        What is known of pictures shared by training and these cases; empty for nothing.
    run
        What the predictions are kept under, in a workspace.
    parts
        Case to what predicted it, as ``fold 1``, where the parts of the cases were predicted by
        different nets; else empty.
    """

    model: str
    fold: str
    reference: str
    definition: str
    says: str
    metrics: tuple[str, ...]
    tolerance_mm: Mapping[str, float]
    cases: tuple[CaseScore, ...]
    extra: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    leaks: str = ""
    run: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def organs(self) -> tuple[str, ...]:
        """Organs in the order of the first case, regions after them."""
        found = {label.organ: label.region for case in self.cases for label in case.labels}
        return tuple(sorted(found, key=lambda organ: found[organ]))

    @cached_property
    def regions(self) -> frozenset[str]:
        """Those of `organs` that are several together."""
        return frozenset(
            label.organ for case in self.cases for label in case.labels if label.region
        )

    def of(self, organ: str) -> list[tuple[CaseScore, LabelScore]]:
        """Give an organ's score in each case that has it."""
        return [(case, one) for case in self.cases for one in case.labels if one.organ == organ]

    def by_patient(self, organ: str, metric: str) -> dict[str, float]:
        """Give each patient's mean over their cases; without those of whom none is scored."""
        values: dict[str, list[float]] = {}
        for case, label in self.of(organ):
            value = label.values.get(metric)
            if value is not None:
                values.setdefault(case.patient, []).append(value)
        return {patient: fmean(own) for patient, own in sorted(values.items())}

    def failures(self, organ: str) -> int:
        """Count the patients with a case where the organ is in one of the two only."""
        fine = ("both", "neither")
        return len({case.patient for case, one in self.of(organ) if one.state not in fine})

    def summary(self, organ: str, metric: str) -> Summary:
        """Give a metric of an organ in short, by patient."""
        return summarise(
            self.by_patient(organ, metric).values(),
            limits=self.limits(metric),
            failed=self.failures(organ),
        )

    def limits(self, metric: str) -> tuple[float, float]:
        """Give the least and the greatest value there can be in these volumes."""
        low, high = METRICS[metric].limits
        if METRICS[metric].unit == "mm":
            high = max(
                (one.diagonal_mm for case in self.cases for one in case.labels), default=high
            )
        return low, high

    def states(self, organ: str) -> dict[State, int]:
        """Count the cases in each state."""
        counts: dict[State, int] = {}
        for _, label in self.of(organ):
            counts[label.state] = counts.get(label.state, 0) + 1
        return counts

    def pooled_dice(self, organ: str) -> float | None:
        """Give the Dice of all cases' voxels together; None where none holds the organ."""
        own = [label for _, label in self.of(organ)]
        both = sum(one.reference_voxels + one.predicted_voxels for one in own)
        return 2.0 * sum(one.intersection for one in own) / both if both else None

    def slice_dice(self, organ: str, empty: Literal["one", "skip"]) -> dict[str, float]:
        """Give each patient's mean over slices by `LabelScore.slices`."""
        values: dict[str, list[float]] = {}
        for case, label in self.of(organ):
            values.setdefault(case.patient, []).extend(label.slices(empty))
        return {patient: fmean(own) for patient, own in sorted(values.items()) if own}

    def by_part(self) -> dict[str, Self]:
        """Give the cases of each part by themselves; nothing where there are no parts."""
        return {
            part: replace(
                self, cases=tuple(one for one in self.cases if self.parts[one.case] == part),
                parts={},
            )
            for part in sorted(set(self.parts.values()), key=natural_key)
        }  # fmt: skip

    def as_record(self) -> dict[str, Any]:
        """Give it as plain values for JSON; nothing is lost."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Undo `as_record`, also after JSON."""
        cases = tuple(
            CaseScore(
                one["case"],
                one["patient"],
                tuple(LabelScore.from_record(label) for label in one["labels"]),
                tuple(one["notes"]),
            )
            for one in record["cases"]
        )
        plain = {**record, "metrics": tuple(record["metrics"]), "extra": tuple(record["extra"])}
        return cls(**{**plain, "cases": cases})
