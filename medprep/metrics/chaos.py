"""The points of the CHAOS challenge (Kavur et al. 2021, doi:10.1016/j.media.2020.101950)."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

POINTS: Mapping[str, str] = {
    "chaos_dice_score": "dice",
    "chaos_ravd_score": "ravd_percent",
    "chaos_assd_score": "assd_mm",
    "chaos_mssd_score": "mssd_mm",
}
"""Points to the metric that they are given for."""
WORST_RAVD = 100.0
"""Percent, where the organ is in one of both only."""

_LEAST_DICE = 0.8
"""Below it there is no point."""
_MOST = {"chaos_ravd_score": 5.0, "chaos_assd_score": 15.0, "chaos_mssd_score": 60.0}
"""Errors above this give no point, smaller ones the more the smaller they are."""


def chaos_points(values: Mapping[str, float | None]) -> dict[str, float | None]:
    """Give the challenge's points, each 0 to 100, and their mean ``chaos_score``.

    Parameters
    ----------
    values
        ``dice``, ``ravd_percent``, ``assd_mm``, ``mssd_mm``. Where one is None, so are its points
        and the mean.
    """
    points = {name: _points(name, values[metric]) for name, metric in POINTS.items()}
    known = [value for value in points.values() if value is not None]
    return {**points, "chaos_score": fmean(known) if len(known) == len(points) else None}


def _points(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    if name == "chaos_dice_score":
        return 100 * value if value >= _LEAST_DICE else 0.0
    limit = _MOST[name]
    return 100 - 100 / limit * value if value <= limit else 0.0
