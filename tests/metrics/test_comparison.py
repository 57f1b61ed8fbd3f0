"""Two models on the same patients."""

from __future__ import annotations

import itertools
import math
from typing import Literal, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medprep.errors import OptionError
from medprep.metrics.comparison import Comparison, compare, holm
from medprep.metrics.signed import EXACT_FLIPS, EXACT_RANKS, FLIPS, flipped, wilcoxon
from medprep.metrics.statistics import summarise

HEIGHTS = np.array([6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75], float)
"""Darwin's maize, crossed less self-fertilised, eighths of an inch: Fisher's own example."""

few = st.lists(st.integers(-6, 6).filter(bool), min_size=1, max_size=10)


def of(*differences: float) -> tuple[dict[str, float], dict[str, float]]:
    second = {f"p{place}": 0.5 for place in range(len(differences))}
    return {name: 0.5 + one for name, one in zip(second, differences, strict=True)}, second


def all_signs(sizes: np.ndarray) -> np.ndarray:
    return np.array(list(itertools.product((-1, 1), repeat=sizes.size))) * sizes


def test_darwins_maize_as_fisher_counted_it() -> None:
    """863 of 32,768 sums are as large or larger, to one side (The Design of Experiments, s. 21)."""
    assert flipped(HEIGHTS, np.random.default_rng(0)) == 2 * 863 / 2**15
    assert wilcoxon(HEIGHTS).below == 24
    assert wilcoxon(HEIGHTS).p == pytest.approx(0.04126, abs=1e-5)


@settings(max_examples=60)
@given(few)
def test_both_tests_count_all_signs(whole: list[int]) -> None:
    values = np.array(whole, float) / 100
    signs = all_signs(np.abs(values))
    as_far = np.abs(signs.sum(axis=1)) >= abs(values.sum()) - 1e-9
    assert flipped(values, np.random.default_rng(0)) == pytest.approx(as_far.mean(), abs=1e-12)
    ranks = stats.rankdata(np.abs(np.array(whole)))
    below = (all_signs(ranks) < 0) @ ranks
    above_here, below_here, p = wilcoxon(values)
    assert (above_here, below_here) == (ranks[values > 0].sum(), ranks[values < 0].sum())
    smaller = min(above_here, below_here)
    assert p == pytest.approx(min(1.0, 2 * (below <= smaller).mean()), abs=1e-12)


@pytest.mark.parametrize("n", [6, 10, 25, 50])
def test_wilcoxon_without_ties_is_scipys_exact_one(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 1.0, n)
    known = stats.wilcoxon(values, method="exact")
    assert wilcoxon(values).p == pytest.approx(known.pvalue, rel=1e-9)


def test_wilcoxon_with_ties_is_scipys_permutation() -> None:
    values = np.array([1, 1, -1, 2, 2, 3, -3, 3, 4, 5], float)
    exact = stats.PermutationMethod(n_resamples=2**11)
    assert wilcoxon(values).p == pytest.approx(stats.wilcoxon(values, method=exact).pvalue)


def test_of_many_wilcoxon_is_the_normal_one_and_meets_the_exact_one() -> None:
    values = np.round(np.random.default_rng(4).normal(0.1, 1.0, EXACT_RANKS + 60), 1)
    values = values[values != 0]
    assert values.size > EXACT_RANKS
    known = stats.wilcoxon(values, method="approx", correction=True)
    assert wilcoxon(values).p == pytest.approx(known.pvalue, rel=1e-9)
    most = values[:EXACT_RANKS]
    assert wilcoxon(most).p == pytest.approx(
        stats.wilcoxon(most, method="approx", correction=True).pvalue, rel=0.01
    )


def test_permutation_is_scipys() -> None:
    values = np.random.default_rng(2).normal(0.4, 1.0, 12)
    known = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=math.inf, vectorized=True
    )
    assert flipped(values, np.random.default_rng(0)) == pytest.approx(known.pvalue, abs=1e-12)


def test_drawn_flips_meet_the_counted_ones() -> None:
    chance = np.random.default_rng(8)
    values = chance.normal(0.5, 1.0, EXACT_FLIPS)
    counted = flipped(values, chance)
    # A patient who differs by next to nothing turns no sum, but makes the test draw.
    drawn = flipped(np.append(values, 1e-9), np.random.default_rng(0))
    assert 0.01 < counted < 0.5
    assert drawn == pytest.approx(counted, abs=4 * math.sqrt(counted / FLIPS))
    assert drawn != counted


def test_drawn_p_is_never_0() -> None:
    assert flipped(np.ones(200), np.random.default_rng(0)) == 1 / (FLIPS + 1)


def test_a_comparison() -> None:
    first, second = of(0.03, 0.01, -0.02, 0.0, 0.05, 0.04, 0.06)
    first["only"] = 0.9
    found = compare(first, second, "high")
    assert (found.n, found.left_out) == (7, 1)
    assert found.mean_difference == pytest.approx(0.17 / 7)
    assert (found.wins, found.losses, found.ties) == (5, 1, 1)
    assert found.wilcoxon_p == pytest.approx(0.09375)
    assert found.permutation_p == pytest.approx(0.09375)
    assert found.least_p == 2 / 64
    assert found.effect_size == pytest.approx((19 - 2) / 21)
    assert found.interval is not None
    known = summarise([0.03, 0.01, -0.02, 0.0, 0.05, 0.04, 0.06]).interval
    assert known is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((known.low, known.high))


def test_low_values_win_where_low_is_better() -> None:
    first, second = of(0.03, 0.01, -0.02, 0.0)
    high, low = compare(first, second, "high"), compare(first, second, "low")
    assert (low.wins, low.losses, low.ties) == (high.losses, high.wins, high.ties) == (1, 2, 1)
    assert low.effect_size == -cast(float, high.effect_size)
    assert low.mean_difference == high.mean_difference
    assert low.interval == high.interval
    assert (low.wilcoxon_p, low.permutation_p) == (high.wilcoxon_p, high.permutation_p)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_other_way_round(pairs: list[tuple[int, int]]) -> None:
    first = {str(place): one / 10 for place, (one, _) in enumerate(pairs)}
    second = {str(place): two / 10 for place, (_, two) in enumerate(pairs)}
    here, there = compare(first, second, "high"), compare(second, first, "high")
    assert (here.wins, here.losses, here.ties) == (there.losses, there.wins, there.ties)
    assert here.wilcoxon_p == pytest.approx(there.wilcoxon_p)
    assert here.permutation_p == pytest.approx(there.permutation_p)
    assert here.wins + here.losses + here.ties == here.n == len(pairs)
    assert here.least_p is not None
    for p in (here.wilcoxon_p, here.permutation_p):
        assert p is not None
        assert min(1.0, here.least_p) - 1e-12 <= p <= 1.0
    backwards = compare(dict(reversed(first.items())), second, "high")
    assert backwards == here


def test_rounding_makes_neither_winners_nor_different_ranks() -> None:
    """0.1 + 0.2 is not 0.3, and 0.9 - 0.8 is not 0.8 - 0.7, in binary."""
    first = {"a": 0.1 + 0.2, "b": 0.9, "c": 0.7, "d": 0.8}
    second = {"a": 0.3, "b": 0.8, "c": 0.8, "d": 0.7}
    found = compare(first, second, "high")
    assert (found.wins, found.losses, found.ties) == (2, 1, 1)
    assert found.wilcoxon_p == found.permutation_p == 1.0
    assert found.effect_size == pytest.approx(1 / 3)


def test_the_same_model_twice() -> None:
    first, _ = of(0.1, 0.2, 0.3)
    found = compare(first, first, "high")
    assert found == Comparison(
        3, 0, 0.0, None, "the values of all 3 patients are equal", 1.0, 1.0, 1.0, None, 0, 0, 3
    )


def test_no_patient_in_common_and_one() -> None:
    assert compare({"a": 1.0}, {"b": 1.0}, "low") == Comparison(
        0, 2, None, None, "no patient has a value", None, None, None, None, 0, 0, 0
    )
    one = compare({"a": 0.9}, {"a": 0.8}, "high")
    assert (one.wilcoxon_p, one.permutation_p, one.least_p, one.interval) == (1.0, 1.0, 1.0, None)
    assert "one patient" in one.why


def test_five_patients_cannot_reach_five_percent() -> None:
    found = compare(*of(0.1, 0.2, 0.3, 0.4, 0.5), "high")
    assert found.wilcoxon_p == found.permutation_p == found.least_p == 0.0625
    assert found.effect_size == 1.0


def test_a_failure_is_told_to_the_interval() -> None:
    found = compare(*of(0.1, 0.2, 0.3, 0.4, 0.5), "high", failed=1)
    assert found.interval is not None
    assert found.interval.warning.startswith("1 of 5 patients failed")


def test_what_cannot_be_compared() -> None:
    with pytest.raises(OptionError, match="wanted is high or low"):
        compare({"a": 1.0}, {"a": 1.0}, cast(Literal["high", "low"], "zero"))
    with pytest.raises(OptionError, match="not finite"):
        compare({"a": math.nan, "b": 1.0}, {"a": 1.0, "b": 1.0}, "high")
    with pytest.raises(OptionError, match="not finite"):
        compare({"a": 1.0, "b": 1.0}, {"a": 1.0, "b": math.inf}, "high")


def test_holm() -> None:
    """The example of Holm's correction by hand: 0.01 x 4, 0.005 x 5, ..., never falling."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []
    assert holm([None]) == [None]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lies_between_nothing_and_bonferroni(ps: list[float]) -> None:
    found = [cast(float, one) for one in holm(ps)]
    assert all(p <= one <= min(1.0, p * len(ps)) for p, one in zip(ps, found, strict=True))
    by_size = sorted(zip(ps, found, strict=True))
    assert [one for _, one in by_size] == sorted(found)


@pytest.mark.parametrize("shape", ["normal", "skewed", "ties and zeros"])
@pytest.mark.parametrize("n", [6, 20])
def test_chance_alone_is_found_in_no_more_than_five_percent(shape: str, n: int) -> None:
    """The whole table is of benchmarks/false_positives.py; 2,000 tell 5% from 6.5%."""
    chance = np.random.default_rng([n, len(shape)])
    drawn = {
        "normal": lambda: chance.normal(0.0, 1.0, (2_000, n)),
        "skewed": lambda: chance.beta(9, 1, (2_000, n)) - chance.beta(9, 1, (2_000, n)),
        "ties and zeros": lambda: np.round(chance.normal(0.0, 2.0, (2_000, n))) / 100,
    }[shape]()
    p = []
    for values in drawn:
        differing = values[values != 0]
        p.append((wilcoxon(differing).p, flipped(differing, chance)))
    found = (np.array(p) <= 0.05).mean(axis=0)
    assert (found <= 0.065).all()
    assert (found >= (0.025 if n == 20 else 0.002)).all()
