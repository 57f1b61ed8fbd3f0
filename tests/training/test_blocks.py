"""The order of a pass in blocks: complete, local, balanced, and a matter of seed and step alone."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.training.blocks import Blocks


def pool(counts: list[int], first: int = 3) -> np.ndarray:
    """Rows of samples that begin at some number, as slices that hold an organ do."""
    rows = [(first + 2 * n, 5 + row) for n, count in enumerate(counts) for row in range(count)]
    return np.asarray(rows, np.int64).reshape(-1, 2)


def shown(blocks: Blocks, place: int, first: int, count: int) -> list[tuple[int, int]]:
    return [blocks.row(step, place) for step in range(first, first + count)]


COUNTS = st.lists(st.integers(1, 9), min_size=1, max_size=12)


@settings(max_examples=80, deadline=None)
@given(COUNTS, st.integers(1, 6), st.integers(1, 5), st.integers(1, 3), st.integers(0, 5))
def test_a_pass_shows_every_row_about_as_often(
    counts: list[int], places: int, block: int, visits: int, seed: int
) -> None:
    rows = pool(counts)
    blocks = Blocks(rows, places, block, visits, seed, "x")
    for turn in range(2):
        seen = Counter(
            row
            for place in range(places)
            for row in shown(blocks, place, turn * blocks.steps, blocks.steps)
        )
        assert set(seen) == {tuple(row) for row in rows.tolist()}
        assert blocks.steps * places == sum(seen.values())
        if places <= len(rows):
            assert sum(seen.values()) - visits * len(rows) < visits * places
        assert all(count % visits == 0 for count in seen.values())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_a_place_is_shown_few_cases_at_a_time(block: int, visits: int, seed: int) -> None:
    blocks = Blocks(pool([6] * 20), 2, block, visits, seed, "x")
    length = 6 * block * visits
    for first in range(0, blocks.steps, length):
        few = shown(blocks, 1, first, min(length, blocks.steps - first))
        # Blocks and cases begin at different rows where parts do.
        assert len({sample for sample, _ in few}) <= block + 1
    if visits == 1:
        assert len({*shown(blocks, 0, 0, length)}) == min(length, blocks.steps)


def test_places_read_cases_of_their_own() -> None:
    blocks = Blocks(pool([7] * 24), 4, 2, 1, 0, "x")
    parts = [{sample for sample, _ in shown(blocks, place, 0, blocks.steps)} for place in range(4)]
    assert sum(map(len, parts)) == 24 and set.union(*parts) == {3 + 2 * n for n in range(24)}


def test_each_pass_and_seed_has_its_own_order() -> None:
    one, other = (Blocks(pool([3] * 9), 1, 2, 1, seed, "x") for seed in (0, 1))
    first, second = (shown(one, 0, turn * one.steps, one.steps) for turn in (0, 1))
    assert first != second and sorted(first) == sorted(second)
    assert shown(other, 0, 0, other.steps) != first
    named = Blocks(pool([3] * 9), 1, 2, 1, 0, "y")
    assert shown(named, 0, 0, named.steps) != first


def test_the_order_of_cases_is_shuffled_too() -> None:
    blocks = Blocks(pool([3] * 9), 1, 1, 1, 0, "x")
    turns = [shown(blocks, 0, turn * blocks.steps, blocks.steps)[::3] for turn in range(2)]
    cases = [[sample for sample, _ in turn] for turn in turns]
    assert cases[0] != cases[1] and cases[0] != sorted(cases[0])


def test_whatever_was_asked_before_the_answer_is_the_same() -> None:
    rows = pool([4, 1, 9, 2, 6])
    blocks = Blocks(rows, 3, 2, 2, 7, "x")
    wanted = {(step, p): blocks.row(step, p) for step in range(60) for p in range(3)}
    again = pickle.loads(pickle.dumps(Blocks(rows, 3, 2, 2, 7, "x")))
    chance = np.random.default_rng(0)
    for key in chance.permutation([*wanted]).tolist():
        assert again.row(*key) == wanted[tuple(key)]
