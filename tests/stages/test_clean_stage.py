"""What `clean` does to a workspace, beyond the rules themselves, and a report without it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pair_sets import draw, write_set

import medprep
from medprep.errors import LabelError, OptionError
from medprep.formats import nifti
from medprep.stages import clean as clean_stage
from medprep.stages.clean import Clean

KIDNEYS = (("liver", 63, 63), ("kidneys", 126, 189))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Three cases with a liver, and kidneys that share a label."""
    write_set(tmp_path / "set")
    medprep.split(tmp_path / "set", workspace=tmp_path / "w")
    medprep.extract(label=KIDNEYS, unmapped="background", workspace=tmp_path / "w")
    return tmp_path / "w"


def test_a_report_does_without_pictures_that_were_deleted(work: Path) -> None:
    medprep.check(workspace=work)
    shutil.rmtree(work / "check")
    medprep.report(workspace=work)
    shutil.rmtree(work / "cleaned")
    assert medprep.report(workspace=work).exit_code == 0


def test_keep_of_takes_the_names_that_splitting_gives(work: Path) -> None:
    outcome = medprep.clean(split_pairs=True, keep_of=[("right_kidney", 1)], workspace=work)
    assert len(outcome.summaries[-1].made) == 3
    with pytest.raises(OptionError, match="names right_kidney; the organs are kidneys, liver"):
        medprep.clean(keep_of=[("right_kidney", 1)], workspace=work)


def test_keep_of_nought_keeps_all_pieces_of_that_organ() -> None:
    assert Clean(keep=1, keep_of=(("liver", 0),)).chosen().keep_of == (("liver", None),)
    with pytest.raises(OptionError, match="not -1"):
        Clean(keep_of=(("liver", -1),))


@pytest.mark.parametrize("options", [{}, {"keep_of": [("kidneys", 0)]}])
def test_both_kidneys_of_one_label_stay(work: Path, options: dict[str, Any]) -> None:
    outcome = medprep.clean(workspace=work, **options)
    before, after = (
        nifti.read_label_map(work / folder / "case_1.nii.gz").array == 2
        for folder in ("labels", "cleaned")
    )
    assert np.array_equal(before, after)
    assert "the rule keep took" not in "".join(outcome.summaries[-1].lines)


def test_much_that_keeping_one_piece_takes_is_told(work: Path) -> None:
    told = medprep.clean(keep=1, workspace=work).summaries[-1].lines
    assert any("took over 10% of it in 3 of 3 cases" in one for one in told)
    assert any("say --keep-of kidneys 0" in one for one in told)


def test_a_pair_whose_sides_have_labels_already_is_left_alone(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 1)
    medprep.split(tmp_path / "set", workspace=tmp_path / "w")
    names = (("right_kidney", 126, 126), ("kidneys", 189, 189), ("liver", 63, 63))
    medprep.extract(label=names, unmapped="background", workspace=tmp_path / "w")
    medprep.clean(split_pairs=True, workspace=tmp_path / "w")
    found = nifti.read_label_map(tmp_path / "w" / "cleaned" / "case_1.nii.gz").array
    for value, level in enumerate((126, 189, 63), 1):
        assert np.array_equal(found == value, draw(1)[1] == level)


def test_what_was_judged_so_before_is_not_judged_again(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    medprep.clean(min_ml=0.5, workspace=work)
    monkeypatch.setattr(clean_stage, "judge_case", None)  # would fail if it were called
    assert len(medprep.clean(min_ml=0.5, workspace=work).summaries[-1].kept) == 3


def test_pieces_that_are_all_of_an_organ_take_a_yes(work: Path) -> None:
    options = {"keep": 0, "min_piece_ml": 2.0, "workspace": work}
    with pytest.raises(LabelError, match=r"every mask of kidneys.*--yes"):
        medprep.clean(**options)
    assert "clean" not in [one.stage for one in medprep.status(work).stages]
    assert len(medprep.clean(yes=True, **options).summaries[-1].made) == 3
