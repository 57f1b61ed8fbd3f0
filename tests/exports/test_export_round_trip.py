"""Masks of overlapping organs through the chain, out to nnU-Net's form and back again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_files import write_dicom

from medprep import api
from medprep.exports.run import Export, export
from medprep.formats import nifti
from medprep.sources.detect import open_source

SLICES = 8


def write_patient(home: Path, number: int, *, tumour: bool) -> None:
    """A bright liver with or without a brighter tumour; every second stack runs downwards."""
    for place in range(SLICES):
        height = 2.0 * place if number % 2 else -2.0 * place
        liver = np.zeros((24, 20), np.uint8)
        liver[4:16, 3 : 12 + place] = 255
        lesion = np.zeros_like(liver)
        lesion[7:10, 5 : 7 + number % 4] = 255 * (3 <= place < 6)
        picture = (liver // 2 + lesion * tumour).astype(np.int16) + number
        slices = {"PATIENT_DICOM": picture, "MASKS_DICOM/liver": liver}
        if tumour:
            slices["MASKS_DICOM/livertumor"] = lesion
        for folder, pixels in slices.items():
            write_dicom(
                home / folder / f"image_{place}", pixels, (0, 0, height), Modality="CT",
                SeriesInstanceUID=f"1.2.{number}", PatientID=f"{number}",
            )  # fmt: skip


def test_overlapping_organs_go_out_and_come_back(tmp_path: Path) -> None:
    for number in (1, 2, 3, 10):
        write_patient(tmp_path / "in" / f"3Dircadb1.{number}", number, tumour=number != 3)
    first, second = tmp_path / "first", tmp_path / "second"
    api.split(tmp_path / "in", folds=3, train=0.75, val=0, test=0.25, workspace=first)
    api.convert(format="nifti", workspace=first)
    api.extract(workspace=first)
    outcome = export(Export("nnunet", str(tmp_path / "out"), name="Livers"), first)
    assert outcome.cases == {"training": 3, "test": 1}
    folder = tmp_path / "out" / "Dataset501_Livers"
    found = open_source(folder)
    assert found.table.names == ("liver", "livertumor")
    assert found.regions == {"whole_liver": ("liver", "livertumor")}
    api.split(folder, workspace=second)
    api.convert(format="nifti", workspace=second)
    api.extract(workspace=second)
    paths = sorted((first / "labels").glob("*.nii.gz"))
    assert [path.name[:-7] for path in paths] == [case.case for case in found.cases]
    for path in paths:
        for kind in ("labels", "images"):
            one, other = (nifti.read(root / kind / path.name) for root in (first, second))
            assert (one.array == other.array).all()
            assert one.geometry.distance_mm(other.geometry) < 1e-4
    tumours = {path.name: int((nifti.read_labels(path) == 2).sum()) for path in paths}
    assert [count > 0 for count in tumours.values()] == [True, True, False, True]
