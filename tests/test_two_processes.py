"""Two processes that want one workspace: real ones, by the command line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medprep import pipeline
from medprep.sources.phantom import make_chaos
from medprep.stages.extract import Extract
from medprep.stages.split import Split

WRITER = """
import sys, threading
from pathlib import Path
from medprep.workspace.database import Artifact
from medprep.workspace.workspace import Workspace
with Workspace(Path(sys.argv[1])) as opened:
    print("held", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    number = 0
    while not ended.is_set():
        number += 1
        opened.database.put(Artifact("check", "x", str(number), (), (), {"n": "x" * 4000}))
"""


def medprep(*words: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workspace up to the labels."""
    make_chaos(
        tmp_path / "CHAOS", mr_patients=(1, 2), unlabelled=(), ct_patients=(), slices=(2, 2),
        size=32,
    )  # fmt: skip
    split = Split(str(tmp_path / "CHAOS"), preset="chaos-mr-t1in", leak_check=False)
    pipeline.run([split, Extract()], tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def writer(work: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the workspace and writes records without pause."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(work)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with process:
        yield process
        process.kill()


def test_the_second_is_refused_at_once_and_harms_nothing(
    work: Path, writer: subprocess.Popen[str]
) -> None:
    lock = (work / "medprep.lock").read_bytes()
    done = medprep("clean", "-w", work)
    assert done.returncode == 1
    assert f"process {writer.pid} on {socket.gethostname()} works in this folder" in done.stderr
    assert "docs/errors.md#locked" in done.stderr
    assert (work / "medprep.lock").read_bytes() == lock
    assert not (work / "clean.csv").exists()
    assert writer.poll() is None
    _, _ = writer.communicate("")
    assert writer.returncode == 0, "it never noticed"


def test_status_always_works_beside_a_writer(work: Path, writer: subprocess.Popen[str]) -> None:
    for words in (["status"], ["status", "--json"], ["status"], ["clean", "--dry-run"]):
        done = medprep(*words, "-w", work)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    assert writer.poll() is None


def test_who_waits_comes_next(work: Path, writer: subprocess.Popen[str]) -> None:
    begun = time.monotonic()
    timer = threading.Timer(2, lambda: writer.communicate(""))
    timer.start()
    done = medprep("clean", "-w", work, "--wait", "200")
    timer.join()
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun >= 2
    assert (work / "clean.csv").exists()


def test_a_killed_one_is_taken_over(work: Path, writer: subprocess.Popen[str]) -> None:
    writer.kill()
    writer.wait()
    assert (work / "medprep.lock").exists()
    done = medprep("clean", "-w", work)
    assert done.returncode == 0, done.stderr
    assert not (work / "medprep.lock").exists()
    assert not list(work.glob("*journal")), "what it left half-recorded is undone"


def test_another_hosts_is_kept_until_told_otherwise(work: Path) -> None:
    lock = work / "medprep.lock"
    record = {"host": "elsewhere", "boot": "then", "pid": 4, "started": "1"}
    lock.write_text(json.dumps(record))
    done = medprep("clean", "-w", work)
    assert done.returncode == 1
    assert "process 4 on elsewhere" in done.stderr
    assert "--break-lock" in done.stderr
    assert json.loads(lock.read_text()) == record
    assert medprep("status", "-w", work).returncode == 0
    assert medprep("clean", "-w", work, "--break-lock").returncode == 0
    assert not lock.exists()


HOLDER = """
import sys
from pathlib import Path
from medprep.workspace.output import held
with held(Path(sys.argv[1]), Path(sys.argv[1], "private")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("command", ["convert", "deidentify"])
def test_one_process_at_a_time_writes_to_a_folder(command: str, tmp_path: Path) -> None:
    make_chaos(
        tmp_path / "CHAOS", mr_patients=(1,), unlabelled=(), ct_patients=(), slices=(2, 2), size=32
    )
    out = tmp_path / "out"
    words = [command, tmp_path / "CHAOS", "--output", out]
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        refused = medprep(*words)
        assert refused.returncode == 1
        assert f"process {other.pid} on {socket.gethostname()} works in this folder" in (
            refused.stderr
        )
        assert "--break-lock" not in refused.stderr, "these commands have no such option"
        assert [path.name for path in out.iterdir()] == ["medprep.lock"]
        other.kill()
    done = medprep(*words)
    assert done.returncode == 0, done.stderr
    assert not (out / "medprep.lock").exists()
    if command == "convert":
        part = out / "private" / ".sources.csv.4711.part"
        part.touch()
        assert medprep(*words).returncode == 0
        assert not part.exists(), "also where nothing is left to do"


def test_an_output_that_stays_empty_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "note.txt").write_text("no picture")
    done = medprep("convert", tmp_path / "source", "--output", tmp_path / "out")
    assert done.returncode == 1
    assert not (tmp_path / "out").exists()
