from __future__ import annotations

from pathlib import Path

import pytest

from medprep.errors import SourceError
from medprep.evaluations.matching import distinct, match
from medprep.evaluations.places import Place, Side


def volume(name: str) -> Place:
    return Place("nifti", (Path("/data", f"{name}.nii.gz"),), tuple(name.split("/")))


def slices(name: str) -> Place:
    return Place("png", (Path("/data", name, "1.png"),), tuple(name.split("/")))


def paired(ours: list[str], theirs: list[str], make=volume) -> list[tuple[str, str]]:
    found = match([make(one) for one in ours], [make(one) for one in theirs])
    return sorted((ours[i], theirs[j]) for i, j in found.partner.items())


@pytest.mark.parametrize(
    ("reference", "prediction"),
    [
        ("case_7", "case_7"),
        ("case_7", "CASE_7"),
        ("labelsTr/case_7", "case_7"),
        ("case_7_gt", "case_7_pred"),
        ("case_7_seg", "case_7"),
        ("case_7", "case_7_0000"),
        ("gt/case-7", "case_7"),
        ("label_7", "image_7"),
        ("set/a/case_7", "a/case_7"),
        ("case_7", "fold_0/validation/case_7"),
        ("case_7/label", "case_7"),
        ("case_7/seg", "out/case_7/prediction"),
    ],
)
def test_a_name_is_known_again(reference, prediction):
    assert paired([reference, "case_8"], [prediction, "case_9"]) == [(reference, prediction)]


def test_the_exact_name_comes_first():
    # amos_0000 is a case, not the first channel of "amos".
    ours = ["amos_0000", "amos_0001", "amos"]
    assert paired(ours, ours) == sorted((one, one) for one in ours)


def test_what_two_would_fit_stays_alone():
    assert paired(["a/case_1", "b/case_1"], ["case_1"]) == []
    assert paired(["a/case_1", "b/case_1"], ["case_1", "b/case_1"]) == [
        ("a/case_1", "case_1"), ("b/case_1", "b/case_1"),
    ]  # fmt: skip


def test_another_folder_counts_only_where_no_path_fits():
    assert paired(["train/case_1"], ["fold/case_1"]) == [("train/case_1", "fold/case_1")]
    # Two sites: the first of each may be two people.
    assert paired(["a/case_1", "b/case_2"], ["c/case_1", "b/case_2"]) == [("b/case_2", "b/case_2")]


def test_numbers_count_only_where_no_name_fits():
    found = match([volume("liver_3"), volume("liver_012")], [volume("p12"), volume("p003")])
    assert found.partner == {0: 1, 1: 0}
    assert found.notes == [
        "paired by their numbers alone: 'liver_3' and 'p003', 'liver_012' and 'p12'"
    ]
    assert paired(["liver_3", "x"], ["p3", "x"]) == [("x", "x")]
    assert paired(["liver_3_1"], ["p3"]) == []


def test_results_of_chaos_pair_with_ground_truth():
    ours = [f"Train_Sets/{one}/Ground" for one in ("CT/3", "MR/3/T1DUAL", "MR/3/T2SPIR")]
    theirs = [f"Task5/{one}/Results" for one in ("MR/3/T2SPIR", "CT/3", "MR/3/T1DUAL")]
    assert paired(ours, theirs, slices) == [
        (ours[0], theirs[1]), (ours[1], theirs[2]), (ours[2], theirs[0]),
    ]  # fmt: skip


def test_predictions_of_a_workspace_pair_with_ground_truth():
    ours = [slices("CHAOS/MR/1/T2SPIR/Ground"), slices("CHAOS/MR/1/T1DUAL/Ground")]
    assert match(ours, [volume("mr01-t1in"), volume("mr01-t2")]).partner == {0: 1, 1: 0}


def test_many_cases_pair_too():
    names = [f"site/{n}/case_{n}" for n in range(3000)]
    assert len(paired(names, [f"x/{one}" for one in reversed(names)])) == 3000


def test_two_files_of_one_case_are_refused_by_name():
    side = Side("prediction", (volume("case_1_gt"), volume("case_2"), volume("case_1_seg")))
    with pytest.raises(SourceError, match=r"'case_1_gt\.nii\.gz' and 'case_1_seg\.nii\.gz'"):
        distinct(side)
    both = Side("prediction", (slices("pred/case_1"), slices("gt/case_1")))
    with pytest.raises(SourceError, match="'pred/case_1' and 'gt/case_1'"):
        distinct(both)


def test_slices_beside_their_volume_are_left():
    side = distinct(Side("prediction", (slices("mr01-t2"), volume("mr01-t2"), volume("b")), ("n",)))
    assert [place.kind for place in side.places] == ["nifti", "nifti"]
    assert side.notes[0] == "n" and "passed over 1 folder of slices" in side.notes[1]
