"""Cross-validation, nested or by site, as one row of roles for each patient."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import OptionError, SplitError
from medprep.folds.schemes import (
    Held,
    Stored,
    by_part,
    by_site,
    condense,
    crossed,
    nested,
    outer_folds,
    role_of,
)
from medprep.folds.shares import Fold, parts
from medprep.folds.spread import Traits
from medprep.folds.strata import traits, volume_bins

SHARES: dict[Fold, float] = {"train": 0.7, "val": 0.1, "test": 0.0}
roles = st.lists(st.sampled_from(["train", "val", "test", ""]), min_size=1, max_size=12).map(tuple)


def people(number: int) -> dict[str, Traits]:
    return {f"p{n:02d}": frozenset(["ab"[n % 2]]) for n in range(number)}


@given(roles)
def test_what_is_stored_gives_the_roles_back(row: tuple[str, ...]) -> None:
    stored = condense(row)
    assert tuple(role_of(stored, number) for number in range(len(row))) == row
    if "train" in row:
        assert stored.fold == "train"


def test_the_shortest_form_is_stored() -> None:
    assert condense(("test",)) == Stored("test")
    assert condense(("test", "test", "test")) == Stored("test")
    assert condense(("train", "val", "train")) == Stored("train", 1)
    assert condense(("train", "val", "val")) == Stored("train", None, "tvv")
    assert condense(("test", "")) == Stored("test", None, "x-")
    assert condense(()) == Stored("")
    assert role_of(Stored("train", None, "tv"), 5) == ""


@given(st.integers(2, 30), st.integers(2, 5), st.integers(0, 5))
def test_cross_validation_validates_everybody_once(number: int, folds: int, seed: int) -> None:
    patients = people(number)
    fold_of: dict[str, Fold] = {p: "test" if p == "p00" else "train" for p in patients}
    if number - 1 < folds:
        with pytest.raises(OptionError, match=f"{folds} folds of {number - 1} patients"):
            crossed(patients, fold_of, folds, seed)
        return
    found = crossed(patients, fold_of, folds, seed)
    assert found.pop("p00") == ("test",) * folds
    assert all(row.count("val") == 1 and row.count("train") == folds - 1 for row in found.values())


@given(st.integers(4, 24), st.integers(2, 5), st.integers(1, 4), st.integers(0, 5))
def test_nested_folds_are_disjoint_and_complete(
    number: int, outer: int, inner: int, seed: int
) -> None:
    patients = people(number)
    if number < outer:
        return
    held = Held(by_part(parts(patients, outer, seed), outer), inner, SHARES)
    if min(number - len(out) for out in held.out) < inner:
        with pytest.raises(SplitError, match="one for each inner fold"):
            nested(patients, held, seed)
        return
    found = nested(patients, held, seed)
    assert all(len(row) == held.count == outer * inner for row in found.values())
    for fold in range(outer):
        for one in range(inner):
            here = {p: row[fold * inner + one] for p, row in found.items()}
            assert {p for p, role in here.items() if role == "test"} == held.out[fold]
            assert set(here.values()) <= {"train", "val", "test"}
        if inner > 1:  # of the others each validates once
            for patient in patients.keys() - held.out[fold]:
                block = found[patient][fold * inner : (fold + 1) * inner]
                assert block.count("val") == 1
    tested = Counter(role for row in found.values() for role in row)["test"]
    assert tested == number * inner


@given(st.integers(8, 20), st.integers(1, 6), st.integers(1, 3), st.integers(0, 5))
def test_a_grown_set_keeps_its_nested_folds(before: int, more: int, inner: int, seed: int) -> None:
    few, many = people(before), people(before + more)
    first = nested(few, Held(by_part(parts(few, 3, seed), 3), inner, SHARES), seed)
    dealt = parts(many, 3, seed, outer_folds(first, inner))
    grown = nested(many, Held(by_part(dealt, 3), inner, SHARES), seed, first)
    assert {patient: grown[patient] for patient in few} == first


def test_one_inner_fold_is_a_validation_share() -> None:
    patients = people(20)
    held = Held(by_part(parts(patients, 2, 0), 2), 1, {"train": 0.8, "val": 0.2, "test": 0.0})
    for number in range(2):
        found = Counter(row[number] for row in nested(patients, held, 0).values())
        assert found == {"test": 10, "train": 8, "val": 2}


def test_each_site_is_left_out_once_and_who_was_at_two_with_both() -> None:
    sites = {
        "p1": frozenset("a"), "p2": frozenset("b"), "p3": frozenset("b"), "p4": frozenset("ab"),
        "p5": frozenset("c"),
    }  # fmt: skip
    assert by_site(sites, ["a", "b", "c"]) == ({"p1", "p4"}, {"p2", "p3", "p4"}, {"p5"})


@pytest.mark.parametrize(
    ("sites", "order", "said"),
    [
        ({"p": frozenset("a"), "q": frozenset("a")}, ["a"], "two or more; found is only a"),
        ({}, [], "found is none"),
        ({"p": frozenset("ab"), "q": frozenset("a")}, ["a", "b"], "every patient was at a"),
    ],
)
def test_sites_that_cannot_be_left_out(
    sites: dict[str, frozenset[str]], order: list[str], said: str
) -> None:
    with pytest.raises(SplitError, match=said):
        by_site(sites, order)


def test_volumes_fall_into_quarters_and_equal_ones_share_a_bin() -> None:
    volumes = {f"p{n}": float(n) for n in range(8)}
    assert list(volume_bins(volumes).values()) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert set(volume_bins(dict.fromkeys("abcdefgh", 3.0)).values()) == {3}
    assert volume_bins({"a": 1.0, "b": 2.0, "c": 9.0}) == {"a": 0, "b": 0, "c": 0}
    assert volume_bins({}) == {}


def test_the_cases_of_a_patient_are_taken_together() -> None:
    found = traits(
        ["p1", "p2", "p3"],
        {"label": {"p1": {"liver", "spleen"}, "p2": set()}, "scanner": {"p1": ["GE", "Siemens"]}},
        {"p1": [1.0, 3.0], "p2": [8.0]},
    )
    assert found["p1"] == {
        "label=liver", "label=spleen", "scanner=GE", "scanner=Siemens", "volume=0",
    }  # fmt: skip
    assert found["p2"] == {"label=none", "scanner=unknown", "volume=0"}
    assert found["p3"] == {"label=unknown", "scanner=unknown", "volume=unknown"}


def test_the_mean_volume_of_a_patient_counts() -> None:
    found = traits("abcd", {}, {"a": [1.0, 9.0], "b": [6.0], "c": [7.0], "d": [8.0]})
    assert [*found.values()] == [{"volume=0"}, {"volume=0"}, {"volume=1"}, {"volume=1"}]
