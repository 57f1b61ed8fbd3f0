"""Files: written whole or not at all, sorted as people count, named safely."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from medprep.errors import WriteError

PART = ".part"
"""Ending of what is not finished. Whatever bears it after a crash may be deleted."""

_WINDOWS_NAMES = {"con", "prn", "aux", "nul"} | {
    f"{p}{n}" for p in ("com", "lpt") for n in range(10)
}


class AtomicFiles:
    """Several files or folders that appear together once everything in them is on the disk.

    Inside the ``with`` block, write to the temporary path that `file` or `folder` gives. At its
    end all are synced and renamed; after an exception all are removed and nothing has changed.

    Raises
    ------
    WriteError
        If the disk is full or a path cannot be written; names the path and the free space.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[Path, Path]] = []

    def file(self, final: Path) -> Path:
        """Give the temporary path for a file that shall become ``final``."""
        return self._reserve(final)

    def folder(self, final: Path) -> Path:
        """Give a new temporary folder that shall replace the folder ``final``."""
        temporary = self._reserve(final)
        if temporary.exists():
            shutil.rmtree(temporary)
        temporary.mkdir()
        return temporary

    def _reserve(self, final: Path) -> Path:
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _write_error(error, final) from error
        temporary = final.with_name(f".{final.name}{PART}")
        self._pending.append((temporary, final))
        return temporary

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self._commit()
        except OSError as failure:
            raise _write_error(failure, self._pending[0][1]) from failure
        finally:
            for temporary, _ in self._pending:
                _remove(temporary)
        if isinstance(error, OSError) and not isinstance(error, WriteError) and error.errno:
            raise _write_error(error, self._pending[0][1] if self._pending else None) from error

    def _commit(self) -> None:
        for temporary, _ in self._pending:
            for path in _files_below(temporary):
                _sync(path)
        for temporary, final in self._pending:
            if final.is_dir():
                shutil.rmtree(final)
            temporary.replace(final)
        for parent in {final.parent for _, final in self._pending}:
            _sync(parent)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a small file whole or not at all."""
    with AtomicFiles() as files:
        temporary = files.file(path)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)


def json_bytes(record: Any) -> bytes:
    """Give JSON as people read it: indented, keys in the order given, a newline at the end."""
    return (json.dumps(record, indent=2) + "\n").encode()


def remove_parts(folder: Path) -> int:
    """Delete what a killed process left unfinished below ``folder`` and give the number."""
    found = [path for path in folder.rglob(f".*{PART}") if path.exists()]
    for path in found:
        _remove(path)
    return len(found)


def walk_files(root: Path) -> Iterator[Path]:
    """Yield every file below ``root`` in natural order, following links but no loop."""
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort(key=natural_key)
        for name in sorted(names, key=natural_key):
            yield Path(folder, name)


def natural_key(name: str | Path) -> list[tuple[int, int, str]]:
    """Sort key by which ``image_2`` comes before ``image_10``."""
    parts = re.split(r"(\d+)", str(name))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts]


def safe_name(text: str, *, longest: int = 64) -> str:
    """Turn any text into a lower-case name that is one safe path component everywhere.

    Letters and digits of ASCII stay, everything else becomes ``-``. Text that nothing is left of
    gives ``"x"``. Two texts may give one name: whoever uses it for several must check.
    """
    name = re.sub(r"[^a-z0-9_]+", "-", text.casefold()).strip("-_")[:longest].strip("-_")
    if name in _WINDOWS_NAMES:
        name += "-"
    return name or "x"


def digest(record: Any) -> str:
    """Give the SHA-256 of a record's canonical JSON: the key of what is made from it."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _files_below(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()] + [path] if path.is_dir() else [path]


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _write_error(error: OSError, path: Path | None) -> WriteError:
    folder = path
    while folder is not None and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    room = ""
    if folder is not None:
        room = f"; {shutil.disk_usage(folder).free:,} bytes are free there"
    return WriteError(f"cannot write: {error.strerror or error}{room}", path=path)
