"""Turn a report's records into one HTML file that needs nothing but itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from medprep.reporting.data import ERROR_COLOURS, ReportData, SeriesRow
from medprep.reporting.quality_tables import (
    cleaning_of,
    findings_of,
    label_rows,
    outlying,
    sizes_of,
)
from medprep.reporting.scores import METHODS, NOTHING, is_share, named, written

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLD_WORDS = {"train": "training", "val": "validation", "test": "test", "": "without labels"}
_KIND_WORDS = {"alignment": "mask on picture", "sides": "left and right", "geometry": "grid"}
_WORST = 20
"""Rows of a Dice table that stand open; the others are folded away below them."""
_OPEN = 30
"""Rows of any other table that stand open; a longer one is folded away whole."""


@dataclass(frozen=True)
class _SeriesMap:
    """The cases as a table of fold and cells; what all have in common is said once."""

    common: list[tuple[str, str]]
    header: list[str]
    rows: list[tuple[str, list[str]]]


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
    from medprep.reporting.figures import training_curve
    from medprep.reporting.score_view import scores_view

    labels = label_rows(data)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            data=data,
            series=_series_map(data.series),
            patients=_patients_by_fold(data.series),
            found=findings_of(data.check),
            labels=labels,
            sizes=sizes_of(labels),
            outlying=outlying(labels),
            cleaning=cleaning_of(data),
            large={one.case: number for number, one in enumerate(data.overlays, 1)},
            training=[(one, training_curve(one.log) if one.log else b"") for one in data.training],
            scored=scores_view(data),
            errors=ERROR_COLOURS,
            worst=_WORST,
            limit=_OPEN,
        )
    )


@cache
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
        score=lambda value: NOTHING if value is None else f"{value:.4f}",
        ml=lambda value: NOTHING if value is None else f"{value:,.1f}",
        grey=_grey,
        count=lambda value: NOTHING if value is None else f"{value:,}",
        organ=lambda name: name.replace("_", " "),
        kind=lambda name: _KIND_WORDS.get(name, name),
        affected=_affected,
        fold=lambda name: _FOLD_WORDS.get(name, name),
        written=written,
        named=named,
        method=METHODS.__getitem__,
        share=is_share,
        signed=lambda value, metric: f"{'+' if (value or 0) > 0 else ''}{written(value, metric)}",
        effect=lambda value: NOTHING if value is None else f"{value:+.2f}",
        chance=_chance,
        picture=lambda png: "data:image/png;base64," + b64encode(png).decode(),
    )
    return environment


def _affected(cases: Mapping[str, int]) -> str:
    """Say how many cases have errors, and how many others have warnings."""
    parts = [
        f"{severity}s in {cases[severity]} case{'' if cases[severity] == 1 else 's'}"
        for severity in ("error", "warning")
        if cases.get(severity)
    ]
    return ", ".join(parts) or "no errors, no warnings"


def _grey(value: float | None) -> str:
    """Write a grey value with four digits, or more where it is above 1000."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _chance(value: float | None) -> str:
    """Write a p with three places, or as below 0.001."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _series_map(rows: Sequence[SeriesRow]) -> _SeriesMap:
    header = [
        "Case", "Patient", "Sequence", "Modality", "Slices × rows × columns", "Spacing, mm",
        "Axes point to", "Labels",
    ]  # fmt: skip
    cells = [_series_cells(row) for row in rows]
    same = {n for n in range(1, len(header)) if len({line[n] for line in cells}) == 1 < len(cells)}
    return _SeriesMap(
        [(header[n], cells[0][n]) for n in sorted(same) if cells[0][n] != NOTHING],
        [name for n, name in enumerate(header) if n not in same],
        [
            (row.fold, [cell for n, cell in enumerate(line) if n not in same])
            for row, line in zip(rows, cells, strict=True)
        ],
    )


def _series_cells(row: SeriesRow) -> list[str]:
    shape = NOTHING if row.shape is None else " × ".join(map(str, row.shape))
    spacing = NOTHING if row.shape is None else "unknown"
    if row.spacing_mm is not None:
        spacing = " × ".join(f"{one:.4g}" for one in row.spacing_mm)
    return [
        row.case,
        row.patient,
        row.sequence or NOTHING,
        row.modality or NOTHING,
        shape,
        spacing,
        row.orientation or NOTHING,
        "yes" if row.labelled else "no",
    ]


def _patients_by_fold(rows: Sequence[SeriesRow]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        found.setdefault(row.fold, {})[row.patient] = None
    return {fold: list(patients) for fold, patients in found.items()}
