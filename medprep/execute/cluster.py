"""Cases on a Dask cluster: paths and options go there, the driver names the files and records.

A bounded number of cases is in flight, so that a million of them do not sit in the scheduler.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from medprep import drafts
from medprep.errors import SchedulerError, WriteError
from medprep.execute import hand, visible
from medprep.execute.failure import Failure, Result, Second, Task
from medprep.version import VERSION

if TYPE_CHECKING:
    from distributed import Client, Future

_LOOK_S = 1.0
_COUNT_S = 5.0
"""So often workers are counted: they come and go."""
_DESERTED_S = 60.0
"""So long a run waits for another worker when the last one has gone."""
_END_S = 3.0
_AHEAD, _AT_LEAST = 4, 8
"""So many cases for each thread are in flight, and so many more: the way there and back takes some
hundredths of a second, which short cases would else wait for."""
_ELSEWHERE = {"write"}
"""What may be the fault of one worker: a full disk, a folder that it may not write."""
_OF_THE_HOST = {"write", "memory", "worker"}
"""What whoever reads of it wants to look at on the machine itself."""


@dataclass
class _Flight:
    """A task on its way."""

    task: Any
    content: bytes
    limit_s: float | None
    at_once: int | None
    shunned: tuple[str, ...] = ()
    future: Any = None


class Cluster:
    """The workers of a Dask scheduler, for the length of a run.

    Parameters
    ----------
    client
        Connected.
    address
        Of the scheduler.
    one_machine
        All workers share this machine and its memory.
    """

    def __init__(self, client: Client, address: str, *, one_machine: bool) -> None:
        self._client = client
        self._address = address
        self._one_machine = one_machine
        self._run = secrets.token_hex(6)
        self._numbers = itertools.count()
        self._threads: dict[str, int] = {}
        self._counted = 0.0
        self._peopled = time.monotonic()

    def threads(self) -> dict[str, int]:
        """Give the threads of each worker that is there now."""
        return dict(self._client.nthreads())

    def map(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        *,
        limit_s: float | None = None,
        at_once: int | None = None,
    ) -> Iterator[tuple[Task, Result | Failure]]:
        """Work every task on the cluster and yield each with its result as it comes.

        Parameters
        ----------
        work, limit_s
            As `execute.map_cases` has them.
        tasks
            Taken as they are needed.
        at_once
            No more cases than this at once in one worker; where all are on one machine, on it.

        Raises
        ------
        SchedulerError
            If the scheduler is lost or no worker is left. What was yielded is done.
        """
        waiting = (
            _Flight(task, bytes(ForkingPickler.dumps((work, task))), limit_s, at_once)
            for task in tasks
        )
        flying: dict[str, _Flight] = {}
        news: SimpleQueue[Future[Any]] = SimpleQueue()
        try:
            while True:
                room = max(0, self._room(at_once) - len(flying))
                for flight in itertools.islice(waiting, room):
                    self._send(flight, flying, news)
                if not flying:
                    return
                flight = flying.pop(self._next(news).key)
                outcome = self._outcome(flight)
                if outcome is None:
                    self._send(flight, flying, news)
                else:
                    yield flight.task, outcome
        except BaseException:
            self.end([flight.future for flight in flying.values()])
            raise

    def map_in_order(
        self, work: Callable[[Task], Result], tasks: Iterable[Task]
    ) -> Iterator[tuple[Task, Result | Failure]]:
        """Do the same, but yield in the order of the tasks: what comes too early waits here."""
        early: dict[int, tuple[Task, Result | Failure]] = {}
        following = 0
        for (number, task), outcome in self.map(Second(work), enumerate(tasks)):
            early[number] = task, outcome
            while following in early:
                yield early.pop(following)
                following += 1

    def require_visible(self, written: Path | None, read: Iterable[Path | str] = ()) -> None:
        """See that every worker sees what is written and read; see `execute.visible`."""
        visible.require(self._client, written, read)

    def end(self, futures: Sequence[Future[Any]] = ()) -> None:
        """Give up what is in flight, and end the processes that work or wait for this run."""
        run, self._run = self._run, secrets.token_hex(6)
        if self._client.status != "running":
            return

        def tell() -> None:
            with contextlib.suppress(Exception):  # a worker, or all, may be gone
                self._client.cancel(futures, force=True)
                self._client.run(hand.stop, run, on_error="ignore")

        telling = threading.Thread(target=tell, daemon=True)
        telling.start()
        telling.join(_END_S)

    def _send(
        self, flight: _Flight, flying: dict[str, _Flight], news: SimpleQueue[Future[Any]]
    ) -> None:
        at_once = None if self._one_machine else flight.at_once
        errand = hand.Errand(flight.content, self._run, str(Path.cwd()), flight.limit_s, at_once)
        others = [one for one in self._threads if one not in flight.shunned]
        flight.future = self._client.submit(
            hand.work_case,
            errand,
            key=f"medprep-{self._run}-{next(self._numbers)}",
            pure=False,
            workers=others if flight.shunned else None,
            allow_other_workers=bool(flight.shunned),
        )
        flying[flight.future.key] = flight
        flight.future.add_done_callback(news.put)

    def _room(self, at_once: int | None) -> int:
        """Give how many cases may be in flight."""
        self._count_workers()
        threads = sum(self._threads.values())
        if at_once is not None and self._one_machine:
            return max(1, min(threads, at_once))
        return _AHEAD * threads + _AT_LEAST

    def _count_workers(self) -> None:
        now = time.monotonic()
        if now - self._counted < _COUNT_S:
            return
        try:
            self._threads = self.threads()
        except Exception as error:
            raise self._lost() from error
        self._counted = now
        if self._threads:
            self._peopled = now
        elif now - self._peopled > _DESERTED_S:
            raise SchedulerError(
                f"the scheduler at {self._address} has had no worker for {_DESERTED_S:.0f} s; what "
                "is done is recorded: start workers and run the same command again"
            )

    def _next(self, news: SimpleQueue[Future[Any]]) -> Future[Any]:
        while True:
            with contextlib.suppress(Empty):
                return news.get(timeout=_LOOK_S)
            if self._client.status != "running":
                raise self._lost()
            self._count_workers()

    def _lost(self) -> SchedulerError:
        return SchedulerError(
            f"the scheduler at {self._address} is lost; what is done is recorded, and the same "
            "command goes on from there, there or with --jobs here"
        )

    def _outcome(self, flight: _Flight) -> Any:
        """Give a case's result with its files in place, or None where it is to be sent again."""
        from distributed import KilledWorker

        try:
            report = flight.future.result()
        except KilledWorker as error:
            text = (
                f"each of {error.allowed_failures + 1} workers that began it died; was memory "
                "short? try fewer threads or processes for each worker, or --max-memory GIB"
            )
            return Failure("worker", text, None, f"last {error.last_worker.address}")
        except (CancelledError, OSError) as error:
            raise self._lost() from error
        except Exception as error:
            raise SchedulerError(
                f"a worker cannot do medprep's work ({type(error).__name__}: {error}); it wants "
                f"the environment of this process, with medprep {VERSION}"
            ) from error
        return self._landed(flight, report)

    def _landed(self, flight: _Flight, report: hand.Report) -> Any:
        if report.other_version:
            raise SchedulerError(
                f"the worker at {report.worker} has medprep {report.other_version}, this process "
                f"{VERSION}; wanted is the same"
            )
        if report.stopped:
            return None
        if isinstance(report.outcome, Failure):
            shunned = {*flight.shunned, report.worker}
            elsewhere = report.not_begun or report.outcome.code in _ELSEWHERE
            if elsewhere and len(shunned) == 1 < len(self._threads):
                flight.shunned = tuple(shunned)
                return None
            on = f" (on {report.host})" if report.outcome.code in _OF_THE_HOST else ""
            return replace(report.outcome, message=report.outcome.message + on)
        try:
            drafts.land(report.drafts)
        except WriteError as error:
            return Failure(error.code, error.message, error.path)
        return report.outcome
