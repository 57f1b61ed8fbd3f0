"""Real leaks found, and none between different people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from medprep.formats import nifti, png
from medprep.leaks import Fingerprint, find_leaks, fingerprint

pytestmark = pytest.mark.realdata

# Of validation pictures whose best correlation with a training picture (64 x 64, grey, over flips,
# turns of -10 to 10 degrees and zooms of 0.85 to 1.18) is above 0.95, the highest 16.
ALIKE = {
    "P1_T1_00042", "P13_T1_00052", "P2_T1_00038", "P22_T1_00046", "P32_T1_00032", "P32_T1_00012",
    "P8_T1_00062", "P1_T1_00044", "P1_T1_00040", "P21_T1_00036", "P36_T1_00034", "P38_T1_00036",
    "P1_T1_00038", "P22_T1_00036", "P8_T1_00070", "P15_T1_00044",
}  # fmt: skip
MIRRORED = {"P13_T1_00052", "P1_T1_00042", "P22_T1_00046"}


def volume_prints(folder: Path) -> dict[str, Fingerprint]:
    return {
        path.name.split(".")[0]: fingerprint(nifti.read(path).array)
        for path in sorted(folder.glob("*.nii.gz"))
        if not path.name.startswith("label")
    }


def test_a_public_set_with_leaks(real_data: Path) -> None:
    groups, prints = {}, {}
    for group in ("train", "val"):
        for path in sorted((real_data / "unetliver" / group / "Data").glob("*.png")):
            groups[path.stem], prints[path.stem] = group, fingerprint([png.read(path)])
    assert len(prints) == 531
    leaks = find_leaks(prints, groups)
    exact = {leak.other: leak.kind for leak in leaks if leak.kind != "near"}
    assert exact == {**dict.fromkeys(MIRRORED, "mirrored"), "P2_T1_00038": "identical"}
    assert len([leak for leak in leaks if leak.kind != "near"]) == 4
    assert {leak.other for leak in leaks} >= ALIKE


def test_different_patients_are_no_leak(real_data: Path) -> None:
    prints = volume_prints(real_data / "chaos_mr_t2_nifti")
    assert len(prints) == 10
    assert find_leaks(prints, {name: name for name in prints}) == []


def test_the_same_patients_in_another_format_are_found(real_data: Path) -> None:
    prints = volume_prints(real_data / "chaos_mr_t2_nifti")
    groups = dict.fromkeys(prints, "nifti")
    same = ("1", "2", "3", "5")
    for patient in same:
        folder = real_data / "chaos" / "Train_Sets" / "MR" / patient / "T2SPIR" / "DICOM_anon"
        planes = [pydicom.dcmread(path).pixel_array for path in sorted(folder.glob("*.dcm"))]
        name = f"dicom_{patient}"
        prints[name], groups[name] = fingerprint(planes), "dicom"
    leaks = find_leaks(prints, groups)
    assert {(leak.one, leak.other) for leak in leaks} == {
        (f"dicom_{patient}", f"image_{patient}") for patient in same
    }
    exact = {leak.one: leak.slices for leak in leaks if leak.kind in ("mirrored", "turned")}
    assert set(exact) == {f"dicom_{patient}" for patient in same}
    assert np.median(list(exact.values())) > 25
