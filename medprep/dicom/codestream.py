"""What a compressed picture says of its own size, before a decoder believes it."""

from __future__ import annotations

import struct

_ITEM = b"\xfe\xff\x00\xe0"
_JPEG, _J2K = b"\xff\xd8", b"\xff\x4f\xff\x51"
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Start-of-frame markers: JPEG (ITU-T T.81 table B.1) and JPEG-LS (T.87)."""
_BARE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length."""


def first_picture(encapsulated: bytes) -> bytes:
    """Give the first fragment of encapsulated pixel data (PS3.5 A.4); empty where there is none."""
    if encapsulated[:4] != _ITEM or len(encapsulated) < 16:
        return b""
    at = 8 + struct.unpack_from("<I", encapsulated, 4)[0]  # behind the basic offset table
    if encapsulated[at : at + 4] != _ITEM:
        return b""
    length = int.from_bytes(encapsulated[at + 4 : at + 8], "little")
    return encapsulated[at + 8 : at + 8 + length]


def size_of(picture: bytes) -> tuple[int, int] | None:
    """Give rows and columns of a JPEG, JPEG-LS or JPEG 2000 picture; None where it does not say."""
    if picture[:4] == _J2K and len(picture) >= 24:
        right, bottom, left, top = struct.unpack_from(">4I", picture, 8)
        return bottom - top, right - left
    if picture[:2] != _JPEG:
        return None
    at = 2
    while at + 9 <= len(picture) and picture[at] == 0xFF:
        marker = picture[at + 1]
        if marker in _FRAMES:
            rows, columns = struct.unpack_from(">2H", picture, at + 5)
            return rows, columns
        if marker == 0xFF or marker in _BARE:
            at += 1 if marker == 0xFF else 2
        else:
            at += 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
    return None
