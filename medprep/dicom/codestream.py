"""What the head of a compressed picture says of itself, looked at before a decoder trusts it.

Decoders take the memory that the head asks for, whatever the DICOM header says, and at a damaged
JPEG head GDCM and CharLS end the whole process.
"""

from __future__ import annotations

import struct

_SOI, _EOI, _SOS = b"\xff\xd8", b"\xff\xd9", 0xDA
_FILL = b"\xff\xff"
_DHT, _DQT, _DRI, _LSE = 0xC4, 0xDB, 0xDD, 0xF8
_FRAME_HEADS = {*range(0xC0, 0xD0), 0xF7} - {_DHT, 0xC8, 0xCC}
"""SOF0 to SOF15 (T.81 table B.1), and that of JPEG-LS (T.87 C.1.1)."""
_REMARKS = {*range(0xE0, 0xF0), 0xFE}
"""What applications add; no grey value depends on it."""
_LSE_SIZE = 4
_J2K = b"\xff\x4f\xff\x51"
_J2K_WITHIN = 4096
_RLE_HEAD = 64


def plain_jpeg(frame: bytes, rows: int, columns: int, samples: int, bits: int) -> bytes:
    """Check a JPEG or JPEG-LS picture (T.81 annex B, T.87 annex C) and leave out its remarks.

    Raises
    ------
    ValueError
        If a segment before the scan is unknown, damaged or out of place, there is no end, or the
        picture has another size or more than ``bits`` a sample.
    """
    if not frame.startswith(_SOI):
        raise ValueError("no JPEG picture")
    parts, at = [_SOI], 2
    marker, seen = 0, False
    while marker != _SOS:
        while frame[at : at + 2] == _FILL:
            at += 1
        sign, marker, length = struct.unpack(">BBH", frame[at : at + 4].ljust(4, b"\0"))
        begin, at = at, at + 2 + length
        segment = frame[begin + 4 : at]
        if sign != 0xFF or length != len(segment) + 2 or not _is_sound(marker, segment):
            raise ValueError(f"its JPEG is damaged at byte {begin}")
        if marker in _FRAME_HEADS:
            precision, *stated = struct.unpack_from(">BHHB", segment)
            _require_size(tuple(stated), (rows, columns, samples))
            if not 2 <= precision <= bits or seen:
                raise ValueError(f"its JPEG has {precision} bits a sample")
            seen = True
        if marker not in _REMARKS:
            parts.append(frame[begin:at])
    end = frame.rfind(_EOI, at)
    if not seen or end < 0:
        raise ValueError("its JPEG is cut short" if seen else "its JPEG has no frame header")
    return b"".join((*parts, frame[at : end + 2]))


def _is_sound(marker: int, segment: bytes) -> bool:
    if marker in _FRAME_HEADS:
        return len(segment) > 5 and len(segment) == 6 + 3 * segment[5]
    if marker == _SOS:
        return len(segment) > 5 and len(segment) == 4 + 2 * segment[0]
    if marker == _DHT:
        return _are_codes(segment)
    if marker == _DQT:
        return _are_steps(segment)
    if marker == _LSE:
        return len(segment) > 0 and segment[0] < _LSE_SIZE
    return (marker == _DRI and len(segment) == 2) or marker in _REMARKS


def _are_codes(segment: bytes) -> bool:
    """Tell whether there are whole Huffman tables: 16 counts, then a value for each code."""
    at = 0
    while at < len(segment):
        counts = segment[at + 1 : at + 17]
        at += 17 + sum(counts)
        used = sum(count << (16 - bits) for bits, count in enumerate(counts, 1))
        if len(counts) < 16 or used > 1 << 16:
            return False
    return at == len(segment)


def _are_steps(segment: bytes) -> bool:
    """Tell whether there are whole quantization tables: 64 steps of one or two bytes."""
    at = 0
    while at < len(segment):
        at += 129 if segment[at] >> 4 else 65
    return at == len(segment)


def plain_j2k(frame: bytes, rows: int, columns: int, samples: int) -> bytes:
    """Check the size that a JPEG 2000 picture states (T.800 A.5.1) and leave out a file's boxes.

    Raises
    ------
    ValueError
        If it is none or its size is another.
    """
    at = frame.find(_J2K, 0, _J2K_WITHIN)
    if at < 0 or len(frame) < at + 42:
        raise ValueError("no JPEG 2000 picture")
    right, bottom, left, top = struct.unpack_from(">4I", frame, at + 8)
    (parts,) = struct.unpack_from(">H", frame, at + 40)
    _require_size((bottom - top, right - left, parts), (rows, columns, samples))
    return frame[at:]


def require_rle(frame: bytes, segments: int) -> None:
    """Check the head of an RLE picture: how many segments there are and where (PS3.5 G.5).

    Raises
    ------
    ValueError
        If it is cut short, or the places are not ascending or outside the picture.
    """
    if len(frame) < _RLE_HEAD:
        raise ValueError("its RLE picture is cut short")
    count, *places = struct.unpack_from("<16I", frame)
    wanted = [*places[:segments], len(frame)]
    if count != segments or places[0] != _RLE_HEAD or wanted != sorted(set(wanted)):
        raise ValueError("the head of its RLE picture is damaged")


def _require_size(stated: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if stated != wanted:
        found, told = (" x ".join(map(str, size)) for size in (stated, wanted))
        raise ValueError(f"its compressed picture is {found}, but the header says {told}")
