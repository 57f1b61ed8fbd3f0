"""Clicks drawn from a reference."""

from __future__ import annotations

import numpy as np
import pytest

from medprep.errors import LabelError, OptionError
from medprep.models.prompts.clicks import STRATEGIES, next_click, official_draw


def masks() -> tuple[np.ndarray, np.ndarray]:
    """A prediction that misses a corner and has a large block too much."""
    reference, predicted = np.zeros((2, 20, 20, 20), bool)
    reference[2:8, 2:8, 2:8] = True
    predicted[2:8, 2:8, 4:8] = True
    predicted[10:19, 10:19, 10:19] = True
    return predicted, reference


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_clicks_lie_where_it_is_wrong(strategy: str) -> None:
    predicted, reference = masks()
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        place, positive = next_click(predicted, reference, strategy, lambda n: int(rng.integers(n)))
        assert predicted[place] != reference[place]
        assert positive == reference[place]
        seen.add(positive)
    assert seen == ({True, False} if strategy == "random" else {False})


def test_ritm_clicks_in_the_middle_of_the_deeper_error() -> None:
    predicted, reference = masks()
    places = [next_click(predicted, reference, "ritm", lambda n, k=k: k).place for k in range(8)]
    assert all(12 <= at <= 16 for place in places for at in place)


def test_a_tie_of_depths_is_too_much() -> None:
    reference, predicted = np.zeros((2, 9, 9, 9), bool)
    reference[1:4, 1:4, 1:4] = True
    predicted[5:8, 5:8, 5:8] = True
    assert next_click(predicted, reference, "ritm", lambda n: 0).place == (6, 6, 6)


def test_the_edge_of_the_array_counts_as_an_edge() -> None:
    reference = np.ones((5, 5, 5), bool)
    nothing = np.zeros_like(reference)
    assert next_click(nothing, reference, "ritm", lambda n: 0) == ((1, 1, 1), True)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_wrong_gives_a_voxel_of_the_organ(strategy: str) -> None:
    _, reference = masks()
    place, positive = next_click(reference, reference, strategy, lambda n: n - 1)
    assert (place, positive) == ((7, 7, 7), True)


def test_official_draws_begin_anew() -> None:
    one, other = official_draw(), official_draw()
    assert [one(1000) for _ in range(4)] == [other(1000) for _ in range(4)]


def test_refused() -> None:
    predicted, reference = masks()
    with pytest.raises(LabelError, match="empty"):
        next_click(predicted, np.zeros_like(reference), "random", official_draw())
    with pytest.raises(LabelError, match="for a mask"):
        next_click(predicted[1:], reference, "random", official_draw())
    with pytest.raises(OptionError, match="--strategy"):
        next_click(predicted, reference, "worst", official_draw())  # type: ignore[arg-type]
