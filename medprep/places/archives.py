"""Zip and tar archives, read where they lie: a member's name never becomes a path on the disk.

Nothing is believed of them. What claims to unpack to far more than it is, what is a link or a
device, and what is packed in a way of which the size is not known beforehand is not read.
"""

from __future__ import annotations

import threading
import time
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, BinaryIO, cast

from medprep.errors import FormatError
from medprep.places.gunzip import Gunzip
from medprep.places.paths import FarPath, is_archive_name, recorded_path
from medprep.places.seen import Seen, look

LARGEST_MEMBER = 1 << 30
SUSPECT_BYTES, SUSPECT_RATIO = 1 << 24, 1000
"""Deflate packs at most 1032 to 1: a large member that comes near it holds nothing but one byte."""
_LARGEST_TAR_HEAD = 1 << 20
_TRUSTED_S = 30.0
"""An archive behind a URL is looked at anew after so long, not for each of its members."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive.

    Parameters
    ----------
    name
        As the archive has it; it may lead anywhere.
    size, packed
        In bytes, as claimed.
    at
        Where a tar archive, unpacked, holds it.
    why_not
        Why it is not read, or ``""``.
    """

    name: str
    size: int
    packed: int
    at: int = -1
    why_not: str = ""


class Archive:
    """An archive with the table of what is in it.

    Raises
    ------
    FormatError
        If it is damaged, or no archive.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._zip: zipfile.ZipFile | None = None
        self.kind = "zip" if path.name.casefold().endswith(".zip") else "tar"
        try:
            if self.kind == "zip":
                self._zip = zipfile.ZipFile(_opened(path))
                self.entries = _in_zip(self._zip)
            else:
                self._tar = _tar_bytes(path)
                self.entries = _in_tar(self._tar)
        except (FormatError, OSError):
            raise
        except Exception as error:  # zipfile and tarfile raise many kinds
            raise FormatError(
                f"not readable as a {self.kind} archive ({type(error).__name__}); copy it anew or "
                "unpack it",
                path=str(path),
            ) from error
        self._by_name = {entry.name: entry for entry in self.entries}

    def entry(self, name: str) -> Entry:
        """Give what bears a name; KeyError where nothing does."""
        return self._by_name[name]

    def read(self, entry: Entry, count: int = -1) -> bytes:
        """Unpack a member, or its first ``count`` bytes.

        Raises
        ------
        FormatError
            If it is damaged or not to be trusted.
        """
        require_harmless(entry, self.kind)
        wanted = entry.size if count < 0 else min(count, entry.size)
        try:
            with self._lock:
                content = self._content(entry, wanted)
        except FormatError:
            raise
        except Exception as error:  # encrypted, cut short, an unknown packing: many kinds
            raise FormatError(
                f"cannot be read from its {self.kind} archive ({type(error).__name__})"
            ) from error
        if len(content) < wanted:
            raise FormatError(f"cannot be read from its {self.kind} archive (EOFError)")
        return content

    def _content(self, entry: Entry, count: int) -> bytes:
        if self._zip is None:
            self._tar.seek(entry.at)
            return self._tar.read(count)
        with self._zip.open(entry.name) as handle:
            return handle.read(count)  # no more: what it unpacks to may be


def require_harmless(entry: Entry, kind: str) -> None:
    """Refuse what is no file, or claims to be far more than it is.

    Raises
    ------
    FormatError
        Says which.
    """
    bomb = entry.size > SUSPECT_BYTES and entry.size > SUSPECT_RATIO * entry.packed
    if bomb or entry.size > LARGEST_MEMBER:
        raise FormatError(
            f"{entry.size:,} bytes packed into {entry.packed:,} in a {kind} archive: not "
            "unpacked; unpack it yourself if you trust it"
        )
    if entry.why_not:
        raise FormatError(f"{entry.why_not} in a {kind} archive; wanted is {_WANTED[kind]}")


_WANTED = {"zip": "store or deflate", "tar": "a file: links are not followed"}


def _in_zip(archive: zipfile.ZipFile) -> list[Entry]:
    known = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others are unpacked whole, however large
    return [
        Entry(
            one.filename, one.file_size, one.compress_size,
            why_not="" if one.compress_type in known else f"packed by method {one.compress_type}",
        )
        for one in archive.infolist()
        if not one.is_dir()
    ]  # fmt: skip


def _in_tar(handle: BinaryIO) -> list[Entry]:
    import tarfile

    entries = []
    with tarfile.open(fileobj=cast(IO[bytes], _Heads(handle)), mode="r:") as archive:
        for one in archive:
            if one.isdir():
                continue
            plain = one.isreg() and not one.issparse()
            why_not = "" if plain else "a link, device or sparse file"
            size = one.size if plain else 0
            entries.append(Entry(one.name, size, size, one.offset_data, why_not))
            archive.members = []  # type: ignore[attr-defined]  # else each stays in memory twice
    return entries


class _Heads:
    """What reads a tar's headers gets no more at once than a header holds."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.seek, self.tell = handle.seek, handle.tell

    def read(self, count: int) -> bytes:
        if count > _LARGEST_TAR_HEAD:
            raise ValueError(f"a header of {count} bytes")
        return self._handle.read(count)


def _tar_bytes(path: Path) -> BinaryIO:
    handle = _opened(path)
    if path.name.casefold().endswith(".tar"):
        return handle
    if isinstance(path, FarPath):
        handle.close()
        raise FormatError(
            "a packed tar archive can only be read from its begin on; download it first, or store "
            "it as .zip or plain .tar",
            path=str(path),
        )
    return cast(BinaryIO, Gunzip(handle))


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")


def is_archive(path: Path) -> bool:
    """Tell whether a file is an archive, by its name and its first bytes."""
    name = path.name.casefold()
    if not is_archive_name(name):
        return False
    try:
        if not path.is_file():
            return False
        with path.open("rb") as handle:
            head = handle.read(262)
    except OSError:
        return False
    if name.endswith(".zip"):
        return head[:2] == b"PK"
    if name.endswith(".tar"):
        return head[257:262] == b"ustar" or _is_old_tar(head)
    return head[:2] == b"\x1f\x8b"


def _is_old_tar(head: bytes) -> bool:
    """Tell a tar from before POSIX by the digits of its first sum."""
    return len(head) > 156 and head[148:154].strip(b" \0").isdigit()


def archive_of(outer: str) -> tuple[Archive, Seen]:
    """Open an archive, or give the one that is open, with what it is now.

    Raises
    ------
    FormatError, OSError
        If it cannot be read.
    """
    path = recorded_path(outer)
    if isinstance(path, FarPath):
        found = _far_seen(outer, int(time.monotonic() // _TRUSTED_S))
        if found is None or found.folder:
            raise FileNotFoundError(2, "No such file or directory", outer)
        seen = found
    else:
        status = path.stat()
        seen = Seen(status.st_size, status.st_mtime_ns)
    return _open(outer, seen), seen


@lru_cache(maxsize=2)
def _far_seen(outer: str, _: int) -> Seen | None:
    return look(cast(FarPath, recorded_path(outer)))


@lru_cache(maxsize=2)
def _open(outer: str, seen: Seen) -> Archive:
    return Archive(recorded_path(outer))


__all__ = ["Archive", "Entry", "archive_of", "is_archive", "require_harmless"]
