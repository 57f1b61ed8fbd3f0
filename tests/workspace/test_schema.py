"""A workspace of schema 1 becomes one of today, and nothing is lost on the way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from medprep.errors import WorkspaceError, WriteError
from medprep.workspace import schema
from medprep.workspace.database import (
    SCHEMA_VERSION,
    Artifact,
    CaseRow,
    Database,
    FailureRow,
    Input,
)

SCHEMA_1 = """
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
PRAGMA user_version = 1;
INSERT INTO meta VALUES ('preset', '"chaos-mr-t2"'), ('roles', '{"b-t2": "01"}');
INSERT INTO cases VALUES
    ('a-t2', 'a', 't2', 'MR', 'dicom', 1, 'train', NULL, 3, 99, 'pa', 'ma'),
    ('b-t2', 'b', 't2', 'MR', 'dicom', 0, 'val', 2, 4, 100, 'pb', 'mb');
INSERT INTO artifacts VALUES
    ('convert', 'a-t2', 'ca', '[["source", "a-t2/picture", "pa"]]', '["images/a-t2.nii.gz"]',
     '{"notes": []}'),
    ('train', 'net', 'tn', '[["source", "b-t2/fold", "val/01"], ["convert", "a-t2", "ca"]]', '[]',
     '{}');
INSERT INTO failures VALUES ('convert', 'b-t2', 'dicom', 'slice 3: broken');
INSERT INTO steps VALUES (1, 'convert', '{}', 'convert', '{}', '2030', NULL, 'done');
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "medprep.sqlite"
    with closing(sqlite3.connect(found)) as plain:
        plain.executescript(SCHEMA_1)
    return found


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as plain:
        return int(plain.execute("PRAGMA user_version").fetchone()[0])


def _require_whole(database: Database) -> None:
    assert database.meta() == {"preset": "chaos-mr-t2"}
    assert database.cases() == [
        CaseRow("a-t2", "a", "t2", "MR", "dicom", True, "train", None, 3, 99, "pa", "ma"),
        CaseRow("b-t2", "b", "t2", "MR", "dicom", False, "val", 2, 4, 100, "pb", "mb", "01"),
    ]
    assert database.artifacts("convert") == {
        "a-t2": Artifact(
            "convert", "a-t2", "ca", (Input("source", "a-t2/picture", "pa"),),
            ("images/a-t2.nii.gz",), {"notes": []},
        )
    }  # fmt: skip
    assert database.artifacts("train")["net"].inputs == (
        Input("source", "b-t2/fold", "val/01"),
        Input("convert", "a-t2", "ca"),
    )
    assert database.failures() == [FailureRow("convert", "b-t2", "dicom", "slice 3: broken")]
    assert database.steps()["convert"].status == "done"
    assert list(database.each("PRAGMA integrity_check")) == [("ok",)]


def test_it_is_migrated_after_a_copy(path: Path) -> None:
    with closing(sqlite3.connect(path)) as plain:
        before = list(plain.iterdump())
    database = Database(path)
    _require_whole(database)
    assert database.in_hand() == ["a-t2", "b-t2"], "an older one noted nothing: all are tidied"
    database.close()
    assert _version(path) == SCHEMA_VERSION == 2
    copy = path.with_name("medprep-schema1.sqlite")
    with closing(sqlite3.connect(copy)) as plain:
        assert list(plain.iterdump()) == before
    assert _version(copy) == 1
    copy.unlink()
    _require_whole(Database(path))
    assert not copy.exists(), "once is enough"


def test_looking_at_an_old_one_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    database = Database(path, readonly=True)
    _require_whole(database)
    with pytest.raises(WriteError):
        database.put_failure(FailureRow("convert", "a-t2", "dicom", "x"))
    database.close()
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE artifacts SET inputs = '[[1, 2, 3]]'", "UPDATE artifacts SET inputs = '{'",
        "UPDATE meta SET value = '[' WHERE name = 'roles'", "DROP TABLE artifacts",
        "CREATE TABLE facts (x)",
    ],
)  # fmt: skip
def test_what_cannot_be_migrated_stays_as_it_is(path: Path, damage: str) -> None:
    with closing(sqlite3.connect(path)) as plain:
        plain.execute(damage)
        plain.commit()
        before = list(plain.iterdump())
    for readonly in (True, False):
        with pytest.raises(WorkspaceError, match=r"damaged|cannot be used"):
            Database(path, readonly=readonly)
    with closing(sqlite3.connect(path)) as plain:
        assert list(plain.iterdump()) == before
    assert _version(path) == 1


def test_half_a_migration_is_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_WITHOUT_1", f"{schema._WITHOUT_1}; SELECT no_such_function()")
        with pytest.raises(WorkspaceError, match="no_such_function"):
            Database(path)
    assert _version(path) == 1
    _require_whole(Database(path))
