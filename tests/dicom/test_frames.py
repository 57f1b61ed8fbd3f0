"""Frames of one file as slices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import AXIAL
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multiframe import fill, require_same_places, write_enhanced, write_frames
from pydicom import Dataset
from pydicom.data import get_testdata_file
from pydicom.uid import (
    EnhancedMRImageStorage,
    NuclearMedicineImageStorage,
    RTDoseStorage,
    XRayAngiographicImageStorage,
)

from medprep.dicom.blobs import Blob
from medprep.dicom.dictionary import Tags
from medprep.dicom.frames import frame_tags
from medprep.dicom.headers import read_slices
from medprep.dicom.series import read_series
from medprep.dicom.tags import read_dataset, read_tags
from medprep.errors import DicomError

PIXELS = np.arange(3 * 4 * 6, dtype=np.int16).reshape(3, 4, 6)
POSITIONS = ((-10.5, 20, 4), (-10.5, 20, 0), (-10.5, 20, 2))
OBLIQUE = (0.8, 0.6, 0.0, 0.0, 0.0, -1.0)


def frames_of(path: Path, most: int = 1000) -> list[Tags]:
    blob = Blob.of(path)
    return frame_tags(read_dataset(blob), read_tags(blob).tags, most)


def enhanced(folder: Path, **changes: Any) -> list[Tags]:
    return frames_of(write_enhanced(folder / "a.dcm", PIXELS, POSITIONS, **changes))


def positions(frames: list[Tags]) -> list[Any]:
    return [frame.get("ImagePositionPatient") for frame in frames]


def test_frames_of_an_enhanced_file_in_stored_order(tmp_path: Path) -> None:
    frames = enhanced(tmp_path, spacing=(0.5, 0.25), orientation=OBLIQUE, PatientID="somebody")
    assert positions(frames) == [tuple(map(float, place)) for place in POSITIONS]
    for number, frame in enumerate(frames):
        assert frame["FrameIndex"] == number
        assert type(frame["FrameIndex"]) is int
        assert frame["NumberOfFrames"] == 1.0
        assert frame["ImageOrientationPatient"] == OBLIQUE
        assert frame["PixelSpacing"] == (0.5, 0.25)
        assert frame["SliceThickness"] == 2.0
        assert frame["ImageType"] == ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")
        assert frame["ComplexImageComponent"] == "MAGNITUDE"
        assert frame["StackID"] == "1"
        assert (frame["PatientID"], frame["InstanceNumber"]) == ("somebody", 1.0)


def test_the_volume_is_the_one_another_library_sees(tmp_path: Path) -> None:
    up = sorted(POSITIONS, key=lambda place: place[2])
    path = write_enhanced(tmp_path / "a.dcm", PIXELS, up, spacing=(0.5, 0.25))
    ours, witness = read_series([path]).volume, sitk.ReadImage(str(path))
    assert np.array_equal(ours.array, sitk.GetArrayFromImage(witness))
    assert ours.geometry.origin_mm == pytest.approx(witness.GetOrigin())
    assert ours.geometry.spacing_mm == pytest.approx(witness.GetSpacing()[::-1])


def test_a_frames_own_value_rules_over_the_shared_one_and_that_over_the_files(
    tmp_path: Path,
) -> None:
    def own(number: int) -> dict[str, Any]:
        slope = "" if number == 1 else str(number + 2)
        return {"PixelValueTransformationSequence": {"RescaleSlope": slope}}

    shared = {"PixelValueTransformationSequence": {"RescaleSlope": "9", "RescaleIntercept": "-5"}}
    top = {"RescaleSlope": "7", "RescaleIntercept": "7", "EchoTime": "11", "SliceThickness": "8"}
    frames = enhanced(tmp_path, own=own, shared=shared, **top)
    assert [frame["RescaleSlope"] for frame in frames] == [2, 9, 4]
    assert {frame["RescaleIntercept"] for frame in frames} == {-5}
    assert {frame["SliceThickness"] for frame in frames} == {2}
    assert {frame["EchoTime"] for frame in frames} == {11}
    frames = enhanced(tmp_path, shared={"PixelValueTransformationSequence": None}, **top)
    assert {frame["RescaleSlope"] for frame in frames} == {7}


@pytest.mark.parametrize("where", ["shared", "own"])
@pytest.mark.parametrize(
    ("group", "attributes", "expected"),
    [
        ("PixelMeasures", {"SpacingBetweenSlices": "2.5"}, {"SpacingBetweenSlices": 2.5}),
        ("FrameVOILUT", {"WindowCenter": ["40", "50"], "WindowWidth": "400"},
         {"WindowCenter": (40.0, 50.0), "WindowWidth": (400.0,)}),
        ("MREcho", {"EffectiveEchoTime": 4.6}, {"EchoTime": 4.6}),
        ("MRDiffusion", {"DiffusionBValue": 800.0, "DiffusionDirectionality": "DIRECTIONAL"},
         {"DiffusionBValue": 800.0}),
        ("MRImageFrameType", {"FrameType": ["DERIVED", "PRIMARY", "T1", "FIELD_MAP"],
                              "ComplexImageComponent": "PHASE"},
         {"ImageType": ("DERIVED", "PRIMARY", "T1", "FIELD_MAP"),
          "ComplexImageComponent": "PHASE"}),
        ("FrameContent", {"TemporalPositionIndex": 3, "FrameAcquisitionNumber": 4, "StackID": "A 1",
                          "FrameAcquisitionDateTime": "20200102030405.5"},
         {"TemporalPositionIdentifier": 3.0, "AcquisitionNumber": 4.0, "StackID": "A 1",
          "AcquisitionTime": "20200102030405.5"}),
        ("MRTimingAndRelatedParameters",
         {"RepetitionTime": "500", "FlipAngle": "52", "EchoTrainLength": "56"},
         {"RepetitionTime": 500.0, "FlipAngle": 52.0, "EchoTrainLength": 56.0}),
        ("MRModifier", {"InversionTimes": [900.0, 1800.0]}, {"InversionTime": 900.0}),
        ("CardiacSynchronization", {"NominalCardiacTriggerDelayTime": 33.5}, {"TriggerTime": 33.5}),
        ("MRFOVGeometry", {"InPlanePhaseEncodingDirection": "COLUMN"},
         {"InPlanePhaseEncodingDirection": "COL"}),
        ("MRFOVGeometry", {"InPlanePhaseEncodingDirection": "ROW"},
         {"InPlanePhaseEncodingDirection": "ROW"}),
        ("MRAverages", {"NumberOfAverages": "2"}, {"NumberOfAverages": 2.0}),
        ("PETFrameType", {"FrameType": ["ORIGINAL", "NEW"]}, {"ImageType": ("ORIGINAL", "NEW")}),
    ],
)  # fmt: skip
def test_what_groups_say_stands_under_the_keywords_of_single_frame_files(
    tmp_path: Path, where: str, group: str, attributes: dict[str, Any], expected: Tags
) -> None:
    nothing = {"MRImageFrameTypeSequence": None}
    groups = {f"{group}Sequence": attributes}
    if where == "shared":
        without = {"FrameContentSequence": None}
        frames = enhanced(tmp_path, shared={**nothing, **groups}, own=lambda _: without)
    else:
        frames = enhanced(tmp_path, shared=nothing, own=lambda _: groups)
    for frame in frames:
        for keyword, value in expected.items():
            assert frame[keyword] == value
            assert type(frame[keyword]) is type(value)


def test_frames_of_a_ct(tmp_path: Path) -> None:
    frames = enhanced(
        tmp_path,
        modality="CT",
        shared={
            "PixelValueTransformationSequence": {"RescaleSlope": "1", "RescaleIntercept": "-1024"},
            "CTImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "ADDED"]},
        },
    )
    assert {frame["RescaleIntercept"] for frame in frames} == {-1024}
    assert {frame["ImageType"][3] for frame in frames} == {"ADDED"}


def test_a_frame_without_a_place_does_not_take_the_files(tmp_path: Path) -> None:
    frames = enhanced(
        tmp_path,
        own=lambda number: {"PlanePositionSequence": None} if number == 1 else {},
        ImagePositionPatient=["9", "9", "9"],
    )
    assert [place is None for place in positions(frames)] == [False, True, False]


def test_a_place_in_the_patient_rules_over_one_in_the_volume(tmp_path: Path) -> None:
    def volume(number: int) -> dict[str, Any]:
        return {"PlanePositionVolumeSequence": {"ImagePositionVolume": [1.0, 2.0, number]}}

    frames = enhanced(tmp_path, own=volume)
    assert positions(frames) == [tuple(map(float, place)) for place in POSITIONS]
    frames = enhanced(tmp_path, own=lambda n: {**volume(n), "PlanePositionSequence": None})
    assert positions(frames) == [(1, 2, 0), (1, 2, 1), (1, 2, 2)]


PHILIPS = {
    "ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"],
    "EchoTime": "4.6",
    "RescaleSlope": "0.5",
    "RescaleIntercept": "-500",
    "TemporalPositionIdentifier": "3",
    "TriggerTime": "25",
    "InstanceNumber": "41",
    "PixelSpacing": ["9", "9"],
    "ImagePositionPatient": ["9", "9", "9"],
}


def test_an_old_philips_frame_says_the_rest_in_a_sequence_of_its_own(tmp_path: Path) -> None:
    def add_private(dataset: Dataset) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            item = fill(Dataset(), PHILIPS)
            block = item.private_block(0x2001, "Philips Imaging DD 001", create=True)
            block.add_new(0x03, "FL", 700.0)
            frame.add_new(0x20050014, "LO", "Philips MR Imaging DD 005")
            frame.add_new(0x2005140F, "SQ", [item])

    missing = {"PixelValueTransformationSequence": None, "MRImageFrameTypeSequence": None}
    path = write_enhanced(tmp_path / "a.dcm", PIXELS, POSITIONS, shared=missing, EchoTime="1")
    for frame in frames_of(changed(path, add_private)):
        assert frame["ImageType"] == ("ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE")
        numbers = ("EchoTime", "RescaleSlope", "RescaleIntercept", "TriggerTime", "PhilipsBValue")
        assert [frame[name] for name in numbers] == [4.6, 0.5, -500, 25, 700]
        assert frame["TemporalPositionIdentifier"] == 3
        assert frame["InstanceNumber"] == 1
        assert frame["PixelSpacing"] == (1, 1)
        assert frame["ImagePositionPatient"] in POSITIONS
    path = write_enhanced(
        tmp_path / "b.dcm", PIXELS, POSITIONS, shared={"MREchoSequence": {"EffectiveEchoTime": 2.0}}
    )
    for frame in frames_of(changed(path, add_private)):
        assert (frame["EchoTime"], frame["RescaleSlope"], frame["ImageType"][2]) == (2, 1, "VOLUME")


def test_a_private_sequence_that_is_none_is_passed_over(tmp_path: Path) -> None:
    def add_private(dataset: Dataset) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame.add_new(0x20050014, "LO", "another maker")
            frame.add_new(0x2005140F, "OB", b"1234")

    path = write_enhanced(tmp_path / "a.dcm", PIXELS, POSITIONS)
    assert frames_of(changed(path, add_private)) == enhanced(tmp_path / "plain")


def changed(path: Path, change: Callable[[Dataset], None]) -> Path:
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def test_what_a_conversion_could_not_assign_is_found(tmp_path: Path) -> None:
    frames = enhanced(
        tmp_path,
        legacy=True,
        modality="CT",
        KVP="80",
        shared={
            "UnassignedSharedConvertedAttributesSequence": {
                "KVP": "120", "XRayTubeCurrent": "250", "EchoTime": "1", "PatientID": "other",
            }
        },
        own=lambda number: {
            "UnassignedPerFrameConvertedAttributesSequence": {
                "EchoTime": str(number + 5), "InstanceNumber": "77", "RescaleSlope": "9",
            }
        },
    )  # fmt: skip
    assert [frame["EchoTime"] for frame in frames] == [5, 6, 7]
    assert {(frame["KVP"], frame["XRayTubeCurrent"]) for frame in frames} == {(120, 250)}
    assert {frame["InstanceNumber"] for frame in frames} == {1}
    assert {frame["RescaleSlope"] for frame in frames} == {1}
    assert not any("PatientID" in frame for frame in frames)


def test_a_file_that_describes_all_frames_at_once(tmp_path: Path) -> None:
    rest = {"UnassignedSharedConvertedAttributesSequence": {"EchoTime": "5"}}
    path = write_enhanced(tmp_path / "a.dcm", PIXELS, POSITIONS, shared=rest)
    header = read_dataset(Blob.of(path))
    del header.PerFrameFunctionalGroupsSequence
    frames = frame_tags(header, {"NumberOfFrames": 3.0}, 3)
    assert [frame["FrameIndex"] for frame in frames] == [0, 1, 2]
    assert {(frame["PixelSpacing"], frame["EchoTime"]) for frame in frames} == {((1, 1), 5)}
    assert positions(frames) == [None] * 3


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        (4.0, "4 frames, but 3 are described"),
        (2.0, "2 frames, but 3 are described"),
        (None, "1 frames, but 3 are described"),
        (2147483647.0, "2147483647 frames, but its bytes hold at most 50"),
        (1e300, "at most 50"),
        (0.0, r"NumberOfFrames is '0\.0'"),
        (-3.0, "wanted is a whole number from 1 on"),
        (2.5, "wanted is a whole number"),
        (float("nan"), "wanted is a whole number"),
        (float("inf"), "wanted is a whole number"),
        ("1A", "NumberOfFrames is '1A'"),
    ],
)
def test_a_number_of_frames_that_cannot_be(tmp_path: Path, stated: Any, told: str) -> None:
    header = read_dataset(Blob.of(write_enhanced(tmp_path / "a.dcm", PIXELS, POSITIONS)))
    tags = {} if stated is None else {"NumberOfFrames": stated}
    with pytest.raises(DicomError, match=told):
        frame_tags(header, tags, 50)


def test_a_huge_number_of_frames_in_a_file_without_groups(tmp_path: Path) -> None:
    path = write_frames(
        tmp_path / "a.dcm", PIXELS, XRayAngiographicImageStorage, NumberOfFrames="2147483647"
    )
    with pytest.raises(DicomError, match="2147483647 frames, but its bytes hold at most 3"):
        read_slices(Blob.of(path))


def in_the_file(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_text_for_a_number_stays_text(tmp_path: Path) -> None:
    window = {"FrameVOILUTSequence": {"WindowCenter": "77.25", "WindowWidth": "10"}}
    path = write_enhanced(tmp_path / "a.dcm", PIXELS, POSITIONS, shared=window)
    frames = frames_of(in_the_file(path, b"77.25", b"77,25"))
    assert {frame["WindowCenter"] for frame in frames} == {"77,25"}
    assert {frame["WindowWidth"] for frame in frames} == {(10.0,)}
    assert [one.window for one in read_slices(Blob.of(path))[1]] == [None] * 3


def test_bytes_that_are_no_number_stay_bytes(tmp_path: Path) -> None:
    echo = {"MREchoSequence": {"EffectiveEchoTime": 4.6}}
    blob = Blob.of(write_enhanced(tmp_path / "a.dcm", PIXELS, POSITIONS, shared=echo))
    header = read_dataset(blob)
    (item,) = header.SharedFunctionalGroupsSequence[0].MREchoSequence
    raw = item.get_item("EffectiveEchoTime")
    item[raw.tag] = raw._replace(value=b"seven b", length=7)
    frames = frame_tags(header, read_tags(blob).tags, 3)
    assert {frame["EchoTime"] for frame in frames} == {b"seven b"}


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_text_for_a_place_is_told(tmp_path: Path) -> None:
    places = [(0, 0, 0), (0, 0, 77.25), (0, 0, 3)]
    path = write_enhanced(tmp_path / "a.dcm", PIXELS, places)
    with pytest.raises(DicomError, match=r"ImagePositionPatient is .*77,25"):
        read_slices(Blob.of(in_the_file(path, b"77.25", b"77,25")))


@given(st.integers(0, 2**32))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_header_is_read_or_refused(tmp_path: Path, seed: int) -> None:
    window = {"FrameVOILUTSequence": {"WindowCenter": "40", "WindowWidth": "10"}}
    path = write_enhanced(tmp_path / "a.dcm", PIXELS, POSITIONS, shared=window)
    content = bytearray(path.read_bytes())
    chance = np.random.default_rng(seed)
    for _ in range(chance.integers(1, 6)):
        content[chance.integers(400, len(content))] = chance.integers(256)
    if chance.random() < 0.3:
        content = content[: chance.integers(400, len(content))]
    try:
        header = pydicom.dcmread(pydicom.filebase.DicomBytesIO(bytes(content)), True, True)
    except Exception:  # not for us to say
        return
    try:
        frames = frame_tags(header, {"NumberOfFrames": 3.0}, 50)
    except DicomError:
        return
    assert len(frames) == 3


@given(seed=st.integers(0, 2**32), count=st.integers(1, 6))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_place_comes_through(tmp_path: Path, seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    turned = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    places = chance.normal(size=(count, 3)) * 200
    path = write_enhanced(
        tmp_path / "a.dcm", PIXELS[np.arange(count) % 3], places, (*turned[0], *turned[1])
    )
    frames = frames_of(path)
    assert np.allclose(positions(frames), places, atol=1e-5)
    assert np.allclose([one["ImageOrientationPatient"] for one in frames], turned[:2].ravel())


DOSE = {
    "Modality": "RTDOSE",
    "ImagePositionPatient": ["10", "20", "30"],
    "ImageOrientationPatient": list(AXIAL),
    "PixelSpacing": ["2", "2"],
    "DoseGridScaling": "0.25",
    "GridFrameOffsetVector": ["0", "3", "7"],
}


def dose(folder: Path, **changes: Any) -> list[Tags]:
    return frames_of(write_frames(folder / "a.dcm", PIXELS, RTDoseStorage, **{**DOSE, **changes}))


@pytest.mark.parametrize(
    ("orientation", "offsets", "expected"),
    [
        (AXIAL, (0, 3, 7), [(10, 20, 30), (10, 20, 33), (10, 20, 37)]),
        (AXIAL, (0, -3, -7), [(10, 20, 30), (10, 20, 27), (10, 20, 23)]),
        # Relative: along row x column, wherever that points.
        ((1, 0, 0, 0, -1, 0), (0, 3, 7), [(10, 20, 30), (10, 20, 27), (10, 20, 23)]),
        ((0, 1, 0, 0, 0, -1), (0, 3, 7), [(10, 20, 30), (7, 20, 30), (3, 20, 30)]),
        # Absolute: the patient's z.
        (AXIAL, (30, 33, 37), [(10, 20, 30), (10, 20, 33), (10, 20, 37)]),
        ((1, 0, 0, 0, -1, 0), (30, 33, 37), [(10, 20, 30), (10, 20, 33), (10, 20, 37)]),
        # Neither.
        (AXIAL, (5, 8, 12), [None] * 3),
        ((0, 1, 0, 0, 0, -1), (30, 33, 37), [None] * 3),
    ],
)
def test_planes_of_a_dose(
    tmp_path: Path, orientation: tuple[float, ...], offsets: tuple[float, ...], expected: list[Any]
) -> None:
    frames = dose(
        tmp_path,
        ImageOrientationPatient=list(orientation),
        GridFrameOffsetVector=[str(one) for one in offsets],
    )
    assert positions(frames) == expected
    assert {frame["RescaleSlope"] for frame in frames} == {0.25}
    assert [frame["FrameIndex"] for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"GridFrameOffsetVector": ["0", "3"]}, "3 frames, but the values of .* are 2"),
        (
            {"ImagePositionPatient": ["10", "20"]},
            "ImagePositionPatient .* 3 finite numbers",
        ),
        (
            {"ImageOrientationPatient": ["1"]},
            "ImageOrientationPatient .* 6 finite numbers",
        ),
    ],
)
def test_a_dose_that_contradicts_itself(tmp_path: Path, changes: Any, told: str) -> None:
    with pytest.raises(DicomError, match=told):
        dose(tmp_path, **changes)


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_a_real_dose_lies_where_another_library_puts_it() -> None:
    path = get_testdata_file("rtdose.dcm", download=False)
    assert path is not None
    frames = frames_of(Path(path))
    header = pydicom.dcmread(path)
    witness = sitk.ReadImage(path)
    stored = sitk.GetArrayFromImage(witness)
    assert len(frames) == len(stored) == 15
    for number, frame in enumerate(frames):
        place = witness.TransformIndexToPhysicalPoint((0, 0, number))
        assert frame["ImagePositionPatient"] == pytest.approx(place, abs=1e-4)
        assert np.array_equal(header.pixel_array[number], stored[number])
        assert frame["RescaleSlope"] == float(header.DoseGridScaling) == 1e-6


RECONSTRUCTED = {
    "Modality": "NM",
    "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"],
    "PixelSpacing": ["4", "4"],
    "SpacingBetweenSlices": "4",
    "SliceVector": [1, 2, 3],
    "DetectorInformationSequence": {
        "ImagePositionPatient": ["1", "2", "3"],
        "ImageOrientationPatient": list(AXIAL),
    },
}


@pytest.mark.parametrize(
    ("changes", "heights"),
    [
        ({}, [3, 7, 11]),
        ({"SpacingBetweenSlices": "-4"}, [3, -1, -5]),
        ({"SliceVector": [3, 1, 2]}, [11, 3, 7]),
        ({"SpacingBetweenSlices": None}, None),
        ({"SpacingBetweenSlices": "0"}, None),
        ({"SliceVector": None}, None),
        ({"DetectorInformationSequence": None}, None),
        ({"DetectorInformationSequence": [RECONSTRUCTED["DetectorInformationSequence"]] * 2}, None),
    ],
)
def test_slices_of_a_reconstruction_in_nuclear_medicine(
    tmp_path: Path, changes: dict[str, Any], heights: list[float] | None
) -> None:
    tags = {**RECONSTRUCTED, **changes}
    frames = frames_of(
        write_frames(tmp_path / "a.dcm", PIXELS, NuclearMedicineImageStorage, **tags)
    )
    assert positions(frames) == ([(1, 2, z) for z in heights] if heights else [None] * 3)


def test_frames_of_a_film_lie_nowhere(tmp_path: Path) -> None:
    tags = {name: DOSE[name] for name in ("ImagePositionPatient", "ImageOrientationPatient")}
    path = tmp_path / "a.dcm"
    frames = frames_of(write_frames(path, PIXELS, XRayAngiographicImageStorage, **tags))
    assert positions(frames) == [None] * 3
    frames = frames_of(write_frames(path, PIXELS[:1], EnhancedMRImageStorage, **tags))
    assert positions(frames) == [(10, 20, 30)], "one frame is a slice like any other"


def test_what_is_handed_in_stays_as_it_was(tmp_path: Path) -> None:
    blob = Blob.of(write_enhanced(tmp_path / "a.dcm", PIXELS, POSITIONS))
    tags = read_tags(blob).tags
    before = dict(tags)
    frames = frame_tags(read_dataset(blob), tags, 3)
    frames[0]["EchoTime"] = 1.0
    assert tags == before
    assert "EchoTime" not in frames[1]


@pytest.mark.realdata
def test_a_philips_field_map_lies_where_dcm2niix_puts_it(real_data: Path) -> None:
    path = real_data / "dcmqa_enh" / "In" / "Philips" / "IM_0027_fMAP.dcm"
    frames = frames_of(path)
    pixels = pydicom.dcmread(path).pixel_array
    assert len(frames) == 64
    for kind, name in (("M", "e1"), ("FIELD_MAP", "e2_fieldmaphz")):
        part = [frame for frame in frames if frame["ImageType"][3] == kind]
        reference = nibabel.load(
            real_data / "dcmqa_enh" / "Ref" / f"Philips_WIP_B0_NS_801_{name}.nii"
        )
        # Of the magnitude it shows what Philips calls floating point values: another unit.
        stored = [
            ({**frame, "RescaleSlope": 1.0, "RescaleIntercept": 0.0}, pixels[frame["FrameIndex"]])
            for frame in part
        ]
        require_same_places(stored, reference.dataobj.get_unscaled(), reference.affine)
    (rescale,) = {(frame["RescaleSlope"], frame["RescaleIntercept"]) for frame in part}
    assert rescale == pytest.approx((reference.dataobj.slope, reference.dataobj.inter), rel=1e-5)


@pytest.mark.realdata
def test_four_time_points_of_siemens_lie_where_dcm2niix_puts_them(real_data: Path) -> None:
    folder = real_data / "dcmqa_enh"
    reference = nibabel.load(folder / "Ref" / "Siemens_REST1_w_SMS_PF7-8_6.nii")
    voxels = np.asarray(reference.dataobj)
    for time in range(4):
        path = folder / "In" / "Siemens" / "XA10" / f"6_{time + 1}.dcm"
        frames, pixels = frames_of(path), pydicom.dcmread(path).pixel_array
        assert {frame["TemporalPositionIdentifier"] for frame in frames} == {time + 1}
        slices = zip(frames, pixels, strict=True)
        require_same_places(slices, voxels[..., time], reference.affine)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["23x38x3", "24x38x3"])
def test_converted_frames_are_the_single_files_they_were_made_of(
    real_data: Path, name: str
) -> None:
    folder = real_data / "dcmqi_seg" / "data" / "segmentations" / name
    path = folder / "multiframe" / "mf.dcm"
    pixels = pydicom.dcmread(path).pixel_array
    singles = {
        tags["ImagePositionPatient"]: (tags, pydicom.dcmread(file).pixel_array)
        for file in sorted((folder / "image").iterdir())
        for tags in [read_tags(Blob.of(file)).tags]
    }
    frames = frames_of(path)
    assert len(frames) == len(singles) == 3
    for frame in frames:
        tags, picture = singles[frame["ImagePositionPatient"]]
        assert np.array_equal(pixels[frame["FrameIndex"]], picture)
        for keyword in (
            "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleSlope",
            "RescaleIntercept", "Rows", "Columns",
        ):  # fmt: skip
            if keyword in tags:
                assert frame[keyword] == tags[keyword], keyword
