"""`extract` where each organ is a mask of its own: DICOM series that may overlap."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import write_dicom

import medprep
from medprep.errors import DicomError, NothingDoneError, OptionError
from medprep.formats import nifti
from medprep.sources import organ_masks
from medprep.stages import overlaps
from medprep.workspace.database import Database


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


def _linked(root: Path, store: Path) -> Path:
    """Keep the files of a set under names that say nothing, with links in their place."""
    store.mkdir()
    for number, path in enumerate(sorted(one for one in root.rglob("*") if one.is_file())):
        path.symlink_to(path.rename(store / f"{number:04d}"))
    return root


@pytest.mark.parametrize("organs", [(), ("liver",)])
def test_links_into_another_tree_keep_their_organs(tmp_path: Path, organs: tuple[str, ...]) -> None:
    found, found_names = [], []
    for name in ("plain", "linked"):
        root = write_set(tmp_path / name)
        if name == "linked":
            _linked(root, tmp_path / "store")
        work = tmp_path / f"{name}-work"
        medprep.split(root, workspace=work)
        assert not medprep.extract(organ=organs, workspace=work).summaries[-1].failed
        found.append(nifti.read_label_map(work / "labels" / "3dircadb1-02.nii.gz"))
        found_names.append(shown(work, "3dircadb1-02"))
    assert found_names[1] == found_names[0]
    assert np.array_equal(found[1].array, found[0].array)
    assert found[1].array.any()


def shown(work: Path, case: str) -> set[str]:
    """Give what a label map shows: organs, and their mixtures."""
    with contextlib.closing(Database(work / "medprep.sqlite", readonly=True)) as database:
        facts = database.artifacts("extract")[case].facts
    return {name for name, count in facts["voxels"].items() if count}


def test_a_folder_that_gets_another_organs_name_is_extracted_anew(tmp_path: Path) -> None:
    root, work = write_set(tmp_path / "set"), tmp_path / "w"
    for number, name in ((1, "spleen"), (2, "kidney")):
        home = root / f"3Dircadb1.{number}" / "MASKS_DICOM"
        (home / "livertumor").rename(home / name)
    (root / "3Dircadb1.1" / "MASKS_DICOM" / "liver").rename(
        root / "3Dircadb1.1" / "MASKS_DICOM" / "kidney"
    )
    medprep.split(root, workspace=work)
    medprep.extract(workspace=work)
    assert "liver" not in " ".join(shown(work, "3dircadb1-01"))
    home = root / "3Dircadb1.1" / "MASKS_DICOM"
    (home / "kidney").rename(home / "liver")  # both names stay names of the set, in their order
    medprep.split(root, workspace=work)
    assert "3dircadb1-01" in medprep.extract(workspace=work).summaries[-1].made
    assert "liver" in " ".join(shown(work, "3dircadb1-01"))


def test_a_ledger_that_does_not_say_the_organs_is_refused(tmp_path: Path) -> None:
    work = tmp_path / "w"
    medprep.split(write_set(tmp_path / "set"), workspace=work)
    (ledger,) = (work / "private").glob("sources-*.sqlite")
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        db.execute("ALTER TABLE files DROP COLUMN organ")
        db.commit()
    with pytest.raises(NothingDoneError, match="which organ each mask shows; run 'split' again"):
        medprep.extract(workspace=work)
