"""Patients into folds: shares and parts."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import OptionError
from medprep.folds import FOLDS, Fold, assign, counts, parts
from medprep.folds.spread import Traits

USUAL: dict[Fold, float] = {"train": 0.7, "val": 0.1, "test": 0.2}

names = st.text("abcdefgh0123456789", min_size=1, max_size=4)
sequences = st.sampled_from([frozenset([one]) for one in ("t1in", "t2", "ct")])
cohorts = st.dictionaries(names, sequences, max_size=40)
some_shares = st.tuples(st.integers(1, 20), st.integers(0, 20), st.integers(0, 20)).map(
    lambda drawn: dict(zip(FOLDS, (part / 20 for part in drawn), strict=True))
)


def of_one_stratum(number: int, start: int = 0) -> dict[str, Traits]:
    return {f"mr{n:02d}": frozenset(["t2"]) for n in range(start, start + number)}


@pytest.mark.parametrize(
    ("patients", "wanted"),
    [
        (0, (0, 0, 0)),
        (1, (1, 0, 0)),
        (2, (1, 0, 1)),
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (5, (3, 1, 1)),
        (10, (7, 1, 2)),
        (15, (11, 1, 3)),
        (20, (14, 2, 4)),
        (100, (70, 10, 20)),
        (1000, (700, 100, 200)),
    ],
)
def test_usual_shares(patients: int, wanted: tuple[int, int, int]) -> None:
    assert tuple(counts(patients, USUAL).values()) == wanted


@given(st.integers(0, 300), some_shares)
def test_shares_are_exact_to_one_patient(patients: int, shares: dict[Fold, float]) -> None:
    given_ = counts(patients, shares)
    wanted = [fold for fold in FOLDS if shares[fold] > 0]
    assert sum(given_.values()) == patients
    assert all(given_[fold] == 0 for fold in FOLDS if shares[fold] == 0)
    if patients >= len(wanted):
        assert all(given_[fold] > 0 for fold in wanted)
    for fold in wanted:
        exact = patients * shares[fold] / sum(shares.values())
        # A patient may have been moved into each fold that was empty.
        assert exact - 3 < given_[fold] < max(2, exact + 1)


@pytest.mark.parametrize("shares", [{"train": 0.0, "test": 1.0}, {"train": 1.0, "val": -0.1}])
def test_impossible_shares_are_refused(shares: dict[Fold, float]) -> None:
    with pytest.raises(OptionError, match="train above 0"):
        counts(10, shares)


@given(cohorts, some_shares, st.integers(0, 5))
def test_every_patient_is_in_one_fold(
    patients: dict[str, Traits], shares: dict[Fold, float], seed: int
) -> None:
    fold_of = assign(patients, shares, seed)
    assert set(fold_of) == set(patients)
    assert dict(counts(len(patients), shares)) == {
        fold: Counter(fold_of.values())[fold] for fold in FOLDS
    }


@given(cohorts, st.randoms(), st.integers(0, 5))
def test_the_order_of_the_input_is_irrelevant(
    patients: dict[str, Traits], chance, seed: int
) -> None:
    shuffled = list(patients.items())
    chance.shuffle(shuffled)
    assert assign(dict(shuffled), USUAL, seed) == assign(patients, USUAL, seed)
    if len(patients) > 3:
        assert parts(dict(shuffled), 3, seed) == parts(patients, 3, seed)


def test_only_the_seed_changes_the_order() -> None:
    patients = of_one_stratum(20)
    drawn = {tuple(sorted(assign(patients, USUAL, seed).items())) for seed in range(10)}
    assert len(drawn) == 10
    # The hash of "seed:patient" decides, so this holds on every machine and in every release.
    order = sorted(patients, key=lambda p: hashlib.sha256(f"3:{p}".encode()).hexdigest())
    fold_of = assign(patients, USUAL, 3)
    assert [fold_of[p] for p in order] == ["train"] * 14 + ["val"] * 2 + ["test"] * 4


@given(cohorts, cohorts, some_shares, st.integers(0, 5))
def test_a_grown_set_keeps_every_earlier_assignment(
    before: dict[str, Traits], more: dict[str, Traits], shares: dict[Fold, float], seed: int
) -> None:
    earlier = assign(before, shares, seed)
    grown = {**more, **before}
    fold_of = assign(grown, shares, seed, earlier)
    assert set(fold_of) == set(grown)
    assert all(fold_of[patient] == earlier[patient] for patient in before)


def test_new_patients_go_where_patients_are_missing() -> None:
    earlier = assign(of_one_stratum(1), USUAL, 0)
    assert Counter(assign(of_one_stratum(10), USUAL, 0, earlier).values()) == counts(10, USUAL)
    overfull: dict[str, Fold] = dict.fromkeys(of_one_stratum(8), "test")
    grown = Counter(assign(of_one_stratum(12), USUAL, 0, overfull).values())
    assert grown == {"test": 8, "train": 3, "val": 1}


def test_a_vanished_patient_is_forgotten() -> None:
    fold_of = assign(of_one_stratum(3), USUAL, 0, {"mr00": "test", "gone": "train"})
    assert set(fold_of) == set(of_one_stratum(3))
    assert fold_of["mr00"] == "test"


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 20))
def test_strata_stand_in_each_fold_in_proportion(one: int, other: int, seed: int) -> None:
    groups = {"a": frozenset("a"), "b": frozenset("b")}
    patients = {f"a{n}": groups["a"] for n in range(one)}
    patients |= {f"b{n}": groups["b"] for n in range(other)}
    fold_of = assign(patients, USUAL, seed)
    sizes = Counter(fold_of.values())
    for stratum, size in (("a", one), ("b", other)):
        for fold in FOLDS:
            here = sum(
                1 for p, f in fold_of.items() if f == fold and patients[p] == groups[stratum]
            )
            assert abs(here - sizes[fold] * size / len(patients)) < 1


@given(cohorts, st.integers(2, 5), st.integers(0, 5))
def test_parts_are_equal_and_complete(patients: dict[str, Traits], folds: int, seed: int) -> None:
    if len(patients) < folds:
        with pytest.raises(OptionError, match=f"{folds} folds of {len(patients)} patients"):
            parts(patients, folds, seed)
        return
    part_of = parts(patients, folds, seed)
    assert set(part_of) == set(patients)
    sizes = Counter(part_of.values())
    assert set(sizes) == set(range(folds))
    assert max(sizes.values()) - min(sizes.values()) <= 1


@given(cohorts, cohorts, st.integers(2, 5), st.integers(0, 5))
def test_a_grown_set_keeps_its_parts(
    before: dict[str, Traits], more: dict[str, Traits], folds: int, seed: int
) -> None:
    before = {**of_one_stratum(folds), **before}
    earlier = parts(before, folds, seed)
    grown = {**more, **before}
    part_of = parts(grown, folds, seed, earlier)
    assert set(part_of) == set(grown)
    assert all(part_of[patient] == part for patient, part in earlier.items())
    sizes = Counter(part_of.values())
    assert max(sizes.values()) - min(sizes.values()) <= 1
