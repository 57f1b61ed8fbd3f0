"""Names that stand inside words of DICOM or of ours: they stop and damage nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom

from medprep.confidentiality.clean import Cleaner
from medprep.confidentiality.options import Deidentify
from medprep.confidentiality.run import DeidentifyOutcome, deidentify
from medprep.confidentiality.words import tells_term
from medprep.dicom.names import pseudonym

PIXELS = np.arange(48, dtype=np.uint16).reshape(6, 8)
KEY = b"0123456789abcdef0123456789"


def deidentified(
    folder: Path, tags: dict[str, Any], **options: Any
) -> tuple[DeidentifyOutcome, list[pydicom.Dataset]]:
    (folder / "key").write_bytes(KEY)
    write_dicom(folder / "in" / "a.dcm", PIXELS, **{"PatientID": "77", **tags})
    asked = Deidentify(
        str(folder / "in"), str(folder / "out"), id_key=str(folder / "key"), **options
    )
    outcome = deidentify(asked)
    return outcome, [pydicom.dcmread(path) for path in (folder / "out").rglob("*.dcm")]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("DOE^ANNE", {}),  # annexe: PS3.15 Annex E
        ("DENT^ADA", {}),  # confidentiality
        ("VALI^ADA", {"clean": ("descriptors",)}),
        ("LONG^ADA", {"shift_dates": True}),
        ("MODI^ADA", {"shift_dates": True}),
        ("DEVI^ADA", {"retain": ("device",)}),
        ("Moved^Ada", {}),
        ("Move^Basic Profile", {}),
    ],
)
def test_what_we_write_ourselves_stops_no_file(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    tags = {"PatientName": name, "StationName": "MR3", "RetrieveURI": "http://x.example"}
    outcome, datasets = deidentified(tmp_path, tags, **options)
    assert outcome.refused == {}
    assert datasets[0].PatientIdentityRemoved == "YES"


def test_no_name_is_found_in_a_pseudonym(tmp_path: Path) -> None:
    called = pseudonym("77", KEY)
    inside = next(
        called[at : at + 4] for at in range(8) if any(map(str.isalpha, called[at : at + 4]))
    )
    outcome, datasets = deidentified(tmp_path, {"PatientName": f"Doe^{inside}"})
    assert [one.PatientID for one in datasets] == [called], outcome.refused


@pytest.mark.parametrize(
    ("name", "keyword", "value"),
    [
        ("MARY^ANN", "ImageType", ["ORIGINAL", "PRIMARY", "AXIAL"]),
        ("ROME^ANN", "PhotometricInterpretation", "MONOCHROME2"),
        ("DENT^ANN", "PresentationLUTShape", "IDENTITY"),
        ("CONDA^ANN", "ImageType", ["DERIVED", "SECONDARY"]),
        ("FULL^ANN", "PhotometricInterpretation", "YBR_FULL_422"),
        ("COLOR^ANN", "PhotometricInterpretation", "PALETTE COLOR"),
    ],
)
def test_terms_of_the_standard_stay(
    tmp_path: Path, name: str, keyword: str, value: str | list[str]
) -> None:
    outcome, datasets = deidentified(tmp_path, {"PatientName": name, keyword: value})
    assert outcome.refused == {}
    assert datasets[0][keyword].value == value


@pytest.mark.parametrize("typed", ["MARY", "LIVER MARY", "LIVER_MARY", "MARYJONES", "JONESMARY2"])
def test_a_name_in_a_coded_string_goes(tmp_path: Path, typed: str) -> None:
    tags = {"PatientName": "JONES^MARY", "BodyPartExamined": typed}
    _, datasets = deidentified(tmp_path, tags)
    assert not datasets[0].get("BodyPartExamined")


def test_an_id_goes_wherever_it_stands_in_a_coded_string(tmp_path: Path) -> None:
    tags = {"PatientID": "ZQ77", "BodyPartExamined": "XZQ77X"}
    _, datasets = deidentified(tmp_path, tags)
    assert not datasets[0].get("BodyPartExamined")


@pytest.mark.parametrize(
    ("keyword", "left"),
    [
        ("ImageComments", "PRIMARY"),  # a part of a word, beside the same word in a coded string
        ("EthnicGroup", "Mary"),
        ("ImageComments", "removed mary"),
        ("BodyPartExamined", "X_MARY"),
        ("AnatomicRegionSequence", "xjonesx"),
    ],
)
def test_a_name_that_cleaning_left_stops_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keyword: str, left: str
) -> None:
    clean = Cleaner.clean

    def forgetful(self: Cleaner, dataset: Any, **options: Any) -> None:
        clean(self, dataset, **options)
        item = pydicom.Dataset()
        item.CodeMeaning = left
        setattr(dataset, keyword, [item] if keyword.endswith("Sequence") else left)

    monkeypatch.setattr(Cleaner, "clean", forgetful)
    tags = {"PatientName": "JONES^MARY", "ImageType": ["ORIGINAL", "PRIMARY"]}
    outcome, datasets = deidentified(tmp_path, tags)
    (failure,) = outcome.refused.values()
    assert "part of a name or id" in failure.message
    assert datasets == []


def test_words_of_a_term() -> None:
    named = frozenset(("mary", "jones", "no", "zq77", "77"))
    told = ("MARY", "A_MARY", "JONESMARY", "MARY77", "NO", "AZQ77B", "77")
    assert [one for one in told if not tells_term(one, named)] == []
    assert not any(tells_term(one, named) for one in ("PRIMARY", "NORMAL", "177", "", "RGB"))
