"""Cases whose organs do not look like those of the other cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from medprep.labels.statistics import LabelStatistics

FEWEST = 5
"""Fewer cases with an organ say nothing about what is usual."""
LIMIT = 3.5
"""Volumes beyond this robust z stand out."""
SMALLEST_SPREAD = 0.05
"""Of nearly equal volumes one that is a few percent off is none to look at."""
MISSING_UP_TO = 0.25
"""An organ that more than this part of the cases lack is usually missing."""

CONVENTION = (
    "A volume stands out where |z| > 3.5, z = (ln ml - median) / spread over all cases with the "
    "organ; spread is 1.4826 times the median absolute deviation (Iglewicz and Hoaglin 1993), and "
    "at least 0.05. An organ is missed where at most a quarter of the cases lack it. Both need 5 "
    "cases with the organ."
)
"""What `outliers` does, for tables."""


@dataclass(frozen=True)
class Outlier:
    """An organ of a case that is not like that of the others.

    Parameters
    ----------
    kind
        ``volume``: far larger or smaller; ``missing``: most other cases have it.
    ml, median_ml
        Its volume, and the median of all cases that have it; None where spacing is unknown.
    z
        Robust z of the volume's logarithm (`CONVENTION`); None for a missing one.
    """

    case: str
    name: str
    kind: Literal["volume", "missing"]
    ml: float | None
    median_ml: float | None
    z: float | None

    def __str__(self) -> str:
        usual = "" if self.median_ml is None else f"; the median case has {self.median_ml:,.1f} ml"
        if self.kind == "missing":
            return f"missing{usual}"
        return f"{self.ml:,.1f} ml, z = {self.z:+.1f}{usual}"


def outliers(cases: Mapping[str, Sequence[LabelStatistics]]) -> list[Outlier]:
    """Find organs that are far larger or smaller than in other cases, or missing in a few.

    The logarithm makes half and twice the usual volume equally far. Cases that do not name an
    organ at all do not miss it, and those without a known spacing have no volume to compare.

    Parameters
    ----------
    cases
        Case id to what `medprep.labels.statistics.label_statistics` gave.

    Returns
    -------
    list of Outlier
        By organ as they first come, then missing ones, then volumes, farthest first. Fewer than
        5 cases with an organ give none of it.
    """
    found: list[Outlier] = []
    for name in dict.fromkeys(row.name for rows in cases.values() for row in rows):
        own = {case: row for case, rows in cases.items() for row in rows if row.name == name}
        found += _of_one(name, own)
    return found


def _of_one(name: str, rows: Mapping[str, LabelStatistics]) -> list[Outlier]:
    present = {case: row for case, row in rows.items() if row.voxels}
    sizes = {case: row.ml for case, row in present.items() if row.ml is not None}
    middle = median(sizes.values()) if sizes else None
    found: list[Outlier] = []
    absent = [case for case in rows if case not in present]
    if len(present) >= FEWEST and len(absent) <= MISSING_UP_TO * len(rows):
        found += [Outlier(case, name, "missing", rows[case].ml, middle, None) for case in absent]
    if len(sizes) >= FEWEST:
        logs = {case: math.log(ml) for case, ml in sizes.items()}
        centre = median(logs.values())
        spread = 1.4826 * median(abs(one - centre) for one in logs.values())
        scores = {case: (one - centre) / max(spread, SMALLEST_SPREAD) for case, one in logs.items()}
        far = sorted(scores, key=lambda case: -abs(scores[case]))
        found += [
            Outlier(case, name, "volume", sizes[case], middle, scores[case])
            for case in far
            if abs(scores[case]) > LIMIT
        ]
    return found
