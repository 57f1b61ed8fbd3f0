"""Read a file that lies elsewhere by ranges, as few as its reader needs."""

from __future__ import annotations

import io
import os
from typing import BinaryIO, cast

from medprep.places.hand import in_hand
from medprep.places.paths import FarPath
from medprep.places.seen import Seen, look, store_of

HEAD = 16 << 10
"""The first read takes so much: the header of nearly every DICOM file, in one request."""
_LARGEST_STEP = 4 << 20


class FarFile(io.RawIOBase):
    """A file of which one piece at a time is in memory.

    Whoever reads on gets larger pieces; whoever jumps gets small ones.
    """

    def __init__(self, path: FarPath, size: int) -> None:
        self._path, self._size = path, size
        self._at = 0
        self._begin, self._piece = 0, b""
        self._step = HEAD

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
        """Move."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(22, "Invalid argument")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """Give the next bytes; all that are left for -1."""
        left = max(0, self._size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        if not count:
            return b""
        place = self._at - self._begin
        if place < 0 or place + count > len(self._piece):
            self._fetch(count)
            place = 0
        self._at += count
        return self._piece[place : place + count]

    def readinto(self, memory: object) -> int:
        """Read into memory and give how many bytes there were."""
        view = memoryview(memory).cast("B")  # type: ignore[arg-type]
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def _fetch(self, count: int) -> None:
        if self._piece and self._begin < self._at <= self._begin + len(self._piece):
            self._step = min(4 * self._step, _LARGEST_STEP)
        else:
            self._step = HEAD
        wanted = min(max(count, self._step), self._size - self._at)
        self._begin, self._piece = self._at, store_of(self._path).read(self._path, self._at, wanted)
        if len(self._piece) < wanted:
            raise OSError(5, "it is shorter than it was; has it been changed?", str(self._path))


def open_far(path: FarPath, seen: Seen | None = None) -> BinaryIO:
    """Open a file for reading.

    Parameters
    ----------
    seen
        What is known of it; else it is asked for.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    content = in_hand(path)
    if content is not None:
        return io.BytesIO(content)
    found = seen or look(path)
    if found is None or found.folder:
        raise FileNotFoundError(2, "No such file", str(path))
    if path.split()[1]:  # what is packed is unpacked once
        return io.BytesIO(store_of(path).read(path, 0, found.size))
    return cast(BinaryIO, FarFile(path, found.size))
