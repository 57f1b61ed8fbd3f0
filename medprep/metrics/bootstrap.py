"""How far the mean of a population may lie from the mean of its sample, by four methods.

Percentile and BCa: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and
14; bootstrap-t: chapter 12; t: Student (1908, doi:10.1093/biomet/6.1.1).
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Method = Literal["bca", "percentile", "t", "bootstrap-t"]
METHODS: tuple[Method, ...] = get_args(Method)

RESAMPLES = 9_999
"""How often a sample is drawn from again; one less than a round number, so that 2.5% of them with
the sample itself are a whole number."""

NOISE = 1e-12
"""Differences below this part of the largest are rounding, not data."""

_AT_ONCE = 2_000_000
"""Numbers drawn at a time: 16 MB."""

_Floats = NDArray[np.float64]


def mean_bounds(
    values: _Floats,
    method: Method,
    confidence: float,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
) -> _Floats:
    """Give the interval of the mean of each of many samples.

    Parameters
    ----------
    values
        ``[sample, patient]``, finite, two patients or more, not all equal in any sample.
    method
        How.
    confidence
        Between 0 and 1: the share of samples whose interval should hold the mean.
    generator
        Draws the resamples, the same places for every sample; not touched by ``t``.
    resamples
        How many.

    Returns
    -------
    ndarray
        ``[2, sample]``: both ends; infinite where ``bootstrap-t`` has none (2 or 3 patients).
    """
    means: _Floats = values.mean(axis=1)
    centred = values - means[:, None]
    tail = (1.0 - confidence) / 2.0
    if method == "t":
        return means + _student(centred, tail)
    around, squares = _resampled(centred, generator, resamples, squares=method == "bootstrap-t")
    if method == "bootstrap-t":
        return means + _studentised(centred, around, squares, tail)
    if method == "percentile":
        low, high = np.full(len(values), tail), np.full(len(values), 1.0 - tail)
    else:
        low, high = _corrected_levels(centred, around, tail)
    return means + _ends(around, low, high)


def _student(centred: _Floats, tail: float) -> _Floats:
    from scipy.special import stdtrit

    reach = float(stdtrit(centred.shape[1] - 1, 1.0 - tail)) * _standard_error(centred)
    return np.stack([-reach, reach])


def _standard_error(centred: _Floats) -> _Floats:
    n = centred.shape[1]
    error: _Floats = np.sqrt((centred**2).sum(axis=1) / (n - 1) / n)
    return error


def _resampled(
    centred: _Floats, generator: np.random.Generator, resamples: int, *, squares: bool
) -> tuple[_Floats, _Floats]:
    """Give the means of all resamples, ``[sample, resample]``, and those of the squares."""
    samples, n = centred.shape
    means = np.empty((samples, resamples))
    seconds = np.empty((samples, resamples if squares else 0))
    step = max(1, _AT_ONCE // n)
    for start in range(0, resamples, step):
        here = slice(start, min(start + step, resamples))
        shares = _shares(generator, here.stop - here.start, n)
        means[:, here] = centred @ shares.T
        if squares:
            seconds[:, here] = centred**2 @ shares.T
    return means, seconds


def _shares(generator: np.random.Generator, rows: int, n: int) -> _Floats:
    """Draw n of n with replacement; give each one's share, ``[row, patient]``."""
    drawn = generator.integers(n, size=(rows, n)) + np.arange(0, rows * n, n)[:, None]
    return np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n) / n


def _studentised(centred: _Floats, around: _Floats, squares: _Floats, tail: float) -> _Floats:
    n = centred.shape[1]
    error = _standard_error(centred)
    variance = np.maximum(squares - around**2, 0.0) / (n - 1)
    # A resample of one value only has no spread: its t is as far out as can be.
    variance[variance <= NOISE * error[:, None] ** 2] = 0.0
    around = np.where(np.abs(around) <= NOISE * error[:, None], 0.0, around)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(around / np.sqrt(variance), nan=0.0, posinf=np.inf, neginf=-np.inf)
    levels = np.full(len(centred), tail)
    low, high = _ends(t, levels, 1.0 - levels)
    return np.stack([-high, -low]) * error


def _corrected_levels(centred: _Floats, around: _Floats, tail: float) -> tuple[_Floats, _Floats]:
    """Give the levels of BCa: corrected for bias and for skewness (acceleration)."""
    from scipy.special import ndtr, ndtri

    resamples = around.shape[1]
    noise = NOISE * _standard_error(centred)[:, None]
    # Resamples whose mean is the sample's own count half: few distinct values give many of them.
    below = (around < -noise).sum(axis=1) + (np.abs(around) <= noise).sum(axis=1) / 2.0
    bias = ndtri(np.clip(below, 0.5, resamples - 0.5) / resamples)
    skew = (centred**3).sum(axis=1) / (6.0 * (centred**2).sum(axis=1) ** 1.5)
    low, high = bias + ndtri(tail), bias + ndtri(1.0 - tail)
    return ndtr(bias + low / (1.0 - skew * low)), ndtr(bias + high / (1.0 - skew * high))


def _ends(resampled: _Floats, low: _Floats, high: _Floats) -> _Floats:
    """Give the values at two levels of each row; between two of them the outer one."""
    resampled.sort(axis=1)
    count = resampled.shape[1]
    first = np.floor(np.round(low * (count + 1), 6)).astype(np.intp)
    last = np.ceil(np.round(high * (count + 1), 6)).astype(np.intp)
    rows = np.arange(len(resampled))
    return np.stack(
        [
            resampled[rows, np.clip(first, 1, count) - 1],
            resampled[rows, np.clip(last, 1, count) - 1],
        ]
    )
