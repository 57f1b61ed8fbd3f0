"""The profile on data sets made by pydicom and read back by pydicom."""

from __future__ import annotations

import csv
import hashlib
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless

from medprep.confidentiality.options import Deidentify
from medprep.confidentiality.run import DeidentifyOutcome, deidentify
from medprep.dicom.names import pseudonym
from medprep.trees.options import ConvertTree
from medprep.trees.run import convert_tree

KEY = b"0123456789abcdef0123456789"
PIXELS = np.arange(48, dtype=np.uint16).reshape(6, 8)


def deidentified(folder: Path, **options: Any) -> tuple[DeidentifyOutcome, list[Dataset]]:
    """De-identify ``folder/in`` and read what was written, by instance number."""
    key = folder / "key"
    key.write_bytes(KEY)
    out = folder / f"out{len(list(folder.iterdir()))}"
    outcome = deidentify(Deidentify(str(folder / "in"), str(out), id_key=str(key), **options))
    datasets = [pydicom.dcmread(path) for path in out.rglob("*.dcm")]
    return outcome, sorted(datasets, key=lambda one: int(one.get("InstanceNumber") or 0))


def one_file(folder: Path, **tags: Any) -> Path:
    return write_dicom(folder / "in" / "a.dcm", PIXELS, **{"PatientID": "ID77", **tags})


def only(folder: Path, **options: Any) -> Dataset:
    _, (dataset,) = deidentified(folder, **options)
    return dataset


def test_who_it_is_goes_and_the_grid_and_pixels_stay(tmp_path: Path) -> None:
    one_file(
        tmp_path, PatientName="Doe^Jane", PatientBirthDate="19470313", PatientSex="F",
        AccessionNumber="A1", InstitutionName="St. Elsewhere", StudyDescription="liver of Jane",
        StudyDate="20200101", PatientAge="072Y", OperatorsName="Op^X", KVP="120",
    )  # fmt: skip
    found = only(tmp_path)
    assert found.PatientName == found.PatientID == pseudonym("ID77", KEY)
    assert found.PatientBirthDate == found.PatientSex == found.StudyDate == ""
    assert found.AccessionNumber == ""
    assert "StudyDescription" not in found
    assert "PatientAge" not in found
    assert found.KVP == 120
    assert found.ImagePositionPatient == [0, 0, 0]
    np.testing.assert_array_equal(found.pixel_array, PIXELS)


def test_it_says_what_was_done_in_the_words_of_the_standard(tmp_path: Path) -> None:
    one_file(tmp_path)
    found = only(tmp_path, retain=("uids", "device", "patient"), clean=("descriptors",))
    assert found.PatientIdentityRemoved == "YES"
    assert found.LongitudinalTemporalInformationModified == "REMOVED"
    stated = {
        (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)
        for item in found.DeidentificationMethodCodeSequence
    }
    dcm = codes.DCM
    wanted = (
        dcm.BasicApplicationConfidentialityProfile, dcm.CleanDescriptorsOption,
        dcm.RetainUidsOption, dcm.RetainDeviceIdentityOption,
        dcm.RetainPatientCharacteristicsOption,
    )  # fmt: skip
    assert stated == {(one.value, "DCM", one.meaning) for one in wanted}
    assert all(len(one) <= 64 for one in found.DeidentificationMethod)


@pytest.mark.parametrize(
    ("options", "value", "code"),
    [
        ({}, "REMOVED", None),
        ({"retain": ("dates",)}, "UNMODIFIED", "113106"),
        ({"shift_dates": True}, "MODIFIED", "113107"),
    ],
)
def test_what_became_of_dates_is_stated(
    tmp_path: Path, options: dict[str, Any], value: str, code: str | None
) -> None:
    one_file(tmp_path)
    found = only(tmp_path, **options)
    assert found.LongitudinalTemporalInformationModified == value
    stated = [item.CodeValue for item in found.DeidentificationMethodCodeSequence]
    assert stated == ["113100", *([code] if code else [])]
    meanings = {
        one.value: one.meaning for one in map(codes.DCM.__getattr__, codes.DCM.dir("Longitudinal"))
    }
    if code:
        assert found.DeidentificationMethodCodeSequence[1].CodeMeaning == meanings[code]


def test_dates_of_a_patient_move_together_and_times_stay(tmp_path: Path) -> None:
    for number, patient in enumerate(("ID77", "ID77", "ID78")):
        write_dicom(
            tmp_path / "in" / f"{number}", PIXELS, PatientID=patient, InstanceNumber=number,
            StudyDate=f"2020010{number + 1}", StudyTime="101112.5",
            AcquisitionDateTime="20200301101112.123456+0100", SeriesDate="2020.02.29",
            ContentDate="no date", PatientBirthDate="19470313",
        )  # fmt: skip
    _, (first, second, other) = deidentified(tmp_path, shift_dates=True)
    read = [datetime.strptime(one.StudyDate, "%Y%m%d").date() for one in (first, second, other)]
    assert read[1] - read[0] == timedelta(days=1)
    moved = date(2020, 1, 1) - read[0]
    assert 1 <= moved.days <= 3650
    assert date(2020, 1, 3) - read[2] != moved
    assert first.StudyTime == "101112.5"
    when = first.AcquisitionDateTime
    assert when[8:] == "101112.123456+0100"
    assert datetime.strptime(when[:8], "%Y%m%d").date() == date(2020, 3, 1) - moved
    assert first.SeriesDate == f"{date(2020, 2, 29) - moved:%Y%m%d}"
    assert first.ContentDate == ""
    assert first.PatientBirthDate == ""


def test_references_between_files_hold_and_well_known_uids_stay(tmp_path: Path) -> None:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = (
        "1.2.840.10008.5.1.4.1.1.4",
        "1.2.7.1",
    )
    for number in (0, 1):
        write_dicom(
            tmp_path / "in" / f"{number}", PIXELS, InstanceNumber=number, PatientID="a",
            SOPInstanceUID=f"1.2.7.{number}", StudyInstanceUID="1.2.5", FrameOfReferenceUID="1.2.6",
            ReferencedImageSequence=Sequence([item]),
        )  # fmt: skip
    _, (first, second) = deidentified(tmp_path)
    assert first.StudyInstanceUID == second.StudyInstanceUID != "1.2.5"
    assert first.FrameOfReferenceUID == second.FrameOfReferenceUID
    assert first.ReferencedImageSequence[0].ReferencedSOPInstanceUID == second.SOPInstanceUID
    assert first.ReferencedImageSequence[0].ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.4"
    assert first.SOPClassUID == "1.2.840.10008.5.1.4.1.1.4"
    for one in (first, second):
        assert UID(one.SOPInstanceUID).is_valid
        assert one.SOPInstanceUID.startswith("2.25.")
        assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID


def test_retained_uids_stay_but_name_no_file(tmp_path: Path) -> None:
    one_file(tmp_path, SOPInstanceUID="1.2.77777.1", SeriesInstanceUID="1.2.77777")
    found = only(tmp_path, retain=("uids",))
    assert found.SOPInstanceUID == "1.2.77777.1"
    assert "77777" not in str(found.filename)


def test_the_device_and_the_patient_stay_where_asked(tmp_path: Path) -> None:
    one_file(
        tmp_path, PatientName="Doe^Jane", StationName="MR3", DeviceSerialNumber="4711",
        PatientSex="F", PatientAge="072Y", PatientWeight="70", EthnicGroup="Jane's",
        ManufacturerModelName="Ingenia",
    )  # fmt: skip
    found = only(tmp_path, retain=("device", "patient"))
    assert (found.StationName, found.DeviceSerialNumber) == ("MR3", "4711")
    assert (found.PatientSex, found.PatientAge, found.PatientWeight) == ("F", "072Y", 70)
    assert found.ManufacturerModelName == "Ingenia"
    assert found.EthnicGroup == ""  # her name
    bare = only(tmp_path)
    assert not {"PatientAge", "PatientWeight", "EthnicGroup"} & set(bare.dir())
    assert bare.StationName == "removed"


def test_descriptions_keep_imaging_words_alone(tmp_path: Path) -> None:
    one_file(
        tmp_path, PatientName="Long^Ada",
        SeriesDescription="T2 TSE axial liver, Dr. Moreau 5mm 12.03.1958",
        StudyDescription="long breath hold Ada",
    )  # fmt: skip
    found = only(tmp_path, clean=("descriptors",))
    assert found.SeriesDescription == "T2 TSE axial liver 5mm"
    assert found.StudyDescription == "breath"


def test_private_tags_overlays_curves_and_the_preamble_go(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.private_block(0x0029, "MAKER", create=True).add_new(1, "LO", "x")
    dataset.add_new(0x60000022, "LO", "x")
    dataset.add_new(0x60003000, "OW", b"\1\0")
    dataset.add_new(0x50000022, "LO", "x")
    dataset.preamble = b"x" * 128
    dataset.save_as(path)
    found = only(tmp_path)
    assert not [e.tag for e in found if e.tag.is_private or e.tag.group in (0x5000, 0x6000)]
    assert found.preamble == bytes(128)


def test_an_overlay_in_unused_bits_goes_and_values_stay(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "in" / "a", PIXELS | 0x8000, BitsStored=12, HighBit=11, PatientID="a"
    )
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x60000102, "US", 15)
    dataset.save_as(path)
    found = only(tmp_path)
    np.testing.assert_array_equal(np.frombuffer(found.PixelData, "<u2").reshape(6, 8), PIXELS)


def test_bytes_behind_the_picture_go(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset["PixelData"].value += b"Jane Doe"
    dataset.save_as(path)
    assert only(tmp_path).PixelData == PIXELS.tobytes()


def test_comments_in_compressed_pictures_go_and_values_stay(tmp_path: Path) -> None:
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    path = write_dicom(tmp_path / "in" / "a.dcm", pixels, PatientID="a")
    dataset = pydicom.dcmread(path)
    dataset.compress(JPEG2000Lossless)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    size = int.from_bytes(frame[4:6]) + 4  # SOC and SIZ
    comment = b"\xff\x64" + (12).to_bytes(2) + b"\0\1Jane Doe"
    told = frame[:size] + comment + frame[size:] + b"Jane Doe"
    dataset.PixelData = pydicom.encaps.encapsulate([told])
    dataset.save_as(path)
    found = only(tmp_path)
    assert b"Jane" not in found.PixelData
    np.testing.assert_array_equal(found.pixel_array, pixels)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_byte_orders_stay(tmp_path: Path, syntax: str) -> None:
    from dicom_files import resaved

    resaved(one_file(tmp_path, PatientName="Doe^Jane"), syntax)
    found = only(tmp_path)
    assert found.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(found.pixel_array, PIXELS)


def test_text_in_reports_and_documents_is_replaced(tmp_path: Path) -> None:
    item = Dataset()
    item.ValueType, item.RelationshipType, item.TextValue = "TEXT", "CONTAINS", "Jane is ill"
    item.PersonName = "Doe^Jane"
    concept = Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator = "121071", "DCM"
    concept.CodeMeaning = "Finding of Jane"
    item.ConceptNameCodeSequence = Sequence([concept])
    one_file(tmp_path, ContentSequence=Sequence([item]), EncapsulatedDocument=b"%PDF Jane Doe!")
    found = only(tmp_path)
    (content,) = found.ContentSequence
    assert (content.ValueType, content.TextValue) == ("TEXT", "removed")
    assert content.PersonName == "removed"
    (code,) = content.ConceptNameCodeSequence
    assert (code.CodeValue, code.CodeMeaning) == ("121071", "121071")
    assert found.EncapsulatedDocument == b"\0\0"


def test_codes_of_public_schemes_stay_and_local_ones_go(tmp_path: Path) -> None:
    def code(value: str, scheme: str, meaning: str) -> Dataset:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return item

    one_file(
        tmp_path,
        AnatomicRegionSequence=Sequence([code("10200004", "SCT", "Liver")]),
        ViewCodeSequence=Sequence([code("JANE", "99HOSP", "Jane"), code("Jane Doe", "SCT", "x")]),
        CodeMeaning="Jane",
    )
    found = only(tmp_path)
    (kept,) = found.AnatomicRegionSequence
    assert (kept.CodeValue, kept.CodeMeaning) == ("10200004", "Liver")
    assert len(found.ViewCodeSequence) == 0
    assert "CodeMeaning" not in found


def test_odd_values_are_emptied_and_stop_nothing(tmp_path: Path) -> None:
    path = one_file(tmp_path, SliceThickness="1.25", Modality="MR", SeriesNumber="12345")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.25", b"Jane").replace(b"12345", b"1x3e5"))
    found = only(tmp_path)
    assert found.SliceThickness is None
    assert found.SeriesNumber is None


def test_the_pseudonym_is_the_one_that_convert_gives(tmp_path: Path) -> None:
    for number in range(2):
        write_dicom(
            tmp_path / "in" / f"{number}", PIXELS, (0, 0, number), PatientID="ID77", SeriesNumber=3
        )
    _, datasets = deidentified(tmp_path)
    made = convert_tree(
        ConvertTree(str(tmp_path / "in"), str(tmp_path / "nifti"), id_key=str(tmp_path / "key"))
    ).made
    assert [one.name for one in made] == [f"{datasets[0].PatientID}-003"]


def test_the_audit_counts_actions_and_holds_no_value(tmp_path: Path) -> None:
    for number in range(3):
        write_dicom(
            tmp_path / "in" / f"{number}", PIXELS, PatientID="Zq77", StudyDate="20200102",
            **({"StudyDescription": "Zq77"} if number else {}),
        )  # fmt: skip
    outcome, _ = deidentified(tmp_path)
    (audit,) = tmp_path.glob("out*/audit.csv")
    with audit.open(newline="") as handle:
        rows = {row["keyword"]: row for row in csv.DictReader(handle)}
    assert (rows["PatientID"]["action"], rows["PatientID"]["files"]) == ("D", "3")
    assert (rows["StudyDescription"]["action"], rows["StudyDescription"]["files"]) == ("X", "2")
    assert (rows["StudyDate"]["action"], rows["Rows"]["action"]) == ("Z", "K")
    assert (rows["SOPInstanceUID"]["action"], rows["SOPInstanceUID"]["tag"]) == ("U", "(0008,0018)")
    assert "Zq77" not in audit.read_text()
    assert len(outcome.written) == 3


def test_sources_are_only_read(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    before = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns
    only(tmp_path)
    assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) == before
