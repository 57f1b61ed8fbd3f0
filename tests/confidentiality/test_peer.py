"""Beside dicom-anonymizer (KitwareMedical); skipped where it is not installed."""

from __future__ import annotations

import copy
from importlib import import_module
from pathlib import Path

import pydicom
import pytest
from planted import planted_dataset
from pydicom.dataset import Dataset

from medprep.confidentiality.options import Deidentify
from medprep.confidentiality.run import deidentify
from medprep.confidentiality.table import Profile, rows

peer = pytest.importorskip("dicomanonymizer")
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value")
_LISTS = {
    "D": "D", "Z": "Z", "X": "X", "U": "U", "Z_D": "D", "X_Z": "Z", "X_D": "D", "X_Z_D": "D",
    "X_Z_U_STAR": "U",
}  # fmt: skip


def test_the_table_has_the_same_action_for_every_tag() -> None:
    lists = import_module("dicomanonymizer.dicom_anonymization_databases.dicomfields_2026c")
    theirs = {
        tag[0] << 16 | tag[1]: action
        for name, action in _LISTS.items()
        for tag in getattr(lists, f"{name}_TAGS")
        if len(tag) == 2
    }
    assert {tag: row.basic for tag, row in rows().items()} == theirs
    assert len(theirs) > 600
    for masked in (0x50000010, 0x60003000, 0x60024000):
        decided = Profile().decide(masked)
        assert decided is not None
        assert decided.action == "X"


def test_what_it_takes_out_of_a_file_is_not_in_ours(tmp_path: Path) -> None:
    before = planted_dataset()
    theirs = copy.deepcopy(before)
    peer.anonymize_dataset(theirs)
    (tmp_path / "in").mkdir()
    before.save_as(tmp_path / "in" / "a.dcm", enforce_file_format=True)
    deidentify(Deidentify(str(tmp_path / "in"), str(tmp_path / "out")))
    (path,) = (tmp_path / "out").rglob("*.dcm")
    ours = pydicom.dcmread(path)
    taken = [one.tag for one in before if _text(theirs, one.tag) != _text(before, one.tag)]
    assert len(taken) > 300
    for tag in taken:
        assert not _text(ours, tag) or _text(ours, tag) != _text(before, tag), tag


def _text(dataset: Dataset, tag: int) -> str:
    return str(dataset[tag].value) if tag in dataset else ""
