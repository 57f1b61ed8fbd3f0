"""The one seam through which cases are worked: in this process, or in several.

A worker that dies takes only its own case with it: the case is tried once more in a new process
and then recorded with the signal or exit status, while the others go on.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from medprep.errors import MedprepError

Task = TypeVar("Task")
Result = TypeVar("Result")

_QUEUED_PER_WORKER = 2
"""Tasks handed out ahead; more would only hold memory."""
_CASES_PER_WORKER = 4
"""A process takes half a second to start: fewer cases than this do not repay it."""


@dataclass(frozen=True)
class Failure:
    """Why a case failed.

    Parameters
    ----------
    code
        The error's stable code.
    message
        The public part.
    path
        The file it is about, or None. Private.
    detail
        Traceback or exit status. Private.
    """

    code: str
    message: str
    path: str | None = None
    detail: str = ""

    def __str__(self) -> str:
        return self.message if self.path is None else f"{self.message} [{self.path}]"


def usable_cpus() -> int:
    """Give the number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def choose_jobs(jobs: int, cases: int) -> int:
    """Give the number of processes: as asked, or for 0 what the machine and the work suggest."""
    if jobs > 0:
        return min(jobs, max(1, cases))
    return max(1, min(usable_cpus(), cases // _CASES_PER_WORKER))


def map_cases(
    work: Callable[[Task], Result], tasks: Sequence[Task], *, jobs: int = 1
) -> Iterator[tuple[Task, Result | Failure]]:
    """Work every task and yield each with its result as it comes.

    Parameters
    ----------
    work
        A module-level function; for several processes it, the tasks and the results are pickled.
        The order of results depends on ``jobs``, their content must not.
    tasks
        Small records: paths and options, never pixels.
    jobs
        Number of processes; 1 works here, in this process.

    Yields
    ------
    tuple
        The task, and its result or the `Failure` that it ended with. An error of the work never
        raises here; KeyboardInterrupt does, after the workers are stopped.
    """
    if jobs <= 1 or len(tasks) <= 1:
        for task in tasks:
            yield task, _guarded(work, task)
        return
    yield from _map_processes(work, tasks, jobs)


def _guarded(work: Callable[[Task], Result], task: Task) -> Result | Failure:
    try:
        return work(task)
    except MedprepError as error:
        return Failure(error.code, error.message, error.path, traceback.format_exc())
    except MemoryError:
        return Failure(
            "memory", "not enough memory; try fewer --jobs", None, traceback.format_exc()
        )
    except Exception as error:  # a fault of ours: this case is lost, the others are not
        text = f"unexpected {type(error).__name__}: {error}"
        return Failure("internal", text, None, traceback.format_exc())


def _map_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int
) -> Iterator[tuple[Task, Result | Failure]]:
    import multiprocessing

    from pebble import ProcessExpired, ProcessPool

    # spawn: a forked child of a process that has used threads (torch, SimpleITK) can hang.
    context = multiprocessing.get_context("spawn")
    waiting: deque[tuple[Task, int]] = deque((task, 0) for task in tasks)
    running: dict[Any, tuple[Task, int]] = {}
    with ProcessPool(max_workers=jobs, context=context, initializer=_ignore_interrupt) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < jobs * _QUEUED_PER_WORKER:
                    task, tries = waiting.popleft()
                    running[pool.schedule(_guarded, args=(work, task))] = (task, tries)
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    task, tries = running.pop(future)
                    try:
                        yield task, future.result()
                    except ProcessExpired as death:
                        if tries == 0:
                            waiting.append((task, 1))
                        else:
                            yield task, _death(death.exitcode)
        except BaseException:
            pool.stop()
            raise


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the driver, which stops the workers in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _death(exitcode: int | None) -> Failure:
    code = exitcode or 0
    cause = f"exit status {code}"
    if code < 0:
        try:
            cause = f"signal {-code} ({signal.Signals(-code).name})"
        except ValueError:
            cause = f"signal {-code}"
    text = f"its worker process died twice, at last of {cause}"
    if code == -9:
        text += "; was memory short? try fewer --jobs"
    return Failure("worker", text, None, cause)
