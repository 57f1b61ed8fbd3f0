"""The learning rate rises, falls and ends as it should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.training.recipes import SCHEDULES, Schedule
from medprep.training.schedules import learning_rate


def test_values_by_hand() -> None:
    assert learning_rate("cosine", 2.0, 0.5) == pytest.approx(1.0)
    assert learning_rate("cosine", 2.0, 1.0) == pytest.approx(0.0)
    assert learning_rate("polynomial", 1.0, 0.75) == pytest.approx(0.25**0.9)
    assert learning_rate("constant", 3.0, 0.9) == 3.0
    parts = (0.0, 0.599, 0.6, 0.899, 0.9, 1.0)
    wanted = [2.0, 2.0, 0.2, 0.2, 0.02, 0.02]
    assert [learning_rate("steps", 2.0, part) for part in parts] == pytest.approx(wanted)
    assert learning_rate("cosine", 1.0, 0.025, 0.05) == pytest.approx(0.51)


@given(st.sampled_from(SCHEDULES), st.floats(0, 2), st.floats(0, 0.5))
def test_bounds(schedule: Schedule, part: float, warm_up: float) -> None:
    rate = learning_rate(schedule, 1.0, part, warm_up)
    assert 0 <= rate <= 1.01


@given(st.sampled_from(SCHEDULES), st.floats(0.05, 1), st.floats(0.05, 1))
def test_after_the_warm_up_it_never_rises(schedule: Schedule, one: float, other: float) -> None:
    first, second = sorted((one, other))
    rates = [learning_rate(schedule, 1.0, part, 0.05) for part in (first, second)]
    assert rates[0] >= rates[1]
