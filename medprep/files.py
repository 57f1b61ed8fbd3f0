"""Files: written whole or not at all, sorted as people count, named safely."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from medprep import drafts
from medprep.errors import AccessError, OptionError, SourceError
from medprep.places.paths import FarPath, as_path
from medprep.places.seen import WORKSPACES, walk
from medprep.room import unwritten

PART = ".part"
"""Ending of what is not finished. Whatever bears it after a crash may be deleted."""

_WINDOWS_NAMES = {"con", "prn", "aux", "nul"} | {
    f"{p}{n}" for p in ("com", "lpt") for n in range(10)
}


class AtomicFiles:
    """Several files or folders that appear together once everything in them is on the disk.

    Inside the ``with`` block, write to the temporary path that `file` or `folder` gives. At its
    end all are synced and renamed; after an exception all are removed and nothing has changed.
    What shall lie behind a URL is written to a local folder and then sent, each object whole, a
    folder's objects one after the other.

    Parameters
    ----------
    durable
        Sync before renaming, so that what is there survives a power cut; without it only a kill.
    most_bytes
        How much will be written at most, to be told where it cannot be.

    Raises
    ------
    WriteError
        If the disk is full or a path cannot be written; names the path and the free space.
    """

    def __init__(self, *, durable: bool = True, most_bytes: int | None = None) -> None:
        self._pending: list[tuple[Path, Path]] = []
        self._unsent: dict[Path, FarPath] = {}
        self._durable = durable
        self._most_bytes = most_bytes

    def file(self, final: Path) -> Path:
        """Give the temporary path for a file that shall become ``final``."""
        return self._reserve(final)

    def folder(self, final: Path) -> Path:
        """Give a new temporary folder that shall replace the folder ``final``."""
        temporary = self._reserve(final)
        temporary.mkdir()
        return temporary

    def _reserve(self, final: Path) -> Path:
        if isinstance(final, FarPath):
            return self._reserve_far(final)
        # The process number: a stray worker of a killed run must not write into our files.
        temporary = final.with_name(f".{final.name}.{os.getpid()}{drafts.mark()}{PART}")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            drafts.remove(temporary)
        except OSError as error:
            raise unwritten(error, final, self._most_bytes) from error
        self._pending.append((temporary, final))
        return temporary

    def _reserve_far(self, final: FarPath) -> Path:
        from medprep.places.sending import new_folder

        try:
            temporary = new_folder() / final.name
        except OSError as error:
            raise unwritten(error, Path(tempfile.gettempdir()), self._most_bytes) from error
        self._unsent[temporary] = final
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
                if self._unsent:
                    self._send()
                self._commit()
        except AccessError:
            raise
        except OSError as failure:
            raise unwritten(failure, self._about(failure), self._most_bytes) from failure
        finally:
            for temporary, _ in self._pending:
                drafts.remove(temporary)
            for temporary in self._unsent:
                drafts.remove(temporary.parent)
        if isinstance(error, OSError) and error.errno:
            about = self._about(error)
            if about is not None:
                raise unwritten(error, about, self._most_bytes) from error

    def _about(self, error: OSError) -> Path | None:
        """Give the final path of what could not be written; None: the error is of other files.

        Of what was to be sent it is the temporary one: there the room is short.
        """
        own = [*self._pending, *((one, one) for one in self._unsent)]
        if not own:
            return None
        if not isinstance(error.filename, str):  # a full disk names no file: it was the last one
            return own[-1][1]
        named = Path(error.filename)
        for temporary, final in own:
            if named in (final, final.parent) or temporary in (named, *named.parents):
                return final
        return None

    def _send(self) -> None:
        from medprep.places.sending import send

        # Never as drafts: what they hold follows from their key, so who comes late changes nothing.
        for temporary, final in self._unsent.items():
            send(temporary, final)

    def _commit(self) -> None:
        if self._durable:
            for temporary, _ in self._pending:
                for path in [*temporary.rglob("*"), temporary]:
                    drafts.sync(path)
        if drafts.keep(self._pending, durable=self._durable):
            self._pending = []
        else:
            drafts.give_names(self._pending, durable=self._durable)


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a small file whole or not at all."""
    with AtomicFiles(most_bytes=len(content)) as files:
        temporary = files.file(path)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)


def json_bytes(record: Any) -> bytes:
    """Give JSON as people read it: indented, keys in the order given, a newline at the end."""
    return (json.dumps(record, indent=2) + "\n").encode()


def csv_bytes(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> bytes:
    """Give a table as CSV: UTF-8, lines end in a line feed, None is an empty cell."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue().encode()


def csv_of_records(columns: Sequence[str], records: Iterable[Mapping[str, object]]) -> bytes:
    """Give the named fields of records as `csv_bytes` does; one that is missing is empty."""
    return csv_bytes(columns, ([one.get(name) for name in columns] for one in records))


def parse_toml(content: str, called: str) -> dict[str, Any]:
    """Read TOML that a user wrote; ``called`` is what a message calls it.

    Raises
    ------
    OptionError
        If it is none.
    """
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise OptionError(f"{called} is no TOML: {error}") from error
    except RecursionError as error:
        raise OptionError(f"{called} nests too deep; wanted are a few levels") from error


def read_option_file(name: str, what: str) -> str:
    """Give the text of a file that an option names; ``what`` it is stands in a message.

    Raises
    ------
    OptionError
        If it cannot be read.
    """
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{what} cannot be read: {error}") from error


def remove_parts(folder: Path, *, below: bool = True) -> int:
    """Delete what a killed process left unfinished and give the number.

    Parameters
    ----------
    folder
        Where; a folder that is missing holds nothing.
    below
        In the folders below it too.
    """
    pattern = f".*.[0-9]*{PART}*"  # SimpleITK wants an ending of its own behind ours
    found = list(folder.rglob(pattern) if below else folder.glob(pattern))
    for path in found:
        drafts.remove(path)
    return len(found)


def walk_folders(
    root: Path, unreadable: Callable[[OSError], None]
) -> Iterator[tuple[Path, list[Path]]]:
    """Yield ``root`` and every folder below it with its files, following links but no loop.

    Folders and files come in natural order. What is no folder counts as a file: a pipe, a dangling
    link. A workspace below ``root`` is left out. ``unreadable`` is called for each folder that
    cannot be read.
    """
    if isinstance(root, FarPath):
        for far, found in walk(root, unreadable, natural_key):
            yield as_path(far), [as_path(one) for one in found]
        return
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(root, followlinks=True, onerror=unreadable):
        try:
            status = Path(folder).stat()
        except OSError as error:
            unreadable(error)
            folders.clear()
            continue
        if (status.st_dev, status.st_ino) in seen or (seen and not WORKSPACES.isdisjoint(names)):
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort(key=natural_key)
        yield Path(folder), [Path(folder, name) for name in sorted(names, key=natural_key)]


def walk_files(root: Path) -> Iterator[Path]:
    """Yield every file below ``root`` as `walk_folders` orders them.

    Raises
    ------
    SourceError
        If a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise SourceError(
            f"a folder cannot be read ({error.strerror}); give it read permission, or point at "
            "the folder of the data itself",
            path=error.filename,
        ) from error

    for _, files in walk_folders(root, refuse):
        yield from files


def natural_key(name: str | Path) -> list[tuple[int, int, str]]:
    """Sort key by which ``image_2`` comes before ``image_10``; no two names share a key."""
    parts = re.split(r"(\d+)", str(name))
    key = [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts]
    return [*key, (-1, 0, str(name))]  # a1 and a01, A and a: else the disk's order would decide


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
