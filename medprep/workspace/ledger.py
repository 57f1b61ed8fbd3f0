"""The private side of a workspace: where the source's files are, and who each patient is.

One SQLite file per state of the source, named after its content and never changed, so that the
public database can point at it and a kill between the two leaves both usable.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medprep.errors import AccessError, SourceError, WorkspaceError, WriteError
from medprep.files import AtomicFiles, digest
from medprep.places.hand import at_hand as hold
from medprep.places.paths import FarPath, FarStat, far_ones, path_of, recorded_path
from medprep.places.seen import ETAG, Seen, identity, look, look_all

_SCHEMA = """
CREATE TABLE source (path BLOB NOT NULL);
CREATE TABLE patients (patient TEXT PRIMARY KEY, identity BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    subject TEXT NOT NULL, role TEXT NOT NULL, place INTEGER NOT NULL,
    path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
    organ TEXT NOT NULL,
    PRIMARY KEY (subject, role, place)
) WITHOUT ROWID;
"""


UNREADABLE = "unreadable"
"""Stands for the hash of a file that could not be read."""


@dataclass(frozen=True)
class LedgerFile:
    """A source file as it was when the split saw it.

    ``organ`` is what a mask of one organ shows: links may lead to a path that does not say it.
    """

    subject: str
    role: str
    place: int
    path: str
    size: int
    mtime_ns: int
    sha256: str
    organ: str = ""

    def checked(self, seen: Seen | None = None) -> Path:
        """Give the path of the file if it still is what the split saw.

        Parameters
        ----------
        seen
            What it is now, where that is known.

        Raises
        ------
        SourceError
            If it cannot be read or was changed since.
        """
        what = f"{self.role} {self.place + 1}"
        path = recorded_path(self.path)
        try:
            if isinstance(path, FarPath) and seen is None:
                seen = look(path)
            status = path.stat() if seen is None else FarStat(seen.size, seen.mtime_ns)
        except OSError as error:
            raise SourceError(f"{what} cannot be read: {error.strerror}", path=self.path) from error
        if self.sha256 == UNREADABLE:
            raise SourceError(
                f"{what} could not be read when 'split' saw it; mend it and run 'split' again",
                path=self.path,
            )
        if self.sha256.startswith(ETAG):
            same = seen is not None and identity(seen) == self.sha256
        else:
            same = (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)
        if not same:
            raise SourceError(
                f"{what} was changed since 'split' saw it: run 'split' again", path=self.path
            )
        return path


@contextlib.contextmanager
def at_hand(files: Sequence[LedgerFile]) -> Iterator[list[Path]]:
    """Give the paths of a case's files if they still are what the split saw.

    For the length of the ``with`` block the content of those behind URLs is held in memory.

    Raises
    ------
    SourceError
        If one cannot be read or was changed since.
    """
    paths = [recorded_path(file.path) for file in files]
    far = far_ones(paths)
    try:
        seen: dict[object, Seen | None] = dict(zip(far, look_all(far), strict=True))
    except AccessError:
        raise
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", path=files[0].path) from error
    for file, path in zip(files, paths, strict=True):
        file.checked(seen.get(path))
    for one in far:
        if (now := seen[one]) is not None:
            one.with_seen(now)
    with hold(paths):
        yield paths


def by_organ(files: Sequence[LedgerFile], paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Sort a case's mask files by the organ that each shows.

    Parameters
    ----------
    files, paths
        As `at_hand` takes and gives them.

    Raises
    ------
    WorkspaceError
        If an earlier medprep saw them, which did not record it.
    """
    found: dict[str, list[Path]] = {}
    for file, path in zip(files, paths, strict=True):
        if not file.organ:
            raise WorkspaceError(
                "an earlier medprep did not record which organ each mask shows; run 'split' again"
            )
        found.setdefault(file.organ, []).append(path)
    return found


class Ledger:
    """Read one ledger.

    Raises
    ------
    WorkspaceError
        If it is missing or damaged: the private folder was touched, so only a new split helps.
    """

    def __init__(self, folder: Path, name: str) -> None:
        path = folder / name
        if not path.is_file():
            raise WorkspaceError(
                f"private/{name} is missing, so the source's files are unknown; run 'split' again"
            )
        self._name = name
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)

    @property
    def source(self) -> Path:
        """The folder that was split."""
        return path_of(os.fsdecode(self._rows("SELECT path FROM source")[0][0]))

    def files(self, subject: str, role: str) -> list[LedgerFile]:
        """Give a case's pictures or masks in order."""
        rows = self._rows(
            "SELECT * FROM files WHERE subject = ? AND role = ? ORDER BY place", subject, role
        )
        return [replace(LedgerFile(*row), path=os.fsdecode(row[3])) for row in rows]

    def _rows(self, query: str, *values: str) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise WorkspaceError(
                f"private/{self._name} cannot be read ({error}); run 'split' again"
            ) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def write_ledger(
    folder: Path, source: Path, patients: dict[str, str], files: Iterable[LedgerFile]
) -> str:
    """Write a ledger (mode 0600) and give its name.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    rows = [tuple(vars(one).values()) for one in files]
    name = f"sources-{digest([str(source), patients, rows])[:16]}.sqlite"
    if (folder / name).exists():
        return name
    # Paths as bytes: a name on disk need not be text, and SQLite's text must be.
    stored = [(*row[:3], os.fsencode(row[3]), *row[4:]) for row in rows]
    identities = [(patient, os.fsencode(identity)) for patient, identity in patients.items()]
    with AtomicFiles() as pending:
        temporary = pending.file(folder / name)
        temporary.touch(mode=0o600)
        try:
            with contextlib.closing(sqlite3.connect(temporary)) as db:
                # Half a ledger is never seen, so SQLite need not guard against one.
                db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
                db.execute("INSERT INTO source VALUES (?)", (os.fsencode(str(source)),))
                db.executemany("INSERT INTO patients VALUES (?, ?)", identities)
                db.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?)", stored)
                db.commit()
        except sqlite3.Error as error:
            raise WriteError(f"cannot write: {error}", path=folder / name) from error
    return name
