"""Worker processes: each works one case at a time and can die without harm to the others.

A worker that dies takes only its own case with it: the case is tried once more in another process
and then recorded with the signal or exit status, while the others go on. One that takes longer
than it may is stopped and not tried again. Workers share no lock and no pipe, so there is nothing
that a killed one could hold; when the driver is killed they end too.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from multiprocessing import connection
from typing import Any

from medprep.errors import WorkerError
from medprep.execute.failure import (
    UNSENDABLE,
    Death,
    Failure,
    Result,
    Task,
    guarded,
    overdue,
    unsendable,
)
from medprep.execute.interrupts import interrupts_later, leave
from medprep.execute.memory import forget_peak, peak_bytes

_LAST_WORDS_S = 1.5
"""A worker that is stopped, or whose pipe has ended, gets this long to end by itself."""
_LOOK_S = 0.25
"""So often workers are looked at: a killed one cannot tell what memory it held."""


def map_processes(
    work: Callable[[Task], Result], tasks: Collection[Task], jobs: int, limit_s: float | None = None
) -> Iterator[tuple[Task, Result | Failure]]:
    """Work every task in one of several processes; see `execute.map_cases`."""
    waiting = _Waiting(tasks)
    crew = _Crew(work, jobs, limit_s)
    try:
        while waiting or crew.busy:
            crew.hand_out(waiting)
            for job, outcome in crew.finished():
                if not isinstance(outcome, Death):
                    yield job.task, outcome
                elif job.tries == 1:
                    waiting.again(job)
                else:
                    yield job.task, outcome.failure()
    except BaseException:
        crew.stop(at_once=True)
        raise
    crew.stop()


@dataclass
class _Job:
    """A task and how often it was begun."""

    task: Any
    tries: int = 0


class _Waiting:
    """Tasks that wait for a worker, made when they are taken; those tried once come last."""

    def __init__(self, tasks: Collection[Any]) -> None:
        self._tasks = iter(tasks)
        self._left = len(tasks)
        self._tried: deque[_Job] = deque()

    def __len__(self) -> int:
        return self._left + len(self._tried)

    def take(self) -> _Job:
        if not self._left:
            return self._tried.popleft()
        self._left -= 1
        return _Job(next(self._tasks))

    def again(self, job: _Job) -> None:
        self._tried.append(job)


class _Worker:
    """A process that works one task at a time, over a pipe that it shares with nobody."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        # spawn: a forked child of a process that has used threads (torch, SimpleITK) can hang.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        with interrupts_later():
            self.process.start()
        theirs.close()  # so that the death of the process ends the pipe
        self.ready = False
        self.job: _Job | None = None
        self.peak: int | None = None
        self._began = 0.0

    def begin(self, job: _Job) -> None:
        job.tries += 1
        self.job = job
        self.peak = None
        self._began = time.monotonic()
        with contextlib.suppress(OSError):  # it just died: its pipe will tell
            self.pipe.send((job.task,))

    def look(self) -> None:
        """See what memory its case holds."""
        self.peak = max(self.peak or 0, peak_bytes(self.process.pid or 0) or 0) or None

    def overdue(self, limit_s: float | None) -> bool:
        """Tell whether its case has taken longer than it may."""
        return limit_s is not None and time.monotonic() - self._began > limit_s

    def buried(self, seconds: float = _LAST_WORDS_S) -> Death:
        """Wait for its end and tell how it came."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.pipe.close()
        return Death(self.process.exitcode or 0, self.peak)


class _Crew:
    """The workers, started as they are needed."""

    def __init__(self, work: Callable[[Any], Any], jobs: int, limit_s: float | None) -> None:
        self._work = work
        self._jobs = jobs
        self._limit_s = limit_s
        self._workers: dict[Any, _Worker] = {}
        self._stillborn = 0

    @property
    def busy(self) -> int:
        return sum(1 for worker in self._workers.values() if worker.job is not None)

    def hand_out(self, waiting: _Waiting) -> None:
        """Give each idle worker a task, and start workers while tasks are left over."""
        for worker in self._workers.values():
            if waiting and worker.ready and worker.job is None:
                worker.begin(waiting.take())
        for _ in range(min(self._jobs, self.busy + len(waiting)) - len(self._workers)):
            worker = _Worker(self._work)
            self._workers[worker.pipe] = worker

    def finished(self) -> Iterator[tuple[_Job, Any]]:
        """Wait a little for news, and yield each job that ended, with its result or death."""
        news = connection.wait(list(self._workers), _LOOK_S)
        for worker in list(self._workers.values()):
            if worker.job is not None:
                worker.look()
                if worker.pipe not in news and worker.overdue(self._limit_s):
                    yield worker.job, self._stopped(worker)
        for pipe in news:
            worker = self._workers[pipe]
            job, worker.job = worker.job, None
            try:
                outcome = worker.pipe.recv()
            except (EOFError, OSError):
                del self._workers[pipe]
                outcome = worker.buried()
                self._require_start(worker, outcome)
            else:
                worker.ready = True
                self._stillborn = 0
            if job is not None:
                yield job, outcome

    def _stopped(self, worker: _Worker) -> Failure:
        """Kill a worker whose case takes too long."""
        del self._workers[worker.pipe]
        worker.process.kill()
        worker.buried()
        return overdue(self._limit_s, worker.peak)

    def _require_start(self, worker: _Worker, death: Death) -> None:
        self._stillborn += not worker.ready
        if self._stillborn > self._jobs:
            raise WorkerError(
                f"worker processes end before they begin ({death.cause()}); a script that uses "
                "several processes does its work below: if __name__ == '__main__'"
            )

    def stop(self, *, at_once: bool = False) -> None:
        for worker in self._workers.values():
            if at_once or not worker.ready:
                worker.process.terminate()
            else:
                with contextlib.suppress(OSError):
                    worker.pipe.send(())
        end = time.monotonic() + _LAST_WORDS_S
        for worker in self._workers.values():
            worker.buried(max(0.0, end - time.monotonic()))


def _serve(pipe: connection.Connection, work: Callable[[Any], Any]) -> None:
    """Work tasks until an empty message or the end of the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver stops its workers in order
    signal.signal(signal.SIGTERM, leave)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_die_with_driver, daemon=True).start()
    pipe.send(None)  # ready
    with contextlib.suppress(EOFError):
        while boxed := pipe.recv():
            forget_peak()
            outcome = guarded(work, *boxed)
            try:
                pipe.send(outcome)
            except UNSENDABLE as error:
                pipe.send(unsendable(error))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing is left that it would take back


def _die_with_driver() -> None:
    """End at once when the driver is killed: who comes next must find nobody writing."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        connection.wait([driver.sentinel])
        os._exit(1)
