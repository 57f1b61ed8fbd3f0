"""Walk the data elements of a header without building a dataset (PS3.5 chapter 7).

Little-endian, explicit or implicit VR. Values that nobody wants are stepped over unread, so that a
header costs one short read and a tenth of a millisecond.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from medprep.dicom.dictionary import (
    DOUBLE_PIXEL_DATA,
    FLOAT_PIXEL_DATA,
    MODALITY_LUT,
    PIXEL_DATA,
    WANTED,
)

_LONG = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
"""VRs whose length takes four bytes (PS3.5 7.1.2)."""
_SHORT = frozenset(
    (
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN",
        b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
    )
)  # fmt: skip
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_CHUNK = 8192
_LONGEST_VALUE = 1 << 20
_DEEPEST = 16

_tag_vr = struct.Struct("<HH2sH")
_tag_length = struct.Struct("<HHI")
_length = struct.Struct("<I")


class Unreadable(Exception):
    """The bytes are not what this reader understands."""


class Damaged(Unreadable):
    """The bytes end before the elements do, or are zeros: no other reader would find more."""


@dataclass(frozen=True, slots=True)
class Elements:
    """What was found.

    Parameters
    ----------
    values
        Tag to VR (``b""`` where it is implicit) and bytes, of the wanted ones.
    pixels_at
        Offset of the pixel data's value, or -1 where there is none.
    pixels_bytes
        Its length; -1 where it is undefined (encapsulated frames).
    pixels_vr_float
        True for Float or Double Float Pixel Data.
    end
        Where the walk ended.
    """

    values: dict[int, tuple[bytes, bytes]]
    pixels_at: int
    pixels_bytes: int
    pixels_vr_float: bool
    end: int


def is_vr(letters: bytes) -> bool:
    """Tell whether two bytes name a value representation (PS3.5 6.2)."""
    return letters in _SHORT or letters in _LONG


def walk(
    handle: BinaryIO, start: int, size: int, *, explicit: bool, last: int = PIXEL_DATA
) -> Elements:
    """Read the wanted elements from ``start`` up to the pixel data or the tag ``last``.

    ``size`` is where the bytes end.

    Raises
    ------
    Unreadable
        If the bytes are no little-endian elements of the given kind.
    Damaged
        If they end within one, or nothing was ever written to them.
    """
    window = _Window(handle)
    values: dict[int, tuple[bytes, bytes]] = {}
    at = start
    while True:
        place = at - window.base
        if place < 0 or at + 12 > window.end:
            if at > size:
                raise Damaged(f"a length runs {at - size:,} bytes past the end")
            window.move(at)
            if window.end - at < 8:
                return Elements(values, -1, 0, False, at)
            place = 0
        group, element, vr, length = _tag_vr.unpack_from(window.data, place)
        tag = group << 16 | element
        if group > last >> 16:
            return Elements(values, -1, 0, False, at)
        if not tag:
            raise Damaged(f"zeros at byte {at}")
        if explicit and vr in _SHORT:
            value_at = at + 8
        else:
            vr, length, value_at = _rest_of_head(window, at, vr, explicit)
        if tag > last or tag >= FLOAT_PIXEL_DATA:
            return _at_pixels(values, tag, length, value_at, at)
        if length == _UNDEFINED:
            at = _skip_sequence(window, value_at, explicit and vr != b"UN", 0)
            if tag == MODALITY_LUT and at > value_at + 8:
                values[tag] = vr, b""
            continue
        if tag in WANTED and length:
            if value_at + length > size:
                raise Damaged(f"a length runs {value_at + length - size:,} bytes past the end")
            kept = 0 if tag == MODALITY_LUT else length
            if kept > _LONGEST_VALUE:
                raise Unreadable(f"a value of {length} bytes at {at}")
            values[tag] = vr, window.take(value_at, kept)
        at = value_at + length


def _at_pixels(
    values: dict[int, tuple[bytes, bytes]], tag: int, length: int, value_at: int, at: int
) -> Elements:
    if tag not in (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA):
        return Elements(values, -1, 0, False, at)
    size = -1 if length == _UNDEFINED else length
    return Elements(values, value_at, size, tag != PIXEL_DATA, at)


def _rest_of_head(window: _Window, at: int, vr: bytes, explicit: bool) -> tuple[bytes, int, int]:
    """Give VR, length and place of the value of an element whose VR is long or implicit."""
    place = at - window.base
    if not explicit:
        return b"", _length.unpack_from(window.data, place + 4)[0], at + 8
    if vr in _LONG:
        if place + 12 > len(window.data):
            raise Damaged(f"cut short at byte {at}")
        return vr, _length.unpack_from(window.data, place + 8)[0], at + 12
    raise Unreadable(f"no VR at {at}")


def _skip_sequence(window: _Window, at: int, explicit: bool, depth: int) -> int:
    """Step over a sequence of undefined length and give where it ends (PS3.5 7.5)."""
    if depth > _DEEPEST:
        raise Unreadable(f"sequences more than {_DEEPEST} deep")
    while True:
        window.need(at, 8)
        group, element, length = _tag_length.unpack_from(window.data, at - window.base)
        tag = group << 16 | element
        at += 8
        if tag == _SEQUENCE_END:
            return at
        if tag != _ITEM:
            raise Unreadable(f"no item at {at - 8}")
        at = at + length if length != _UNDEFINED else _skip_item(window, at, explicit, depth)


def _skip_item(window: _Window, at: int, explicit: bool, depth: int) -> int:
    while True:
        window.need(at, 8)
        group, element, _ = _tag_length.unpack_from(window.data, at - window.base)
        if group << 16 | element == _ITEM_END:
            return at + 8
        if not group:
            raise Damaged(f"zeros at byte {at}")
        if explicit:
            window.need(at, 8)
            if window.end - at < 12:
                window.move(at)
        vr, length = _tag_vr.unpack_from(window.data, at - window.base)[2:]
        value_at = at + 8
        if not explicit or vr not in _SHORT:
            vr, length, value_at = _rest_of_head(window, at, vr, explicit)
        if length == _UNDEFINED:
            at = _skip_sequence(window, value_at, explicit and vr != b"UN", depth + 1)
        else:
            at = value_at + length


class _Window:
    """A piece of the file in memory; it moves to where the walk is."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.base = 0
        self.data = b""
        self.end = 0

    def holds(self, at: int, count: int) -> bool:
        return self.base <= at and at + count <= self.end

    def move(self, at: int, count: int = _CHUNK) -> None:
        self._handle.seek(at)
        self.data = self._handle.read(count)
        self.base, self.end = at, at + len(self.data)

    def need(self, at: int, count: int) -> None:
        if not self.holds(at, count):
            self.move(at)
            if not self.holds(at, count):
                raise Damaged(f"cut short at byte {at}")

    def take(self, at: int, count: int) -> bytes:
        if not self.holds(at, count):
            self.move(at, max(count, _CHUNK))
            if not self.holds(at, count):
                raise Damaged(f"cut short at byte {at}")
        return self.data[at - self.base : at - self.base + count]
