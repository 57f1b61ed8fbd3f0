"""The tables about the data itself: sums over cases and the order of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from medprep.reporting.data import ReportData
from medprep.reporting.quality import CleaningRow, DataCheck, Finding, LabelRow

Row = TypeVar("Row", LabelRow, CleaningRow)

_SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Findings:
    """What a check found, worst first, and how many cases have findings that bad."""

    rows: tuple[Finding, ...]
    cases: dict[str, int]


@dataclass(frozen=True)
class OrganSizes:
    """One organ over all cases that have it; millilitres are None where no spacing is known."""

    organ: str
    cases: int
    without: int
    median_ml: float | None
    low_ml: float | None
    high_ml: float | None
    in_pieces: int
    at_border: int
    outliers: int


@dataclass(frozen=True)
class OrganCleaning:
    """What all rules together did to one organ, in voxels: ``before - removed + added == after``.

    ``dropped`` counts the cases that lost it whole.
    """

    organ: str
    cases: int
    before: int
    removed: int
    added: int
    after: int
    dropped: int


@dataclass(frozen=True)
class Cleaning:
    """Sums by organ, the decisions that changed something, and how many changed nothing."""

    organs: tuple[OrganCleaning, ...]
    rows: tuple[CleaningRow, ...]
    idle: int


def findings_of(check: DataCheck | None) -> Findings:
    """Sort findings, errors first; count cases by the worst of theirs."""
    found = check.findings if check is not None else ()
    rows = sorted(found, key=lambda row: _SEVERITIES.index(row.severity))
    worst: dict[str, str] = {}
    for row in rows:
        worst.setdefault(row.case, row.severity)
    return Findings(tuple(rows), dict(Counter(worst.values())))


def label_rows(data: ReportData) -> list[LabelRow]:
    """Put each case's organs into the order of their labels; cases stay where they are."""
    return _in_order(data.labels, data)


def outlying(rows: Sequence[LabelRow]) -> list[LabelRow]:
    """Give the rows that stand out."""
    return [row for row in rows if row.outlier]


def sizes_of(rows: Sequence[LabelRow]) -> list[OrganSizes]:
    """Sum up each organ's labels."""
    found = []
    for organ in dict.fromkeys(row.organ for row in rows):
        own = [row for row in rows if row.organ == organ]
        present = [row for row in own if row.voxels]
        sizes = [row.ml for row in present if row.ml is not None]
        found.append(
            OrganSizes(
                organ,
                len(present),
                len(own) - len(present),
                median(sizes) if sizes else None,
                min(sizes, default=None),
                max(sizes, default=None),
                sum(1 for row in present if (row.components or 0) > 1),
                sum(1 for row in present if row.faces),
                sum(1 for row in own if row.outlier),
            )
        )
    return found


def cleaning_of(data: ReportData) -> Cleaning:
    """Sum up the decisions by organ, drops first."""
    rows = _in_order(data.cleaning, data)
    organs = []
    for organ in dict.fromkeys(row.organ for row in rows):
        own: dict[str, list[CleaningRow]] = {}
        for row in rows:
            if row.organ == organ:
                own.setdefault(row.case, []).append(row)
        decisions = [row for steps in own.values() for row in steps]
        organs.append(
            OrganCleaning(
                organ,
                len(own),
                sum(steps[0].before for steps in own.values()),
                sum(row.removed for row in decisions),
                sum(row.added for row in decisions),
                sum(steps[-1].after for steps in own.values()),
                sum(1 for steps in own.values() if any(row.dropped for row in steps)),
            )
        )
    changed = [row for row in rows if row.dropped or row.removed or row.added]
    changed.sort(key=lambda row: not row.dropped)
    organs.sort(key=lambda one: -one.dropped)
    return Cleaning(tuple(organs), tuple(changed), len(rows) - len(changed))


def _in_order(rows: Sequence[Row], data: ReportData) -> list[Row]:
    cases = {row.case: n for n, row in reversed(list(enumerate(rows)))}
    organs = {name: n for n, (name, _) in enumerate(data.organs)}
    return sorted(rows, key=lambda row: (cases[row.case], organs.get(row.organ, len(organs))))
