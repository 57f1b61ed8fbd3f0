"""Killed and stopped at random moments: the same bytes after the rerun, and nothing left over.

Long: ``python tests/helpers/crash.py --kills 50``, and ``--signal TERM``, ``--signal INT``.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from same_bytes import differences, poison
from stage_box import STAGES, outcome

from medprep.workspace.lock import Holder, Lock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
STOPPED = """
import os, signal, sys
from medprep.execute import crew
from medprep_cli.main import main

begin = crew._Worker.__init__

def stopped(self, work):
    begin(self, work)
    os.killpg(0, signal.SIGINT)

crew._Worker.__init__ = stopped
main(sys.argv[1:])
"""


def test_killed_at_random_moments(stage_box: Path) -> None:
    said = outcome("crash.py", stage_box, "--kills", "5")
    assert said.count("5 times SIGKILL of seed 1") == said.count(" 0 faults") == len(STAGES)


def test_stopped_at_random_moments(stage_box: Path) -> None:
    said = outcome("crash.py", stage_box, "--kills", "1", "--signal", "TERM", "--signal", "INT")
    assert said.count(" 0 faults") == 2 * len(STAGES)


@pytest.mark.slow
@pytest.mark.parametrize("sent", ["KILL", "TERM", "INT"])
@pytest.mark.parametrize("stage", STAGES)
def test_killed_often(stage: str, sent: str, stage_box: Path) -> None:
    outcome("crash.py", stage_box, "--kills", "50", "--stage", stage, "--signal", sent)


def test_the_harness_sees_other_bytes_records_and_remains(stage_box: Path, tmp_path: Path) -> None:
    wanted = stage_box / "after" / "convert"
    found = tmp_path / "found"
    subprocess.run(["cp", "-r", wanted, found], check=True)
    assert differences(found, wanted) == ""
    image = next((found / "images").glob("*.nii.gz"))
    image.write_bytes(image.read_bytes()[:-1])
    assert image.name in differences(found, wanted)
    (found / "images" / f".{image.name}.7.part").touch()
    assert "left: images/." in differences(found, wanted)
    with closing(sqlite3.connect(found / "medprep.sqlite")) as database, database:
        database.execute("DELETE FROM artifacts WHERE subject = 'mr01-t1in'")
    assert "table artifacts differs" in differences(found, wanted)


def test_the_harness_poisons_what_no_record_names(stage_box: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    subprocess.run(["cp", "-r", stage_box / "after" / "convert", work], check=True)
    assert poison(work) == 0
    with closing(sqlite3.connect(work / "medprep.sqlite")) as database, database:
        database.execute("DELETE FROM artifacts WHERE stage = 'convert' AND subject LIKE 'mr01%'")
    assert poison(work) > 2, "picture, sidecar and slices"
    assert (work / "images" / "mr01-t1in.json").read_bytes().startswith(b"rubbish")
    json.loads((work / "images" / "mr02-t1in.json").read_text())


def test_scores_of_a_stopped_evaluation_are_not_reported(stage_box: Path, tmp_path: Path) -> None:
    """Stopped after the records and before the tables: the old tables are left out."""
    work = tmp_path / "work"
    subprocess.run(["cp", "-r", stage_box / "after" / "evaluate", work], check=True)
    with closing(sqlite3.connect(work / "medprep.sqlite")) as database, database:
        rows = database.execute("SELECT subject, facts FROM facts WHERE stage = 'evaluate'")
        for subject, facts in rows.fetchall():
            newer = json.loads(facts)
            newer["labels"][0]["intersection"] += 1
            database.execute(
                "UPDATE facts SET facts = ? WHERE stage = 'evaluate' AND subject = ?",
                (json.dumps(newer), subject),
            )
    report(work)
    assert "are out of date and left out" in (work / "report.html").read_text()
    (next((work / "metrics").glob("*.json"))).write_bytes(b"half a tab")
    report(work)
    assert "are out of date and left out" in (work / "report.html").read_text()


def report(work: Path) -> None:
    words = [sys.executable, "-m", "medprep_cli", "report", "-w", str(work)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_killed_taker_of_the_lock_left_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    home = Holder.me().home()
    for name in (f"{home}.{gone.pid}", f"stale-{home}.{gone.pid}"):
        (tmp_path / f".medprep.lock.{name}").touch()
    kept = [f"{home}.{os.getppid()}", f"elsewhere.{gone.pid}"]
    for name in kept:
        (tmp_path / f".medprep.lock.{name}").touch()
    with Lock(tmp_path):
        pass
    left = sorted(path.name.removeprefix(".medprep.lock.") for path in tmp_path.iterdir())
    assert left == sorted(kept), "those of the living and of other hosts stay"


def test_a_stop_while_workers_start_is_quiet(stage_box: Path, tmp_path: Path) -> None:
    """Ctrl-C goes to the whole group; the workers leave it to the driver."""
    work = tmp_path / "work"
    subprocess.run(["cp", "-r", stage_box / "after" / "split", work], check=True)
    words = [sys.executable, "-c", STOPPED, "convert", "-j", "2", "-w", str(work)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=600, start_new_session=True
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.strip() == "Stopped; the same command goes on from here."
    assert not (work / "medprep.lock").exists()
