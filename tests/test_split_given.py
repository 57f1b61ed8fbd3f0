"""A given split, from its file to ``splits.json``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from split_sets import chaos, pictures, split, written

from medprep.errors import FormatError
from medprep.stages.split import Split
from medprep.workspace.layout import Layout


def test_a_given_split_of_nnunet_is_taken(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", ["A_1", "A_2", "B_1", "B_2", "C_1"])
    given = [
        {"train": ["A_1", "A_2"], "val": ["B_1"]},
        {"train": ["A_1", "B_1", "B_2"], "val": ["A_2"]},
    ]
    (tmp_path / "splits_final.json").write_text(json.dumps(given))
    summary = split(tmp_path, source, splits=str(tmp_path / "splits_final.json"))
    assert written(tmp_path) == [
        {"train": ["a_1", "a_2"], "val": ["b_1"], "test": []},
        {"train": ["a_1", "b_1", "b_2"], "val": ["a_2"], "test": []},
    ]
    assert "1 case with masks not in the split: c_1" in summary.lines


def test_a_split_is_read_before_a_workspace_is_made(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", ["a"])
    with pytest.raises(FormatError, match="split cannot be read"):
        Split(str(source), splits=str(tmp_path / "none.json")).look(Layout(tmp_path / "work"))


def test_patients_go_by_what_the_data_set_calls_them(tmp_path: Path) -> None:
    source = chaos(tmp_path / "set", (1, 2, 30))
    table = tmp_path / "folds.tsv"
    table.write_text("patient\tfold\nMR/1\ttrain\nmr02\tval\nmr-30\ttest\n")
    split(tmp_path, source, splits=str(table))
    assert written(tmp_path) == [{"train": ["mr01-t2"], "val": ["mr02-t2"], "test": ["mr30-t2"]}]


def test_our_own_splits_come_back_as_they_were(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", [f"p{n}" for n in range(10)])
    for number, options in enumerate([{}, {"folds": 3}, {"folds": 3, "inner_folds": 2}]):
        one, two = tmp_path / f"{number}a", tmp_path / f"{number}b"
        split(one, source, **options)
        split(two, source, splits=str(one / "work" / "splits.json"))
        for mine, taken in zip(written(one), written(two), strict=True):
            assert {fold: mine[fold] for fold in taken} == taken


def test_a_table_of_patients_places_all_their_cases(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", [f"P{p}_{n}" for p in range(4) for n in range(2)])
    table = tmp_path / "folds.csv"
    table.write_text("patient,fold\np0,0\np1,0\nP2,1\np3,test\n")
    split(tmp_path, source, splits=str(table), patient_pattern=r"^P(\d)_")
    assert written(tmp_path)[1] == {
        "train": ["p0_0", "p0_1", "p1_0", "p1_1"],
        "val": ["p2_0", "p2_1"],
        "test": ["p3_0", "p3_1"],
    }
