"""What medprep does on a Dask worker: each thread lends its cases to a process of its own.

So a case that crashes, swells or hangs does no harm to the worker, threads of one worker do not
meddle with each other's global state, and a case that nobody wants any more can be stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess  # nosec B404
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Client
from typing import Any

from medprep.drafts import Draft, drop
from medprep.execute.child import IDLE_S, START
from medprep.execute.failure import Death, Failure, overdue
from medprep.execute.memory import peak_bytes
from medprep.version import VERSION

_LOOK_S = 0.25
_LAST_WORDS_S = 1.5
_TRIES = 2


@dataclass(frozen=True)
class Errand:
    """A case on its way to a worker. What it holds is private and stays out of Dask's logs.

    Parameters
    ----------
    content
        The pickled work and task; only the process that does it looks inside.
    run
        Of which driver.
    folder
        What relative paths are relative to.
    limit_s
        What takes longer is stopped and fails.
    at_once
        No more cases than this at once in one worker.
    version
        The driver's medprep.
    """

    content: bytes = field(repr=False)
    run: str
    folder: str = field(repr=False)
    limit_s: float | None = None
    at_once: int | None = None
    version: str = VERSION


@dataclass(frozen=True)
class Report:
    """What became of an errand.

    Parameters
    ----------
    outcome
        The result or a `Failure`.
    drafts
        Files that are written and want their names.
    host
        Where it was worked.
    worker
        Its address.
    stopped
        Nothing was done: the scheduler did not want it for a while.
    not_begun
        No process could be started for it here; another worker may be able to.
    other_version
        Of the worker, where it is not the driver's: then nothing was done.
    """

    outcome: Any = field(repr=False)
    drafts: list[Draft] = field(default_factory=list, repr=False)
    host: str = field(default_factory=socket.gethostname)
    worker: str = field(default_factory=lambda: _worker().address)
    stopped: bool = False
    not_begun: bool = False
    other_version: str = ""


def work_case(errand: Errand) -> Report:
    """Work a case in a process of this thread; called by Dask."""
    if errand.version != VERSION:
        return Report(None, other_version=VERSION)
    wanted = _wanted(errand.run)
    with _room(errand.at_once, wanted):
        for left in reversed(range(_TRIES)):
            try:
                child = _hire(errand.run)
            except OSError as error:
                return Report(_not_begun(error), not_begun=True)
            done = child.work(errand, wanted)
            if isinstance(done, tuple):
                outcome, kept = done
                child.rest()
                if wanted():
                    return Report(outcome, kept)
                drop(kept)
            if not wanted():
                return Report(None, stopped=True)
            if isinstance(done, Failure):
                return Report(done)
            if not left:
                return Report(done.failure())
    raise AssertionError


def _not_begun(error: OSError) -> Failure:
    text = f"its worker cannot start a process for it: {error.strerror or error}"
    return Failure("worker", f"{text}; has it room for temporary files, and memory?")


def _wanted(run: str) -> Callable[[], bool]:
    """Give what tells whether the scheduler still wants the task of this thread."""
    worker = _worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        # A thread cannot be stopped: Dask only marks a task that its driver has given up.
        going = task is not None and task.state in ("executing", "long-running")
        return going and run not in _stopped

    return wanted


def _worker() -> Any:
    from distributed import get_worker

    return get_worker()


_lock = threading.Lock()
_idle: list[_Child] = []
_busy: dict[_Child, str] = {}
_stopped: set[str] = set()
_left = threading.Condition()
_inside = 0


@contextlib.contextmanager
def _room(at_once: int | None, wanted: Callable[[], bool]) -> Iterator[None]:
    """Wait until the worker has fewer cases at once than fit."""
    global _inside
    with _left:
        while at_once is not None and _inside >= at_once and wanted():
            _left.wait(_LOOK_S)
        _inside += 1
    try:
        yield
    finally:
        with _left:
            _inside -= 1
            _left.notify()


def _hire(run: str) -> _Child:
    """Give a process that waits, or a new one."""
    while True:
        with _lock:
            child = _idle.pop() if _idle else None
        if child is None:
            child = _Child()
        if time.monotonic() - child.rests > IDLE_S / 2:  # it may be about to leave
            child.process.terminate()
            child.buried()
            continue
        with _lock:
            _busy[child] = run
        return child


def stop(run: str) -> None:
    """End what works for a driver, and what waits; called when the driver ends."""
    with _lock:
        _stopped.add(run)
        idle, busy = _idle[:], [child for child, whose in _busy.items() if whose == run]
        _idle.clear()
    for child in (*idle, *busy):
        child.process.terminate()
    end = time.monotonic() + _LAST_WORDS_S
    for child in busy:
        child.ended(max(0.0, end - time.monotonic()))
    for child in idle:
        child.buried(max(0.0, end - time.monotonic()))


class _Child:
    """A process that works one case at a time and can die without harm to the worker."""

    def __init__(self) -> None:
        key = secrets.token_hex(16)
        path = os.pathsep.join(filter(None, sys.path))
        # -P: the folder it works in holds no modules of ours.
        words = [sys.executable, "-P", "-c", START]
        self.process = subprocess.Popen(  # noqa: S603 - our own words  # nosec B603
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.rests = time.monotonic()
        try:
            self.pipe = Client(self._greeted(key), authkey=key.encode())
        except OSError:
            self.process.kill()
            self.buried()
            raise

    def _greeted(self, key: str) -> Any:
        """Hand it the key and give the address at which it listens."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the exit status says more
            self.process.stdin.write(key.encode())
            self.process.stdin.flush()
        address = self.process.stdout.readline()
        if not address:
            raise OSError(f"it ended with {self.process.wait()} before it began")
        return json.loads(address)

    def work(self, errand: Errand, wanted: Callable[[], bool]) -> Any:
        """Give (outcome, drafts), the `Death` of the process, or the `Failure` it was ended for."""
        began, peak = time.monotonic(), None
        try:
            self.pipe.send((errand.folder, secrets.token_hex(4)))
            self.pipe.send_bytes(errand.content)
            while not self.pipe.poll(_LOOK_S):
                peak = max(peak or 0, peak_bytes(self.process.pid) or 0) or None
                late = errand.limit_s is not None and time.monotonic() - began > errand.limit_s
                if late or not wanted():
                    self.process.kill() if late else self.process.terminate()
                    death = Death(self.buried(), peak)
                    return overdue(errand.limit_s, peak) if late else death
            return self.pipe.recv()
        except (EOFError, OSError):
            return Death(self.buried(), peak)
        finally:
            with _lock:
                _busy.pop(self, None)

    def rest(self) -> None:
        """Wait for another case."""
        self.rests = time.monotonic()
        with _lock:
            _idle.append(self)

    def ended(self, seconds: float) -> int:
        """Wait for its end and give the exit status; who takes long is killed."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def buried(self, seconds: float = _LAST_WORDS_S) -> int:
        """Wait for its end, let go of its pipes and give the exit status."""
        status = self.ended(seconds)
        with contextlib.suppress(OSError, AttributeError):  # there is none yet
            self.pipe.close()
        for end in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if end is not None:
                    end.close()
        return status
