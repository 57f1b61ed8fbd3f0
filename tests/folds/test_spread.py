"""Traits spread over bins of exact sizes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.folds.shares import counts
from medprep.folds.spread import Traits, chance, round_table, spread

one_trait = st.sampled_from("abcdefghij").map(frozenset)
several = st.frozensets(st.sampled_from("abcdef"), max_size=4)
names = st.text("0123456789xyz", min_size=1, max_size=4)


def sizes_for(patients: int, shares: Sequence[int]) -> list[int]:
    """Cut a number of patients into bins of any sizes."""
    cuts = [patients * sum(shares[:n]) // sum(shares) for n in range(len(shares) + 1)]
    return [high - low for low, high in pairwise(cuts)]


def off(patients: Mapping[str, Traits], bin_of: Mapping[str, int], sizes: Sequence[int]) -> float:
    """Give by how many patients the worst trait in the worst bin misses its share."""
    worst = 0.0
    for trait in {trait for own in patients.values() for trait in own}:
        total = sum(trait in own for own in patients.values())
        for number, size in enumerate(sizes):
            here = sum(trait in patients[p] for p, bin_ in bin_of.items() if bin_ == number)
            worst = max(worst, abs(here - total * size / len(patients)))
    return worst


some_shares = st.lists(st.integers(1, 9), min_size=1, max_size=5)


@given(st.dictionaries(names, several, max_size=40), some_shares, st.integers(0, 9))
def test_bins_have_their_sizes_and_everybody_is_in_one(
    patients: dict[str, Traits], shares: list[int], seed: int
) -> None:
    sizes = sizes_for(len(patients), shares)
    bin_of = spread(patients, sizes, seed)
    assert set(bin_of) == set(patients)
    held = Counter(bin_of.values())
    assert [held[number] for number in range(len(sizes))] == sizes


@given(st.dictionaries(names, one_trait, min_size=1, max_size=60), some_shares, st.integers(0, 9))
def test_single_traits_miss_their_share_by_less_than_one_patient(
    patients: dict[str, Traits], shares: list[int], seed: int
) -> None:
    sizes = sizes_for(len(patients), shares)
    assert off(patients, spread(patients, sizes, seed), sizes) < 1


@given(st.dictionaries(names, several, max_size=30), st.integers(0, 9), st.randoms())
def test_neither_order_nor_anything_but_the_seed_decides(
    patients: dict[str, Traits], seed: int, shuffle: random.Random
) -> None:
    sizes = sizes_for(len(patients), [7, 1, 2])
    listed = list(patients.items())
    shuffle.shuffle(listed)
    assert spread(dict(listed), sizes, seed) == spread(patients, sizes, seed)


def test_another_seed_deals_otherwise() -> None:
    patients = {f"p{n}": frozenset("ab"[n % 2]) for n in range(20)}
    drawn = {tuple(sorted(spread(patients, [14, 2, 4], seed).items())) for seed in range(8)}
    assert len(drawn) == 8


def cohort(number: int, seed: int) -> dict[str, Traits]:
    """Make up patients with organs that come and go together, a volume and a site."""
    draw = random.Random(seed)
    organs = {"liver": 0.95, "spleen": 0.9, "right_kidney": 0.8, "pancreas": 0.5, "tumour": 0.2}
    return {
        f"p{n:03d}": frozenset(
            [f"label={organ}" for organ, share in organs.items() if draw.random() < share]
            + [f"volume={draw.randrange(4)}", f"site={'aabc'[draw.randrange(4)]}"]
        )
        for n in range(number)
    }


@pytest.mark.parametrize("number", [20, 60, 200])
@pytest.mark.parametrize("shares", [[1, 1, 1, 1, 1], [7, 1, 2]])
def test_overlapping_traits_are_spread_better_than_by_chance(
    number: int, shares: list[int]
) -> None:
    dealt, drawn = [], []
    for seed in range(8):
        patients = cohort(number, seed)
        sizes = sizes_for(number, shares)
        dealt.append(off(patients, spread(patients, sizes, seed), sizes))
        order = sorted(patients, key=lambda patient: chance(seed, patient))
        bins = [bin_ for bin_, size in enumerate(sizes) for _ in range(size)]
        drawn.append(off(patients, dict(zip(order, bins, strict=True)), sizes))
    assert max(dealt) < min(drawn)
    assert np.mean(dealt) < 0.6 * np.mean(drawn)


@pytest.mark.parametrize("seed", range(30))
def test_a_rare_trait_is_spread_though_many_others_stand_beside_it(seed: int) -> None:
    draw = random.Random(seed)
    patients = {
        f"p{n:02d}": frozenset(
            [organ for organ in "abcdef" if draw.random() < 0.6]
            + [f"volume={draw.randrange(4)}"]
            + ["rare"] * (n < 3)
        )
        for n in range(24)
    }
    bin_of = spread(patients, [8, 8, 8], seed)
    assert sorted(bin_of[f"p{n:02d}"] for n in range(3)) == [0, 1, 2]


def test_new_patients_make_up_for_what_earlier_ones_left_uneven() -> None:
    kept = {f"old{n}": (frozenset("a"), 0) for n in range(6)}
    kept |= {f"was{n}": (frozenset("b"), 1) for n in range(6)}
    new = {f"n{n}": frozenset("ab"[n % 2]) for n in range(12)}
    bin_of = spread(new, [6, 6], 0, kept)
    assert {patient for patient, bin_ in bin_of.items() if bin_ == 0} == {
        patient for patient, own in new.items() if own == frozenset("b")
    }


def test_nobody_gives_nothing() -> None:
    assert spread({}, [0, 0], 0) == {}
    assert spread({}, [0, 0], 0, {"a": (frozenset("x"), 1)}) == {}
    assert spread({"a": frozenset(), "b": frozenset()}, [1, 1], 0).keys() == {"a", "b"}


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=30),
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(0, 99),
)
def test_a_rounded_table_keeps_its_sums(rows: list[int], shares: list[int], seed: int) -> None:
    columns = sizes_for(sum(rows), shares)
    table = round_table(rows, columns, seed)
    assert table.sum(axis=1).tolist() == rows
    assert table.sum(axis=0).tolist() == columns
    exact = np.outer(rows, columns) / max(sum(rows), 1)
    assert np.all(np.abs(table - exact) < 1)


def test_rounding_favours_no_cell() -> None:
    """Eight groups of one patient, three in four of them to the first bin: over many seeds."""
    tables = [round_table([1] * 8, [6, 2], seed) for seed in range(400)]
    mean = np.mean(tables, axis=0)
    assert np.all(np.abs(mean - [0.75, 0.25]) < 0.1)


@pytest.mark.parametrize("patients", [7, 40])
def test_many_groups_of_one_leave_the_large_group_its_share(patients: int) -> None:
    """The case in which dealing group by group fills the training fold with the small ones."""
    cohort_ = {f"s{n}": frozenset([f"only{n}"]) for n in range(patients)}
    cohort_ |= {f"l{n}": frozenset(["large"]) for n in range(patients)}
    sizes = list(counts(2 * patients, {"train": 0.7, "val": 0.1, "test": 0.2}).values())
    bin_of = spread(cohort_, sizes, 3)
    large = Counter(bin_ for patient, bin_ in bin_of.items() if patient.startswith("l"))
    for number, size in enumerate(sizes):
        assert abs(large[number] - size / 2) < 1
