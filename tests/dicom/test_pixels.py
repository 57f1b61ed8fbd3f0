"""Stored numbers, of whatever bits and in whatever order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import decoded, resaved, stored_in, write_dicom
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medprep.errors import DicomError

NOISE = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)


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


NATIVE = [
    ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
]  # fmt: skip


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_native_numbers(tmp_path: Path, syntax: str, kind: str) -> None:
    ends = np.iinfo(kind)
    values = np.array([[ends.min, ends.max, 1], [2, 3, 4]], kind)
    path = resaved(write_dicom(tmp_path / "a.dcm", values), syntax)
    found = stored_in(path)
    assert found.dtype == np.dtype(kind).newbyteorder("<")
    assert np.array_equal(found, values)
    assert np.array_equal(pydicom.dcmread(path).pixel_array, values)


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("high_bit", [11, 13, 15])
@pytest.mark.parametrize("signed", [False, True])
def test_12_bits_anywhere_in_16(tmp_path: Path, syntax: str, high_bit: int, signed: bool) -> None:
    values = np.array([[0, 1, 2047], [2048, 4095, 1234]])
    rubbish = np.random.default_rng(0).integers(0, 65536, values.shape)
    mask = 0xFFF << (high_bit - 11)
    stored = ((values << (high_bit - 11)) | (rubbish & ~mask)).astype(np.uint16)
    path = write_dicom(
        tmp_path / "a.dcm", stored, BitsStored=12, HighBit=high_bit,
        PixelRepresentation=int(signed),
    )  # fmt: skip
    found = stored_in(resaved(path, syntax))
    wanted = np.where(signed & (values > 2047), values - 4096, values)
    assert np.array_equal(found, wanted)
    assert np.array_equal(stored_in(path), wanted), "reading twice does no harm"


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("colours", ["RGB", "YBR_FULL"])
def test_colours_are_rgb(tmp_path: Path, planar: int, syntax: str, colours: str) -> None:
    values = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    path = write_dicom(
        tmp_path / "a.dcm", values if planar == 0 else values.transpose(2, 0, 1), Rows=6, Columns=8,
        SamplesPerPixel=3, PhotometricInterpretation=colours, PlanarConfiguration=planar,
    )  # fmt: skip
    found = stored_in(resaved(path, syntax))
    assert np.array_equal(found, pydicom.dcmread(path).pixel_array)
    assert np.array_equal(found, values) == (colours == "RGB")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "palette cannot be used"),
        ({"PhotometricInterpretation": "CMYK"}, "CMYK with 1 samples"),
        ({"SamplesPerPixel": 3}, "MONOCHROME2 with 3 samples"),
        ({"SamplesPerPixel": 4, "PhotometricInterpretation": "ARGB"}, "ARGB with 4 samples"),
        ({"PhotometricInterpretation": "RGB"}, "RGB with 1 samples"),
    ],
)
def test_pixels_of_other_kinds_are_refused(tmp_path: Path, changes: dict, told: str) -> None:
    with pytest.raises(DicomError, match=told):
        decoded(write_dicom(tmp_path / "a.dcm", NOISE.astype(np.uint8), **changes))


def test_one_bit(tmp_path: Path) -> None:
    bits = np.zeros((64, 4096), np.uint8)
    bits[0] = np.random.default_rng(0).integers(0, 2, 4096)
    path = write_dicom(tmp_path / "a.dcm", bits, BitsAllocated=1, BitsStored=1, HighBit=0)
    whole = pydicom.dcmread(path)
    whole.PixelData = np.packbits(bits, bitorder="little").tobytes()
    whole.save_as(path)
    for syntax in (ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        assert np.array_equal(stored_in(resaved(path, syntax)), bits)


def test_float_pixels(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE)
    whole = pydicom.dcmread(path)
    del whole.PixelData, whole.PixelRepresentation, whole.HighBit, whole.BitsStored
    values = (NOISE / 3).astype(np.float32)
    whole.FloatPixelData, whole.BitsAllocated = values.tobytes(), 32
    whole.save_as(path)
    assert np.array_equal(decoded(path), values)
    whole.BitsAllocated = 16
    whole.save_as(path)
    with pytest.raises(DicomError, match="bits stored in 16"):
        decoded(path)


def test_old_files_without_meta_information(tmp_path: Path) -> None:
    for implicit, little in ((True, True), (False, True), (False, False)):
        path = write_dicom(tmp_path / "a.dcm", NOISE)
        whole = pydicom.dcmread(path)
        if not little:
            whole.PixelData = NOISE.astype(">u2").tobytes()
        bare = pydicom.Dataset(whole)
        pydicom.dcmwrite(path, bare, implicit_vr=implicit, little_endian=little)
        assert np.array_equal(stored_in(path), NOISE), (implicit, little)


@pytest.mark.parametrize("implicit", [True, False])
def test_files_that_are_not_in_the_syntax_they_claim(tmp_path: Path, implicit: bool) -> None:
    """A whole picture of 1 MiB: long enough for a misread length to lead past the header."""
    values = np.random.default_rng(0).integers(0, 4096, (1024, 512)).astype(np.uint16)
    path = write_dicom(tmp_path / "a.dcm", values, SpecificCharacterSet="ISO_IR 100")
    if implicit:
        resaved(path, ImplicitVRLittleEndian)
    content = path.read_bytes()
    wrong, right = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"
    assert len(wrong) == len(right)
    if implicit:  # the value keeps its length: claim explicit by a longer one is another test
        meta = pydicom.dcmread(path)
        meta.file_meta.TransferSyntaxUID = UID(ExplicitVRLittleEndian)
        at = content.index(b"\x08\x00\x05\x00")
        pydicom.dcmwrite(path, meta, implicit_vr=False, little_endian=True)
        head = path.read_bytes()
        path.write_bytes(head[: head.index(b"\x08\x00\x05\x00")] + content[at:])
    else:
        path.write_bytes(content.replace(wrong, right))
    assert np.array_equal(stored_in(path), values)


@pytest.mark.parametrize("change", [-1, +2, 1000, 0xFFFFFFF0])
def test_a_length_of_pixel_data_that_lies(tmp_path: Path, change: int) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"\xe0\x7f\x10\x00OW\0\0") + 8
    length = int.from_bytes(content[at : at + 4], "little")
    stated = min(length + change, 0xFFFFFFFE)
    content[at : at + 4] = stated.to_bytes(4, "little")
    path.write_bytes(content)
    if change < 0:
        with pytest.raises(DicomError, match="cut short"):
            decoded(path)
    else:
        assert np.array_equal(decoded(path), NOISE), "what is there is enough"


@pytest.mark.parametrize("frames", ["2", "2000000000", "-1", "0", "1e300", "x"])
@pytest.mark.filterwarnings("ignore")
def test_frames_that_are_not_there(tmp_path: Path, frames: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, NumberOfFrames="77")
    content = path.read_bytes().replace(b"IS\x02\x0077", b"IS\x0c\x00" + frames.encode().ljust(12))
    path.write_bytes(content)
    with pytest.raises(DicomError, match=r"frames|NumberOfFrames"):
        decoded(path)


def test_a_huge_picture_in_few_bytes(tmp_path: Path) -> None:
    for rows, told in ((65535, "65535 x 65535 pixels"), (16384, "cut short")):
        path = write_dicom(tmp_path / "a.dcm", NOISE[:16, :32], Rows=rows, Columns=rows)
        with pytest.raises(DicomError, match=told):
            decoded(path)


def test_a_deflated_picture_cut_short(tmp_path: Path) -> None:
    path = resaved(write_dicom(tmp_path / "a.dcm", NOISE), DeflatedExplicitVRLittleEndian)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DicomError, match=r"cut short|past the end"):
        decoded(path)


def test_a_deflated_picture_of_zeros_is_no_bomb(tmp_path: Path) -> None:
    zeros = np.zeros((2048, 2048), np.uint16)
    path = resaved(write_dicom(tmp_path / "a.dcm", zeros), DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < zeros.nbytes // 500
    assert np.array_equal(decoded(path), zeros)
