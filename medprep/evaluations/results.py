"""What an evaluation says: records, lines for a terminal, tables to read and to compute with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from medprep.files import csv_bytes, csv_of_records, json_bytes, write_bytes
from medprep.metrics.catalogue import METRICS, Metric
from medprep.metrics.contrasts import Contrast, contrasts_of
from medprep.metrics.definitions import EMPTY
from medprep.metrics.evaluation import Evaluation
from medprep.metrics.overlap import SLICE_CONVENTIONS
from medprep.metrics.statistics import Interval, Summary, unseen_failures
from medprep.reporting.scores import NOTHING, named, written
from medprep.reporting.text import counted, markdown, table

BY_PATIENT = (
    "a patient counts once, by the mean of their cases; organ in neither reference nor "
    "prediction: not scored, but counted; in one of the two only: Dice 0; a missing prediction is "
    "a failure and counts as one"
)
"""How cases become a mean; stands beside every table."""

_WHO = {
    "test": "test patients",
    "val": "VALIDATION patients (no test fold: they chose the weights)",
    "": "patients",
}
_OUT_OF_FOLD = "patients OUT OF FOLD (each chose the weights of the net that labelled them)"
_COMPARED = "models-compared"
_COLUMNS = (
    "model", "case", "patient", "organ", "region", "state", "metric", "value", "unit",
    "reference_voxels", "predicted_voxels", "definition", "leaks",
)  # fmt: skip
_SLICES: dict[str, Literal["one", "skip"]] = {
    "slice_dice_empty_one": "one", "slice_dice_empty_skipped": "skip",
}  # fmt: skip
_MAIN = ("dice", "nsd", "hd95_mm", "assd_mm", "volume_difference_ml")
_FEW = 9
"""Metrics that a terminal shows, unless there are no more than these."""
_LISTED = 6
_STATES = {
    "neither": "in neither, not scored",
    "reference only": "not found at all",
    "prediction only": "predicted where there is none",
    "missing": "without a prediction, counted as failures",
}


@dataclass(frozen=True)
class Results:
    """The evaluations of one or more models on the same reference."""

    evaluations: tuple[Evaluation, ...]

    @cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """Every two models beside each other; none of one alone."""
        return contrasts_of(self.evaluations)

    def as_record(self) -> dict[str, Any]:
        """Give all of it for programs."""
        return {
            "models": {one.model: record_of(one) for one in self.evaluations},
            "contrasts": [one.as_record() for one in self.contrasts],
        }

    def text(self) -> list[str]:
        """Give what a person should read."""
        lines = [line for one in self.evaluations for line in text_of(one)]
        if self.contrasts:
            header, rows = _contrast_cells(self.contrasts)
            lines += ["models side by side, by patient:", *table(header, rows).splitlines()]
        return lines

    def write(self, place: Callable[[str, str], Path]) -> None:
        """Write the tables of each model, and of the models side by side.

        Parameters
        ----------
        place
            Gives the path of a name and an ending.
        """
        for one in self.evaluations:
            write_bytes(place(one.model, ".json"), json_bytes(record_of(one)))
            write_bytes(place(one.model, ".csv"), csv_bytes(_COLUMNS, _long(one)))
            write_bytes(place(one.model, ".md"), markdown_of(one).encode())
        if self.contrasts:
            records = [one.as_record() for one in self.contrasts]
            table_of = csv_of_records(list(records[0]), records)
            write_bytes(place(_COMPARED, ".json"), json_bytes(records))
            write_bytes(place(_COMPARED, ".csv"), table_of)
            cells = markdown(*_contrast_cells(self.contrasts))
            write_bytes(place(_COMPARED, ".md"), f"{cells}\n".encode())


def record_of(one: Evaluation) -> dict[str, Any]:
    """Give an evaluation with its summaries for JSON."""
    return {
        "evaluation": one.as_record(),
        "conventions": conventions(one),
        "summaries": [
            {"organ": organ, "metric": metric, **asdict(short)}
            for organ, metric, short in summaries(one)
        ],
        "other_dice": other_dice(one),
        "parts": [
            {"part": part, "organ": organ, "metric": metric, **asdict(short)}
            for part, own in one.by_part().items()
            for organ, metric, short in summaries(own)
        ],
        "text": text_of(one),
    }


def summaries(one: Evaluation) -> Iterator[tuple[str, str, Summary]]:
    """Give every organ's metrics in short, by patient."""
    for organ in one.organs:
        for metric in one.metrics:
            yield organ, metric, one.summary(organ, metric)


def other_dice(one: Evaluation) -> list[dict[str, Any]]:
    """Give each organ's Dice by the conventions that others report; empty without a Dice."""
    if "dice" not in one.metrics:
        return []
    return [
        {
            "organ": organ,
            "slices_empty_one": _mean(one.slice_dice(organ, "one")),
            "slices_empty_skipped": _mean(one.slice_dice(organ, "skip")),
            "pooled": one.pooled_dice(organ),
        }
        for organ in one.organs
    ]


def conventions(one: Evaluation) -> list[str]:
    """Say how the numbers came to be, a sentence each."""
    said = [BY_PATIENT]
    if any(METRICS[name].family in ("surface", "chaos") for name in one.metrics):
        said += [f"{one.definition}: {one.says}", EMPTY]
    if one.tolerance_mm:
        each = ", ".join(f"{organ} {mm:g}" for organ, mm in one.tolerance_mm.items())
        said.append(f"tolerance of the NSD in mm: {each}")
    if "dice" in one.metrics:
        said.append(
            f"mean of slices: {SLICE_CONVENTIONS['one']}, or {SLICE_CONVENTIONS['skip']}; pooled: "
            "all voxels of all cases as one"
        )
    return said


def text_of(one: Evaluation) -> list[str]:
    """Give the lines of one model: the main metrics, and how they came to be."""
    patients = len({case.patient for case in one.cases})
    who = _OUT_OF_FOLD if one.parts and one.fold == "val" else _WHO[one.fold]
    who = who if patients != 1 else who.replace("patients", "patient", 1)
    lines = [
        f"{one.model}: {patients} {who}, {counted(len(one.cases), 'case')}, against {one.reference}"
    ]
    shown = main_metrics(one)
    lines += table(*_summary_cells(one, shown)).splitlines()
    if len(shown) < len(one.metrics):
        lines.append(f"{len(one.metrics) - len(shown)} more metrics are in the tables")
    lines += table(*_part_cells(one, shown[:1])).splitlines() if one.parts else []
    if "dice" in one.metrics:
        lines += table(*_other_cells(one)).splitlines()
    lines += _noticed(one)
    lines += [f"convention: {said}" for said in conventions(one)]
    return [*lines, one.leaks] if one.leaks else lines


def main_metrics(one: Evaluation) -> tuple[str, ...]:
    """Give what stands in the first row: all where there are few."""
    main = tuple(name for name in one.metrics if name in _MAIN)
    return main if len(one.metrics) > _FEW and main else one.metrics


def markdown_of(one: Evaluation) -> str:
    """Give one model's tables and conventions in Markdown."""
    parts = [f"## {one.model}", markdown(*_summary_cells(one, one.metrics))]
    parts += [markdown(*_part_cells(one, one.metrics))] if one.parts else []
    parts += [markdown(*_other_cells(one))] if "dice" in one.metrics else []
    said = [*_noticed(one), *conventions(one), *([one.leaks] if one.leaks else [])]
    parts.append("\n".join(f"- {line}" for line in said))
    return "\n\n".join(parts) + "\n"


def _noticed(one: Evaluation) -> list[str]:
    """Say what is not in a mean, or should not have come to be; a note of many is one line."""
    told: dict[str, list[str]] = {}
    for organ in one.organs:
        counts = one.states(organ)
        notes = [f"{counts[state]} {said}" for state, said in _STATES.items() if state in counts]
        shorts = [one.summary(organ, metric) for metric in one.metrics]
        most = max(shorts, key=lambda short: short.n)
        if most.interval is None:
            notes.append(f"no interval: {most.why}")
        else:
            notes.append(most.interval.warning)
            notes.append("" if one.failures(organ) else unseen_failures(most.n))
        for note in filter(None, notes):
            told.setdefault(note, []).append(organ)
    for case in one.cases:
        for note in case.notes:
            told.setdefault(note, []).append(case.case)
    lines = [f"{_named(names)}: {note}" for note, names in told.items()]
    lines += [f"{case}: not scored, counted as missing: {why}" for case, why in one.failed.items()]
    return lines + [f"{case}: predicted, but there is no reference" for case in one.extra]


def _named(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _summary_cells(one: Evaluation, metrics: tuple[str, ...]) -> tuple[list[str], list[list[str]]]:
    several = len(metrics) > 1
    header = ["organ", *(["metric", "mean"] if several else [METRICS[metrics[0]].title])]
    header += ["SD", "median", "IQR", "95% interval", "patients"]
    rows = []
    for organ, metric, short in summaries(one):
        if metric not in metrics:
            continue
        one_metric = METRICS[metric]
        cells = [written(value, one_metric) for value in (short.mean, short.sd, short.median)]
        cells.append(f"{written(short.q1, one_metric)} to {written(short.q3, one_metric)}")
        cells += [_span(short.interval, one_metric), str(short.n)]
        rows.append([organ, *([named(one_metric)] if several else []), *cells])
    return header, rows


def _other_cells(one: Evaluation) -> tuple[list[str], list[list[str]]]:
    header = ["Dice otherwise", "slices, empty 1", "slices, empty left out", "pooled"]
    rows = [
        [str(organ), *(written(value, METRICS["dice"]) for value in values)]
        for organ, *values in (row.values() for row in other_dice(one))
    ]
    return header, rows


def _part_cells(one: Evaluation, metrics: tuple[str, ...]) -> tuple[list[str], list[list[str]]]:
    """Give the patients of each fold by themselves: beside the whole, how much folds differ."""
    several = len(metrics) > 1
    header = ["by fold", "organ", *(["metric", "mean"] if several else [METRICS[metrics[0]].title])]
    header += ["SD", "patients"]
    rows = []
    for part, own in one.by_part().items():
        for organ, metric, short in summaries(own):
            if metric in metrics:
                told = METRICS[metric]
                cells = [written(short.mean, told), written(short.sd, told), str(short.n)]
                rows.append([part, organ, *([named(told)] if several else []), *cells])
    return header, rows


def _contrast_cells(contrasts: tuple[Contrast, ...]) -> tuple[list[str], list[list[str]]]:
    header = [
        "organ", "metric", "first", "second", "difference", "95% interval", "p Wilcoxon",
        "p permutation", "p Holm", "effect", "wins", "losses", "ties", "patients",
    ]  # fmt: skip
    rows = []
    for one in contrasts:
        found, metric = one.comparison, METRICS[one.metric]
        chances = (found.wilcoxon_p, found.permutation_p, one.holm_p, found.effect_size)
        rows.append([
            one.organ, named(metric), one.first, one.second, written(found.mean_difference, metric),
            _span(found.interval, metric), *(NOTHING if p is None else f"{p:.3f}" for p in chances),
            *map(str, (found.wins, found.losses, found.ties, found.n)),
        ])  # fmt: skip
    return header, rows


def _span(found: Interval | None, metric: Metric) -> str:
    if found is None:
        return NOTHING
    return f"{written(found.low, metric)} to {written(found.high, metric)}"


def _mean(values: dict[str, float]) -> float | None:
    return fmean(values.values()) if values else None


def _long(one: Evaluation) -> Iterator[list[object]]:
    """Give a row for each value, and for each case's two means over slices."""
    for case in one.cases:
        for label in case.labels:
            known = [case.case, case.patient, label.organ, label.region, label.state]
            voxels = [label.reference_voxels, label.predicted_voxels, one.definition, one.leaks]
            for metric, value in label.values.items():
                yield [one.model, *known, metric, value, METRICS[metric].unit, *voxels]
            for name, empty in _SLICES.items():
                if own := label.slices(empty):
                    yield [one.model, *known, name, fmean(own), "", *voxels]
