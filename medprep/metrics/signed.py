"""Two tests of paired differences, both exact for what was seen: signs are as likely + as -.

Wilcoxon (1945, doi:10.2307/3001968); permutation of signs: Fisher, The Design of Experiments
(1935), section 21. Neither asks for a normal distribution; both ask that without a difference
between the two its sign is as likely one as the other, in each patient. Differences of 0 have no
sign: they are left out of the ranks, and turn nothing when flipped. Equal differences share their
mean rank, and the exact distribution is that of the ranks as they are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EXACT_RANKS = 200
"""Differences up to which Wilcoxon's distribution is counted out; beyond, it is taken as normal."""

EXACT_FLIPS = 32
"""Differences up to which all flips are counted; beyond, some are drawn."""

FLIPS = 19_999
"""How many are drawn; what was seen counts as one more (Phipson and Smyth 2010,
doi:10.2202/1544-6115.1585), so that p is never 0 nor too small."""

_SAME = 1e-10
"""Sums and differences closer than this part of the largest are equal: rounding told them apart."""

_Floats = NDArray[np.float64]


class Ranks(NamedTuple):
    """Wilcoxon's signed ranks: the sums of those above and below 0, and p (two-sided)."""

    above: float
    below: float
    p: float


def wilcoxon(differences: _Floats) -> Ranks:
    """Rank differences by size and compare those above 0 with those below.

    Parameters
    ----------
    differences
        Finite, none of them 0; of none p is 1.
    """
    ranks = _ranks(differences)
    above = float(ranks[differences > 0].sum())
    below = float(ranks.sum()) - above
    if ranks.size <= EXACT_RANKS:
        return Ranks(above, below, _counted(ranks, min(above, below)))
    # Ties make the variance smaller: the squares of the ranks as they are say by how much.
    apart = max(0.0, abs(above - below) - 1.0) / math.sqrt(float((ranks**2).sum()))
    return Ranks(above, below, math.erfc(apart / math.sqrt(2.0)))


def flipped(differences: _Floats, generator: np.random.Generator) -> float:
    """Give p (two-sided) of the mean difference among all that other signs would give.

    Parameters
    ----------
    differences
        Finite, none of them 0; of none p is 1.
    generator
        Draws `FLIPS` times where there are more than `EXACT_FLIPS` differences.
    """
    sizes = np.sort(np.abs(differences))
    seen = abs(float(differences.sum())) - _SAME * float(sizes.sum())
    if sizes.size <= EXACT_FLIPS:
        return _all_flips(sizes, seen)
    beyond = 1
    for start in range(0, FLIPS, 1_000):
        size = (min(1_000, FLIPS - start), sizes.size)
        signs = generator.integers(2, size=size, dtype=np.int8).astype(np.float64) * 2.0 - 1.0
        beyond += int(np.count_nonzero(np.abs(signs @ sizes) >= seen))
    return beyond / (FLIPS + 1)


def _ranks(differences: _Floats) -> _Floats:
    """Give the rank of each size from 1; equal sizes share the mean of theirs."""
    sizes = np.abs(differences)
    order = np.argsort(sizes, kind="stable")
    steps = np.diff(sizes[order], prepend=-math.inf)
    new = steps > _SAME * sizes.max(initial=0.0)
    group = np.cumsum(new) - 1
    count = np.bincount(group)
    shared = np.cumsum(count) - (count - 1) / 2.0
    ranks = np.empty(sizes.size)
    ranks[order] = shared[group] if sizes.size else 0.0
    return ranks


def _counted(ranks: _Floats, smaller: float) -> float:
    """Give the share of all signs whose sum of ranks is as small on either side."""
    twice = np.round(2.0 * ranks).astype(np.intp)
    share = np.zeros(int(twice.sum()) + 1)
    share[0] = 1.0
    top = 0
    for rank in twice:
        before = share[: top + 1].copy()
        share[: top + rank + 1] /= 2.0
        share[rank : top + rank + 1] += before / 2.0
        top += int(rank)
    return min(1.0, 2.0 * float(share[: round(2.0 * smaller) + 1].sum()))


def _all_flips(sizes: _Floats, seen: float) -> float:
    """Give the share of all signs whose sum is as far from 0; by halves, so 2^16 stand for 2^32."""
    first, second = _sums(sizes[::2]), np.sort(_sums(sizes[1::2]))
    below = np.searchsorted(second, seen - first, side="left")
    as_high = int((second.size - below).sum())
    share = as_high / (first.size * second.size)
    return min(1.0, 2.0 * share) if seen > 0 else 1.0


def _sums(sizes: _Floats) -> _Floats:
    """Give the sum of the sizes under each choice of signs."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return sums
