"""A task of the Medical Segmentation Decathlon as a source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from json_sets import write_labels, write_msd, write_volume

from medprep.errors import FormatError, SourceError
from medprep.formats import nifti
from medprep.formats.nifti import NiftiWriter
from medprep.sources.base import SourceSet
from medprep.sources.detect import open_source, read_mask, read_picture


def note(found: SourceSet, word: str) -> str:
    (one,) = [text for text in found.notes if word in text]
    return one


def test_cases_as_its_lists_say(tmp_path: Path) -> None:
    folder = write_msd(tmp_path)
    found = open_source(folder)
    assert found.preset == "msd"
    assert [(case.case, case.fold) for case in found.cases] == [
        ("spleen_1", ""), ("spleen_2", ""), ("spleen_10", ""),
    ]  # fmt: skip
    test, case, _ = found.cases
    assert test.masks == ()
    assert case.masks == (folder / "labelsTr" / "spleen_2.nii.gz",)
    assert (case.modality, case.reader) == ("CT", "nifti")
    assert [str(organ) for organ in found.table.organs] == ["spleen 1", "left_atrium 2"]
    assert found.notes[0] == "msd: 3 pictures, 2 with masks"
    picture = read_picture(case.reader, case.pictures, case.modality)
    mask, _ = read_mask(case.reader, case.masks, picture.order, picture.volume.geometry)
    assert (picture.volume.array[2, 3, 4], mask[2, 3, 4]) == (59, 59 % 3)


def test_a_file_that_no_list_names_is_counted(tmp_path: Path) -> None:
    folder = write_msd(tmp_path)
    write_volume(folder / "imagesTr" / "spleen_7.nii.gz")
    (folder / "imagesTr" / "._spleen_2.nii.gz").write_bytes(b"macOS")
    (folder / "._dataset.json").write_bytes(b"macOS")
    found = open_source(folder)
    assert len(found.cases) == 3
    assert "passed over: 3 files that belong to no case (2 hidden" in note(found, "passed over")


def test_of_several_modalities_the_first_is_taken(tmp_path: Path) -> None:
    folder = write_msd(tmp_path, modality={"0": "T2", "1": "ADC"})
    path = folder / "imagesTr" / "spleen_2.nii.gz"
    first = nifti.read(path)
    with NiftiWriter(path, first.geometry, first.array.dtype, volumes=2) as out:
        out.write(first.array)
        out.write(first.array + 1)
    found = open_source(folder)
    assert note(found, "4D file").startswith("2 modalities in one 4D file (T2, ADC)")
    assert {case.modality for case in found.cases} == {"MR"}
    case = next(case for case in found.cases if case.case == "spleen_2")
    assert case.sequence == "t2"
    picture = read_picture(case.reader, case.pictures, case.modality, sequence=case.sequence)
    assert np.array_equal(picture.volume.array, first.array)
    with pytest.raises(FormatError, match="wanted is one volume"):
        nifti.read(path)
    with pytest.raises(FormatError, match="no volume 2: there are 2"):
        nifti.read(path, volume=2)
    assert np.array_equal(nifti.read(path, volume=1).array, first.array + 1)


def test_a_list_of_validation_cases_as_amos_has_it(tmp_path: Path) -> None:
    folder = write_msd(tmp_path)
    picture = write_volume(folder / "imagesVa" / "amos_0008.nii.gz")
    mask = write_labels(folder / "labelsVa" / "amos_0008.nii.gz")
    write_msd(
        tmp_path,
        validation=[
            {"image": f"./imagesVa/{picture.name}", "label": f"./labelsVa/{mask.name}"},
        ],
        test=[{"image": "./imagesTs/spleen_1.nii.gz"}],
    )  # fmt: skip
    found = open_source(folder)
    assert {case.case: case.fold for case in found.cases if case.fold} == {"amos_0008": "val"}
    assert len(found.cases) == 4


def test_masks_of_test_cases_beside_them(tmp_path: Path) -> None:
    folder = write_msd(tmp_path)
    write_labels(folder / "labelsTs" / "spleen_1.nii.gz")
    found = open_source(folder)
    assert {case.case: case.fold for case in found.cases if case.fold} == {"spleen_1": "test"}
    assert found.notes[0] == "msd: 3 pictures, 3 with masks (1 test as its lists say)"


def test_a_name_that_comes_twice_bears_its_number(tmp_path: Path) -> None:
    found = open_source(write_msd(tmp_path, labels={"0": "background", "1": "cyst", "2": "Cyst"}))
    assert found.table.names == ("cyst_1", "cyst_2")


def test_a_picture_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = write_msd(tmp_path)
    (folder / "imagesTr" / "spleen_2.nii.gz").unlink()
    found = open_source(folder)
    assert [case.case for case in found.cases] == ["spleen_1", "spleen_10"]
    assert "1 pictures that dataset.json lists are not there" in note(found, "not there")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"test": ["../../other.nii.gz"]}, "leads out of its folder"),
        ({"test": ["/etc/other.nii.gz"]}, "leads out of its folder"),
        ({"test": [7]}, "entry 1 of 'test' names no picture"),
        ({"test": ["dataset.json"]}, "a picture ends in '.json'"),
        ({"training": [], "test": []}, "none of the pictures that it lists is there"),
    ],
)
def test_what_cannot_be_used_is_refused(
    tmp_path: Path, record: dict[str, object], message: str
) -> None:
    folder = write_msd(tmp_path, **record)
    with pytest.raises(SourceError, match=message):
        open_source(folder)
