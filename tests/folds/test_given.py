"""A split that somebody made is taken, and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from medprep.errors import FormatError, SplitError
from medprep.folds.given import Given, match, read_given, straddling


def written(folder: Path, content: Any, name: str = "") -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path = folder / (name or ("splits.csv" if isinstance(content, str) else "splits_final.json"))
    path.write_text(text)
    return path


def test_a_splits_final_of_nnunet(tmp_path: Path) -> None:
    folds = [
        {"train": ["a", "b"], "val": ["c"]},
        {"train": ["c", "b"], "val": ["a"], "test": ["d"]},
    ]
    found = read_given(written(tmp_path, folds))
    assert (found.by, found.count) == ("case", 2)
    assert found.roles == {
        "a": ("train", "val"), "b": ("train", "train"), "c": ("val", "train"), "d": ("", "test"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [{}, [], [["a"]], [{"train": ["a"]}], [{"train": "a", "val": []}], [{"train": [1], "val": []}]],
)
def test_json_of_another_shape(content: Any, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"splits_final\.json has it; found is"):
        read_given(written(tmp_path, content))


def test_files_that_are_no_split(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no JSON"):
        read_given(written(tmp_path, "{", "s.json"))
    with pytest.raises(FormatError, match="cannot be read"):
        read_given(tmp_path / "none.json")
    (tmp_path / "s.csv").write_bytes(b"case,fold\n\xff\xfe,0\n")
    with pytest.raises(FormatError, match="it is no text"):
        read_given(tmp_path / "s.csv")


@pytest.mark.parametrize("fold", [{"train": ["a", "a"], "val": []}, {"train": ["a"], "val": ["a"]}])
def test_a_case_twice_in_one_fold(fold: Any, tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="fold 0 names a case twice: a"):
        read_given(written(tmp_path, [fold]))


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_table_of_words(between: str, tmp_path: Path) -> None:
    rows = ["﻿Fold,Note, Patient", "train,,p1", "VAL,x,p2 ", "", "test,,p3", ""]
    found = read_given(written(tmp_path, "\r\n".join(rows).replace(",", between)))
    assert (found.by, found.count) == ("patient", 1)
    assert found.roles == {"p1": ("train",), "p2": ("val",), "p3": ("test",)}


def test_a_table_of_numbers(tmp_path: Path) -> None:
    found = read_given(written(tmp_path, "case,fold\na,1\nb,2\nc,1\nd,test\n"))
    assert found.roles["a"] == found.roles["c"] == ("val", "train")
    assert found.roles["b"] == ("train", "val")
    assert found.roles["d"] == ("test", "test")
    assert found.notes == ("the file counts folds from 1: its fold 1 is 0 here",)


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("case,part\na,0\n", FormatError, r"case \(or patient\) and fold; found are case, part"),
        ("name,fold\na,0\n", FormatError, "found are name, fold"),
        ("case,fold\n", FormatError, "no row"),
        ("", FormatError, "no row"),
        ("case,fold\na,0,9\n", FormatError, "line 2 has 3 cells, the head line 2"),
        ("case,fold\na,0\nb,2\n", FormatError, "numbers from 0 without a gap"),
        ("case,fold\na,0\nb,0\n", FormatError, "found is 0"),
        ("case,fold\na,0\nb,train\n", FormatError, "found is 0, train"),
        ("case,fold\na,train\nb,-1\n", FormatError, "found is -1, train"),
        ("case,fold\na,train\na,val\n", SplitError, "a case is named twice: a"),
    ],
)
def test_tables_that_are_no_split(
    text: str, kind: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said):
        read_given(written(tmp_path, text))


def test_names_are_matched_whatever_their_case(tmp_path: Path) -> None:
    split = Given("case", 1, {"Liver_1": ("train",), "b": ("val",)})
    found = match(split, {"liver_1": ["liver_1"], "b": ["b"], "c": ["c"]}, tmp_path)
    assert found == {"liver_1": ("train",), "b": ("val",)}


def test_a_patient_stands_for_all_of_its_cases(tmp_path: Path) -> None:
    split = Given("patient", 1, {"p": ("test",)})
    assert match(split, {"p": ["p-t1", "p-t2"]}, tmp_path) == {"p-t1": ("test",), "p-t2": ("test",)}


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        ({"x": ("val",), "y": ("val",)}, "2 that are not in the data set: x, y; this set has a, b"),
        ({"both": ("val",)}, "stand for several cases each: both"),
        ({"a": ("train",), "alias": ("val",)}, "names the case a twice: also as alias"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_matched(roles: dict[str, Any], said: str, tmp_path: Path) -> None:
    known = {"a": ["a"], "b": ["b"], "alias": ["a"], "both": ["a", "b"]}
    with pytest.raises(SplitError, match=said):
        match(Given("case", 1, roles), known, tmp_path)


def test_patients_in_two_folds_are_found() -> None:
    patient_of = {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "c1": "c", "c2": "c"}
    roles = {
        "a1": ("train", "train"), "a2": ("train", "val"), "b1": ("val", "train"),
        "b2": ("val", "train"), "c1": ("train", ""), "c2": ("", "val"),
    }  # fmt: skip
    assert straddling(patient_of, roles) == {"a": (1,)}
