"""The tables of a workspace's database, and how one of an older medprep becomes one of today's.

Version 2 keeps an artifact's inputs and facts in tables of their own, so that what is stale is
found by a join of what is short, and a case's roles beside its fold. ``in_hand`` are the subjects
of which unfinished files may lie about; ``written`` the tables for people that are as the records
are.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medprep.files import AtomicFiles
from medprep.workspace import rows

SCHEMA_VERSION = 2
_CASES = """
CREATE TABLE cases (
    name TEXT PRIMARY KEY, patient TEXT NOT NULL, sequence TEXT NOT NULL, modality TEXT NOT NULL,
    reader TEXT NOT NULL, labelled INTEGER NOT NULL, fold TEXT NOT NULL, part INTEGER,
    slices INTEGER NOT NULL, bytes INTEGER NOT NULL,
    picture_key TEXT NOT NULL, mask_key TEXT NOT NULL, roles TEXT NOT NULL
) WITHOUT ROWID;
"""
_MADE = """
CREATE TABLE artifacts (
    stage TEXT NOT NULL, subject TEXT NOT NULL, key TEXT NOT NULL, files TEXT NOT NULL,
    PRIMARY KEY (stage, subject)
) WITHOUT ROWID;
CREATE TABLE facts (
    stage TEXT NOT NULL, subject TEXT NOT NULL, facts TEXT NOT NULL,
    PRIMARY KEY (stage, subject)
) WITHOUT ROWID;
CREATE TABLE inputs (
    stage TEXT NOT NULL, subject TEXT NOT NULL, place INTEGER NOT NULL,
    kind TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (stage, subject, place)
) WITHOUT ROWID;
CREATE INDEX inputs_by_name ON inputs (kind, name);
CREATE TABLE in_hand (subject TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE written (file TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID;
"""
_OTHERS = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
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

_FROM_1 = f"""
BEGIN;
ALTER TABLE cases RENAME TO old_cases;
ALTER TABLE artifacts RENAME TO old_artifacts;
{_CASES}{_MADE}
INSERT INTO cases SELECT *, '' FROM old_cases;
INSERT INTO artifacts SELECT stage, subject, key, files FROM old_artifacts;
INSERT INTO facts SELECT stage, subject, facts FROM old_artifacts;
"""  # noqa: S608
# What a killed run of the older medprep left may lie anywhere: all cases are in hand.
_WITHOUT_1 = f"""
DELETE FROM meta WHERE name = 'roles';
DROP TABLE old_cases;
DROP TABLE old_artifacts;
INSERT INTO in_hand SELECT name FROM cases;
PRAGMA user_version={SCHEMA_VERSION};
"""  # noqa: S608


def create(db: sqlite3.Connection) -> None:
    """Make the tables of an empty database."""
    with db:
        _execute(db, f"BEGIN;{_OTHERS}{_CASES}{_MADE}PRAGMA user_version={SCHEMA_VERSION}")


def keep_copy(db: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy a database beside itself, before it is migrated: ``medprep-schema1.sqlite``.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    with AtomicFiles() as files:
        copy = files.file(path.with_stem(f"{path.stem}-schema{version}"))
        with contextlib.closing(sqlite3.connect(copy)) as other:
            db.backup(other)


def copied_into_memory(db: sqlite3.Connection) -> sqlite3.Connection:
    """Give a copy that may be changed while the file stays as it is; the given one is closed."""
    copy = sqlite3.connect(":memory:")
    with contextlib.closing(db):
        db.backup(copy)
    return copy


def migrate(db: sqlite3.Connection) -> None:
    """Bring version 1 to version 2, whole or not at all.

    Raises
    ------
    sqlite3.Error, ValueError, TypeError, KeyError, AttributeError
        If a table or cell holds what medprep never wrote.
    """
    with db:
        _execute(db, _FROM_1)
        db.executemany("INSERT INTO inputs VALUES (?, ?, ?, ?, ?, ?)", _old_inputs(db))
        for (roles,) in db.execute("SELECT value FROM meta WHERE name = 'roles'").fetchall():
            db.executemany(
                "UPDATE cases SET roles = ? WHERE name = ?",
                [(value, name) for name, value in json.loads(roles).items()],
            )
        _execute(db, _WITHOUT_1)


def _old_inputs(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    for stage, subject, inputs in db.execute("SELECT stage, subject, inputs FROM old_artifacts"):
        for place, one in enumerate(rows.triples(inputs)):
            yield stage, subject, place, *rows.of_input(rows.Input(*one))


def _execute(db: sqlite3.Connection, script: str) -> None:
    """Do statements one by one: `executescript` would end the transaction first."""
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)
