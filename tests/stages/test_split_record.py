"""The keys of a case's source: its content, and what the data set says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from json_sets import write_json, write_msd, write_nnunet

import medprep
from medprep.files import digest
from medprep.sources.base import Reader, SourceCase
from medprep.stages.placing import Placing
from medprep.stages.split_record import row_of
from medprep.workspace.ledger import LedgerFile


def _corrected(folder: Path, **changes: object) -> None:
    write_json(folder, **{**json.loads((folder / "dataset.json").read_text()), **changes})


def test_a_corrected_modality_is_converted_anew(tmp_path: Path) -> None:
    source, work = write_nnunet(tmp_path), tmp_path / "w"
    for channel, modality, made in (("MRI", "MR", 3), ("MRI", "MR", 0), ("CT", "CT", 3)):
        _corrected(source, channel_names={"0": channel})
        medprep.split(source, workspace=work)
        outcome = medprep.convert(workspace=work)
        assert len(outcome.summaries[-1].made) == made
        sidecar = json.loads((work / "images" / "la_003.json").read_text())
        assert sidecar["modality"] == modality


def test_a_channel_that_is_told_later_is_noticed(tmp_path: Path) -> None:
    source, work = write_msd(tmp_path), tmp_path / "w"
    medprep.split(source, workspace=work)
    medprep.convert(workspace=work)
    _corrected(source, modality={"0": "MRI", "1": "CT"})
    medprep.split(source, workspace=work)
    assert len(medprep.convert(workspace=work).summaries[-1].made) == 3


@pytest.mark.parametrize(
    ("reader", "modality", "sequence"),
    [("nifti", "", ""), ("png", "", ""), ("dicom", "MR", "t2"), ("dicom-tree", "CT", "003")],
)
def test_what_files_say_themselves_is_their_content_alone(
    reader: Reader, modality: str, sequence: str
) -> None:
    case = SourceCase("a", "a", sequence, modality, "a", reader, (Path("x"),), (Path("y"),))
    files = [LedgerFile("a", role, 0, "x", 1, 1, role) for role in ("picture", "mask")]
    row = row_of(case, files, Placing({"a": ("train",)}, 1, {}))
    assert (row.picture_key, row.mask_key) == (digest(["picture"]), digest(["mask"]))
