"""nnU-Net's raw form as a source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_mask
from json_sets import write_json, write_labels, write_nnunet, write_volume

from medprep.errors import SourceError
from medprep.sources.base import SourceSet
from medprep.sources.detect import open_source, read_mask, read_picture


def note(found: SourceSet, word: str) -> str:
    (one,) = [text for text in found.notes if word in text]
    return one


def test_cases_with_their_labels(tmp_path: Path) -> None:
    folder = write_nnunet(tmp_path, test=("la_001",))
    found = open_source(folder)
    assert found.preset == "nnunet"
    assert [case.case for case in found.cases] == ["la_001", "la_002", "la_003", "la_010"]
    first, second, *_ = found.cases
    assert (first.masks, first.fold, second.fold, second.identity) == ((), "", "", "la_002")
    assert second.pictures == (folder / "imagesTr" / "la_002_0000.nii.gz",)
    assert second.masks == (folder / "labelsTr" / "la_002.nii.gz",)
    assert [str(organ) for organ in found.table.organs] == ["left_atrium 1", "rest 2"]
    assert {case.modality for case in found.cases} == {"MR"}
    assert found.notes[0] == "nnunet: 4 pictures, 3 with masks"
    assert not [text for text in found.notes if "passed over" in text]


def test_voxels_lie_where_they_lay(tmp_path: Path) -> None:
    case = open_source(write_nnunet(tmp_path)).cases[0]
    picture = read_picture(case.reader, case.pictures, case.modality)
    mask, notes = read_mask(case.reader, case.masks, picture.order, picture.volume.geometry)
    assert (picture.volume.array[2, 3, 4], mask[2, 3, 4]) == (59, 59 % 3)
    assert picture.volume.geometry.spacing_mm == (3, 1, 1)
    assert notes == ()


def test_the_folder_above_will_do(tmp_path: Path) -> None:
    write_nnunet(tmp_path)
    assert len(open_source(tmp_path, "nnunet").cases) == 3
    write_nnunet(tmp_path / "more")
    (tmp_path / "more" / "Dataset501_Heart").rename(tmp_path / "Dataset502_Heart")
    with pytest.raises(SourceError, match="2 data sets lie here: Dataset501_Heart, Dataset502_H"):
        open_source(tmp_path, "nnunet")


def test_one_of_several_channels_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    found = open_source(write_nnunet(tmp_path, channels=("FLAIR", "T1w", "T2w")))
    assert all(case.pictures[0].name.endswith("_0000.nii.gz") for case in found.cases)
    text = note(found, "channels")
    assert "only the first, _0000 (FLAIR), is taken" in text
    assert "left out: _0001 (T1w), _0002 (T2w)" in text


def test_a_case_without_its_first_channel_is_passed_over(tmp_path: Path) -> None:
    folder = write_nnunet(tmp_path, channels=("FLAIR", "T1w"))
    (folder / "imagesTr" / "la_003_0000.nii.gz").unlink()
    found = open_source(folder)
    assert [case.case for case in found.cases] == ["la_002", "la_010"]
    assert "1 cases without their first channel _0000, first 'la_003'" in note(found, "first chan")


def test_regions_and_labels_that_only_regions_hold(tmp_path: Path) -> None:
    labels = {"background": 0, "whole tumor": [1, 2, 3], "core": [2, 3], "enhancing": [3]}
    found = open_source(write_nnunet(tmp_path, labels=labels, regions_class_order=[1, 2, 3]))
    assert found.table.names == ("label_1", "label_2", "enhancing")
    assert found.regions == {
        "whole_tumor": ("label_1", "label_2", "enhancing"),
        "core": ("label_2", "enhancing"),
    }
    assert note(found, "region core") == "region core: label_2 + enhancing"


def test_names_take_the_form_of_organs(tmp_path: Path) -> None:
    labels = {"background": 0, " Left-Kidney (L) ": 1, "liver+vein": 2, "Niere \u00e4": 3, "!": 4}
    found = open_source(write_nnunet(tmp_path, labels=labels))
    assert found.table.names == ("left_kidney_l", "liver+vein", "niere", "x")


def test_ignore_is_no_organ(tmp_path: Path) -> None:
    found = open_source(write_nnunet(tmp_path, labels={"background": 0, "a": 1, "ignore": 2}))
    assert found.table.names == ("a",)
    assert note(found, "'ignore'").startswith("label 2 is 'ignore'")


def test_test_cases_with_masks_are_the_test_fold(tmp_path: Path) -> None:
    folder = write_nnunet(tmp_path, test=("la_001", "la_004"))
    write_labels(folder / "labelsTs" / "la_004.nii.gz")
    found = open_source(folder)
    assert {case.case: case.fold for case in found.cases} == {
        "la_001": "", "la_002": "", "la_003": "", "la_010": "", "la_004": "test",
    }  # fmt: skip
    assert "1 of them in labelsTs: taken as the test fold" in found.notes[0]


@pytest.mark.parametrize("place", ["beside", "preprocessed"])
def test_a_split_that_came_with_it_is_found(tmp_path: Path, place: str) -> None:
    folder = write_nnunet(tmp_path / "nnUNet_raw")
    assert open_source(folder).splits is None
    home = {
        "beside": folder,
        "preprocessed": tmp_path / "nnUNet_preprocessed" / "Dataset501_Heart",
    }[place]
    home.mkdir(parents=True, exist_ok=True)
    (home / "splits_final.json").write_text(json.dumps([{"train": ["la_003"], "val": ["la_002"]}]))
    found = open_source(folder)
    assert found.splits == home / "splits_final.json"
    assert note(found, "splits_final.json came with it")
    assert not [text for text in found.notes if "passed over" in text]


def test_files_that_dataset_json_lists_itself(tmp_path: Path) -> None:
    write_volume(tmp_path / "raw" / "p1" / "scan.nii.gz")
    write_labels(tmp_path / "raw" / "p1" / "seg.nii.gz")
    folder = write_nnunet(
        tmp_path, training=(), numTraining=1,
        dataset={"p1": {"images": ["../raw/p1/scan.nii.gz"], "label": "../raw/p1/seg.nii.gz"}},
    )  # fmt: skip
    (case,) = open_source(folder).cases
    assert case.case == "p1"
    assert case.pictures[0].samefile(tmp_path / "raw" / "p1" / "scan.nii.gz")
    assert case.masks[0].samefile(tmp_path / "raw" / "p1" / "seg.nii.gz")


def test_png_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset001_Cells"
    for number in (1, 2):
        grey = np.full((4, 5), number, np.uint8)
        write_mask(folder / "imagesTr" / f"cell_{number}_0000.png", grey * 50)
        write_mask(folder / "labelsTr" / f"cell_{number}.png", grey)
    write_json(
        folder, channel_names={"0": "light"}, labels={"background": 0, "cell": 1, "border": 2},
        numTraining=2, file_ending=".png",
    )  # fmt: skip
    found = open_source(folder)
    assert [(case.case, case.reader) for case in found.cases] == [
        ("cell_1", "png"), ("cell_2", "png"),
    ]  # fmt: skip
    case = found.cases[1]
    picture = read_picture(case.reader, case.pictures, case.modality)
    mask, _ = read_mask(case.reader, case.masks, picture.order, picture.volume.geometry)
    assert (picture.volume.array.max(), mask.max()) == (100, 2)
    assert found.table.names == ("cell", "border")


def test_what_belongs_to_no_case_is_counted(tmp_path: Path) -> None:
    folder = write_nnunet(tmp_path, numTraining=7)
    (folder / "imagesTr" / "._la_003_0000.nii.gz").write_bytes(b"macOS")
    (folder / "readme.txt").write_text("x")
    write_labels(folder / "labelsTr" / "lonely.nii.gz")
    found = open_source(folder)
    assert len(found.cases) == 3
    assert note(found, "masks without") == "passed over: 1 masks without a picture, first 'lonely'"
    assert "3 files that belong to no case (1 hidden" in note(found, "belong to no case")
    assert note(found, "speaks of") == "dataset.json speaks of 7 training cases; 3 are there"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"file_ending": ".nrrd"}, "its files end in '.nrrd'; medprep reads .nii.gz"),
        ({"labels": [1, 2]}, "labels are no table"),
        ({"labels": {"background": 0, "liver": "one"}}, "label 'liver' is one; wanted is a whole"),
        ({"labels": {"background": 0, "liver": -1}}, "label 'liver' is -1"),
        ({"labels": {"background": 0, "a": 1, "b": 1}}, "label 1 has two names, a and b"),
        ({"labels": {"background": 0, "a b": 1, "a-b": 2}}, "named twice"),
        ({"channel_names": ["CT"]}, "channel_names are no table"),
        ({"dataset": {"a": {"images": "x"}}}, "'a' lists no images and label"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, record: dict[str, object], message: str
) -> None:
    folder = write_nnunet(tmp_path, **record)
    with pytest.raises(SourceError, match=message):
        open_source(folder)


def test_a_broken_dataset_json_is_refused(tmp_path: Path) -> None:
    folder = write_nnunet(tmp_path)
    (folder / "dataset.json").write_bytes(b'{"channel_names": ')
    with pytest.raises(SourceError, match=r"dataset\.json cannot be read: JSONDecodeError"):
        open_source(folder)
    write_json(folder, something="else")
    with pytest.raises(SourceError, match="wanted is nnunet"):
        open_source(folder, "nnunet")


def test_no_case_at_all_is_refused(tmp_path: Path) -> None:
    folder = write_nnunet(tmp_path, training=())
    with pytest.raises(SourceError, match=r"wanted are imagesTr/<case>_0000\.nii\.gz"):
        open_source(folder)
