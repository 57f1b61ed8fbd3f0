"""Mean, spread and interval of patients' values."""

from __future__ import annotations

import importlib.util
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medprep.errors import OptionError
from medprep.metrics.bootstrap import METHODS, Method, mean_bounds
from medprep.metrics.statistics import (
    DEFAULT,
    ENOUGH,
    ENOUGH_WITH_FAILURES,
    Interval,
    Summary,
    summarise,
    unseen_failures,
)

DICE = (0.91, 0.88, 0.95, 0.73, 0.90, 0.86, 0.93, 0.89, 0.94, 0.87)

some = st.lists(st.integers(0, 1000).map(lambda whole: whole / 1000), min_size=4, max_size=12)


def interval(values: Sequence[float], method: Method = DEFAULT, **options: object) -> Interval:
    found = summarise(values, method, **options).interval  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "coverage.py"
    if not path.is_file():
        pytest.skip("benchmarks are not part of the source archive")
    spec = importlib.util.spec_from_file_location("coverage_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_numbers_of_a_summary() -> None:
    found = summarise(DICE)
    assert found.mean == pytest.approx(statistics.fmean(DICE))
    assert found.sd == pytest.approx(statistics.stdev(DICE))
    assert found.median == pytest.approx(0.895)
    q1, _, q3 = statistics.quantiles(DICE, n=4, method="inclusive")
    assert (found.q1, found.q3) == pytest.approx((q1, q3))
    assert found.n == 10
    assert found.why == ""
    assert found.interval is not None
    assert (found.interval.method, found.interval.confidence) == (DEFAULT, 0.95)
    assert found.interval.low < 0.886 < found.interval.high


def test_of_no_patient_and_of_one_there_is_no_interval_and_it_says_why() -> None:
    assert summarise([]) == Summary(None, None, None, None, None, 0, None, "no patient has a value")
    one = summarise([0.9])
    assert (one.mean, one.sd, one.median, one.q1, one.q3, one.n) == (0.9, None, 0.9, 0.9, 0.9, 1)
    assert one.interval is None
    assert "one patient" in one.why


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [0.0, 0.1, 1.0, -3e5])
def test_equal_values_tell_nothing_of_the_spread(method: Method, value: float) -> None:
    found = summarise([value] * 7, method)
    assert found.mean == value
    assert found.sd == pytest.approx(0.0, abs=1e-9)
    assert found.interval is None
    assert found.why == "the values of all 7 patients are equal"


def test_students_interval_is_scipys() -> None:
    for n in (2, 3, 10):
        values = DICE[:n]
        known = stats.t.interval(0.9, n - 1, np.mean(values), stats.sem(values))
        found = interval(values, "t", confidence=0.9)
        assert (found.low, found.high) == pytest.approx(known, rel=1e-12)


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize("values", [DICE, (*DICE[:6], 0.0)], ids=["even", "with a failure"])
def test_bootstrap_intervals_are_scipys_but_for_the_drawing(
    method: Method, values: tuple[float, ...]
) -> None:
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=60_000, method=method,
        rng=np.random.default_rng(5), vectorized=True,
    ).confidence_interval  # fmt: skip
    own = interval(values, method)
    allowed = 0.04 * (theirs.high - theirs.low)
    assert (own.low, own.high) == pytest.approx((theirs.low, theirs.high), abs=allowed)


def test_bootstrap_t_is_its_definition() -> None:
    """Resample by resample, with the places that the same generator draws."""
    values, resamples, tail = np.asarray(DICE), 999, 0.025
    places = np.random.default_rng(3).integers(10, size=(resamples, 10))
    t = []
    for drawn in values[places]:
        t.append((drawn.mean() - values.mean()) / (drawn.std(ddof=1) / math.sqrt(10)))
    t.sort()
    error = values.std(ddof=1) / math.sqrt(10)
    low = values.mean() - t[round(1000 * (1 - tail)) - 1] * error
    high = values.mean() - t[round(1000 * tail) - 1] * error
    found = mean_bounds(values[None], "bootstrap-t", 0.95, np.random.default_rng(3), resamples)
    assert found[:, 0] == pytest.approx((low, high), rel=1e-9)


def test_percentile_is_a_count_of_every_resample() -> None:
    """Of two values a quarter of the resamples is each alone, so these are the ends."""
    found = interval([0.2, 0.6], "percentile")
    assert (found.low, found.high) == (0.2, 0.6)
    half = interval([0.2, 0.6], "percentile", confidence=0.4)
    assert (half.low, half.high) == (0.4, 0.4)


def test_resamples_as_the_sample_itself_count_half() -> None:
    """A third of those of three 0 and three 1; counted as above, they would move the interval."""
    found = interval([0, 0, 0, 1, 1, 1], "bca")
    assert found.low + found.high == pytest.approx(1.0)


@settings(max_examples=40)
@given(st.floats(0.6, 0.95), st.integers(7, 8))
def test_resamples_of_equal_values_have_no_spread_whatever_rounding_says(
    value: float, equals: int
) -> None:
    """0.8^10 or 0.7^10 of the resamples hold the equal values alone: more than one in forty."""
    values = np.array([value] * equals + [0.11, 0.37, 0.53][: 10 - equals])
    found = mean_bounds(values[None], "bootstrap-t", 0.95, np.random.default_rng(0))
    assert found[0, 0] == -math.inf
    stands_in = interval(values.tolist())
    assert stands_in.method == "t"
    assert stands_in.warning.startswith("10 patients, most of them with equal values: bootstrap-t")


@settings(max_examples=40)
@given(some, st.randoms(use_true_random=False), st.sampled_from(METHODS))
def test_the_order_of_patients_changes_nothing(
    values: list[float], chance: object, method: Method
) -> None:
    mixed = values.copy()
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert summarise(values, method) == summarise(mixed, method)


@settings(max_examples=40)
@given(some.filter(lambda values: len(set(values)) > 2), st.sampled_from(METHODS))
def test_an_interval_moves_and_grows_with_the_values(values: list[float], method: Method) -> None:
    plain = interval(values, method)
    moved = interval([5.0 + 100.0 * value for value in values], method)
    assert moved.method == plain.method
    wanted = (5.0 + 100.0 * plain.low, 5.0 + 100.0 * plain.high)
    assert (moved.low, moved.high) == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    assert plain.low <= cast(float, summarise(values).mean) <= plain.high


@pytest.mark.parametrize("method", METHODS)
def test_more_confidence_is_wider(method: Method) -> None:
    narrow, wide = (interval(DICE, method, confidence=share) for share in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_seed_decides_what_is_drawn() -> None:
    assert interval(DICE, "bca", seed=1) == interval(DICE, "bca", seed=1)
    assert interval(DICE, "bca", seed=1) != interval(DICE, "bca", seed=2)
    assert interval(DICE, "t", seed=1) == interval(DICE, "t", seed=2)


@pytest.mark.parametrize("n", [2, 3])
def test_where_bootstrap_t_has_no_end_it_is_students_and_says_so(n: int) -> None:
    found = interval(DICE[:n], "bootstrap-t")
    assert found.method == "t"
    assert found.warning.startswith(f"{n} patients; with fewer than 6")
    assert found == interval(DICE[:n], "t")


def test_a_mean_lies_within_the_limits_and_so_does_its_interval() -> None:
    values = (1.0, 1.0, 0.99, 0.6)
    free, cut = interval(values, "t"), interval(values, "t", limits=(0, 1))
    assert free.high > 1.0
    assert (cut.low, cut.high) == (free.low, 1.0)
    with pytest.raises(OptionError, match=r"from 0\.6 to 1 are beyond their limits 0 and 0\.9"):
        summarise(values, limits=(0, 0.9))
    assert summarise([1.0 + 1e-12, 0.5], limits=(0, 1)).n == 2


def test_a_warning_where_too_few_patients_were_seen_or_failures_among_few() -> None:
    chance = np.random.default_rng(0)
    for method in METHODS:
        values = chance.beta(9, 1, 40).tolist()
        enough = ENOUGH[method]
        assert interval(values[:enough], method).warning == ""
        few = interval(values[: enough - 1], method).warning
        assert f"fewer than {ENOUGH['t'] if enough == 4 else enough} " in few
        values[0] = 0.0
        short = interval(values[: ENOUGH_WITH_FAILURES - 1], method, failed=1).warning
        assert short.startswith(f"1 of {ENOUGH_WITH_FAILURES - 1} patients failed")
        assert interval(values[:ENOUGH_WITH_FAILURES], method, failed=1).warning == ""


def test_what_no_failure_among_few_leaves_open() -> None:
    assert unseen_failures(10).startswith("none of 10 patients failed; up to 26% ")
    assert unseen_failures(1).startswith("none of 1 patient failed; up to 95% ")
    assert unseen_failures(ENOUGH_WITH_FAILURES) == unseen_failures(0) == ""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(OptionError, match="not finite"):
        summarise([0.5, value, 0.7])


def test_options_that_cannot_be_used() -> None:
    with pytest.raises(OptionError, match="no interval 'z'; there are bca, percentile, t, boot"):
        summarise(DICE, cast(Method, "z"))
    for share in (0.0, 1.0, 95.0, math.nan):
        with pytest.raises(OptionError, match="between 0 and 1"):
            summarise(DICE, confidence=share)


def test_many_patients_are_worked_in_parts() -> None:
    values = np.random.default_rng(0).normal(10.0, 2.0, 700)
    found = interval(values.tolist())
    known = interval(values.tolist(), "t")
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=0.03)


def test_samples_together_are_the_samples_one_by_one() -> None:
    values = np.random.default_rng(1).beta(9, 1, (5, 8))
    for method in METHODS:
        whole = mean_bounds(values, method, 0.95, np.random.default_rng(2))
        for sample, ends in zip(values, whole.T, strict=True):
            alone = mean_bounds(sample[None], method, 0.95, np.random.default_rng(2))
            assert ends == pytest.approx(alone[:, 0], rel=1e-9)


def test_the_default_holds_a_skewed_mean_where_percentiles_do_not(coverage: ModuleType) -> None:
    held, widths, _ = coverage.measure("Beta(9,1)", 10, 2_000, seed=7, resamples=999)
    by = dict(zip(METHODS, held, strict=True))
    assert 0.935 < by[DEFAULT] < 0.97
    assert by["percentile"] < 0.895
    assert (widths > 0).all()


def test_the_default_is_what_the_rule_chooses(coverage: ModuleType) -> None:
    found = {
        (shape, n): coverage.measure(shape, n, 600, seed=5, resamples=399)
        for shape in coverage.DECIDING_SHAPES
        for n in coverage.DECIDING
    }
    assert coverage.chosen(found)[0] == DEFAULT


def test_failures_among_few_are_why_the_warning_is_there(coverage: ModuleType) -> None:
    for n, low, high in ((10, 0.70, 0.79), (ENOUGH_WITH_FAILURES, 0.90, 0.95)):
        held = coverage.measure("10% failed", n, 1_500, seed=3, resamples=499)[0]
        assert low < held[METHODS.index(DEFAULT)] < high
