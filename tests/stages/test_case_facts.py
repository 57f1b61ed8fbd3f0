"""What a split reads of each case, and that it reads nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_files import add_masks, add_slices
from split_sets import organs, pictures, volumes

from medprep.organs import BINARY, CHAOS_MR, Organ, OrganTable
from medprep.progress import Silent
from medprep.sources.base import SourceSet
from medprep.sources.detect import open_source
from medprep.stages.base import Context
from medprep.stages.case_facts import Ask, CaseFacts, organ_voxels, read_facts
from medprep.workspace.workspace import Workspace


def facts_of(found: SourceSet, folder: Path, *ask: Ask, jobs: int = 1) -> dict[str, CaseFacts]:
    with Workspace(folder / "work") as workspace:
        return read_facts(found.cases, ask, found.table, Context(workspace, Silent(), jobs))


def patient(root: Path, number: int, *, masks: bool = True, **tags: str) -> None:
    home = root / "MR" / str(number) / "T2SPIR"
    add_slices(home / "DICOM_anon", (2, 4, 6), **tags)
    if masks:
        add_masks(home / "Ground", (2, 4, 6))


def test_headers_say_who_where_and_on_what(tmp_path: Path) -> None:
    patient(
        tmp_path / "set", 1, PatientID="A", PatientName="B^C", InstitutionName=" Some  Place ",
        StationName="S1", Manufacturer="Maker", ManufacturerModelName="Model 3",
    )  # fmt: skip
    patient(tmp_path / "set", 2, StationName="S2", ManufacturerModelName="Model 4")
    found = facts_of(open_source(tmp_path / "set"), tmp_path, "identity", "origin")
    assert found == {
        "mr01-t2": CaseFacts("A", "B^C", "Some Place", "Maker Model 3"),
        "mr02-t2": CaseFacts("", "", "S2", "Model 4"),
    }


def test_masks_of_dicom_give_organs_and_millilitres(tmp_path: Path) -> None:
    patient(tmp_path / "set", 1)
    patient(tmp_path / "set", 2, masks=False)
    found = facts_of(open_source(tmp_path / "set"), tmp_path, "label", "volume")
    assert set(found) == {"mr01-t2"}
    assert found["mr01-t2"].organs == ("liver",)
    assert found["mr01-t2"].volume == pytest.approx((2 + 4 + 6) * 4 / 1000)  # slices 4 mm apart
    assert found["mr01-t2"].patient_id == "", "nobody asked"


def test_masks_of_nifti(tmp_path: Path) -> None:
    source = volumes(tmp_path / "set", {"a": organs(1, 3), "b": organs()})
    found = facts_of(open_source(source), tmp_path, "label", "volume", "identity", "origin", jobs=2)
    assert found["a"] == CaseFacts(organs=("label_1", "label_3"), volume=pytest.approx(0.016))
    assert found["b"] == CaseFacts(organs=(), volume=0.0)


def test_masks_of_png_count_in_pixels(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", ["a"])
    found = facts_of(open_source(source), tmp_path, "volume")
    assert found["a"] == CaseFacts(organs=("foreground",), volume=64.0)


def test_nothing_asked_reads_nothing(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", ["a"])
    found = open_source(source)
    (source / "masks" / "a.png").unlink()
    assert facts_of(found, tmp_path) == facts_of(found, tmp_path, "identity", "origin") == {}


def test_what_cannot_be_read_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    patient(tmp_path / "set", 1, PatientID="A")
    found = open_source(tmp_path / "set")
    next((tmp_path / "set").rglob("Ground/*-00004.png")).write_bytes(b"no picture")
    (own,) = facts_of(found, tmp_path, "identity", "label").values()
    assert own.patient_id == "A"
    assert own.organs is None
    assert len(own.unread) == 1
    broken = replace(found.cases[0], pictures=(tmp_path / "gone.dcm",), masks=())
    (own,) = facts_of(replace(found, cases=(broken,)), tmp_path, "identity").values()
    assert own.patient_id == ""
    assert len(own.unread) == 1
    assert str(tmp_path) not in own.unread[0]


@pytest.mark.parametrize(
    ("levels", "table", "wanted"),
    [
        ({63: 5, 252: 2, 30: 9}, CHAOS_MR, {"liver": 5, "spleen": 2}),
        ({55: 1, 70: 1, 54: 1, 71: 1}, CHAOS_MR, {"liver": 2}),
        ({1: 7}, BINARY, {"foreground": 7}),
        ({255: 7, 128: 1, 127: 3, 1: 2}, BINARY, {"foreground": 8}),
        ({2: 3}, OrganTable((Organ("two", ((2, 2),)),)), {"two": 3}),
    ],
)
def test_levels_mean_what_extract_takes_them_for(
    levels: dict[int, int], table: OrganTable, wanted: dict[str, int]
) -> None:
    counts = np.zeros(65536, np.int64)
    for level, count in levels.items():
        counts[level] = count
    assert {o: count for o, count in organ_voxels(counts, table).items() if count} == wanted
