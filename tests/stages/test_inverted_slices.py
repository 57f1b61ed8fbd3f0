"""MONOCHROME1: slices and their copies look as they are meant to, trainings see the numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom

import medprep
from medprep.formats import nifti, png
from medprep.stages.augment_case import replay
from medprep.stages.train_cases import Cases
from medprep.training.cache import Store
from medprep.training.dataset import decode
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

SHAPE = (24, 20)
MIRRORED = 'flip = 1.0\nflip_axes = ["LR"]\n'


def write_set(root: Path, photometric: str) -> Path:
    for number in (1, 2):
        liver = np.zeros(SHAPE, np.uint8)
        liver[4:16, 3:12] = 255
        picture = (np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) + 90 * (liver > 0)).astype(
            np.int16
        )
        for folder, pixels in (("PATIENT_DICOM", picture), ("MASKS_DICOM/liver", liver)):
            for place in range(3):
                write_dicom(
                    root / f"p{number}" / folder / f"image_{place}", pixels, (0, 0, 2.0 * place),
                    Modality="CT", SeriesInstanceUID=f"1.2.{number}", PatientID=f"{number}",
                    PhotometricInterpretation=photometric,
                )  # fmt: skip
    return root


def augmented(root: Path, photometric: str) -> tuple[Path, str]:
    """Make a workspace whose copies are its slices mirrored; give it and its training case."""
    (root / "mirror.toml").write_text(MIRRORED)
    work = root / photometric
    medprep.split(write_set(root / "set" / photometric, photometric), train=0.5, val=0.5, test=0,
                  workspace=work)  # fmt: skip
    medprep.extract(workspace=work)
    medprep.augment(recipe=str(root / "mirror.toml"), engine="native", copies=1, preview=True,
                    workspace=work)  # fmt: skip
    (case,) = (path.name for path in (work / "augmented").iterdir() if path.is_dir())
    return work, case


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_copies_look_as_the_slices_do(tmp_path: Path, photometric: str) -> None:
    work, case = augmented(tmp_path, photometric)
    inverted = photometric == "MONOCHROME1"
    folder = work / "augmented" / case
    slices = png.read(work / "slices" / case / "images" / "001.png")
    assert np.array_equal(png.read(folder / "1" / "images" / "001.png"), slices[:, ::-1])
    assert (slices[0, 0] > slices[-1, -1]) == inverted
    said = [work / "images" / f"{case}.json", folder / "geometry.json", folder / "plans.json"]
    assert [json.loads(one.read_text()).get("inverted") for one in said] == [inverted or None] * 3
    assert (work / "augmented" / "preview.png").is_file()
    replay(Layout(work), case, 1, tmp_path / "again")
    again = (tmp_path / "again" / "1" / "images" / "001.png").read_bytes()
    assert again == (folder / "1" / "images" / "001.png").read_bytes()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_training_sees_the_numbers_of_both(tmp_path: Path, photometric: str) -> None:
    work, case = augmented(tmp_path, photometric)
    with Workspace(work) as workspace:
        cases = Cases.of(workspace, 0, 2)
    own, copy = decode(cases.train, cases.augmented, Store(1 << 20))
    low, high = own.windows[0]
    wanted = np.clip((own.pictures[0].array - low) / (high - low), 0, 1)[:, :, ::-1]
    assert np.abs(copy.pictures[0].array / 255 - wanted).max() < 0.003
    assert nifti.read(work / "images" / f"{case}.nii.gz").array[0, 0, 0] == 0


def test_a_conversion_that_only_notes_it_counts_too(tmp_path: Path) -> None:
    from medprep.stages.pictures import is_inverted

    note = "MONOCHROME1: low numbers are meant to look bright; 8-bit PNG shows them so"
    assert is_inverted({"scale16": None, "notes": [note]})
    assert not is_inverted({"scale16": {"slope": 1}, "notes": [note]})
    assert not is_inverted({"scale16": None, "notes": ["a slice is constant"]})
