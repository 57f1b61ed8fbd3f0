"""Masks that are DICOM series, one folder for each organ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import AXIAL, write_dicom
from dicom_stacks import SAGITTAL

from medprep.errors import GeometryError, LabelError, SourceError
from medprep.sources.base import SourceCase, SourceSet
from medprep.sources.detect import Picture, open_source, read_picture
from medprep.sources.dicom_masks import files_by_organ, read_organ_masks

SLICES = 12


def plane(number: int) -> np.ndarray:
    """A mask whose set pixels tell the number of its slice."""
    return (np.arange(24).reshape(4, 6) < number + 1).astype(np.uint8) * 255


def write_stack(
    folder: Path, *, slices: range = range(SLICES), mask: bool = True, up: bool = True, **tags: Any
) -> None:
    """Write slices named by their number; its z rises with it, or falls."""
    orientation = tags.pop("orientation", AXIAL)
    normal = np.cross(orientation[:3], orientation[3:])
    shift = tags.pop("shift", 0.0)
    placed = tags.pop("placed", True)
    for number in slices:
        pixels = plane(number) if mask else np.full((4, 6), 10 * number, np.int16)
        own = {"ImagePositionPatient": None, "ImageOrientationPatient": None} if not placed else {}
        height = (2.0 * number if up else -2.0 * number) + shift
        write_dicom(
            folder / f"image_{number}", pixels, height * normal, orientation,
            Modality="CT", **{**own, **tags},
        )  # fmt: skip


def write_patient(root: Path, *, organs: tuple[str, ...] = ("liver",), **tags: Any) -> Path:
    write_stack(root / "PATIENT_DICOM", mask=False, **tags)
    for organ in organs:
        write_stack(root / "MASKS_DICOM" / organ, **tags)
    return root


def only_case(root: Path) -> tuple[SourceCase, Picture]:
    (case,) = open_source(root).cases
    return case, read_picture(case.reader, case.pictures, case.modality)


def read_masks(case: SourceCase, picture: Picture) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    return read_organ_masks(files_by_organ(case.masks), picture.volume.geometry, picture.order)


def test_patients_and_their_organs(tmp_path: Path) -> None:
    organs = ("liver", "livertumor01", "leftkidney", "portalvein")
    for number in (2, 10):
        write_patient(tmp_path / f"3Dircadb1.{number}", organs=organs)
    (tmp_path / "3Dircadb1.2" / "MESHES_VTK").mkdir()
    (tmp_path / "3Dircadb1.2" / "MESHES_VTK" / "liver.vtk").write_text("mesh")
    (tmp_path / "3Dircadb1.2" / "MASKS_DICOM" / "liver" / "._image_0").write_bytes(b"macOS")
    found = open_source(tmp_path)
    assert found.preset == "dicom-masks"
    assert [case.case for case in found.cases] == ["3dircadb1-02", "3dircadb1-10"]
    assert found.table.names == ("left_kidney", "liver", "livertumor01", "portalvein")
    assert "passed over: 2 files outside PATIENT_DICOM" in found.notes[1]
    case = found.cases[0]
    assert (case.modality, case.reader, len(case.pictures)) == ("CT", "dicom-masks", SLICES)
    assert len(case.masks) == len(case.organs) == 4 * SLICES
    for path, organ in zip(case.masks, case.organs, strict=True):
        assert path.parent.name.replace("left", "left_") == organ
    assert [path.name for path in case.pictures[:3]] == ["image_0", "image_1", "image_2"]


def test_a_name_that_may_be_a_persons_becomes_a_pseudonym(tmp_path: Path) -> None:
    write_patient(tmp_path / "Doe_Jane")
    found: SourceSet = open_source(tmp_path, key=b"key")
    (case,) = found.cases
    assert case.case == case.patient
    assert "doe" not in case.case
    assert case.identity == "Doe_Jane"
    assert open_source(tmp_path, key=b"other").cases[0].case != case.case


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize("orientation", [AXIAL, SAGITTAL])
def test_slices_are_paired_by_place(
    tmp_path: Path, up: bool, orientation: tuple[float, ...]
) -> None:
    write_patient(tmp_path, organs=(), up=up, orientation=orientation)
    # The mask's names count the other way: only positions tell.
    normal = np.cross(orientation[:3], orientation[3:])
    for number in range(SLICES):
        height = 2.0 * number if up else -2.0 * number
        write_dicom(
            tmp_path / "MASKS_DICOM" / "liver" / f"image_{SLICES - number}", plane(number),
            height * normal, orientation,
        )  # fmt: skip
    case, picture = only_case(tmp_path)
    masks, notes = read_masks(case, picture)
    assert notes == ()
    for grey, mask in zip(picture.volume.array, masks["liver"], strict=True):
        assert mask.sum() == grey[0, 0] / 10 + 1


def test_organs_may_overlap(tmp_path: Path) -> None:
    write_patient(tmp_path, organs=("liver", "tumor"))
    case, picture = only_case(tmp_path)
    masks, _ = read_masks(case, picture)
    assert set(masks) == {"liver", "tumor"}
    assert masks["liver"].dtype == np.bool_
    assert (masks["liver"] & masks["tumor"]).any()


def test_an_intercept_in_the_masks_header_moves_nothing(tmp_path: Path) -> None:
    write_patient(tmp_path, RescaleIntercept=-1024, RescaleSlope=1)
    case, picture = only_case(tmp_path)
    masks, _ = read_masks(case, picture)
    assert masks["liver"].sum() == sum(number + 1 for number in range(SLICES))


def test_slices_of_a_part_lie_where_they_belong(tmp_path: Path) -> None:
    write_patient(tmp_path, organs=())
    write_stack(tmp_path / "MASKS_DICOM" / "spleen", slices=range(3, 7))
    case, picture = only_case(tmp_path)
    masks, notes = read_masks(case, picture)
    assert masks["spleen"].sum(axis=(1, 2)).tolist() == [0] * 3 + [4, 5, 6, 7] + [0] * 5
    assert notes == ("mask of spleen: only slices 4 to 7 of 12 have one",)


def test_masks_without_positions_go_by_file_order(tmp_path: Path) -> None:
    write_patient(tmp_path, organs=(), up=False)
    write_stack(tmp_path / "MASKS_DICOM" / "liver", placed=False)
    case, picture = only_case(tmp_path)
    assert picture.order == tuple(range(SLICES - 1, -1, -1))
    masks, notes = read_organ_masks(
        files_by_organ(case.masks), picture.volume.geometry, picture.order
    )
    for grey, mask in zip(picture.volume.array, masks["liver"], strict=True):
        assert mask.sum() == grey[0, 0] / 10 + 1
    assert notes == ("mask of liver: no position in its headers: slices are paired by file order",)
    (tmp_path / "MASKS_DICOM" / "liver" / "image_3").unlink()
    with pytest.raises(LabelError, match=r"mask of liver: no positions, and \(11, 4, 6\) voxels"):
        read_organ_masks(
            files_by_organ(open_source(tmp_path).cases[0].masks), picture.volume.geometry
        )


@pytest.mark.parametrize(("shift", "notes"), [(0.0, 0), (0.04, 0), (0.3, 1), (0.6, None)])
def test_masks_lie_where_their_pictures_lie(
    tmp_path: Path, shift: float, notes: int | None
) -> None:
    write_patient(tmp_path, organs=())
    write_stack(tmp_path / "MASKS_DICOM" / "liver", shift=shift)
    case, picture = only_case(tmp_path)
    if notes is None:
        with pytest.raises(GeometryError, match=r"mask of liver: .* lie 0\.6 mm apart"):
            read_masks(case, picture)
    else:
        assert len(read_masks(case, picture)[1]) == notes


@pytest.mark.parametrize(
    ("orientation", "first", "flipped"),
    [
        ((-1, 0, 0, 0, -1, 0), (5, 3), (0, 1)),
        ((-1, 0, 0, 0, 1, 0), (5, 0), (1,)),
        ((0, 1, 0, 1, 0, 0), (0, 0), ()),
    ],
    ids=["half a turn", "rows the other way", "rows as columns"],
)
def test_a_mask_with_other_axes_is_turned(
    tmp_path: Path, orientation: tuple[int, ...], first: tuple[int, int], flipped: tuple[int, ...]
) -> None:
    write_patient(tmp_path)
    case, picture = only_case(tmp_path)
    wanted, _ = read_masks(case, picture)
    for number in range(SLICES):
        stored = np.flip(plane(number), flipped)
        write_dicom(
            tmp_path / "MASKS_DICOM" / "liver" / f"image_{number}",
            stored if flipped else np.ascontiguousarray(stored.T),
            (*first, 2.0 * number), orientation, Modality="CT",
        )  # fmt: skip
    found, notes = read_masks(case, picture)
    assert np.array_equal(found["liver"], wanted["liver"])
    assert len(notes) == 1 and notes[0].startswith("mask of liver: the mask was turned: ")


def test_a_mask_outside_its_picture_is_refused(tmp_path: Path) -> None:
    write_patient(tmp_path, organs=())
    write_stack(tmp_path / "MASKS_DICOM" / "liver", slices=range(8, 16))
    case, picture = only_case(tmp_path)
    with pytest.raises(GeometryError, match="8 slices begin at slice 9 of the picture's 12"):
        read_masks(case, picture)


def test_a_mask_of_several_grey_levels_is_refused(tmp_path: Path) -> None:
    write_patient(tmp_path)
    write_dicom(
        tmp_path / "MASKS_DICOM" / "liver" / "image_4", plane(4) // 2, (0, 0, 8), Modality="CT"
    )
    case, picture = only_case(tmp_path)
    with pytest.raises(LabelError, match=r"mask of liver: holds 2 grey levels .* \(127, 255\)"):
        read_masks(case, picture)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    write_patient(tmp_path, organs=())
    write_dicom(tmp_path / "MASKS_DICOM" / "liver" / "image_0", np.zeros((5, 6), np.uint8))
    case, picture = only_case(tmp_path)
    with pytest.raises(LabelError, match="slices of 5 x 6 pixels, its picture 4 x 6"):
        read_masks(case, picture)


def test_a_folder_packed_into_itself(tmp_path: Path) -> None:
    write_stack(tmp_path / "a" / "PATIENT_DICOM" / "PATIENT_DICOM", mask=False)
    write_stack(tmp_path / "a" / "MASKS_DICOM" / "MASKS_DICOM" / "liver")
    (case,) = open_source(tmp_path).cases
    assert set(case.organs) == {"liver"}


def test_two_folders_of_one_organ_are_refused(tmp_path: Path) -> None:
    write_patient(tmp_path, organs=("left kidney", "left_kidney"))
    with pytest.raises(SourceError, match="two folders hold masks of left_kidney"):
        open_source(tmp_path)


def test_archives_must_be_unpacked(tmp_path: Path) -> None:
    for name in ("PATIENT_DICOM.zip", "MASKS_DICOM.zip"):
        (tmp_path / name).write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(SourceError, match="zip archives; unpack"):
        open_source(tmp_path)


def test_a_patient_without_masks_is_predicted_only(tmp_path: Path) -> None:
    write_patient(tmp_path / "3Dircadb1.1")
    write_patient(tmp_path / "3Dircadb1.2", organs=())
    found = open_source(tmp_path)
    assert [bool(case.masks) for case in found.cases] == [True, False]
    assert found.notes[0] == "dicom-masks: 2 patients, 1 with masks of 1 organs"
