"""Plans of augmentation: drawn, stored, read back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.augmentation.plan import Plan2D, TutorialOptions, draw_plan
from medprep.errors import FormatError, OptionError

OPTIONS = TutorialOptions()
PINNED = Plan2D(777297154, False, 1765101064, 10, 0.85)


@settings(deadline=None)
@given(st.integers(0, 2**40), st.text(max_size=8), st.integers(0, 99), st.integers(0, 999))
def test_a_plan_survives_json(seed: int, case: str, copy: int, index: int) -> None:
    plan = draw_plan(OPTIONS, seed, case, copy, index, True)
    assert Plan2D.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan
    assert draw_plan(OPTIONS, seed, case, copy, index, True) == plan


def test_a_plan_is_the_same_on_every_machine() -> None:
    assert draw_plan(OPTIONS, 0, "mr01-t2", 1, 5, True) == PINNED


def test_seed_case_copy_and_slice_each_change_the_plan() -> None:
    options = replace(OPTIONS, rotate_probability=1, crop_probability=1)
    arguments = [(s, c, k, n) for s in (0, 1) for c in ("a", "b") for k in (0, 1) for n in (0, 1)]
    assert len({draw_plan(options, *each, flip_allowed=True) for each in arguments}) == 16


def test_steps_happen_as_often_as_asked() -> None:
    plans = [draw_plan(OPTIONS, 7, "case", 0, index, True) for index in range(4000)]
    shares = [
        sum(plan.rotate_seed is not None for plan in plans) / 4000,
        sum(plan.flip for plan in plans) / 4000,
        sum(plan.crop_seed is not None for plan in plans) / 4000,
    ]
    assert shares == pytest.approx([0.8, 0.5, 0.3], abs=0.03)


def test_one_option_changes_its_own_step_only() -> None:
    for index in range(50):
        plan = draw_plan(OPTIONS, 1, "case", 0, index, True)
        never = replace(OPTIONS, rotate_probability=0)
        assert draw_plan(never, 1, "case", 0, index, True) == replace(plan, rotate_seed=None)
        assert draw_plan(OPTIONS, 1, "case", 0, index, False) == replace(plan, flip=False)


def test_certain_is_always_and_impossible_never() -> None:
    always = TutorialOptions(rotate_probability=1, flip_probability=1, crop_probability=1)
    never = TutorialOptions(rotate_probability=0, flip_probability=0, crop_probability=0)
    for index in range(200):
        plan = draw_plan(always, 0, "case", 0, index, True)
        assert plan.rotate_seed is not None
        assert plan.crop_seed is not None
        assert plan.flip
        assert draw_plan(never, 0, "case", 0, index, True) == Plan2D(None, False, None, 10, 0.85)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rotate_probability", -0.1),
        ("flip_probability", 1.1),
        ("crop_probability", float("nan")),
        ("max_degrees", 26),
        ("max_degrees", -1),
        ("max_degrees", 2.5),
        ("crop_side", 1.0),
        ("crop_side", 0.09),
    ],
)
def test_options_outside_their_bounds_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"{name}.*{value}"):
        TutorialOptions(**{name: value})


def test_what_is_no_plan_is_refused() -> None:
    with pytest.raises(FormatError, match="no plan"):
        Plan2D.from_dict({"flip": True})
    with pytest.raises(FormatError, match="no plan"):
        Plan2D.from_dict({**PINNED.to_dict(), "max_degrees": "ten"})
    with pytest.raises(OptionError, match="crop_side"):
        Plan2D.from_dict({**PINNED.to_dict(), "crop_side": 3})
