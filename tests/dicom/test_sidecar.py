from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.dicom.blobs import Blob
from medprep.dicom.dictionary import WANTED, Tags
from medprep.dicom.headers import slice_tags
from medprep.dicom.sidecar import sidecar
from medprep.dicom.tags import read_tags
from medprep.geometry import Geometry

GRID = Geometry.from_parts((3, 4, 5), (6.5, 0.1 + 0.2, 0.3), (-1 / 3, 2.0, 7.0))
KIND_OF = dict(WANTED.values())
TEXTS = [name for name, kind in KIND_OF.items() if kind in ("text", "texts")]
PLANTED = [
    "Doe^Jane", "DOE", "JANE DOE", "AB123456", "4711", "19560412", "134935.305", "1.2.840.113619",
    "B30f Doe", "B30fDoe", "STANDARD DOE", "Ward 7, St. Elsewhere", "HFS DOE", "ORIGINAL_DOE",
    "H\u0663\u0661",
]  # fmt: skip
MR: Tags = {
    "Modality": "MR", "Manufacturer": "SIEMENS", "MagneticFieldStrength": 1.5,
    "EchoTime": 3.5, "RepetitionTime": 7.7, "InversionTime": 0.0, "ImagingFrequency": 63.669768,
    "FlipAngle": 15.0, "SliceThickness": 5.0, "SpacingBetweenSlices": 6.5, "PixelBandwidth": 130.0,
    "EchoTrainLength": 4.0, "EchoNumbers": 2.0, "DiffusionBValue": 0.0, "PatientPosition": "HFS",
    "MRAcquisitionType": "2D", "ScanningSequence": ("SE", "IR"), "SequenceVariant": ("SK",),
    "ScanOptions": ("FS", "DOE"), "ImageType": ("ORIGINAL", "PRIMARY", "DOE", "M", "DIS2D"),
    "NumberOfAverages": 2.0, "NumberOfPhaseEncodingSteps": 227.0, "PercentSampling": 81.0,
    "PercentPhaseFieldOfView": 87.5, "InPlanePhaseEncodingDirection": "ROW",
}  # fmt: skip


def test_mr_in_bids_terms() -> None:
    record = sidecar(MR, GRID, ["a note"], {"window": {"low": 1.0}})
    assert re.fullmatch(r"\d+\.\d+.*", record.pop("ConversionSoftwareVersion"))
    assert record == {
        "Modality": "MR", "Manufacturer": "Siemens", "MagneticFieldStrength": 1.5,
        "EchoTime": 0.0035, "RepetitionTime": 0.0077, "ImagingFrequency": 63.669768,
        "FlipAngle": 15, "SliceThickness": 5, "SpacingBetweenSlices": 6.5, "PixelBandwidth": 130,
        "EchoTrainLength": 4, "EchoNumber": 2, "DiffusionBValue": 0, "PatientPosition": "HFS",
        "MRAcquisitionType": "2D", "ScanningSequence": ["SE", "IR"], "SequenceVariant": "SK",
        "ScanOptions": "FS", "ImageType": ["ORIGINAL", "PRIMARY", "M", "DIS2D"],
        "NumberOfAverages": 2, "PhaseEncodingSteps": 227, "PercentSampling": 81,
        "PercentPhaseFOV": 87.5, "InPlanePhaseEncodingDirectionDICOM": "ROW",
        "ConversionSoftware": "medprep", "shape": [3, 4, 5], "spacing_mm": [6.5, 0.3, 0.3],
        "orientation_lps": "SPL", "affine_lps_mm": GRID.affine.tolist(), "notes": ["a note"],
        "window": {"low": 1.0},
    }  # fmt: skip


def test_ct_as_dcm2niix_names_it() -> None:
    tags: Tags = {
        "Modality": "CT", "KVP": 120.0, "XRayTubeCurrent": 346.0, "ExposureTime": 500.0,
        "ConvolutionKernel": ("Br40d", "3"), "ImageType": ("ORIGINAL", "PRIMARY", "AXIAL"),
    }  # fmt: skip
    record = sidecar(tags, GRID, ())
    assert record["KVP"] == 120
    assert record["XRayTubeCurrent"] == 346
    assert record["ExposureTime"] == 0.5
    assert record["ConvolutionKernel"] == ["Br40d", "3"]


def test_what_is_absent_has_no_key_and_json_takes_it() -> None:
    record = sidecar({}, GRID, ())
    assert set(record) == {
        "ConversionSoftware", "ConversionSoftwareVersion", "shape", "spacing_mm",
        "orientation_lps", "affine_lps_mm", "notes",
    }  # fmt: skip
    again = json.loads(json.dumps(sidecar(MR, GRID, ()), allow_nan=False))
    assert Geometry.from_dict(again) == GRID


@pytest.mark.parametrize("planted", PLANTED)
def test_no_text_of_the_header_comes_out(planted: str) -> None:
    tags: Tags = {
        name: (planted, "ORIGINAL", planted) if KIND_OF[name] == "texts" else planted
        for name in TEXTS
    }
    # What is no number stays text in `Tags`, so any key may hold a name.
    for name, kind in KIND_OF.items():
        if kind in ("number", "numbers", "bytes"):
            tags[name] = planted.encode() if kind == "bytes" else planted
    assert planted not in json.dumps(sidecar(tags, GRID, ()), ensure_ascii=False)


@given(st.lists(st.text(max_size=12), max_size=3), st.sampled_from(sorted(KIND_OF)))
def test_only_defined_terms_come_out(typed: list[str], name: str) -> None:
    record = _header_part(sidecar({name: tuple(typed)}, GRID, ()))
    shown = [one for value in record.values() for one in np.atleast_1d(value).tolist()]
    assert all(re.fullmatch("[A-Z0-9_ ]{1,16}|[A-Z][a-z]?[0-9]{2}[a-z]?", one) for one in shown)


def _header_part(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in record.items()
        if key[0].isupper() and not key.startswith("Conversion")
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SIEMENS", "Siemens"), ("Siemens HealthCare GmbH", "Siemens"), ("GE", "GE"),
        ("GE MEDICAL SYSTEMS", "GE"), ("G.E. Medical Systems", "GE"), ("GE HEALTHCARE", "GE"),
        ("Philips Medical Systems, Inc.", "Philips"), ("TOSHIBA_MEC", "Toshiba"),
        ("CANON_MEC", "Canon"), ("UIH", "UIH"), ("FUJIFILM Corporation", "Fujifilm"),
        ("Hologic, Inc.", "Hologic"), ("Geller", None), ("Doe and Sons", None), ("", None),
    ],
)  # fmt: skip
def test_makers(text: str, name: str | None) -> None:
    assert sidecar({"Manufacturer": text}, GRID, ()).get("Manufacturer") == name


@pytest.mark.parametrize("kernel", ["STANDARD", "B30f", "H31s", "Br40d", "FC08", "B", "YA", "11"])
def test_kernels(kernel: str) -> None:
    assert sidecar({"ConvolutionKernel": (kernel,)}, GRID, ())["ConvolutionKernel"] == kernel


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "12x", b"12", None, 0.0, -3.0, True])
def test_numbers_that_are_none_are_left_out(value: object) -> None:
    assert "EchoTime" not in sidecar({"EchoTime": value}, GRID, ())


@pytest.mark.parametrize(
    ("tags", "b_value"),
    [
        ({"Manufacturer": "SIEMENS", "SiemensBValue": 800.0}, 800),
        ({"Manufacturer": "Philips", "PhilipsBValue": 0.0}, 0),
        ({"Manufacturer": "GE", "GEBValue": (1000000700.0, 8.0, 0.0, 0.0)}, 700),
        ({"Manufacturer": "GE", "SiemensBValue": 5.0}, None),
        ({"Manufacturer": "SIEMENS", "GEBValue": (5.0,)}, None),
        ({"Manufacturer": "SIEMENS", "DiffusionBValue": 50.0, "SiemensBValue": 5.0}, 50),
        ({"DiffusionBValue": -1.0}, None),
        ({"Manufacturer": "GE", "GEBValue": ("DOE",)}, None),
    ],
)
def test_a_makers_own_b_value_counts_only_for_that_maker(tags: Tags, b_value: int | None) -> None:
    assert sidecar(tags, GRID, ()).get("DiffusionBValue") == b_value


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "reference"),
    [
        *((f"dcmqa_ts/In/{n}.dcm", f"dcmqa_ts/Ref/{n}.json") for n in range(1, 10)),
        ("brain_mr_study3/11-T1post-18670", "brain_mr_study3/hv_s3_t1post.json"),
    ],
)
def test_values_agree_with_dcm2niix(real_data: Path, file: str, reference: str) -> None:
    path = real_data / file
    path = min(path.iterdir()) if path.is_dir() else path
    _compare(read_tags(Blob.of(path)).tags, real_data / reference)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "reference"),
    [
        ("Philips/IM_0027_fMAP.dcm", "Philips_WIP_B0_NS_801_e1.json"),
        ("Siemens/XA10/6_1.dcm", "Siemens_REST1_w_SMS_PF7-8_6.json"),
    ],
)
def test_values_of_frames_agree_with_dcm2niix(real_data: Path, file: str, reference: str) -> None:
    blob = Blob.of(real_data / "dcmqa_enh/In" / file)
    tags = slice_tags(read_tags(blob), blob)[0]
    # dcm2niix states what the whole file says (MIXED, research mode), we what the frame says.
    for name in ("ImageType", "ScanningSequence"):
        tags.pop(name, None)
    _compare(tags, real_data / "dcmqa_enh/Ref" / reference)


def _compare(tags: Tags, reference: Path) -> None:
    ours, theirs = sidecar(tags, GRID, ()), json.loads(reference.read_text())
    both = _header_part(ours).keys() & theirs.keys()
    assert {"EchoTime", "RepetitionTime", "FlipAngle", "SliceThickness", "Manufacturer"} <= both
    for key in both:
        if isinstance(ours[key], (int, float)):
            assert ours[key] == pytest.approx(theirs[key], rel=1e-5), key
        elif key == "ImageType":  # dcm2niix adds MAGNITUDE and the like
            assert set(ours[key]) <= set(theirs[key])
        else:
            said = "\\".join(ours[key]) if isinstance(ours[key], list) else ours[key]
            assert said == theirs[key], key
