from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from medprep.errors import SourceError
from medprep.evaluations.places import find_places
from medprep.formats import png


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(root: Path) -> list[str]:
    return [str(place) for place in find_places(root, "reference").places]


def test_a_file_is_a_volume_and_so_is_a_folder_with_slices(tmp_path):
    touch(tmp_path, "a/x10.nii.gz", "a/x9.NII", "b/y.mha", "b/y.nrrd", "c/d/s10.png", "c/d/s9.PNG")
    side = find_places(tmp_path, "reference")
    assert [str(place) for place in side.places] == ["a/x9", "a/x10", "b/y", "b/y", "c/d"]
    assert [place.kind for place in side.places] == ["nifti", "nifti", "itk", "itk", "png"]
    assert [path.name for path in side.places[-1].files] == ["s9.PNG", "s10.png"]
    assert not side.single and not side.notes


def test_a_path_of_one_volume_is_single(tmp_path):
    touch(tmp_path, "x.nii.gz", "s/1.png", "s/2.png")
    file = find_places(tmp_path / "x.nii.gz", "reference")
    stack = find_places(tmp_path / "s", "reference")
    assert file.single and str(file.places[0]) == "x"
    assert stack.single and len(stack.places[0].files) == 2 and str(stack.places[0]) == "s"


def test_what_is_no_volume_is_told_and_not_taken(tmp_path):
    touch(
        tmp_path, "a.nii.gz", "progress.png", "plans.json", "dataset.json", "summary.txt", "README",
        "._a.nii.gz", "__MACOSX/a.nii.gz",
    )  # fmt: skip
    side = find_places(tmp_path, "prediction")
    assert [str(place) for place in side.places] == ["a"]
    assert side.notes == (
        "prediction: passed over 1 .png beside volumes: figures, not slices",
        "prediction: passed over 2 .json, 1 no ending, 1 .txt",
    )


def test_pictures_beside_masks_are_left(tmp_path):
    touch(tmp_path, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", "imagesTs/b_0000.nii.gz")
    side = find_places(tmp_path, "reference")
    assert [str(place) for place in side.places] == ["labelsTr/a"]
    assert side.notes == ("reference: passed over 2 volumes with a picture's name",)


def test_pictures_alone_are_taken_for_labels_named_after_their_input(tmp_path):
    touch(tmp_path, "image_1.nii.gz", "image_2.nii.gz")
    assert names(tmp_path) == ["image_1", "image_2"]


def test_nothing_to_score_says_what_is_there(tmp_path):
    with pytest.raises(SourceError, match=r"of the reference holds nothing; wanted is \.nii\.gz"):
        find_places(tmp_path, "reference")
    touch(tmp_path, "a.txt", "b.txt", "c.dcm")
    with pytest.raises(SourceError, match=r"holds 2 \.txt, 1 \.dcm; wanted"):
        find_places(tmp_path, "reference")
    with pytest.raises(SourceError, match="no file that medprep reads") as caught:
        find_places(tmp_path / "a.txt", "reference")
    assert caught.value.path == str(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["missing", "x" * 300, "a\0b"])
def test_a_path_that_is_none_is_an_error_of_ours(tmp_path, name):
    with pytest.raises(SourceError, match="the prediction cannot be read"):
        find_places(tmp_path / name, "prediction")


def test_a_loop_of_links_is_walked_once(tmp_path):
    touch(tmp_path, "a/x.nii.gz")
    (tmp_path / "a" / "back").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["a/x"]
    (tmp_path / "own").symlink_to(tmp_path / "own")
    assert names(tmp_path) == ["a/x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_closed_folder_is_an_error(tmp_path):
    touch(tmp_path, "a/x.nii.gz", "b/y.nii.gz")
    (tmp_path / "b").chmod(0)
    try:
        with pytest.raises(SourceError, match="cannot be read"):
            find_places(tmp_path, "reference")
    finally:
        (tmp_path / "b").chmod(0o700)


def test_one_slice_may_be_named_itself(tmp_path):
    png.write_grey(tmp_path / "only.png", np.zeros((2, 3), np.uint8))
    side = find_places(tmp_path / "only.png", "reference")
    assert side.single and side.places[0].sliced and str(side.places[0]) == "only"
