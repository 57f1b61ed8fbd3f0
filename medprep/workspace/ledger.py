"""The private side of a workspace: where the source's files are, and who each patient is.

One SQLite file per state of the source, named after its content and never changed, so that the
public database can point at it and a kill between the two leaves both usable.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medprep.errors import SourceError, WorkspaceError
from medprep.files import AtomicFiles, digest

_SCHEMA = """
CREATE TABLE source (path TEXT NOT NULL);
CREATE TABLE patients (patient TEXT PRIMARY KEY, identity TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    subject TEXT NOT NULL, role TEXT NOT NULL, place INTEGER NOT NULL,
    path TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, sha256 TEXT NOT NULL,
    PRIMARY KEY (subject, role, place)
) WITHOUT ROWID;
"""


UNREADABLE = "unreadable"
"""Stands for the hash of a file that could not be read."""


@dataclass(frozen=True)
class LedgerFile:
    """A source file as it was when the split saw it."""

    subject: str
    role: str
    place: int
    path: str
    size: int
    mtime_ns: int
    sha256: str

    def checked(self) -> Path:
        """Give the path of the file if it still is what the split saw.

        Raises
        ------
        SourceError
            If it cannot be read or was changed since.
        """
        what = f"{self.role} {self.place + 1}"
        try:
            status = Path(self.path).stat()
        except OSError as error:
            raise SourceError(f"{what} cannot be read: {error.strerror}", path=self.path) from error
        if self.sha256 == UNREADABLE:
            raise SourceError(f"{what} cannot be read: no regular file", path=self.path)
        if (status.st_size, status.st_mtime_ns) != (self.size, self.mtime_ns):
            raise SourceError(
                f"{what} was changed since 'split' saw it: run 'split' again", path=self.path
            )
        return Path(self.path)


class Ledger:
    """Read one ledger.

    Raises
    ------
    WorkspaceError
        If it is missing: the private folder was removed, so only a new split helps.
    """

    def __init__(self, folder: Path, name: str) -> None:
        path = folder / name
        if not path.is_file():
            raise WorkspaceError(
                f"private/{name} is missing, so the source's files are unknown; run 'split' again"
            )
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)

    @property
    def source(self) -> Path:
        """The folder that was split."""
        return Path(self._db.execute("SELECT path FROM source").fetchone()[0])

    def files(self, subject: str, role: str) -> list[LedgerFile]:
        """Give a case's pictures or masks in order."""
        rows = self._db.execute(
            "SELECT * FROM files WHERE subject = ? AND role = ? ORDER BY place", (subject, role)
        )
        return [LedgerFile(*row) for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def write_ledger(
    folder: Path, source: Path, patients: dict[str, str], files: Iterable[LedgerFile]
) -> str:
    """Write a ledger (mode 0600) and give its name."""
    rows = [tuple(vars(one).values()) for one in files]
    name = f"sources-{digest([str(source), patients, rows])[:16]}.sqlite"
    if (folder / name).exists():
        return name
    with AtomicFiles() as pending:
        temporary = pending.file(folder / name)
        temporary.unlink(missing_ok=True)
        temporary.touch(mode=0o600)
        db = sqlite3.connect(temporary)
        with db:
            db.executescript(_SCHEMA)
            db.execute("INSERT INTO source VALUES (?)", (str(source),))
            db.executemany("INSERT INTO patients VALUES (?, ?)", patients.items())
            db.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        db.close()
    return name
