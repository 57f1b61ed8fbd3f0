from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from medprep.errors import OptionError, SourceError, SplitError
from medprep.evaluations.pairs import Found, find_pairs


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def cases(found: Found) -> dict[str, str | None]:
    return {one.case: None if one.predicted is None else str(one.predicted) for one in found.pairs}


@pytest.fixture
def sides(tmp_path) -> tuple[Path, Path]:
    return tmp_path / "reference", tmp_path / "predicted"


def test_pairs_missing_and_extra_are_told_apart(sides):
    touch(sides[0], "case_10.nii.gz", "case_9.nii.gz", "case_8.nii.gz")
    touch(sides[1], "case_10_pred.nii.gz", "case_9.nii.gz", "case_11.nii.gz")
    found = find_pairs(*sides)
    assert cases(found) == {"case_8": None, "case_9": "case_9", "case_10": "case_10_pred"}
    assert [pair.case for pair in found.pairs] == ["case_8", "case_9", "case_10"]
    assert [pair.case for pair in found.missing] == ["case_8"]
    assert found.extra == ("case_11",)
    assert pickle.loads(pickle.dumps(found)) == found


def test_two_single_volumes_are_a_pair_whatever_they_are_called(sides):
    touch(sides[0], "truth_liver.nii.gz", "a/1.png", "a/2.png")
    touch(sides[1], "x9.nii", "b/7.png")
    for ours, theirs, case in (
        ("truth_liver.nii.gz", "x9.nii", "liver"),
        ("a", "b", "a"),
        ("truth_liver.nii.gz", "b", "liver"),
        ("a", "b/7.png", "a"),
    ):
        found = find_pairs(sides[0] / ours, sides[1] / theirs)
        assert [(pair.case, pair.predicted is None) for pair in found.pairs] == [(case, False)]


def test_a_file_finds_its_name_in_a_folder(sides):
    touch(sides[0], "case_2_gt.nii.gz")
    touch(sides[1], "case_1.nii.gz", "case_2.nii.gz", "only/z.nii.gz")
    found = find_pairs(sides[0] / "case_2_gt.nii.gz", sides[1])
    assert cases(found) == {"case_2": "case_2"} and len(found.extra) == 2
    assert len(find_pairs(sides[0] / "case_2_gt.nii.gz", sides[1] / "only").pairs) == 1


def test_nothing_in_common_says_what_is_on_each_side(sides):
    touch(sides[0], *(f"a{letter}.nii.gz" for letter in "pqrst"))
    touch(sides[1], "x/b.nii.gz")
    with pytest.raises(
        SourceError, match="reference holds 'ap', 'aq', 'ar' and 2 more; the prediction holds 'x/b'"
    ):
        find_pairs(*sides)


def test_an_empty_side_is_an_error(sides):
    touch(sides[0], "a.nii.gz")
    sides[1].mkdir()
    with pytest.raises(SourceError, match="folder of the prediction holds nothing"):
        find_pairs(*sides)
    with pytest.raises(SourceError, match="folder of the reference holds nothing"):
        find_pairs(sides[1], sides[0])


def test_one_place_is_not_held_against_itself(sides):
    touch(sides[0], "a.nii.gz")
    with pytest.raises(OptionError, match="the same place"):
        find_pairs(sides[0], sides[0] / ".." / "reference")


def test_a_case_given_twice_is_an_error(sides):
    touch(sides[0], "a.nii.gz", "a_gt.nii.gz")
    touch(sides[1], "a.nii.gz")
    with pytest.raises(SourceError, match=r"two volumes of the reference give one case: 'a\.nii"):
        find_pairs(*sides)
    with pytest.raises(SourceError, match="two volumes of the prediction"):
        find_pairs(sides[1], sides[0])


def test_two_names_of_one_safe_name_are_an_error(sides):
    touch(sides[0], "a+b.nii.gz", "a=b.nii.gz")
    touch(sides[1], "a+b.nii.gz", "a=b.nii.gz")
    with pytest.raises(SourceError, match=r"'a\+b' and 'a=b' .* both be the case a-b"):
        find_pairs(*sides)


def test_names_shared_by_folders_keep_their_folders(sides):
    for side in sides:
        touch(side, "north/1.nii.gz", "south/1.nii.gz", "south/2.nii.gz")
    assert list(cases(find_pairs(*sides))) == ["case002", "north-1", "south-1"]


def test_a_patient_is_a_case_unless_a_pattern_tells(sides):
    for side in sides:
        touch(side, "P1_a.nii.gz", "P1_b.nii.gz", "P02_a.nii.gz", "other.nii.gz")
    plain = find_pairs(*sides)
    assert all(pair.patient == pair.case for pair in plain.pairs)
    assert any("--patient-pattern" in note for note in plain.notes)
    told = find_pairs(*sides, patient_pattern=r"P(\d+)_")
    assert {pair.case: pair.patient for pair in told.pairs} == {
        "p1_a": "p1", "p1_b": "p1", "p02_a": "p02", "other": "other",
    }  # fmt: skip
    assert "3 cases of 2 patients by their names" in told.notes
    assert any(note.startswith("1 names do not match") for note in told.notes)
    with pytest.raises(SplitError, match="matches none of 4 names"):
        find_pairs(*sides, patient_pattern=r"Q(\d+)")
    with pytest.raises(OptionError):
        find_pairs(*sides, patient_pattern="P")


def test_a_pattern_must_tell_patients_apart(sides):
    for side in sides:
        touch(side, "a+b_1.nii.gz", "a=b_2.nii.gz")
    with pytest.raises(SplitError, match="one id to two patients"):
        find_pairs(*sides, patient_pattern="(.*)_")


def test_cases_of_chaos_are_called_and_grouped_as_split_does(sides, phantom):
    touch(sides[1], "mr01-t1in.nii.gz", "mr01-t2.nii.gz", "mr02-t2.nii.gz", "ct01-ct.nii.gz")
    found = find_pairs(phantom, sides[1])
    by_case = {pair.case: pair for pair in found.pairs}
    assert by_case["mr01-t1"].patient == by_case["mr01-t2"].patient == "mr01"
    assert str(by_case["mr01-t1"].predicted) == "mr01-t1in"
    assert "mr04-t2" not in by_case and by_case["mr03-t2"].predicted is None
    assert all(len(pair.grid) == len(pair.reference.files) for pair in found.pairs)
    assert not any(pair.grid_wanted for pair in found.pairs)
    assert f"{len(found.pairs)} grids from DICOM_anon beside Ground" in found.notes


def test_a_tree_of_dicom_gives_each_case_its_grid(sides, phantom):
    ground = sorted(phantom.rglob("MR/*/T2SPIR/Ground"))
    for folder in ground:
        number = folder.parts[-3]
        touch(sides[0], *(f"{number}/{path.name}" for path in folder.iterdir()))
        touch(sides[1], f"{number}.nii.gz")
    trees = sides[0].parent / "raw"
    for folder in ground[:2]:
        (trees / folder.parts[-3]).mkdir(parents=True)
        for path in (folder.parent / "DICOM_anon").iterdir():
            (trees / folder.parts[-3] / path.name).symlink_to(path)
    found = find_pairs(*sides, grid=trees)
    assert [len(pair.grid) > 0 for pair in found.pairs] == [True, True, False, False]
    assert all(pair.grid_wanted for pair in found.pairs)
    assert find_pairs(*sides).pairs[0].grid == ()


def test_a_grid_that_nobody_needs_is_told(sides, phantom):
    for side in sides:
        touch(side, "a.nii.gz")
    assert find_pairs(*sides, grid=phantom).notes == (
        "--grid is not needed: every file states its own grid",
    )
