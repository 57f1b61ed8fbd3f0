"""Stored numbers into values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medprep.dicom.headers import read_dataset, slice_header
from medprep.dicom.pixels import compact, decode
from medprep.errors import DicomError

NOISE = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)


def decoded(path: Path) -> np.ndarray:
    dataset = read_dataset(path)
    return decode(dataset, slice_header(dataset, path), path)


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, RescaleSlope="2", RescaleIntercept="-1024")
    assert decoded(path).dtype == np.int32
    assert np.array_equal(decoded(path), NOISE.astype(int) * 2 - 1024)


def test_a_fraction_makes_floats(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, RescaleSlope="0.5", RescaleIntercept="1")
    assert decoded(path).dtype == np.float64
    assert np.array_equal(decoded(path), NOISE * 0.5 + 1)


@pytest.mark.parametrize("slope", ["1", "3", "100000"])
def test_large_numbers_do_not_turn_over(tmp_path: Path, slope: str) -> None:
    large = np.array([[2**32 - 1, 2**31], [0, 7]], np.uint32)
    found = decoded(write_dicom(tmp_path / "a.dcm", large, RescaleSlope=slope))
    assert np.array_equal(found, large.astype(object) * int(slope))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16])
def test_signed_and_unsigned(tmp_path: Path, kind: type) -> None:
    bounds = np.array([[np.iinfo(kind).min, np.iinfo(kind).max]], kind)
    assert np.array_equal(decoded(write_dicom(tmp_path / "a.dcm", bounds)), bounds)


@pytest.mark.parametrize(
    ("signed", "wanted"), [(False, [[1, 4095, 2048, 5]]), (True, [[1, -1, -2048, 5]])]
)
def test_rubbish_above_12_bits_is_cut_off(tmp_path: Path, signed: bool, wanted: list) -> None:
    stored = np.array([[0xF001, 0x0FFF, 0x1800, 5]], np.uint16)
    path = write_dicom(
        tmp_path / "a.dcm",
        stored.view(np.int16) if signed else stored,
        BitsStored=12,
        HighBit=11,
    )
    assert decoded(path).tolist() == wanted


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_pixels(tmp_path: Path, syntax: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, BitsStored=12, HighBit=11)
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax)
    dataset.save_as(path)
    assert np.array_equal(decoded(path), NOISE)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "RGB with 3 samples"),
        ({"NumberOfFrames": "2"}, "2 frames in one file; wanted is one slice"),
        ({"NumberOfFrames": "2000000000"}, "2000000000 frames"),
        ({"Rows": 65}, "cannot be decoded"),
        ({"BitsAllocated": None}, "cannot be decoded"),
    ],
)
def test_other_pixels_are_refused(tmp_path: Path, changes: dict, told: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, **changes)
    with pytest.raises(DicomError, match=told) as raised:
        decoded(path)
    assert raised.value.path == str(path)
    assert "\n" not in raised.value.message


def test_truncated_pixels_are_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DicomError, match=r"(cannot be decoded|not readable)"):
        decoded(path)


def test_no_pixels_are_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(DicomError, match="cannot be decoded"):
        decoded(path)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([-1024, 3071], np.int16),
        ([0, 32768], np.uint16),
        ([0, 65535], np.uint16),
        ([-1, 32768], np.float32),
        ([0, 65536], np.float32),
        ([-5.0, 7.0], np.int16),
        ([0.5, 1.0], np.float32),
        ([np.nan, 1.0], np.float32),
        ([np.inf, 1.0], np.float32),
    ],
)
def test_the_smallest_type_that_holds_all(values: list[float], kind: type) -> None:
    stored = compact(np.array(values))
    assert stored.dtype == kind
    assert np.array_equal(stored, np.array(values), equal_nan=True)
