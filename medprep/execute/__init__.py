"""The one seam through which cases are worked: in this process, in several, or on a cluster."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medprep.errors import OptionError
from medprep.execute.failure import Failure, Result, Second, Task, guarded
from medprep.execute.memory import fitting_jobs
from medprep.interrupts import go_on
from medprep.progress import Progress

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster

_CASES_PER_WORKER = 4
"""A process takes half a second to start: fewer cases than this do not repay it."""


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


@contextlib.contextmanager
def workers_at(
    place: str | None,
    progress: Progress,
    *,
    written: Path | None = None,
    read: Iterable[Path | str] = (),
) -> Iterator[Cluster | None]:
    """Give the workers of a Dask cluster for the length of the block; None: all is worked here.

    Parameters
    ----------
    place
        ``local:N``, the address of a scheduler, or None.
    progress
        Is told who works, and where the dashboard is.
    written, read
        Folders and files that every worker must see: see `Cluster.require_visible`.

    Raises
    ------
    LibraryError, OptionError, SchedulerError
        As `execute.connecting.connected`.
    """
    if place is None:
        yield None
        return
    from medprep.execute.connecting import connected  # what one machine never needs

    with connected(place, progress) as cluster:
        cluster.require_visible(written, read)
        yield cluster


def map_cases(
    work: Callable[[Task], Result],
    tasks: Collection[Task],
    *,
    jobs: int = 1,
    limit_s: float | None = None,
    cluster: Cluster | None = None,
    at_once: int | None = None,
) -> Iterator[tuple[Task, Result | Failure]]:
    """Work every task and yield each with its result as it comes.

    Parameters
    ----------
    work
        A module-level function; for several processes it, the tasks and the results are pickled.
        The order of results depends on ``jobs``, their content must not.
    tasks
        Small records: paths and options, never pixels. Taken as they are needed.
    jobs
        Number of processes; 1 works here, in this process, unless there is a limit.
    limit_s
        What takes longer is stopped and fails; None waits without end.
    cluster
        Work there, and not here; ``jobs`` then says nothing.
    at_once
        On a cluster: no more cases at once than this in one worker.

    Yields
    ------
    tuple
        The task, and its result or the `Failure` that it ended with. An error of the work never
        raises here; KeyboardInterrupt does, after the workers are stopped.

    Raises
    ------
    OptionError
        If the limit is none.
    WorkerError
        If worker processes cannot even start, or the cluster is lost.
    """
    if limit_s is not None and not limit_s > 0:
        raise OptionError(f"--case-timeout is {limit_s}; wanted are seconds above 0")
    if cluster is not None:
        yield from cluster.map(work, tasks, limit_s=limit_s, at_once=at_once)
        return
    if limit_s is None and (jobs <= 1 or len(tasks) <= 1):
        for task in tasks:
            outcome = guarded(work, task)
            go_on()
            yield task, outcome
        return
    from medprep.execute.crew import map_processes  # what one process never needs

    yield from map_processes(work, tasks, max(1, min(jobs, len(tasks))), limit_s)


__all__ = [
    "Failure", "Result", "Second", "Task", "choose_jobs", "fitting_jobs", "map_cases",
    "usable_cpus", "workers_at",
]  # fmt: skip
