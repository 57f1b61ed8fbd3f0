"""`extract` where each organ is a mask of its own: DICOM series that may overlap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import write_dicom

import medprep
from medprep.errors import DicomError, OptionError
from medprep.formats import nifti
from medprep.sources import organ_masks
from medprep.stages import overlaps


def write_set(root: Path) -> Path:
    """Two patients; of the second alone the tumour reaches beyond its liver."""
    for number in (1, 2):
        liver = np.zeros((24, 20), np.uint8)
        liver[4:16, 3:12] = 255
        tumour = np.zeros_like(liver)
        tumour[7:10, 5 : 7 if number == 1 else 14] = 255
        planes = {
            "PATIENT_DICOM": liver.astype(np.int16) + number,
            "MASKS_DICOM/liver": liver,
            "MASKS_DICOM/livertumor": tumour,
        }
        for folder, pixels in planes.items():
            for place in range(6):
                write_dicom(
                    root / f"3Dircadb1.{number}" / folder / f"image_{place}", pixels,
                    (0, 0, 2.0 * place), Modality="CT", SeriesInstanceUID=f"1.2.{number}",
                    PatientID=f"{number}",
                )  # fmt: skip
    return root


@pytest.mark.parametrize("asked", [{"table": "btcv"}, {"label": [("a", 1, 1)]}, {"snap": True}])
def test_options_on_grey_levels_are_refused(tmp_path: Path, asked: dict[str, Any]) -> None:
    medprep.split(write_set(tmp_path / "set"), workspace=tmp_path / "w")
    (name,) = asked
    with pytest.raises(OptionError, match=f"--{name} speaks of grey levels"):
        medprep.extract(workspace=tmp_path / "w", **asked)


def test_a_case_that_failed_once_is_looked_through_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "w"
    medprep.split(write_set(tmp_path / "set"), workspace=work)

    def broken(organs: Any, *rest: Any) -> Any:
        if "3Dircadb1.2" in str(next(iter(organs.values()))[0]):
            raise DicomError("the disk is away")
        return organ_masks.read_organ_masks(organs, *rest)

    with monkeypatch.context() as away:
        away.setattr(overlaps, "read_organ_masks", broken)
        assert list(medprep.extract(workspace=work).summaries[-1].failed) == ["3dircadb1-02"]
    outcome = medprep.extract(workspace=work)
    assert not outcome.summaries[-1].failed
    found = nifti.read_label_map(work / "labels" / "3dircadb1-02.nii.gz").array
    assert len(np.unique(found)) == 4, "background, liver, tumour and what both hold"
