"""Where bytes come from: a file, or a member of a zip archive that is never unpacked to disk."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from medprep.errors import DicomError

LARGEST_MEMBER = 1 << 30
_SUSPECT_BYTES, _SUSPECT_RATIO = 1 << 24, 1000
"""Deflate packs at most 1032 to 1: a large member that comes near it holds nothing but one byte."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with a name, as they were when they were found.

    Parameters
    ----------
    path
        The file, or the zip archive that holds it.
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

    @classmethod
    def of(cls, path: Path | str) -> Blob:
        """Look at a file.

        Raises
        ------
        DicomError
            If it is no regular file: reading a pipe would wait for ever.
        """
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

    @contextmanager
    def open(self, at: int = 0) -> Iterator[BinaryIO]:
        """Open it for a ``with`` block that reads from ``at``, or moves elsewhere.

        Raises
        ------
        DicomError
            If it cannot be read, also later in the block, or was changed since it was found.
        """
        try:
            with io.BytesIO(_member(self)) if self.member else self._file() as handle:
                handle.seek(at)
                yield handle
        except OSError as error:
            raise DicomError(f"cannot be read: {error.strerror}", path=str(self)) from error

    def _file(self) -> BinaryIO:
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
        if size is not None and size > _SUSPECT_BYTES:
            size = min(size, max(0, os.fstat(self.fileno()).st_size - self.tell()))
        return super().read(-1 if size is None else size)


def is_archive(path: Path) -> bool:
    """Tell whether a file is a zip archive, by its name and its first bytes."""
    if path.suffix.casefold() != ".zip":
        return False
    try:
        if not path.is_file():
            return False
        with path.open("rb") as handle:
            return handle.read(2) == b"PK"
    except OSError:
        return False


def members(path: Path) -> Iterator[Blob]:
    """Yield the files in a zip archive. Names stay names: nothing is written under them.

    Raises
    ------
    DicomError
        If the archive is damaged.
    """
    try:
        mtime = path.stat().st_mtime_ns
        for entry in _archive(str(path), mtime).infolist():
            if not entry.is_dir():
                yield Blob(str(path), entry.filename, entry.file_size, mtime)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        text = getattr(error, "strerror", None) or type(error).__name__
        raise DicomError(
            f"not readable as a zip archive ({text}); copy it anew or unpack it", path=path
        ) from error


@lru_cache(maxsize=2)
def _archive(path: str, mtime_ns: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _member(blob: Blob) -> bytes:
    return _small(blob) if blob.size <= _SUSPECT_BYTES else _large(blob)


def _unpacked(blob: Blob) -> bytes:
    try:
        if os.stat(blob.path).st_mtime_ns != blob.mtime_ns:  # noqa: PTH116
            raise DicomError(
                "the archive was changed since it was found; run it again", path=str(blob)
            )
        archive = _archive(blob.path, blob.mtime_ns)
        entry = archive.getinfo(blob.member)
        _require_harmless(blob, entry)
        with archive.open(entry) as handle:
            content = handle.read(blob.size)  # all of it: what it unpacks to may be more
        if len(content) < blob.size:
            raise EOFError
    except DicomError:
        raise
    except Exception as error:  # encrypted, cut short, an unknown packing: zipfile raises many
        raise DicomError(
            f"cannot be read from its zip archive ({type(error).__name__})", path=str(blob)
        ) from error
    return content


_small = lru_cache(maxsize=8)(_unpacked)
_large = lru_cache(maxsize=1)(_unpacked)


def _require_harmless(blob: Blob, entry: zipfile.ZipInfo) -> None:
    packed = entry.compress_size
    bomb = blob.size > _SUSPECT_BYTES and blob.size > _SUSPECT_RATIO * packed
    if bomb or blob.size > LARGEST_MEMBER:
        raise DicomError(
            f"{blob.size:,} bytes packed into {packed:,} in a zip archive: not unpacked; "
            "unpack it yourself if you trust it",
            path=str(blob),
        )
    # The other kinds are unpacked whole, however much that is.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DicomError(
            f"packed by method {entry.compress_type} in a zip archive; wanted is store or deflate",
            path=str(blob),
        )
