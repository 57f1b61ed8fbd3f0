"""Two models on the same patients: how much they differ, and whether that may be chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medprep.errors import OptionError
from medprep.metrics.bootstrap import NOISE, Method
from medprep.metrics.signed import EXACT_FLIPS, EXACT_RANKS, FLIPS, flipped, wilcoxon
from medprep.metrics.statistics import ANY, DEFAULT, Interval, mean_interval, ordered_values

WILCOXON = (
    "Wilcoxon's signed ranks, two-sided, exact up to "
    f"{EXACT_RANKS} differing patients; patients without a difference are left out, equal "
    "differences share their mean rank"
)
"""The first test in words; stands beside every p."""

PERMUTATION = (
    "permutation test of the mean difference, two-sided: signs flipped, all of them up to "
    f"{EXACT_FLIPS} differing patients, else {FLIPS + 1:,}"
)
"""The second."""

EFFECT = (
    "matched-pairs rank-biserial correlation: 1 where the first is better in every patient that "
    "differs, -1 where the second is"
)
"""The size of the effect in words (King, Rosopa and Minium, Statistical Reasoning 2011; Kerby 2014,
doi:10.2466/11.IT.3.1)."""


@dataclass(frozen=True)
class Comparison:
    """Two models on the same patients.

    Parameters
    ----------
    n
        Patients with a value of both; only they are compared.
    left_out
        Patients with a value of one of them only.
    mean_difference
        First less second, in the metric's unit; None of no patient.
    interval
        Of the mean difference; None where it cannot be given.
    why
        Why there is no interval; else empty.
    wilcoxon_p
        `WILCOXON`; None of no patient, 1 where no patient differs.
    permutation_p
        `PERMUTATION`; alike.
    least_p
        The smallest p that so many differing patients can give: above 0.05 of fewer than six.
    effect_size
        `EFFECT`; None where no patient differs.
    wins, losses, ties
        Patients in which the first is better, the second, neither.
    """

    n: int
    left_out: int
    mean_difference: float | None
    interval: Interval | None
    why: str
    wilcoxon_p: float | None
    permutation_p: float | None
    least_p: float | None
    effect_size: float | None
    wins: int
    losses: int
    ties: int


def compare(
    first: Mapping[str, float],
    second: Mapping[str, float],
    better: Literal["high", "low"],
    *,
    method: Method = DEFAULT,
    confidence: float = 0.95,
    seed: int = 0,
    limits: tuple[float, float] = ANY,
    failed: int = 0,
) -> Comparison:
    """Compare two models patient by patient.

    Parameters
    ----------
    first, second
        Patient to value, finite.
    better
        Which values are good ones.
    method, confidence, seed, limits, failed
        Of the interval (`medprep.metrics.statistics.summarise`); ``limits`` are those of the
        difference, ``failed`` counts the patients in whom either failed.

    Raises
    ------
    OptionError
        If a value is not finite, or an option cannot be used.
    """
    if better not in ("high", "low"):
        raise OptionError(f"better is '{better}'; wanted is high or low")
    both = sorted(first.keys() & second.keys())
    left_out = len(first.keys() ^ second.keys())
    differences = _differences([first[one] for one in both], [second[one] for one in both])
    interval, why = mean_interval(
        differences, method, confidence, seed, limits=limits, failed=failed
    )
    gains = differences if better == "high" else -differences
    return _tested(gains, seed, left_out, fmean(differences) if both else None, interval, why)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct the p of a family of tests (Holm 1979, jstor.org/stable/4615733).

    Parameters
    ----------
    p_values
        0 to 1; None for a test that was not done, which does not count.

    Returns
    -------
    list of float
        In the same order. Those below 0.05 are found with at most 5% for one false among all.
    """
    done = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for position, (p, place) in enumerate(done):
        largest = max(largest, min(1.0, p * (len(done) - position)))
        corrected[place] = largest
    return corrected


def _differences(first: Sequence[float], second: Sequence[float]) -> NDArray[np.float64]:
    """Give first less second in order of size; 0 where rounding alone tells them apart."""
    scale = float(np.abs([ordered_values(first), ordered_values(second)]).max(initial=0.0))
    differences = np.subtract(first, second, dtype=np.float64)
    differences[np.abs(differences) <= NOISE * scale] = 0.0
    return np.sort(differences)


def _tested(
    gains: NDArray[np.float64],
    seed: int,
    left_out: int,
    mean_difference: float | None,
    interval: Interval | None,
    why: str,
) -> Comparison:
    n = gains.size
    differing = gains[gains != 0]
    ranks = wilcoxon(differing)
    ranked = ranks.above + ranks.below
    wins = int(np.count_nonzero(differing > 0))
    return Comparison(
        n=n,
        left_out=left_out,
        mean_difference=mean_difference,
        interval=interval,
        why=why,
        wilcoxon_p=ranks.p if n else None,
        permutation_p=flipped(differing, np.random.default_rng(seed)) if n else None,
        least_p=min(1.0, 2.0 ** (1 - differing.size)) if n else None,
        effect_size=(ranks.above - ranks.below) / ranked if ranked else None,
        wins=wins,
        losses=differing.size - wins,
        ties=n - differing.size,
    )
