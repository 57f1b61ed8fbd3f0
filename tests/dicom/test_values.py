"""Numbers that voxels depend on, and numbers that they do not."""

from __future__ import annotations

import pytest

from medprep.dicom.values import hint, hints, needed, needed_if_there, whole_hint
from medprep.errors import DicomError

NAN, INFINITE = float("nan"), float("inf")
TAGS = {
    "one": 2.5, "two": (1.0, 2.0), "text": "2,5", "nan": NAN, "holes": (1.0, NAN),
    "mixed": (1.0, "x"), "bytes": b"\0\1" * 200, "small": 7.9, "large": 1e300, "minus": -(2.0**31),
}  # fmt: skip


def test_what_is_needed_is_given() -> None:
    assert needed(TAGS, "one", 1) == (2.5,)
    assert needed(TAGS, "two", 2) == (1, 2)
    assert needed_if_there(TAGS, "one") == 2.5
    assert needed_if_there(TAGS, "missing") is None


@pytest.mark.parametrize(
    ("name", "count", "told"),
    [
        ("missing", 1, "missing is missing; wanted is a finite number"),
        ("missing", 3, "missing is missing; wanted are 3 finite numbers"),
        ("two", 3, r"two is \(1.0, 2.0\); wanted are 3 finite numbers"),
        ("text", 1, "text is '2,5'; wanted is a finite number"),
        ("nan", 1, "nan is nan"),
        ("holes", 2, r"holes is \(1.0, nan\)"),
        ("mixed", 2, "mixed is"),
    ],
)
def test_what_is_needed_and_not_there_is_refused(name: str, count: int, told: str) -> None:
    with pytest.raises(DicomError, match=told):
        needed(TAGS, name, count)
    if name != "missing":
        with pytest.raises(DicomError, match=name):
            needed_if_there(TAGS, name)


def test_rubbish_is_not_quoted_whole() -> None:
    with pytest.raises(DicomError) as raised:
        needed(TAGS, "bytes", 1)
    assert len(raised.value.message) < 130


def test_hints_are_passed_over_where_they_are_none() -> None:
    assert hint(TAGS, "one") == 2.5
    assert [hint(TAGS, name) for name in ("missing", "text", "nan", "two", "bytes")] == [None] * 5
    assert hints(TAGS, "two") == (1, 2)
    assert [hints(TAGS, name) for name in ("missing", "text", "holes", "mixed", "one")] == [()] * 5


def test_whole_hints_are_those_of_an_integer_string() -> None:
    assert whole_hint(TAGS, "small") == 7
    assert [whole_hint(TAGS, name) for name in ("missing", "text", "nan", "large", "minus")] == [
        0
    ] * 5
