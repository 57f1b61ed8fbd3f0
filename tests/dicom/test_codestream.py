"""No decoder sees a head that is damaged or lies."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import get_frame

from medprep.dicom.codestream import plain_j2k, plain_jpeg, require_rle

SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"
JPEGS = {
    "MR_small_jpeg_ls_lossless.dcm": 16,
    "JPEGLSNearLossless_08.dcm": 8,
    "SC_rgb_jpeg_gdcm.dcm": 8,
    "SC_rgb_small_odd_jpeg.dcm": 8,
    "JPGExtended.dcm": 12,
}
J2K = ("MR_small_jp2klossless.dcm", "GDCMJ2K_TextGBR.dcm")


@cache
def picture(name: str) -> tuple[bytes, tuple[int, int, int]]:
    data = pydicom.dcmread(SAMPLES / name)
    frame = get_frame(data.PixelData, 0, number_of_frames=1)
    return frame, (data.Rows, data.Columns, data.SamplesPerPixel)


@pytest.mark.parametrize(("name", "bits"), JPEGS.items())
def test_a_sound_jpeg_keeps_all_but_remarks(name: str, bits: int) -> None:
    frame, size = picture(name)
    plain = plain_jpeg(frame, *size, bits)
    assert plain == plain_jpeg(plain, *size, bits)
    assert plain.endswith(b"\xff\xd9")
    scan = frame.index(b"\xff\xda")
    assert plain.endswith(frame[scan : frame.rindex(b"\xff\xd9") + 2])
    assert not any(bytes((0xFF, mark)) in plain[:200] for mark in (*range(0xE0, 0xF0), 0xFE))


def test_remarks_and_fill_bytes_do_no_harm() -> None:
    frame, size = picture("SC_rgb_jpeg_gdcm.dcm")
    plain = plain_jpeg(frame, *size, 8)
    remark = b"\xff\xfe" + struct.pack(">H", 8) + b"remark"
    assert plain_jpeg(plain[:2] + remark + b"\xff\xff" + plain[2:] + b"\0\0", *size, 8) == plain


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"\xff\xd8", b"\xff\xd9", "no JPEG"),
        (b"\xff\xf7\x00\x0b", b"\xff\xf7\x00\x0c", "damaged at byte 2"),
        (b"\xff\xf7\x00\x0b", b"\x00\xf7\x00\x0b", "damaged at byte 2"),
        (b"\xff\xf7", b"\xff\x02", "damaged at byte 2"),
        (b"\xff\xf7", b"\xff\xfe", "no frame header"),
        (b"\xff\xf8\x00\x0d\x01", b"\xff\xf8\x00\x0d\x04", "damaged at byte 15"),
        (b"\x10\x00\x40\x00\x40\x01", b"\x10\xff\xff\xff\xff\x01", "65535 x 65535 x 1, but the h"),
        (b"\x10\x00\x40\x00\x40\x01", b"\x11\x00\x40\x00\x40\x01", "17 bits"),
        (b"\xff\xd9", b"\xff\x00", "cut short"),
    ],
)
def test_a_jpeg_that_lies(old: bytes, new: bytes, told: str) -> None:
    frame, size = picture("MR_small_jpeg_ls_lossless.dcm")
    assert old in frame
    with pytest.raises(ValueError, match=told):
        plain_jpeg(frame.replace(old, new), *size, 16)


def test_huffman_tables_that_overflow() -> None:
    frame, size = picture("SC_rgb_jpeg_gdcm.dcm")
    at = frame.index(b"\xff\xc4") + 5
    for counts in (bytes((3, *frame[at + 1 : at + 16])), b"\xff" * 16):
        with pytest.raises(ValueError, match="damaged"):
            plain_jpeg(frame[:at] + counts + frame[at + 16 :], *size, 8)


def test_more_short_codes_than_there_are() -> None:
    frame, size = picture("SC_rgb_jpeg_gdcm.dcm")
    tables = b"\xff\xc4" + struct.pack(">H", 22) + bytes((0, 3, *[0] * 15)) + b"abc"
    with pytest.raises(ValueError, match="damaged at byte 2"):
        plain_jpeg(frame[:2] + tables + frame[2:], *size, 8)
    sound = tables.replace(b"\0\3\0", b"\0\1\2")
    assert sound in plain_jpeg(frame[:2] + sound + frame[2:], *size, 8)


def test_quantization_steps_of_two_bytes() -> None:
    frame, size = picture("SC_rgb_jpeg_gdcm.dcm")
    for precision, length in ((0, 64), (1, 128)):
        table = b"\xff\xdb" + struct.pack(">H", 3 + length) + bytes((precision << 4, *[1] * length))
        assert table in plain_jpeg(frame[:2] + table + frame[2:], *size, 8)
        wrong = table.replace(bytes((precision << 4, 1)), bytes((1 - precision << 4, 1)), 1)
        with pytest.raises(ValueError, match="damaged at byte 2"):
            plain_jpeg(frame[:2] + wrong + frame[2:], *size, 8)


def test_two_frame_headers() -> None:
    frame, size = picture("MR_small_jpeg_ls_lossless.dcm")
    with pytest.raises(ValueError, match="bits a sample"):
        plain_jpeg(frame[:15] + frame[2:], *size, 16)


@pytest.mark.parametrize("name", JPEGS)
@given(data=st.data())
@settings(max_examples=60, derandomize=True)
def test_any_damage_is_a_value_error_or_none(name: str, data: st.DataObject) -> None:
    frame, size = picture(name)
    made = bytearray(frame)
    for at in data.draw(st.lists(st.integers(0, 250), min_size=1, max_size=3)):
        made[at % len(made)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(made)))
    for bad in (bytes(made), bytes(made[:cut])):
        try:
            plain_jpeg(bad, *size, 16)
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize("name", J2K)
def test_jpeg_2000_without_its_boxes(name: str) -> None:
    frame, size = picture(name)
    plain = plain_j2k(frame, *size)
    assert plain.startswith(b"\xff\x4f\xff\x51")
    assert frame.endswith(plain)
    rows, columns, samples = size
    for other in ((rows + 1, columns, samples), (rows, columns, samples + 1)):
        with pytest.raises(ValueError, match="but the header says"):
            plain_j2k(frame, *other)
    for bad in (b"", plain[:30], plain[2:]):
        with pytest.raises(ValueError, match="no JPEG 2000"):
            plain_j2k(bad, *size)


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ((3, 64, 70), "damaged"),
        ((2, 60, 70), "damaged"),
        ((2, 64, 64), "damaged"),
        ((2, 70, 64), "damaged"),
        ((2, 64, 80), "damaged"),
        ((2, 64, 0xFFFFFFFF), "damaged"),
    ],
)
def test_the_head_of_rle(head: tuple[int, ...], told: str) -> None:
    def made(*numbers: int) -> bytes:
        return struct.pack("<16I", *numbers, *[0] * (16 - len(numbers))) + bytes(16)

    require_rle(made(2, 64, 70), 2)
    with pytest.raises(ValueError, match=told):
        require_rle(made(*head), 2)
    with pytest.raises(ValueError, match="cut short"):
        require_rle(made(2, 64, 70)[:60], 2)


def test_rle_of_every_depth() -> None:
    for bits, name in ((8, "SC_rgb_rle.dcm"), (16, "SC_rgb_rle_16bit.dcm")):
        frame, (_, _, samples) = picture(name)
        require_rle(frame, samples * bits // 8)
