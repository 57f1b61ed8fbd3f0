"""The workspace's memory in SQLite: cases, artifacts with their keys, failures, steps.

Only the driver process writes, one transaction per case, so that a kill at any moment leaves
either the old record or the new one.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medprep.errors import NewerError, WorkspaceError, WriteError
from medprep.room import room
from medprep.workspace import rows
from medprep.workspace.rows import Artifact, CaseRow, FailureRow, Input, Step

__all__ = ["Artifact", "CaseRow", "Database", "FailureRow", "Input", "Step"]

SCHEMA_VERSION = 1
_OF_THE_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
_MEND = "restore medprep.sqlite from a copy, or split into another --workspace"


_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cases (
    name TEXT PRIMARY KEY, patient TEXT NOT NULL, sequence TEXT NOT NULL, modality TEXT NOT NULL,
    reader TEXT NOT NULL, labelled INTEGER NOT NULL, fold TEXT NOT NULL, part INTEGER,
    slices INTEGER NOT NULL, bytes INTEGER NOT NULL,
    picture_key TEXT NOT NULL, mask_key TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE artifacts (
    stage TEXT NOT NULL, subject TEXT NOT NULL, key TEXT NOT NULL,
    inputs TEXT NOT NULL, files TEXT NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (stage, subject)
) WITHOUT ROWID;
CREATE TABLE failures (
    stage TEXT NOT NULL, subject TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (stage, subject)
) WITHOUT ROWID;
CREATE TABLE steps (
    id INTEGER PRIMARY KEY, stage TEXT NOT NULL, options TEXT NOT NULL, command TEXT NOT NULL,
    versions TEXT NOT NULL, started TEXT NOT NULL, ended TEXT, status TEXT NOT NULL
);
CREATE INDEX steps_by_stage ON steps (stage, id);
"""


def _plain(*row: Any) -> tuple[Any, ...]:
    return row


class Database:
    """The tables of one workspace.

    Parameters
    ----------
    path
        Made if missing, unless ``readonly``.
    readonly
        Open beside a writer, for looking only.

    Raises
    ------
    NewerError
        If a newer medprep wrote it.
    WorkspaceError
        If it is no database of a workspace; from every method too, if it is damaged.
    WriteError
        From every method, if the disk is full or takes no writing.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        # rw even for looking: what a killed writer left half done is undone by who opens next.
        mode = "rw" if readonly else "rwc"
        with self._usable():
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30
            )
        try:
            self._begin(readonly)
        except BaseException:
            self._db.close()
            raise

    def _begin(self, readonly: bool) -> None:
        with self._usable():
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if readonly:
                self._db.execute("PRAGMA query_only = ON")
            elif version == 0:
                self._db.executescript(
                    f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;"
                )
        if version == 0 and readonly:
            raise WorkspaceError("the workspace's database is empty; run 'split'", path=self.path)
        if version > SCHEMA_VERSION:
            raise NewerError(
                f"this workspace was written by a newer medprep (schema {version}, known is "
                f"{SCHEMA_VERSION}); install that version or use another --workspace",
                path=self.path,
            )

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK:
                raise WriteError(
                    f"the workspace's records cannot be written: {error}{room(self.path)}; make "
                    "room, or give write permission, and the same command goes on",
                    path=self.path,
                ) from error
            raise WorkspaceError(
                f"the workspace's database cannot be used: {error}; {_MEND}", path=self.path
            ) from error

    @contextlib.contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except rows.DAMAGE as error:
            raise WorkspaceError(
                f"the workspace's database is damaged ({type(error).__name__}); {_MEND}",
                path=self.path,
            ) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._usable(), self._db:
            yield self._db

    def _rows(self, query: str, *values: str, make: Callable[..., Any] = _plain) -> list[Any]:
        with self._usable(), self._sound():
            return [make(*row) for row in self._db.execute(query, values)]

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def meta(self) -> dict[str, Any]:
        """Give what is known of the data set as a whole."""
        found = self._rows(
            "SELECT name, value FROM meta", make=lambda name, value: (name, json.loads(value))
        )
        return dict(found)

    def put_split(self, meta: dict[str, Any], cases: Iterable[CaseRow]) -> None:
        """Replace the data set's facts and cases; what was made of vanished cases is forgotten."""
        listed = list(cases)
        values = [tuple(vars(case).values())[:-1] for case in listed]
        roles = {case.name: case.roles for case in listed if case.roles}
        facts = {**meta, "roles": roles} if roles else meta
        with self._transaction() as db:
            db.execute("DELETE FROM meta")
            db.execute("DELETE FROM cases")
            db.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [(name, json.dumps(value, sort_keys=True)) for name, value in facts.items()],
            )
            db.executemany("INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            for table in ("artifacts", "failures"):
                db.execute(
                    f"DELETE FROM {table} WHERE stage IN ('convert', 'extract', 'clean', 'augment')"  # noqa: S608
                    " AND subject NOT IN (SELECT name FROM cases)"
                )

    def cases(self) -> list[CaseRow]:
        """Give all cases in the order of their names."""
        found = self._rows("SELECT * FROM cases ORDER BY name", make=rows.to_case)
        roles = self.meta().get("roles", {})
        with self._sound():
            return [replace(case, roles=roles.get(case.name, "")) for case in found]

    def artifacts(self, stage: str) -> dict[str, Artifact]:
        """Give what a stage made, by subject."""
        found = self._rows(
            "SELECT stage, subject, key, inputs, files, facts FROM artifacts WHERE stage = ?",
            stage,
            make=rows.to_artifact,
        )
        return {one.subject: one for one in found}

    def put(self, artifact: Artifact) -> None:
        """Record what was made; an earlier failure of the same is forgotten."""
        inputs = [[one.stage, one.subject, one.key] for one in artifact.inputs]
        with self._transaction() as db:
            self._forget(artifact.stage, artifact.subject)
            values = (
                artifact.stage, artifact.subject, artifact.key, json.dumps(inputs),
                json.dumps(artifact.files), json.dumps(artifact.facts, sort_keys=True),
            )  # fmt: skip
            db.execute("INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?)", values)

    def put_failure(self, failure: FailureRow) -> None:
        """Record why something could not be made; an earlier artifact of it is forgotten."""
        with self._transaction() as db:
            self._forget(failure.stage, failure.subject)
            db.execute("INSERT INTO failures VALUES (?, ?, ?, ?)", tuple(vars(failure).values()))

    def forget(self, stage: str, subjects: Sequence[str]) -> None:
        """Drop records before their files are made again."""
        with self._transaction():
            for subject in subjects:
                self._forget(stage, subject)

    def failures(self) -> list[FailureRow]:
        """Give all recorded failures."""
        return self._rows("SELECT * FROM failures ORDER BY subject, stage", make=FailureRow)

    def begin(self, step: Step) -> int:
        """Record that a stage starts and give its number."""
        values = (
            step.stage, json.dumps(step.options), step.command, json.dumps(step.versions),
            step.started, step.status,
        )  # fmt: skip
        with self._transaction() as db:
            cursor = db.execute(
                "INSERT INTO steps (stage, options, command, versions, started, status)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
        return int(cursor.lastrowid or 0)

    def end(self, number: int, status: str, ended: str) -> None:
        """Record how a stage ended."""
        with self._transaction() as db:
            db.execute(
                "UPDATE steps SET status = ?, ended = ? WHERE id = ?", (status, ended, number)
            )

    def steps(self) -> dict[str, Step]:
        """Give each stage's last step; one refused (``error``) made nothing and is left out."""
        found = self._rows(
            "SELECT stage, options, command, versions, started, status FROM steps"
            " WHERE id IN (SELECT MAX(id) FROM steps WHERE status <> 'error' GROUP BY stage)",
            make=rows.to_step,
        )
        return {one.stage: one for one in found}

    def _forget(self, stage: str, subject: str) -> None:
        for table in ("artifacts", "failures"):
            self._db.execute(
                f"DELETE FROM {table} WHERE stage = ? AND subject = ?",  # noqa: S608
                (stage, subject),
            )
