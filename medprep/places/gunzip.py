"""Move about in a gzip file without unpacking it to the disk.

Every few megabytes the state of unpacking is kept, so that a place is reached again from the
nearest one before it. What is unpacked is let go of at once.
"""

from __future__ import annotations

import bisect
import io
import os
import zlib
from typing import Any, BinaryIO

from medprep.errors import FormatError

_KEPT_EVERY = 8 << 20
_READ = 1 << 18
_SUSPECT_BYTES, _SUSPECT_RATIO = 1 << 28, 900
"""Deflate packs at most 1032 to 1: what comes near it and is large is no data set."""


class Gunzip(io.RawIOBase):
    """What a gzip file unpacks to, read in any order.

    Raises
    ------
    FormatError
        While reading: if it is damaged, cut short or a bomb.
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self._at = 0
        # Unpacked so far, packed so far, the state there.
        self._kept: list[tuple[int, int, Any]] = [(0, 0, _fresh())]
        self._go_to(0)

    def _go_to(self, number: int) -> None:
        self._out, self._in, state = self._kept[number]
        self._state = state.copy()
        self._piece = b""
        self._handle.seek(self._in)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be moved in."""
        return True

    def tell(self) -> int:
        """Give where it is."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; the end is not known."""
        if whence == os.SEEK_END:
            raise io.UnsupportedOperation("nobody knows where it ends")
        self._at = max(0, offset + (self._at if whence == os.SEEK_CUR else 0))
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Give the next bytes; fewer at the end."""
        if size is None or size < 0:
            raise io.UnsupportedOperation("how much would come is not known")
        begin = self._out - len(self._piece)
        nearest = bisect.bisect_right([one[0] for one in self._kept], self._at) - 1
        if self._at < begin or self._kept[nearest][0] > self._out:
            self._go_to(nearest)
        parts: list[bytes] = []
        wanted = size
        while wanted:
            begin = self._out - len(self._piece)
            here = self._piece[self._at - begin : self._at - begin + wanted]
            if here:
                parts.append(here)
                self._at += len(here)
                wanted -= len(here)
            elif not self._unpack():
                break
        return b"".join(parts)

    def _unpack(self) -> bool:
        """Unpack the next piece in place of the last; False at the end."""
        if self._state.eof:
            rest = self._state.unused_data
            packed = rest or self._handle.read(_READ)
            self._in += 0 if rest else len(packed)
            if not packed.strip(b"\0"):  # what fills up the last block of a tape
                return False
            self._state = _fresh()
        else:
            packed = self._state.unconsumed_tail
            if not packed:
                packed = self._handle.read(_READ)
                self._in += len(packed)
                if not packed:
                    raise FormatError("not readable as a tar archive: packed data are cut short")
        try:
            self._piece = self._state.decompress(packed, 4 * _READ)
        except zlib.error as error:
            raise FormatError("not readable as a tar archive: packed data are damaged") from error
        self._out += len(self._piece)
        if self._out > _SUSPECT_BYTES and self._out > _SUSPECT_RATIO * self._in:
            raise FormatError(
                f"{self._in:,} packed bytes become more than {self._out:,}: not unpacked; "
                "unpack it yourself if you trust it"
            )
        if self._out >= self._kept[-1][0] + _KEPT_EVERY and not self._state.eof:
            self._kept.append((self._out, self._in, self._state.copy()))
        return True


def _fresh() -> Any:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)
