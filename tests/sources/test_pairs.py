"""Pictures and masks as pairs of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom, write_mask

import medprep
from medprep.errors import FormatError, GeometryError, LabelError, OptionError, SourceError
from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.organs import BINARY
from medprep.sources.base import SourceSet
from medprep.sources.detect import open_source, read_mask, read_picture
from medprep.volume import Volume

SHAPE = (3, 4, 5)


def write_nifti(path: Path, array: np.ndarray | None = None, shift_mm: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.arange(60, dtype=np.int16).reshape(SHAPE) if array is None else array
    grid = Geometry.from_parts(values.shape, (3, 1, 1), (shift_mm, 0, 0))
    nifti.write(path, Volume(values, grid))
    return path


def write_labels(path: Path, highest: int = 2, **options: float) -> Path:
    array = (np.arange(60) % (highest + 1)).astype(np.uint8).reshape(SHAPE)
    return write_nifti(path, array, **options)


def pairs(found: SourceSet) -> dict[str, tuple[str, ...]]:
    """Case to the names of its picture and, if any, its mask."""
    return {
        case.case: tuple(path.name for path in (*case.pictures, *case.masks))
        for case in found.cases
    }


def test_two_folders(tmp_path: Path) -> None:
    for name in ("hippocampus_10", "hippocampus_2"):
        write_nifti(tmp_path / "imagesTr" / f"{name}.nii.gz")
        write_labels(tmp_path / "labelsTr" / f"{name}.nii.gz")
    found = open_source(tmp_path)
    assert found.preset == "nifti-pairs"
    assert list(pairs(found)) == ["hippocampus_2", "hippocampus_10"], "natural order"
    case = found.cases[0]
    assert (case.patient, case.reader, case.fold, case.modality) == (case.case, "nifti", "", "")
    assert case.masks[0].parent.name == "labelsTr"
    assert found.table.names == ("label_1", "label_2")
    assert "each picture counts as its own patient" in found.notes[-1]


def test_a_workspace_in_the_source_is_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a_01", "a_02", "a_03"):
        write_nifti(tmp_path / "imagesTr" / f"{name}.nii.gz")
        write_labels(tmp_path / "labelsTr" / f"{name}.nii.gz")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        medprep.split(".")
        outcome = medprep.convert()
        assert (outcome.summaries[-1].made or outcome.summaries[-1].kept) == [
            "a_01",
            "a_02",
            "a_03",
        ]
    said = medprep.split(".").summaries[0]
    assert said.made == ["a_01", "a_02", "a_03"]
    assert (
        "medprep-work below the source is the workspace and no part of the data set" in said.lines
    )
    with pytest.raises(OptionError, match="is the folder of the data set itself"):
        medprep.split(".", workspace=tmp_path)


def test_one_folder_with_two_names(tmp_path: Path) -> None:
    for number in (1, 10, 2):
        write_nifti(tmp_path / f"image_{number}.nii.gz")
        write_labels(tmp_path / f"label_{number}.nii.gz", highest=number)
    found = open_source(tmp_path)
    assert pairs(found) == {
        f"case{n:03d}": (f"image_{n}.nii.gz", f"label_{n}.nii.gz") for n in (1, 2, 10)
    }
    assert len(found.table.organs) == 10, "labels of all masks"


@pytest.mark.parametrize(
    ("picture", "mask", "case"),
    [
        ("p01/image.nii", "p01/label.nii", "p01"),
        ("p01/t1.nii.gz", "p01/t1_seg.nii.gz", "t1"),
        ("images/a.nii.gz", "masks/a_mask.nii", "a"),
        ("images/image_3.nii", "labels/image_3.nii", "case003"),
        ("Images/A.nii", "Segmentations/a.NII", "a"),
        ("segmentation_of_livers/images/a.nii", "segmentation_of_livers/labels/a.nii", "a"),
        ("mydata/image.nii", "mydata/seg.nii", "mydata"),
        ("image.nii", "label.nii", "x"),
        (
            "RawData/Training/img/img0001.nii.gz",
            "RawData/Training/label/label0001.nii.gz",
            "case001",
        ),
        ("imagesTr/amos_0001.nii.gz", "labelsTr/amos_0001.nii.gz", "amos_0001"),
    ],
)
def test_other_habits(tmp_path: Path, picture: str, mask: str, case: str) -> None:
    write_nifti(tmp_path / picture)
    write_labels(tmp_path / mask)
    assert pairs(open_source(tmp_path)) == {case: (Path(picture).name, Path(mask).name)}


def test_words_inside_words_say_nothing(tmp_path: Path) -> None:
    write_nifti(tmp_path / "segovia_labelled_imagery.nii")
    assert pairs(open_source(tmp_path)) == {
        "segovia_labelled_imagery": ("segovia_labelled_imagery.nii",)
    }


def write_png_set(root: Path) -> None:
    for fold, names in (("train", ("Aug_No_10", "Aug_No_2")), ("val", ("P1_T1_00042",))):
        for name in names:
            write_mask(root / fold / "Data" / f"{name}.png", np.full((4, 5), 90, np.uint8), "RGBA")
            mask = (np.eye(4, 5) * 255).astype(np.uint8)
            write_mask(root / fold / "Ground" / f"{name}.png", mask, "RGB")


def test_folders_that_are_a_split(tmp_path: Path) -> None:
    write_png_set(tmp_path)
    found = open_source(tmp_path)
    assert found.preset == "png-pairs"
    assert found.table == BINARY
    assert {case.case: case.fold for case in found.cases} == {
        "aug_no_2": "train",
        "aug_no_10": "train",
        "p1_t1_00042": "val",
    }
    assert all(case.masks[0].parent.name == "Ground" for case in found.cases)
    assert "the folders are taken as the split: 2 train, 1 val" in found.notes


@pytest.mark.parametrize(
    ("picture", "mask"),
    [("a.jpg", "a.jpg"), ("a.JPEG", "a.png"), ("a.png", "a.jpg"), ("a_image.jpg", "a_mask.png")],
)
def test_jpeg_pictures_and_masks_are_found(tmp_path: Path, picture: str, mask: str) -> None:
    write_mask(tmp_path / "images" / picture, np.full((8, 8), 90, np.uint8))
    write_mask(tmp_path / "masks" / mask, np.full((8, 8), 255, np.uint8))
    found = open_source(tmp_path)
    assert found.preset == "png-pairs"
    assert pairs(found) == {"a": (picture, mask)}


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_masks_of_every_kind_are_read(tmp_path: Path, mode: str) -> None:
    write_mask(tmp_path / "images" / "a.png", np.full((4, 5), 90, np.uint8))
    eye = np.eye(4, 5)
    if mode == "I;16":
        write_mask(tmp_path / "masks" / "a.png", (eye * 40000).astype(np.uint16))
    else:
        write_mask(tmp_path / "masks" / "a.png", (eye * 255).astype(np.uint8), mode)
    (case,) = open_source(tmp_path).cases
    mask, _ = read_mask("png", case.masks, (0,), Geometry.from_parts((1, 4, 5), (1, 1, 1)))
    assert (mask[0] > 0).tolist() == (eye > 0).tolist()
    assert len(np.unique(mask)) == 2


def test_a_logo_beside_slices_is_no_data_set(tmp_path: Path) -> None:
    write_mask(tmp_path / "logo.jpg", np.zeros((8, 8), np.uint8))
    for place in range(3):
        write_dicom(tmp_path / "a" / f"{place}", np.eye(4, dtype=np.int16), (0, 0, place))
    assert open_source(tmp_path).preset == "dicom"
    assert open_source(tmp_path, "png-pairs").preset == "png-pairs"


def test_one_name_in_two_folds_is_two_cases(tmp_path: Path) -> None:
    for fold in ("training", "validation"):
        write_mask(tmp_path / fold / "images" / "7.png", np.zeros((2, 2), np.uint8))
    assert {case.case: case.fold for case in open_source(tmp_path).cases} == {
        "training-7": "train",
        "validation-7": "val",
    }


def test_png_pictures_and_masks_are_read(tmp_path: Path) -> None:
    write_png_set(tmp_path)
    case = open_source(tmp_path).cases[0]
    picture = read_picture(case.reader, case.pictures, case.modality)
    assert picture.volume.array.shape == (1, 4, 5)
    assert not picture.spacing_known
    assert picture.notes == ("no millimetres known",)
    mask, notes = read_mask(case.reader, case.masks, picture.order, picture.volume.geometry)
    assert mask[0].tolist() == (np.eye(4, 5) * 255).tolist()
    assert notes == ()


def test_a_png_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    grid = Geometry.from_parts((1, 4, 5), (1, 1, 1))
    png.write_grey(tmp_path / "a.png", np.zeros((5, 4), np.uint8))
    with pytest.raises(LabelError, match="5 x 4 pixels, its picture 4 x 5"):
        read_mask("png", [tmp_path / "a.png"], (0,), grid)


def test_a_mask_without_picture_is_refused(tmp_path: Path) -> None:
    write_nifti(tmp_path / "images" / "a.nii")
    write_labels(tmp_path / "labels" / "a.nii")
    write_labels(tmp_path / "labels" / "b.nii")
    with pytest.raises(SourceError, match=r"1 masks have no picture .* first 'b'.*labels/b.nii"):
        open_source(tmp_path)


def test_a_picture_without_mask_is_predicted_only(tmp_path: Path) -> None:
    write_nifti(tmp_path / "images" / "a.nii")
    write_labels(tmp_path / "labels" / "a.nii")
    write_nifti(tmp_path / "images" / "b.nii")
    found = open_source(tmp_path)
    assert pairs(found) == {"a": ("a.nii", "a.nii"), "b": ("b.nii",)}
    assert found.notes[0] == "nifti-pairs: 2 pictures, 1 with masks"


def test_masks_alone_are_no_data_set(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels" / "a.nii")
    with pytest.raises(SourceError, match=r"found 1 \.nii; wanted is the CHAOS layout"):
        open_source(tmp_path)


def test_two_files_for_one_pair_are_refused(tmp_path: Path) -> None:
    write_nifti(tmp_path / "images" / "a.nii")
    write_nifti(tmp_path / "images" / "a.nii.gz")
    with pytest.raises(SourceError, match=r"two files give the pair 'a'"):
        open_source(tmp_path)


def test_two_names_for_one_case_are_refused(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a b.nii")
    write_nifti(tmp_path / "a+b.nii")
    with pytest.raises(SourceError, match="two pictures would be the case a-b: rename one"):
        open_source(tmp_path)


def test_what_macos_leaves_is_no_picture(tmp_path: Path) -> None:
    write_nifti(tmp_path / "images" / "a.nii")
    (tmp_path / "images" / "._a.nii").write_bytes(b"stranger")
    found = open_source(tmp_path)
    assert list(pairs(found)) == ["a"]
    assert "passed over: 1 files of another kind" in found.notes


def test_a_broken_mask_spoils_only_its_case(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_nifti(tmp_path / "images" / f"{name}.nii")
        write_labels(tmp_path / "labels" / f"{name}.nii")
    (tmp_path / "labels" / "b.nii").write_bytes(b"broken")
    sheared = bytearray((tmp_path / "labels" / "c.nii").read_bytes())
    sheared[280:328] = np.array([1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0], "<f4").tobytes()
    (tmp_path / "labels" / "c.nii").write_bytes(sheared)
    found = open_source(tmp_path)
    assert list(pairs(found)) == ["a", "b", "c"]
    assert [note[:2] for note in found.notes[-2:]] == ["b:", "c:"]
    assert found.table.names == ("label_1", "label_2")


@pytest.mark.parametrize(
    ("shift_mm", "notes"), [(0, 0), (0.04, 0), (0.06, 1), (0.49, 1), (0.51, None)]
)
def test_masks_lie_where_their_pictures_lie(
    tmp_path: Path, shift_mm: float, notes: int | None
) -> None:
    picture = read_picture("nifti", [write_nifti(tmp_path / "a.nii")], "")
    mask = write_labels(tmp_path / "b.nii", shift_mm=shift_mm)
    grid = picture.volume.geometry
    if notes is None:
        with pytest.raises(GeometryError, match=r"0\.51 mm apart, more than half a voxel.*b\.nii"):
            read_mask("nifti", [mask], picture.order, grid)
    else:
        assert len(read_mask("nifti", [mask], picture.order, grid)[1]) == notes


def test_a_nifti_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    write_nifti(tmp_path / "b.nii", np.zeros((3, 5, 4), np.uint8))
    grid = Geometry.from_parts(SHAPE, (3, 1, 1))
    with pytest.raises(LabelError, match=r"\(3, 5, 4\) voxels, its picture \(3, 4, 5\)"):
        read_mask("nifti", [tmp_path / "b.nii"], (0,), grid)


def test_nifti_pictures_are_stored_small(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "a.nii", np.arange(60.0).reshape(SHAPE))
    picture = read_picture("nifti", [path], "MR")
    assert picture.volume.array.dtype == np.int16
    assert picture.volume.modality == "MR"
    assert picture.spacing_known
    (tmp_path / "a.nii").write_bytes(b"broken")
    with pytest.raises(FormatError):
        read_picture("nifti", [path], "MR")
