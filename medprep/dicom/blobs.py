"""Where bytes come from: a file, here or behind a URL, or a member of an archive."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from medprep.errors import DicomError, FormatError
from medprep.places.archives import archive_of, is_archive
from medprep.places.hand import at_hand, holds_any, in_hand
from medprep.places.paths import FarPath, recorded_path
from medprep.places.reading import open_far
from medprep.places.seen import Seen, look, member_name

_LARGE_BYTES = 1 << 24
_HEAD = 12 << 10
"""So much of a member is unpacked for its header: with what an archive puts before it, it comes by
one request from behind a URL."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with a name, as they were when they were found.

    Parameters
    ----------
    path
        The file or its URL, or the archive that holds it.
    member
        Name inside the archive, or ``""``.
    size
        In bytes, unpacked.
    mtime_ns
        When the file or archive was last changed.
    """

    path: str
    member: str
    size: int
    mtime_ns: int

    def __str__(self) -> str:
        return f"{self.path}!{self.member}" if self.member else self.path

    @property
    def file(self) -> Path:
        """The path that gives this blob again."""
        if self.member:
            archive = recorded_path(self.path)
            return cast(Path, FarPath(*archive.parent.parts, f"{archive.name}!", self.member))
        return recorded_path(self.path)

    @classmethod
    def of(cls, path: Path | str) -> Blob:
        """Look at a file.

        Raises
        ------
        DicomError
            If it is no regular file: reading a pipe would wait for ever.
        """
        if isinstance(path, FarPath):
            return cls._far(path)
        try:
            status = os.stat(path)  # noqa: PTH116 - a Path costs more than the call, for each file
        except OSError as error:
            raise DicomError(f"cannot be read: {error.strerror}", path=path) from error
        if not stat.S_ISREG(status.st_mode):
            raise DicomError(
                "cannot be read: no regular file but a folder, pipe or device; take it away",
                path=path,
            )
        return cls(str(path), "", status.st_size, status.st_mtime_ns)

    @classmethod
    def _far(cls, path: FarPath) -> Blob:
        try:
            seen = look(path)
            if seen is None or seen.folder:
                raise FileNotFoundError(2, "No such file or directory", str(path))
            outer, inner = path.split()
            if not inner:
                return cls(outer, "", seen.size, seen.mtime_ns)
            return cls(outer, member_name(path), seen.size, seen.mtime_ns)
        except OSError as error:
            raise DicomError(f"cannot be read: {error.strerror}", path=str(path)) from error

    @contextmanager
    def open(self, at: int = 0) -> Iterator[BinaryIO]:
        """Open it for a ``with`` block that reads from ``at``, or moves elsewhere.

        Raises
        ------
        DicomError
            If it cannot be read, also later in the block, or was changed since it was found.
        """
        try:
            with self._unpacked() if self.member else self._file() as handle:
                handle.seek(at)
                yield handle
        except OSError as error:
            raise DicomError(f"cannot be read: {error.strerror}", path=str(self)) from error

    def _unpacked(self) -> BinaryIO:
        held = in_hand(cast(FarPath, self.file)) if holds_any() else None
        if held is None and self.size > _HEAD:
            return cast(BinaryIO, _MemberFile(self))
        return io.BytesIO(_member(self) if held is None else held)

    def _file(self) -> BinaryIO:
        if "://" in self.path:  # no path of a disk keeps two slashes
            path = cast(FarPath, recorded_path(self.path))
            return open_far(path, Seen(self.size, self.mtime_ns))
        handle = _File(self.path)
        status = os.fstat(handle.fileno())
        if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
            handle.close()
            raise DicomError(
                "the file was changed since it was found; run it again", path=str(self)
            )
        return handle

    def read(self, at: int = 0, count: int = -1) -> bytes:
        """Read ``count`` bytes from ``at``, or all to the end; fewer where it ends before.

        Raises
        ------
        DicomError
            As `open`.
        """
        with self.open(at) as handle:
            return handle.read(count)

    def read_into(self, memory: memoryview, at: int) -> int:
        """Read bytes from ``at`` into ``memory`` and give how many there were.

        Raises
        ------
        DicomError
            As `open`.
        """
        with self.open(at) as handle:
            return handle.readinto(memory)  # type: ignore[attr-defined, no-any-return]


class _File(io.FileIO):
    """A file that takes no more memory for a read than there are bytes left."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _LARGE_BYTES:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(-1 if size is None else size)


class _MemberFile(io.RawIOBase):
    """A member of which only the begin is unpacked, until somebody wants more."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._head = _begin(blob)
        self._at = 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._blob.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._blob.size - self._at)
        end = self._at + (left if size is None or size < 0 else min(size, left))
        content = self._head if end <= len(self._head) else _member(self._blob)
        found = content[self._at : end]
        self._at = end
        return found

    def readinto(self, memory: Any) -> int:
        content = self.read(len(memory))
        memory[: len(content)] = content
        return len(content)


def fetched(blobs: Iterable[Blob]) -> AbstractContextManager[None]:
    """Hold what lies behind URLs in memory for a ``with`` block; see `places.at_hand`."""
    far = (one.path for one in blobs if "://" in one.path and not one.member)
    return at_hand(map(recorded_path, far))


def members(path: Path) -> Iterator[Blob]:
    """Yield the files in an archive. Names stay names: nothing is written under them.

    Raises
    ------
    DicomError
        If the archive is damaged.
    """
    try:
        archive, seen = archive_of(str(path))
    except FormatError as error:
        raise DicomError(error.message, path=str(path)) from error
    except OSError as error:
        raise DicomError(f"cannot be read: {error.strerror}", path=str(path)) from error
    for entry in archive.entries:
        yield Blob(str(path), entry.name, entry.size, seen.mtime_ns)


def _begin(blob: Blob) -> bytes:
    return _unpacked(blob, _HEAD)


def _member(blob: Blob) -> bytes:
    return _small(blob) if blob.size <= _LARGE_BYTES else _large(blob)


def _unpacked(blob: Blob, count: int = -1) -> bytes:
    try:
        archive, seen = archive_of(blob.path)
        if seen.mtime_ns != blob.mtime_ns:
            raise DicomError(
                "the archive was changed since it was found; run it again", path=str(blob)
            )
        return archive.read(archive.entry(blob.member), count)
    except FormatError as error:
        raise DicomError(error.message, path=str(blob)) from error
    except KeyError:
        raise DicomError("the archive holds no such file any more", path=str(blob)) from None
    except OSError as error:
        raise DicomError(f"cannot be read: {error.strerror}", path=str(blob)) from error


_small = lru_cache(maxsize=8)(_unpacked)
_large = lru_cache(maxsize=1)(_unpacked)

__all__ = ["Blob", "fetched", "is_archive", "members"]
