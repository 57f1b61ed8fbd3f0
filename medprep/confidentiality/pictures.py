"""Pixel data: nothing besides the picture is written."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from medprep.dicom.codestream import plain_j2k, plain_jpeg
from medprep.errors import DicomError

NATIVE = frozenset(
    ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
)
_RLE = "1.2.840.10008.1.2.5"
_JPEG = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 57, 70, 80, 81))
_JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
_ADOBE = b"\xff\xee\x00\x0eAdobe"
_ADOBE_BYTES, _ADOBE_WITHIN = 16, 4096
_END = b"\xff\xd9"
_COMMENT, _FIRST_TILE = 0xFF64, 0xFF90
_OVERLAY_AT = 0x0102


def strip(dataset: Any) -> None:
    """Cut whatever is no picture from the pixel data, in place; values stay as they are.

    Remarks in compressed frames, bytes behind the last row, an overlay in unused bits.

    Raises
    ------
    DicomError
        If the pixel data is cut short or damaged, or of a kind that can hold more than a picture.
    """
    if "PixelData" not in dataset:
        return
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    try:
        if syntax in NATIVE:
            _strip_native(dataset)
        else:
            _strip_frames(dataset, syntax)
    except DicomError:
        raise
    except Exception as error:  # pydicom and the headers of pictures raise many kinds
        said = error if isinstance(error, ValueError) else type(error).__name__
        raise DicomError(
            f"its pixel data cannot be written safely ({said}); leave it out, or mend the file"
        ) from error


def _strip_native(dataset: Any) -> None:
    from pydicom.pixels.utils import get_expected_length

    content = dataset.PixelData
    wanted = get_expected_length(dataset, unit="bytes")
    if len(content) < wanted:
        raise DicomError(
            f"its pixel data is cut short: {len(content):,} of {wanted:,} bytes; copy the file anew"
        )
    if len(content) > wanted + wanted % 2:
        dataset["PixelData"].value = content[:wanted] + b"\0" * (wanted % 2)
    if _has_overlay_in_pixels(dataset):
        _clear_unused_bits(dataset)


def _has_overlay_in_pixels(dataset: Any) -> bool:
    """Tell whether an overlay lies in bits that no grey value uses (retired, PS3.5 8.1.2)."""
    return any(
        group & 0xFF00 == 0x6000 and element == _OVERLAY_AT
        for group, element in ((tag >> 16, tag & 0xFFFF) for tag in list(dataset.keys()))
    )


def _clear_unused_bits(dataset: Any) -> None:
    allocated, stored = int(dataset.BitsAllocated), int(dataset.BitsStored)
    if allocated not in (8, 16, 32) or stored >= allocated:
        return
    low = int(dataset.get("HighBit", stored - 1)) - stored + 1
    order = "<" if dataset.original_encoding[1] else ">"
    numbers = np.frombuffer(dataset["PixelData"].value, f"{order}u{allocated // 8}")
    mask = ((1 << stored) - 1) << max(low, 0)
    dataset["PixelData"].value = (
        (numbers & numbers.dtype.type(mask)).astype(numbers.dtype).tobytes()
    )


def _strip_frames(dataset: Any, syntax: str) -> None:
    from pydicom.encaps import encapsulate, generate_frames

    if syntax not in _JPEG | _JPEG_2000 | {_RLE}:
        raise DicomError(
            f"its pixel data is of transfer syntax {syntax[:64]}, which can hold more than "
            "pictures; decompress it first"
        )
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    size = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel", 1))
    frames = []
    for frame in generate_frames(dataset.PixelData, number_of_frames=count):
        if syntax in _JPEG:
            frames.append(_plain_jpeg(frame, size, int(dataset.BitsAllocated)))
        elif syntax in _JPEG_2000:
            frames.append(_plain_j2k(frame, size))
        else:
            frames.append(frame)
    if len(frames) != count:
        raise DicomError(f"its pixel data has {len(frames)} frames; its header says {count}")
    dataset["PixelData"].value = encapsulate(frames)
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in dataset:
            delattr(dataset, keyword)


def _plain_jpeg(frame: bytes, size: tuple[int, int, int], bits: int) -> bytes:
    plain = plain_jpeg(frame, *size, bits)
    at = frame.find(_ADOBE, 0, _ADOBE_WITHIN)
    if at < 0:
        return plain
    # It says which colours the three samples are.
    return plain[:2] + frame[at : at + _ADOBE_BYTES] + plain[2:]


def _plain_j2k(frame: bytes, size: tuple[int, int, int]) -> bytes:
    """Leave out boxes, comments of the main header and what follows the end (T.800 A.2, A.9.2)."""
    plain = plain_j2k(frame, *size)
    end = plain.rfind(_END)
    if end < 0:
        raise ValueError("its JPEG 2000 picture has no end")
    parts, at = [plain[:2]], 2
    while True:
        marker, length = struct.unpack_from(">HH", plain, at)
        if marker == _FIRST_TILE:
            return b"".join((*parts, plain[at : end + 2]))
        if marker != _COMMENT:
            parts.append(plain[at : at + 2 + length])
        at += 2 + length
