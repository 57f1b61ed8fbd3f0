"""The workspace's memory."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from medprep.errors import NewerError, WorkspaceError, WriteError
from medprep.workspace.database import (
    SCHEMA_VERSION,
    Artifact,
    CaseRow,
    Database,
    FailureRow,
    Input,
    Step,
)

CASE = CaseRow("mr01-t2", "mr01", "t2", "MR", "dicom", True, "train", None, 3, 99, "pk", "mk")
MADE = Artifact(
    "convert",
    "mr01-t2",
    "key",
    (Input("source", "mr01-t2/picture", "pk"),),
    ("images/mr01-t2.nii.gz",),
    {"spacing_mm": [7.7, 1.25, 1.25], "notes": []},
)
FAILED = FailureRow("convert", "mr02-t2", "dicom", "slice 3: broken")
STEP = Step("convert", {"window": "auto"}, "convert", {"python": "3"}, "2030", "running")

KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from medprep.workspace.database import Artifact, Database
database = Database(Path(sys.argv[1]))
make = lambda n: Artifact("convert", f"case{n}", "key", (), ("x" * 2000,), {})
for n in range(20):
    database.put(make(n))
if sys.argv[2] == "within":
    database._db.execute("PRAGMA cache_size = 1")  # so that a half transaction reaches the disk
    with database._transaction() as db:
        db.execute("UPDATE artifacts SET key = 'half'")
        db.executemany("INSERT INTO artifacts VALUES ('convert', ?, 'half', ?)",
                       [(f"half{n}", "x" * 2000) for n in range(500)])
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "medprep.sqlite"


def test_what_was_put_comes_back(path: Path) -> None:
    other = replace(CASE, name="mr02-t2", patient="mr02", labelled=False, fold="", part=None)
    dealt = replace(CASE, name="mr03-t2", part=2)
    database = Database(path)
    database.put_split({"preset": "chaos-mr-t2", "folds": 3}, [other, CASE, dealt])
    database.put(MADE)
    database.put_failure(FAILED)
    number = database.begin(STEP)
    database.close()
    database = Database(path)
    assert database.meta() == {"preset": "chaos-mr-t2", "folds": 3}
    assert database.cases() == [CASE, other, dealt]
    assert database.cases()[0].labelled is True
    assert database.artifacts("convert") == {"mr01-t2": MADE}
    assert database.artifacts("clean") == {}
    assert database.failures() == [FAILED]
    assert database.steps() == {"convert": STEP}
    database.end(number, "done", "2031")
    assert database.steps()["convert"].status == "done"


def test_the_last_step_of_a_stage_counts(path: Path) -> None:
    database = Database(path)
    for window in ("auto", "dicom"):
        database.begin(replace(STEP, options={"window": window}))
    database.begin(replace(STEP, stage="clean"))
    assert database.steps()["convert"].options == {"window": "dicom"}
    assert set(database.steps()) == {"convert", "clean"}


def test_success_and_failure_replace_each_other(path: Path) -> None:
    database = Database(path)
    database.put(MADE)
    database.put(replace(MADE, key="newer"))
    assert database.artifacts("convert")["mr01-t2"].key == "newer"
    database.put_failure(replace(FAILED, subject="mr01-t2"))
    assert database.artifacts("convert") == {}
    database.put(MADE)
    assert database.failures() == []
    database.forget("convert", ["mr01-t2", "unknown"])
    assert database.artifacts("convert") == {}


def test_a_new_split_forgets_what_was_made_of_vanished_cases(path: Path) -> None:
    database = Database(path)
    database.put_split({"preset": "a", "old": 1}, [CASE])
    database.put(MADE)
    database.put(replace(MADE, stage="train", subject="unet2d-fold0"))
    database.put_failure(replace(FAILED, stage="clean"))
    database.put_split({"preset": "a"}, [CASE])
    assert database.artifacts("convert")
    assert database.failures() == [], "of a case that is not there"
    for case in ("mr01-t2", "mr02-t2"):
        database.put_failure(FailureRow("predict", f"unet/{case}", "x", "y"))
        database.put_failure(FailureRow("check", case, "x", "y"))
    database.put_split({"preset": "a"}, [CASE])
    assert [one.subject for one in database.failures()] == ["mr01-t2", "unet/mr01-t2"]
    database.put_split({"preset": "a"}, [replace(CASE, name="mr09-t2")])
    assert database.artifacts("convert") == {}
    assert database.artifacts("train")
    assert database.meta() == {"preset": "a"}


def test_it_is_looked_at_beside_a_writer(path: Path) -> None:
    writer = Database(path)
    writer.put(MADE)
    reader = Database(path, readonly=True)
    assert reader.artifacts("convert") == {"mr01-t2": MADE}
    writer.put(replace(MADE, subject="other"))
    assert set(reader.artifacts("convert")) == {"mr01-t2", "other"}
    with pytest.raises(WriteError, match="readonly"):
        reader.put(MADE)


def test_looking_makes_nothing(path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"cannot be used.*medprep\.sqlite"):
        Database(path, readonly=True)
    assert not path.exists()
    path.touch()  # as after a kill right at the start
    with pytest.raises(WorkspaceError, match="is empty; run 'split'"):
        Database(path, readonly=True)
    assert path.stat().st_size == 0
    assert Database(path).meta() == {}


def test_a_newer_one_is_refused_with_both_versions(path: Path) -> None:
    Database(path).close()
    with sqlite3.connect(path) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = path.read_bytes()
    for readonly in (False, True):
        with pytest.raises(NewerError, match=rf"schema 99, known is {SCHEMA_VERSION}\).*install"):
            Database(path, readonly=readonly)
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    for readonly in (False, True):
        with pytest.raises(WorkspaceError, match="not a database"):
            Database(path, readonly=readonly)
    assert path.read_bytes() == b"no database at all" * 100


def test_damage_is_told_whenever_it_is_met(path: Path) -> None:
    database = Database(path)
    for number in range(200):
        database.put(replace(MADE, subject=f"case{number}"))
    database.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    database = Database(path)
    for work in (
        lambda: database.artifacts("convert"),
        lambda: database.cases(),
        lambda: database.meta(),
        lambda: database.put(MADE),
    ):
        with pytest.raises(WorkspaceError, match="the workspace's database cannot be used"):
            work()


def test_a_full_disk_leaves_the_old_record(path: Path) -> None:
    database = Database(path)
    database.put(MADE)
    database._db.execute("PRAGMA max_page_count = 12")
    with pytest.raises(WriteError, match="full"):
        database.put(replace(MADE, facts={"long": "x" * 10**6}))
    assert database.artifacts("convert") == {"mr01-t2": MADE}


@pytest.mark.parametrize("moment", ["between", "within"])
@pytest.mark.parametrize("readonly", [True, False])
def test_a_kill_leaves_it_consistent(path: Path, moment: str, readonly: bool) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.with_name("medprep.sqlite-journal").exists() == (moment == "within")
    database = Database(path, readonly=readonly)
    found = database.artifacts("convert")
    assert set(found) == {f"case{n}" for n in range(20)}
    assert {artifact.key for artifact in found.values()} == {"key"}
    assert list(database.each("PRAGMA integrity_check")) == [("ok",)]
