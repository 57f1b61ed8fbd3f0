"""Figures of scores: the same bytes for the same numbers, and other bytes for others."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from made_scores import evaluation, label
from PIL import Image

from medprep.metrics.catalogue import METRICS
from medprep.metrics.comparison import compare
from medprep.metrics.contrasts import Contrast
from medprep.metrics.evaluation import Evaluation
from medprep.reporting.agreement import agreements
from medprep.reporting.case_figures import along, volumes
from medprep.reporting.score_figures import bars, differences, strips

DICE, HD95 = METRICS["dice"], METRICS["hd95_mm"]


def model(name: str, by: float = 0.0, *, far: float = 9.0, organ: str = "liver") -> Evaluation:
    cases = {f"p{n}-a": [label(organ, 0.8 + n / 50 - by, hd95_mm=3.0 + n)] for n in range(1, 8)} | {
        "p9-a": [label(organ, 0.0, state="missing", hd95_mm=far)]
    }
    return evaluation(cases, name)


ONE, OTHER = model("one"), model("other", 0.1)


def drawn_bars(*models: Evaluation) -> bytes:
    shorts = [[(organ, one.summary(organ, "dice")) for organ in one.organs] for one in models]
    return bars(models, DICE, shorts)


def contrast(first: Evaluation, second: Evaluation) -> Contrast:
    found = compare(first.by_patient("liver", "dice"), second.by_patient("liver", "dice"), "high")
    return Contrast("liver", "dice", first.model, second.model, found, 0.5)


def drawn_differences(first: Evaluation, second: Evaluation) -> bytes:
    return differences(first, second, [contrast(first, second)])


SLICES = label("liver", 0.5, slices=(None, 0.2, 0.9, None, 0.8))

DRAWN: list[Callable[[], bytes]] = [
    lambda: strips([ONE], DICE),
    lambda: strips([ONE, OTHER], HD95),
    lambda: drawn_bars(ONE, OTHER),
    lambda: along(SLICES, 3),
    lambda: volumes(agreements(ONE)[0]),
    lambda: drawn_differences(ONE, OTHER),
]


@pytest.mark.parametrize("draw", DRAWN)
def test_equal_numbers_give_equal_bytes(draw: Callable[[], bytes]) -> None:
    first = draw()
    assert first[:8] == b"\x89PNG\r\n\x1a\n"
    assert first == draw()
    assert b"tEXt" not in first
    assert b"tIME" not in first


def test_other_numbers_give_other_pictures() -> None:
    assert strips([ONE], DICE) != strips([model("one", 0.05)], DICE)
    assert drawn_bars(ONE) != drawn_bars(model("one", 0.05))
    assert drawn_differences(ONE, OTHER) != drawn_differences(ONE, model("other", 0.2))
    assert along(SLICES, 3) != along(replace(SLICES, slice_dice=(None, 0.2, 0.9, 0.8, None)), 3)
    assert along(SLICES, 3) != along(SLICES, None)


def test_a_missing_prediction_is_marked_apart_from_a_value_of_0() -> None:
    cases = {f"p{n}-a": [label("liver", n / 10)] for n in range(3)}
    gone = {**cases, "p0-a": [label("liver", 0.0, state="missing")]}
    assert strips([evaluation(cases)], DICE) != strips([evaluation(gone)], DICE)


@pytest.mark.parametrize(
    "one",
    [
        evaluation({}),
        evaluation({"p1-a": [label("liver", None, state="neither")]}),
        evaluation({"p1-a": [label("liver", 0.5)]}),
        evaluation({"p1-a": [label("liver", 0.0, state="missing")]}),
        evaluation({f"p{n}-a": [label("liver", 1.0)] for n in range(9)}),
    ],
)
def test_few_or_no_or_equal_scores_can_be_drawn(one: Evaluation) -> None:
    assert strips([one], DICE)
    assert strips([one], HD95)
    assert drawn_bars(one)
    for each in agreements(one):
        assert volumes(each)


def test_names_stay_names() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a name left out of a legend is a warning
        odd = model(r"_$\frac$", organ=r"$\frac$")
        assert strips([odd, model("_b", 0.1)], DICE)
        assert drawn_bars(odd)
        assert volumes(agreements(odd)[0])


def test_lengths_that_reach_far_leave_room_for_the_near_ones() -> None:
    def span(far: float) -> int:
        """Give how many columns the blue dots of the near ones take."""
        png = io.BytesIO(strips([model("m", far=far)], HD95))
        seen = np.asarray(Image.open(png).convert("RGB")).astype(int)
        columns = np.flatnonzero((seen[..., 2] - seen[..., 0] > 60).any(axis=0))
        return int(columns[-1] - columns[0])

    assert span(900.0) > 0.1 * span(12.0)
