"""What the head of a compressed picture says of itself, looked at before a decoder trusts it.

Decoders take the memory that the head asks for, whatever the DICOM header says; of a damaged head
one decoder ends the whole process (GDCM, at any JPEG marker out of place).
"""

from __future__ import annotations

import struct

_SOI, _SOS, _DHT = 0xFFD8, 0xFFDA, 0xFFC4
_NO_SEGMENT = {0xFF00, 0xFF01, _SOI, 0xFFD9, *range(0xFFD0, 0xFFD8)}
_FRAME_HEADS = {*range(0xFFC0, 0xFFD0), 0xFFF7} - {_DHT, 0xFFC8, 0xFFCC}
"""SOF0 to SOF15 (T.81 table B.1), and that of JPEG-LS (T.87 C.1.1)."""
_LSE, _OVERSIZE = 0xFFF8, 4
_J2K = b"\xff\x4f\xff\x51"
_J2K_WITHIN = 4096


def check_jpeg(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Check the segments of a JPEG or JPEG-LS picture up to its scan (T.81 annex B).

    Raises
    ------
    ValueError
        If a segment is out of place or cut short, or the picture is of another size.
    """
    at = 2
    if _number(frame, 0) != _SOI:
        raise ValueError("no JPEG picture")
    seen = False
    while True:
        marker, length = _number(frame, at), _number(frame, at + 2)
        end = at + 2 + length
        if marker < 0xFF00 or marker in _NO_SEGMENT or length < 2 or end > len(frame):
            raise ValueError(f"its JPEG is damaged at byte {at}")
        segment = frame[at + 4 : end]
        if marker in _FRAME_HEADS:
            _check_frame_head(segment, rows, columns, samples)
            seen = True
        elif marker == _DHT:
            _check_codes(segment)
        elif marker == _LSE and segment[:1] == bytes((_OVERSIZE,)):
            raise ValueError("its JPEG-LS changes its size")
        elif marker == _SOS:
            if not seen:
                raise ValueError("its JPEG has no frame header")
            return
        at = end


def _check_frame_head(segment: bytes, rows: int, columns: int, samples: int) -> None:
    if len(segment) < 6 or len(segment) != 6 + 3 * segment[5]:
        raise ValueError("its JPEG frame header is damaged")
    stated = struct.unpack_from(">HHB", segment, 1)
    if stated != (rows, columns, samples):
        raise _other_size(*stated, rows, columns, samples)


def _check_codes(segment: bytes) -> None:
    """Check Huffman tables: 16 counts of codes, then a value for each (T.81 B.2.4.2)."""
    at = 0
    while at < len(segment):
        counts = segment[at + 1 : at + 17]
        at += 17 + sum(counts)
        used = sum(count << (16 - bits) for bits, count in enumerate(counts, 1))
        if len(counts) < 16 or at > len(segment) or used > 1 << 16:
            raise ValueError("its Huffman tables are damaged")


def check_j2k(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Check the size that a JPEG 2000 codestream states (T.800 A.5.1).

    Raises
    ------
    ValueError
        If it is none or its size is another.
    """
    at = frame.find(_J2K, 0, _J2K_WITHIN)
    if at < 0 or len(frame) < at + 42:
        raise ValueError("no JPEG 2000 picture")
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    stated = bottom - top, right - left, _number(frame, at + 40)
    if stated != (rows, columns, samples):
        raise _other_size(*stated, rows, columns, samples)


def _other_size(rows: int, columns: int, samples: int, *wanted: int) -> ValueError:
    return ValueError(
        f"its compressed picture is {rows} x {columns} x {samples}, but the header says "
        f"{wanted[0]} x {wanted[1]} x {wanted[2]}"
    )


def _number(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 2])
