"""Where bytes come from: a file, or a member of a zip archive that is never unpacked to disk."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterator
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
            raise DicomError("cannot be read: no regular file", path=path)
        return cls(str(path), "", status.st_size, status.st_mtime_ns)

    def open(self) -> BinaryIO:
        """Open it for reading at any place.

        Raises
        ------
        DicomError
            If it cannot be read or was changed since it was found.
        """
        if self.member:
            return io.BytesIO(_member(self))
        try:
            handle = io.FileIO(self.path)
            status = os.fstat(handle.fileno())
        except OSError as error:
            raise DicomError(f"cannot be read: {error.strerror}", path=self.path) from error
        if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
            handle.close()
            raise DicomError(
                "the file was changed since it was found; run it again", path=str(self)
            )
        return handle


def is_archive(path: Path) -> bool:
    """Tell whether a file is a zip archive, by its name and its first bytes."""
    if path.suffix.casefold() != ".zip" or not path.is_file():
        return False
    try:
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
        raise DicomError(f"not readable as a zip archive ({text})", path=path) from error


@lru_cache(maxsize=2)
def _archive(path: str, mtime_ns: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


@lru_cache(maxsize=8)
def _member(blob: Blob) -> bytes:
    try:
        if os.stat(blob.path).st_mtime_ns != blob.mtime_ns:  # noqa: PTH116
            raise DicomError("the archive was changed since it was found", path=str(blob))
        archive = _archive(blob.path, blob.mtime_ns)
        packed = archive.getinfo(blob.member).compress_size
        bomb = blob.size > _SUSPECT_BYTES and blob.size > _SUSPECT_RATIO * packed
        if bomb or blob.size > LARGEST_MEMBER:
            raise DicomError(
                f"{blob.size:,} bytes packed into {packed:,} in a zip archive: not unpacked; "
                "unpack it yourself if you trust it",
                path=str(blob),
            )
        with archive.open(blob.member) as handle:
            return handle.read()
    except DicomError:
        raise
    except Exception as error:  # encrypted, cut short, an unknown packing: zipfile raises many
        raise DicomError(
            f"cannot be read from its zip archive ({type(error).__name__})", path=str(blob)
        ) from error
