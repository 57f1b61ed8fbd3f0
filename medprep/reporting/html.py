"""Turn a report's records into one HTML file that needs nothing but itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, TypeVar

from medprep.metrics.overlap import SLICE_CONVENTIONS
from medprep.reporting.data import (
    CleaningRow,
    LabelRow,
    ReportData,
    ScoreRow,
    ScoreTable,
    SeriesRow,
)

if TYPE_CHECKING:
    from jinja2 import Environment

Row = TypeVar("Row", LabelRow, CleaningRow)

_FOLD_WORDS = {"train": "training", "val": "validation", "test": "test", "": "without labels"}
_NOTHING = "–"
_WORST = 20
"""Rows of a Dice table that stand open; the others are folded away below them."""
_OPEN = 30
"""Rows of any other table that stand open; a longer one is folded away whole."""


@dataclass(frozen=True)
class _Headline:
    """The one number at the top: the mean of the organs' mean Dice.

    ``missing`` is the number of cases without a prediction.
    """

    dice: float
    organs: int
    missing: int
    table: ScoreTable


@dataclass(frozen=True)
class _SeriesMap:
    """The cases as a table of fold and cells; what all have in common is said once."""

    common: list[tuple[str, str]]
    header: list[str]
    rows: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class _OrganLabels:
    """One organ's labels over all cases; millilitres are None where no spacing is known."""

    organ: str
    cases: int
    median_ml: float | None
    low_ml: float | None
    high_ml: float | None
    removed: int
    filled: int
    emptied: int


def render(data: ReportData) -> str:
    """Write a report.

    Parameters
    ----------
    data
        What it shows. Sections without records are left out.

    Returns
    -------
    str
        A whole HTML document without scripts. Pictures and styles are inside; it opens no
        connection, and says so to the browser (Content-Security-Policy). Equal data give equal
        text.
    """
    from medprep.reporting.figures import dice_strip, training_curve

    labels, cleaning = _in_order(data.labels, data), _in_order(data.cleaning, data)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            headline=_headline(data.scores),
            series=_series_map(data.series),
            patients=_patients_by_fold(data.series),
            organ_labels=_organ_labels(labels, cleaning),
            label_rows=_label_rows(labels, cleaning),
            training=[(one, training_curve(one.log) if one.log else b"") for one in data.training],
            scores=[(one, _worst_first(one.rows), dice_strip(one)) for one in data.scores],
            slice_conventions=SLICE_CONVENTIONS,
            worst=_WORST,
            limit=_OPEN,
        )
    )


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("medprep.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        score=lambda value: _NOTHING if value is None else f"{value:.4f}",
        ml=lambda value: _NOTHING if value is None else f"{value:,.1f}",
        count=lambda value: _NOTHING if value is None else f"{value:,}",
        organ=lambda name: name.replace("_", " "),
        fold=lambda name: _FOLD_WORDS.get(name, name),
        picture=lambda png: "data:image/png;base64," + b64encode(png).decode(),
    )
    return environment


def _headline(scores: Sequence[ScoreTable]) -> _Headline | None:
    if not scores:
        return None
    first = scores[0]
    means = [one.dice.mean for one in first.organs if one.dice.mean is not None]
    missing = len({row.case for row in first.rows if row.missing})
    return _Headline(fmean(means), len(means), missing, first) if means else None


def _worst_first(rows: Sequence[ScoreRow]) -> list[ScoreRow]:
    """Sort by Dice, missing predictions before all, what is not scored behind all."""

    def badness(row: ScoreRow) -> tuple[bool, bool, float, str, str]:
        score = 0.0 if row.dice is None else row.dice
        return row.dice is None, not row.missing, score, row.case, row.organ

    return sorted(rows, key=badness)


def _series_map(rows: Sequence[SeriesRow]) -> _SeriesMap:
    header = [
        "Case", "Patient", "Sequence", "Modality", "Slices × rows × columns", "Spacing, mm",
        "Axes point to", "Labels",
    ]  # fmt: skip
    cells = [_series_cells(row) for row in rows]
    same = {n for n in range(1, len(header)) if len({line[n] for line in cells}) == 1 < len(cells)}
    return _SeriesMap(
        [(header[n], cells[0][n]) for n in sorted(same) if cells[0][n] != _NOTHING],
        [name for n, name in enumerate(header) if n not in same],
        [
            (row.fold, [cell for n, cell in enumerate(line) if n not in same])
            for row, line in zip(rows, cells, strict=True)
        ],
    )


def _series_cells(row: SeriesRow) -> list[str]:
    shape = _NOTHING if row.shape is None else " × ".join(map(str, row.shape))
    spacing = _NOTHING if row.shape is None else "unknown"
    if row.spacing_mm is not None:
        spacing = " × ".join(f"{one:.4g}" for one in row.spacing_mm)
    return [
        row.case,
        row.patient,
        row.sequence or _NOTHING,
        row.modality or _NOTHING,
        shape,
        spacing,
        row.orientation or _NOTHING,
        "yes" if row.labelled else "no",
    ]


def _patients_by_fold(rows: Sequence[SeriesRow]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        found.setdefault(row.fold, {})[row.patient] = None
    return {fold: list(patients) for fold, patients in found.items()}


def _in_order(rows: Sequence[Row], data: ReportData) -> list[Row]:
    """Put each case's organs into the order of their labels; cases stay where they are."""
    cases = {row.case: n for n, row in reversed(list(enumerate(rows)))}
    organs = {name: n for n, (name, _) in enumerate(data.organs)}
    return sorted(rows, key=lambda row: (cases[row.case], organs.get(row.organ, len(organs))))


def _label_rows(
    labels: Sequence[LabelRow], cleaning: Sequence[CleaningRow]
) -> list[dict[str, Any]]:
    """Join what was extracted and what cleaning did, by case and organ."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    nothing = dict.fromkeys(("voxels", "ml", "removed", "filled", "after"))
    records: list[LabelRow | CleaningRow] = [*labels, *cleaning]
    for record in records:
        row = rows.setdefault((record.case, record.organ), dict(nothing))
        row.update(vars(record))
    return list(rows.values())


def _organ_labels(
    labels: Sequence[LabelRow], cleaning: Sequence[CleaningRow]
) -> list[_OrganLabels]:
    found = []
    organs = [row.organ for row in labels] + [row.organ for row in cleaning]
    for organ in dict.fromkeys(organs):
        own = [row for row in labels if row.organ == organ and row.voxels]
        sizes = [row.ml for row in own if row.ml is not None]
        cleaned = [row for row in cleaning if row.organ == organ]
        found.append(
            _OrganLabels(
                organ,
                len(own),
                median(sizes) if sizes else None,
                min(sizes, default=None),
                max(sizes, default=None),
                sum(row.removed for row in cleaned),
                sum(row.filled for row in cleaned),
                sum(1 for row in cleaned if row.removed and not row.after),
            )
        )
    return found
