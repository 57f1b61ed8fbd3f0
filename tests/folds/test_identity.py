"""Who is who, by headers and by the names of files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import OptionError, SplitError
from medprep.folds.identity import (
    Identified,
    identity_conflicts,
    is_placeholder,
    one_person,
)
from medprep.folds.patterns import compiled, grouped, sites_in, suggestion


@pytest.mark.parametrize(
    "value", ["", "  ", "0", "000", "Anonymous", "ANON^^", "de-identified", "?"]
)
def test_what_anonymisers_leave_is_no_identity(value: str) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize("value", ["1", "CHAOS^MR_SET_1", "Ann", "0010", "患者"])
def test_anything_else_is_one(value: str) -> None:
    assert not is_placeholder(value)


def test_two_folders_with_one_id_are_one_person() -> None:
    cases = [
        Identified("mr10-t2", "mr10", "A-77"), Identified("mr02-t2", "mr02", "a-77 "),
        Identified("mr03-t2", "mr03", "B"), Identified("mr04-t2", "mr04"),
    ]  # fmt: skip
    (found,) = identity_conflicts(cases)
    assert (found.kind, found.by, found.patients) == ("one-person", "PatientID", ("mr02", "mr10"))
    assert found.cases == ("mr02-t2", "mr10-t2")
    assert one_person([found]) == {"mr10": "mr02"}
    assert "a-77" not in str(found).casefold()


def test_the_name_counts_where_the_id_is_a_placeholder() -> None:
    cases = [
        Identified("a1", "a", "0", "DOE^JANE^^"), Identified("b1", "b", "Anonymous", "Doe^Jane"),
        Identified("c1", "c", "77", "Doe^Jane"), Identified("d1", "d", "", "Roe^Jane"),
    ]  # fmt: skip
    (found,) = identity_conflicts(cases)
    assert (found.by, found.patients) == ("PatientName", ("a", "b"))


def test_what_everybody_has_identifies_nobody() -> None:
    cases = [Identified(f"c{n}", f"p{n}", "STUDY-7", f"name {n}") for n in range(4)]
    (found,) = identity_conflicts(cases)
    assert found.kind == "placeholder"
    assert one_person([found]) == {}
    # Of two patients nobody can say: better one patient too few than a leak.
    assert identity_conflicts(cases[:2])[0].kind == "one-person"
    # The name speaks then, and is heard.
    same = [*cases, Identified("c9", "p9", "STUDY-7", "name 3")]
    kinds = {one.kind: one for one in identity_conflicts(same)}
    assert kinds["one-person"].patients == ("p3", "p9")


def test_two_people_in_one_folder_are_told() -> None:
    cases = [Identified("p-t1", "p", "1"), Identified("p-t2", "p", "2"), Identified("q", "q", "3")]
    (found,) = identity_conflicts(cases)
    assert (found.kind, found.patients, found.cases) == ("several-people", ("p",), ("p-t1", "p-t2"))
    assert one_person([found]) == {}


def test_chains_of_people_end_in_one() -> None:
    cases = [
        Identified("a1", "a", "1"), Identified("b1", "b", "1"), Identified("b2", "b", "2"),
        Identified("c1", "c", "2"), Identified("d1", "d", "9"),
    ]  # fmt: skip
    assert one_person(identity_conflicts(cases)) == {"b": "a", "c": "a"}
    both = [
        Identified("a1", "a", "1"), Identified("c1", "c", "1"), Identified("b1", "b", "2"),
        Identified("c2", "c", "2"),
    ]  # fmt: skip
    assert one_person(identity_conflicts(both)) == {"b": "a", "c": "a"}


@given(st.lists(st.sampled_from("abcde"), max_size=8), st.randoms())
def test_the_order_of_cases_is_irrelevant(ids: list[str], shuffle) -> None:
    cases = [Identified(f"c{n}", f"p{n}", one) for n, one in enumerate(ids)]
    mixed = list(cases)
    shuffle.shuffle(mixed)
    assert identity_conflicts(mixed) == identity_conflicts(cases)
    assert one_person(identity_conflicts(mixed)) == one_person(identity_conflicts(cases))


NAMES = {"a": "val/P13_T1_00028.png", "b": "val/P13_T1_00029.png", "c": "train/aug_no_1.png"}


@pytest.mark.parametrize("pattern", [r"P(?P<patient>\d+)_", r"P(\d+)_", r"(?P<site>P)(\d+)"])
def test_a_pattern_says_who(pattern: str) -> None:
    assert grouped(compiled(pattern), NAMES) == {"a": "13", "b": "13"}


def test_a_pattern_with_a_slash_is_looked_for_in_the_path() -> None:
    assert grouped(compiled(r"^(\w+)/"), NAMES) == {"a": "val", "b": "val", "c": "train"}
    with pytest.raises(SplitError, match="matches none"):
        grouped(compiled(r"^(val)"), NAMES)


def test_a_pattern_may_name_the_site() -> None:
    made = compiled(r"(?P<patient>\d+)_(?P<site>T\d)_")
    assert sites_in(made, NAMES) == {"a": "T1", "b": "T1"}
    assert grouped(made, NAMES) == {"a": "13", "b": "13"}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"P\d+", "no group for the patient"),
        (r"(?P<site>P)\d+", "no group for the patient"),
        ("(", "no regular expression"),
    ],
)
def test_patterns_that_cannot_be_used(pattern: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        compiled(pattern)


def test_a_pattern_that_matches_nothing() -> None:
    with pytest.raises(SplitError, match=r"matches none of 3 names, as aug_no_1\.png"):
        grouped(compiled(r"Q(\d+)"), NAMES)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["P13_T1_00028", "P13_T1_00029", "P2_T1_00001", "aug"],
            r"3 file names look like P2_T1_00001: --patient-pattern '^P(\d+)[_-]' groups them by "
            "patient (2 patients)",
        ),
        (["sub-A1_T1w", "sub-A1_T2w"], r"'^sub-([A-Za-z0-9]+)_'"),
        (["patient_3-1", "patient_3-2"], r"'^[Pp](?:at|atient)?[_-]?(\d+)[_-]'"),
        (["case7_slice_1", "case7_slice_2"], r"'^[Cc]ase[_-]?(\d+)[_-]'"),
        (["12_001", "12_002"], r"'^(\d+)[_-](?:[a-z]+[_-]?)?\d+$'"),
    ],
)
def test_common_names_are_suggested(names: list[str], said: str) -> None:
    found = suggestion(names)
    assert found is not None
    assert said in found


@pytest.mark.parametrize("names", [[], ["a"], ["image_1", "image_2"], ["P1_x", "P2_x", "P3_x"]])
def test_nothing_is_suggested_where_nothing_would_be_grouped(names: list[str]) -> None:
    assert suggestion(names) is None
