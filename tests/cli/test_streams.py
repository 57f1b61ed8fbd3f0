"""Who reads the output goes before the work is done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medprep.workspace.database import Database

SPLIT = ("split", "--preset", "chaos-mr-t1in", "--no-leak-check")


def ended(closed: str, *words: str | Path) -> tuple[int, str]:
    """Run a line whose ``stdout`` or ``stderr`` nobody reads; give its status and the other."""
    ours, theirs = os.pipe()
    os.close(ours)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, closed: theirs}
    done = subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        text=True, check=False, timeout=300, **streams,
    )  # fmt: skip
    os.close(theirs)
    return done.returncode, done.stdout or done.stderr or ""


def test_progress_that_nobody_reads_stops_nothing(phantom: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    status, out = ended("stderr", *SPLIT, phantom, "convert", "-w", work, "--json")
    assert status == 0
    assert '"stage": "convert"' in out
    database = Database(work / "medprep.sqlite")
    assert len(database.artifacts("convert")) == len(database.cases()) > 0
    assert database.steps()["convert"].status == "done"


@pytest.mark.parametrize("words", [("models",), ("models", "--json")])
def test_a_result_that_nobody_reads_is_no_success(words: tuple[str, ...]) -> None:
    assert ended("stdout", *words) == (1, "")


def test_an_error_that_nobody_reads_keeps_its_status(tmp_path: Path) -> None:
    assert ended("stderr", "convert", "-w", tmp_path)[0] == 1
    assert ended("stderr", "--no-such-option")[0] == 2
