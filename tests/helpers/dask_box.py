"""A Dask scheduler and workers as processes of their own, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_HELPERS = Path(__file__).parent
_START_S = 120.0


@dataclass
class DaskBox:
    """Processes that a test may kill.

    Parameters
    ----------
    folder
        For their logs and scratch.
    """

    folder: Path
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    address: str = ""

    def start_scheduler(self) -> None:
        """Start it and wait for its address."""
        told = self.folder / "scheduler.json"
        words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address"]
        # Whoever is killed before it can stop them leaves nothing for good.
        self.scheduler = self._start(
            [*words, "127.0.0.1:0", "--scheduler-file", str(told), "--idle-timeout", "3600s"],
            "scheduler",
        )
        until(told.exists)
        until(lambda: bool(told.read_text()))
        self.address = json.loads(told.read_text())["address"]

    def start_worker(
        self, *words: str, path: str | None = None, before: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a worker with one thread and without a nanny, and give it.

        ``path`` is its PYTHONPATH instead of ours; ``before`` stands before the command.
        """
        scratch = self.folder / f"scratch-{len(self.workers)}"
        scratch.mkdir()
        command = ["worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
        command += ["--death-timeout", "120"]
        command += ["--host", "127.0.0.1", "--local-directory", str(scratch), *words]
        worker = self._start(command, f"worker-{len(self.workers)}", path, before)
        self.workers.append(worker)
        return worker

    def _start(
        self, words: Sequence[str], name: str, path: str | None = None, before: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        ours = os.pathsep.join([str(_HELPERS), *filter(None, sys.path)])
        environ = {**os.environ, "PYTHONPATH": ours if path is None else path}
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [*before, sys.executable, "-m", "dask", *words],
                stdout=log, stderr=log, env=environ, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    def log(self, name: str) -> str:
        """Give what a process said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Kill all that is left."""
        for process in (*self.workers, self.scheduler):
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextlib.contextmanager
def dask_box(folder: Path, workers: int = 2) -> Iterator[DaskBox]:
    """Give a scheduler and its workers for the length of a block."""
    folder.mkdir(parents=True, exist_ok=True)
    box = DaskBox(folder)
    try:
        box.start_scheduler()
        for _ in range(workers):
            box.start_worker()
        for number in range(workers):
            until(lambda name=f"worker-{number}": "Registered to" in box.log(name))
        yield box
    finally:
        box.stop()


def until(true: Callable[[], bool], seconds: float = _START_S) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    """Give the processes that a process has started (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # proc_pid_stat(5): the name may hold blanks and parentheses.
            rest = stat.read_text().rpartition(")")[2].split()
            if int(rest[1]) == pid and rest[0] not in "ZX":
                found.append(int(stat.parent.name))
    return found
