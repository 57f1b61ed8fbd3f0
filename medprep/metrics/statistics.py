"""Values of patients in short: mean, spread, quartiles, and an interval for the mean.

How well the intervals hold was measured, and the default follows from it: docs/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from medprep.errors import OptionError
from medprep.metrics.bootstrap import METHODS, NOISE, Method, mean_bounds

DEFAULT: Method = "bootstrap-t"
"""What the rule in benchmarks/coverage.py chooses."""

ENOUGH: Mapping[Method, int] = MappingProxyType(
    {"bca": 12, "percentile": 15, "t": 6, "bootstrap-t": 4}
)
"""Patients from which on a 95% interval held the true mean in 90% of simulated cohorts or more,
whatever the shape, as long as no patient fails."""

ENOUGH_WITH_FAILURES = 25
"""The same where one patient in ten fails; alike for all methods."""

ANY = (-math.inf, math.inf)
_ROUNDED = 1e-9


@dataclass(frozen=True)
class Interval:
    """Where the mean of all patients like these lies, as far as these can tell.

    Parameters
    ----------
    low, high
        Its ends.
    method
        How it was computed; ``t`` where ``bootstrap-t`` was asked for and has no end.
    confidence
        The share of such intervals that should hold the mean, 0 to 1.
    warning
        Why it holds the mean less often than that; empty for nothing known.
    """

    low: float
    high: float
    method: Method
    confidence: float
    warning: str = ""


@dataclass(frozen=True)
class Summary:
    """Values of patients in short.

    Parameters
    ----------
    mean, median, q1, q3
        None of none. Quartiles lie between values in proportion, as numpy has it by default.
    sd
        With n - 1 below; None of fewer than two.
    n
        How many.
    interval
        Of the mean; None where it cannot be given.
    why
        Why there is no interval; else empty.
    """

    mean: float | None
    sd: float | None
    median: float | None
    q1: float | None
    q3: float | None
    n: int
    interval: Interval | None
    why: str = ""


def summarise(
    values: Iterable[float],
    method: Method = DEFAULT,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    limits: tuple[float, float] = ANY,
    failed: int = 0,
) -> Summary:
    """Give mean, spread, quartiles and the interval of the mean.

    Parameters
    ----------
    values
        One for each patient, finite, in any order: equal values give equal summaries.
    method, confidence
        Of the interval.
    seed
        Of what the bootstrap draws.
    limits
        Least and greatest value there can be, as 0 and 1 of a Dice. The mean cannot lie beyond
        them either, so an interval cut to them holds it as often as before.
    failed
        How many of the values are failures, as a Dice of 0; the interval's warning depends on it.

    Raises
    ------
    OptionError
        If a value is not finite or beyond the limits, or an option cannot be used.
    """
    ordered = ordered_values(values, limits)
    n = ordered.size
    interval, why = mean_interval(ordered, method, confidence, seed, limits=limits, failed=failed)
    if not n:
        return Summary(None, None, None, None, None, 0, interval, why)
    q1, median, q3 = (float(one) for one in np.percentile(ordered, (25, 50, 75)))
    sd = float(ordered.std(ddof=1)) if n > 1 else None
    return Summary(fmean(ordered), sd, median, q1, q3, n, interval, why)


def mean_interval(
    ordered: NDArray[np.float64],
    method: Method = DEFAULT,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    limits: tuple[float, float] = ANY,
    failed: int = 0,
) -> tuple[Interval | None, str]:
    """Give the interval of the mean, or None and why not; arguments as `summarise` has them.

    Raises
    ------
    OptionError
        If an option cannot be used.
    """
    if method not in METHODS:
        raise OptionError(f"no interval '{method}'; there are {', '.join(METHODS)}")
    if not 0.0 < confidence < 1.0:
        raise OptionError(f"confidence is {confidence}; wanted is a share between 0 and 1")
    if reason := _no_interval(ordered):
        return None, reason
    own = method
    low, high = _bounds(ordered, own, confidence, seed)
    if not (math.isfinite(low) and math.isfinite(high)):
        own = "t"
        low, high = _bounds(ordered, own, confidence, seed)
    low, high = (float(one) for one in np.clip((low, high), *limits))
    warning = _warning(ordered.size, own, failed, endless=own != method)
    return Interval(low, high, own, confidence, warning), ""


def ordered_values(
    values: Iterable[float], limits: tuple[float, float] = ANY
) -> NDArray[np.float64]:
    """Give values as a sorted array, so that their order decides nothing.

    Raises
    ------
    OptionError
        If one of them is not finite or beyond the limits.
    """
    ordered = np.sort(np.fromiter(values, np.float64))
    if not np.isfinite(ordered).all():
        raise OptionError(
            "a value to be summarised is not finite; leave out what is not scored (None)"
        )
    least, greatest = limits
    if ordered.size and (ordered[0] < least - _ROUNDED or ordered[-1] > greatest + _ROUNDED):
        raise OptionError(
            f"values from {ordered[0]:g} to {ordered[-1]:g} are beyond their limits "
            f"{least:g} and {greatest:g}"
        )
    return ordered


def unseen_failures(n: int) -> str:
    """Say what an interval of few patients without a failure cannot tell; empty of enough.

    The bound is the exact one (Hanley and Lippman-Hand 1983, doi:10.1001/jama.1983.03330370053031).
    """
    if not 0 < n < ENOUGH_WITH_FAILURES:
        return ""
    share = 1.0 - 0.05 ** (1.0 / n)
    return (
        f"none of {_patients(n)} failed; up to {share:.0%} of patients may fail even so (95%), and "
        "the intervals know nothing of that"
    )


def _no_interval(ordered: NDArray[np.float64]) -> str:
    if not ordered.size:
        return "no patient has a value"
    if ordered.size == 1:
        return "one patient alone says nothing of how patients differ"
    if ordered[-1] - ordered[0] <= NOISE * np.abs(ordered[[0, -1]]).max():
        return f"the values of all {ordered.size} patients are equal"
    return ""


def _bounds(
    ordered: NDArray[np.float64], method: Method, confidence: float, seed: int
) -> tuple[float, float]:
    generator = np.random.default_rng(seed)
    low, high = mean_bounds(ordered[None], method, confidence, generator)[:, 0]
    return float(low), float(high)


def _warning(n: int, method: Method, failed: int, *, endless: bool) -> str:
    if n < ENOUGH[method]:
        return (
            f"{_patients(n)}; with fewer than {ENOUGH[method]} such an interval ({method}) held "
            "the true mean of skewed values in under 90% of simulated cohorts"
        )
    if endless:
        return (
            f"{_patients(n)}, most of them with equal values: bootstrap-t has no end, t stands in "
            "and held the true mean of such values in under 90% of simulated cohorts"
        )
    if failed and n < ENOUGH_WITH_FAILURES:
        return (
            f"{failed} of {_patients(n)} failed; where one in ten fails and there are fewer than "
            f"{ENOUGH_WITH_FAILURES}, such intervals held the true mean in under 90% of simulated "
            "cohorts"
        )
    return ""


def _patients(n: int) -> str:
    return "1 patient" if n == 1 else f"{n} patients"
