"""Stored numbers into values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from medprep.dicom.assemble import assemble
from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import Stack
from medprep.dicom.headers import read_slices
from medprep.dicom.stacks import Policy, lay_out
from medprep.errors import DicomError

NOISE = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)


def decoded(*paths: Path) -> np.ndarray:
    """Give the values of single-frame files, slice by slice where there are several."""
    slices = [one for path in paths for one in read_slices(Blob.of(path))[1]]
    (plan,) = lay_out(Stack(tuple(slices)), Policy())
    array, _ = assemble(plan)
    return array[0] if len(paths) == 1 else array


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, RescaleSlope="2", RescaleIntercept="-1024")
    assert decoded(path).dtype == np.int16
    assert np.array_equal(decoded(path), NOISE.astype(int) * 2 - 1024)


def test_a_fraction_makes_floats(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, RescaleSlope="0.5", RescaleIntercept="1")
    assert decoded(path).dtype == np.float32
    assert np.array_equal(decoded(path), NOISE * 0.5 + 1)


@pytest.mark.parametrize("slope", ["1", "3", "100000"])
def test_large_numbers_do_not_turn_over(tmp_path: Path, slope: str) -> None:
    large = np.array([[2**32 - 1, 2**31], [0, 7]], np.uint32)
    found = decoded(write_dicom(tmp_path / "a.dcm", large, RescaleSlope=slope))
    wanted = (large.astype(object) * int(slope)).astype(float)
    assert np.allclose(found.astype(float), wanted, rtol=1e-7, atol=0)


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
        ({"NumberOfFrames": "2000000000"}, "2000000000 frames"),
        ({"Rows": 65}, "cut short"),
        ({"BitsStored": 17}, "17 bits stored in 16"),
    ],
)
def test_impossible_pixels_are_refused(tmp_path: Path, changes: dict, told: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, **changes)
    with pytest.raises(DicomError, match=told) as raised:
        decoded(path)
    assert raised.value.path == str(path)
    assert "\n" not in raised.value.message


def test_numbers_of_monochrome1_are_kept(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(decoded(path), NOISE)


def stack(folder: Path, *planes: np.ndarray, **tags: list) -> np.ndarray:
    """Write planes one above the other; a list gives each its own tag."""
    return decoded(
        *(
            write_dicom(folder / f"{n}.dcm", plane, (0, 0, n), **{k: v[n] for k, v in tags.items()})
            for n, plane in enumerate(planes)
        )
    )


@pytest.mark.parametrize(
    ("tops", "kind"),
    [
        ((7, 32767), np.int16), ((7, 32768), np.uint16), ((65535, 7, 40000), np.uint16),
    ],
)  # fmt: skip
def test_the_type_widens_when_a_slice_needs_it(tmp_path: Path, tops: tuple, kind: type) -> None:
    planes = [np.array([[0, top], [1, 2]], np.uint16) for top in tops]
    found = stack(tmp_path, *planes)
    assert found.dtype == kind
    assert np.array_equal(found, planes)


def test_below_zero_and_above_32767_take_32_bits(tmp_path: Path) -> None:
    planes = [np.array([[0, top]], np.uint16) for top in (10, 60000)]
    found = stack(tmp_path, *planes, RescaleIntercept=["-5", "-5"])
    assert found.dtype == np.int32
    assert found.tolist() == [[[-5, 5]], [[-5, 59995]]]


def test_an_intercept_that_a_16_bit_sum_must_survive(tmp_path: Path) -> None:
    found = stack(
        tmp_path, np.array([[0, 33000]], np.uint16), np.array([[1024, 2000]], np.uint16),
        RescaleIntercept=["-1024", "-1000"],
    )  # fmt: skip
    assert found.dtype == np.int16
    assert found.tolist() == [[[-1024, 31976]], [[24, 1000]]]


def test_each_slice_has_its_own_slope(tmp_path: Path) -> None:
    plane = np.array([[1, 2]], np.int16)
    found = stack(tmp_path, plane, plane, RescaleSlope=["0.5", "0.25"])
    assert found.dtype == np.float32
    assert found.tolist() == [[[0.5, 1]], [[0.25, 0.5]]]


def test_eight_bits_stay_eight_bits_where_nothing_rescales_them(tmp_path: Path) -> None:
    plane = np.array([[1, 255]], np.uint8)
    assert stack(tmp_path, plane, plane).dtype == np.uint8
    assert stack(tmp_path, plane, plane, RescaleIntercept=["0", "1"]).dtype == np.int16


def test_truncated_pixels_are_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DicomError, match=r"(cut short|not readable|past the end)"):
        decoded(path)


def test_no_pixels_are_refused(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(DicomError, match="without pixel data"):
        decoded(path)
