"""The workspace's memory in SQLite: cases, artifacts with their keys, failures, steps.

Only the driver process writes, one transaction per case, so that a kill at any moment leaves
either the old record or the new one.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import astuple
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from medprep.errors import NewerError, WorkspaceError, WriteError
from medprep.room import room
from medprep.workspace import rows, schema
from medprep.workspace.rows import Artifact, CaseRow, FailureRow, Input, Step
from medprep.workspace.schema import SCHEMA_VERSION

__all__ = ["SCHEMA_VERSION", "Artifact", "CaseRow", "Database", "FailureRow", "Input", "Step"]

_OF_THE_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
_MEND = "restore medprep.sqlite from a copy, or split into another --workspace"
_OF_CASES = "('convert', 'extract', 'clean', 'augment')"
"""Stages whose subjects are cases."""
_OF_SUBJECTS = ("artifacts", "facts", "inputs", "failures")


class Database:
    """The tables of one workspace.

    Parameters
    ----------
    path
        Made if missing, unless ``readonly``.
    readonly
        Open beside a writer, for looking only. One of an older medprep is looked at in memory, as
        it would be after its migration.

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
        self.changes = 0
        """Grows whenever cases, artifacts or failures change through this object."""
        self.made: dict[str, int] = {}
        """How often a stage made something, through this object."""
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
            if version == 0 and not readonly:
                schema.create(self._db)
        if version == 0 and readonly:
            raise WorkspaceError("the workspace's database is empty; run 'split'", path=self.path)
        if version > SCHEMA_VERSION:
            raise NewerError(
                f"this workspace was written by a newer medprep (schema {version}, known is "
                f"{SCHEMA_VERSION}); install that version or use another --workspace",
                path=self.path,
            )
        with self._usable(), self.sound():
            if 0 < version < SCHEMA_VERSION:
                if readonly:
                    self._db = schema.copied_into_memory(self._db)
                else:
                    schema.keep_copy(self._db, self.path, version)
                schema.migrate(self._db)
            if readonly:
                self._db.execute("PRAGMA query_only = ON")

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
    def sound(self) -> Iterator[None]:
        """Tell damage where a cell is read that holds something else than medprep writes."""
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

    @contextlib.contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        self.changes += 1
        with self._transaction() as db:
            db.execute("DELETE FROM written")
            yield db

    def each(
        self, query: str, *values: str, make: Callable[..., Any] | None = None
    ) -> Generator[Any, None, None]:
        """Yield the rows of a query one by one; what ``make`` makes of them."""
        with self._usable(), self.sound():
            for row in self._db.execute(query, values):
                yield row if make is None else make(*row)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def meta(self) -> dict[str, Any]:
        """Give what is known of the data set as a whole."""
        query = "SELECT name, value FROM meta"
        return dict(self.each(query, make=lambda name, value: (name, json.loads(value))))

    def put_meta(self, name: str, value: Any) -> None:
        """Record ``artifacts``, a fact of the workspace itself, which a new split keeps."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))

    def put_split(self, meta: dict[str, Any], cases: Iterable[CaseRow]) -> None:
        """Replace the data set's facts and cases; what was made of vanished cases is forgotten."""
        facts = [(name, json.dumps(value, sort_keys=True)) for name, value in meta.items()]
        self.made["split"] = self.made.get("split", 0) + 1
        with self._changing() as db:
            db.execute("DELETE FROM meta WHERE name <> 'artifacts'")
            db.execute("DELETE FROM cases")
            db.executemany("INSERT INTO meta VALUES (?, ?)", facts)
            db.executemany(
                "INSERT INTO cases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                map(rows.of_case, cases),
            )
            for table in _OF_SUBJECTS:
                db.execute(
                    f"DELETE FROM {table} WHERE stage IN {_OF_CASES}"  # noqa: S608
                    " AND subject NOT IN (SELECT name FROM cases)"
                )
            db.execute(  # of a run's case the subject is RUN/CASE
                "DELETE FROM failures WHERE substr(subject, instr(subject, '/') + 1)"
                " NOT IN (SELECT name FROM cases)"
            )

    def cases(self) -> list[CaseRow]:
        """Give all cases in the order of their names."""
        return list(self.each_case())

    def each_case(self) -> Iterator[CaseRow]:
        """Yield the same one by one."""
        return self.each("SELECT * FROM cases ORDER BY name", make=rows.to_case)

    def case(self, name: str) -> CaseRow:
        """Give one of them."""
        (found,) = self.each("SELECT * FROM cases WHERE name = ?", name, make=rows.to_case)
        return found  # type: ignore[no-any-return]

    def artifacts(self, stage: str, subjects: Iterable[str] | None = None) -> dict[str, Artifact]:
        """Give what a stage made, by subject: of all subjects, or of those named."""
        if subjects is None:
            return self._artifacts("stage = ?", stage)
        found: dict[str, Artifact] = {}
        for subject in subjects:
            found |= self._artifacts("stage = ? AND subject = ?", stage, subject)
        return found

    def _artifacts(self, where: str, *values: str) -> dict[str, Artifact]:
        inputs = self.each(
            f"SELECT subject, kind, name, key FROM inputs WHERE {where} ORDER BY subject, place",  # noqa: S608
            *values,
        )
        found = self.each(
            "SELECT stage, subject, key, files, facts FROM artifacts JOIN facts"  # noqa: S608
            f" USING (stage, subject) WHERE {where} ORDER BY subject",
            *values,
        )
        with self.sound():
            made_of = {
                subject: tuple(rows.to_input(*one[1:]) for one in own)
                for subject, own in groupby(inputs, key=itemgetter(0))
            }
            made = (rows.to_artifact(*row, inputs=made_of.get(row[1], ())) for row in found)
            return {one.subject: one for one in made}

    def put(self, artifact: Artifact) -> None:
        """Record what was made; an earlier failure of the same is forgotten."""
        named = artifact.stage, artifact.subject
        files, facts = json.dumps(artifact.files), json.dumps(artifact.facts, sort_keys=True)
        self.made[artifact.stage] = self.made.get(artifact.stage, 0) + 1
        with self._changing() as db:
            self._forget(*named)
            db.execute("INSERT INTO artifacts VALUES (?, ?, ?, ?)", (*named, artifact.key, files))
            db.execute("INSERT INTO facts VALUES (?, ?, ?)", (*named, facts))
            db.executemany(
                "INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?)",
                ((*named, place, *rows.of_input(one)) for place, one in enumerate(artifact.inputs)),
            )

    def put_failure(self, failure: FailureRow) -> None:
        """Record why something could not be made; an earlier artifact of it is forgotten."""
        with self._changing() as db:
            self._forget(failure.stage, failure.subject)
            db.execute("INSERT INTO failures VALUES (?, ?, ?, ?)", astuple(failure))

    def forget(self, stage: str, subjects: Sequence[str]) -> None:
        """Drop records before their files are made again: the subjects are in hand."""
        if subjects:
            with self._changing() as db:
                for subject in subjects:
                    self._forget(stage, subject)
                    db.execute("INSERT OR IGNORE INTO in_hand VALUES (?)", (subject,))

    def in_hand(self) -> list[str]:
        """Give the subjects of which unfinished files may lie about."""
        return [subject for (subject,) in self.each("SELECT subject FROM in_hand")]

    def tidied(self) -> None:
        """Record that there are none."""
        if self.in_hand():
            with self._transaction() as db:
                db.execute("DELETE FROM in_hand")

    def failures(self) -> list[FailureRow]:
        """Give all recorded failures."""
        return list(self.each("SELECT * FROM failures ORDER BY subject, stage", make=FailureRow))

    def begin(self, step: Step) -> int:
        """Record that a stage starts and give its number."""
        query = "INSERT INTO steps (stage, options, command, versions, started, status) VALUES"
        with self._transaction() as db:
            cursor = db.execute(f"{query} (?, ?, ?, ?, ?, ?)", rows.of_step(step))
        return int(cursor.lastrowid or 0)

    def end(self, number: int, status: str, ended: str) -> None:
        """Record how a stage ended."""
        with self._transaction() as db:
            db.execute(
                "UPDATE steps SET status = ?, ended = ? WHERE id = ?", (status, ended, number)
            )

    def steps(self) -> dict[str, Step]:
        """Give each stage's last step; one refused (``error``) made nothing and is left out."""
        found = self.each(
            "SELECT stage, options, command, versions, started, status FROM steps"
            " WHERE id IN (SELECT MAX(id) FROM steps WHERE status <> 'error' GROUP BY stage)",
            make=rows.to_step,
        )
        return {one.stage: one for one in found}

    def written(self, file: str) -> str:
        """Give the SHA-256 of a table that is as the records are; ``""`` where none is."""
        found = next(self.each("SELECT sha256 FROM written WHERE file = ?", file), ("",))
        return str(found[0])

    def put_written(self, file: str, sha256: str) -> None:
        """Record that a table is as the records are; it is forgotten as soon as these change."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO written VALUES (?, ?)", (file, sha256))

    def _forget(self, stage: str, subject: str) -> None:
        for table in _OF_SUBJECTS:
            self._db.execute(
                f"DELETE FROM {table} WHERE stage = ? AND subject = ?",  # noqa: S608
                (stage, subject),
            )
