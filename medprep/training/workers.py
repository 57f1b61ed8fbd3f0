"""Batches made ahead by other processes, for nets that are quicker than what feeds them."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from medprep.errors import MedprepError, WorkerError
from medprep.training.batches import Batch, Batches

AHEAD = 2
"""Batches that each worker may be ahead."""
_PATIENCE_S = 5.0


class _Worker:
    """A process that makes batches in the order in which they are asked for."""

    def __init__(self, batches: Batches) -> None:
        # Not fork: the driver has threads, and after a fork their locks stay shut.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.asked: deque[tuple[int, tuple[int, ...] | None]] = deque()
        self.process = context.Process(target=_serve, args=(theirs, batches), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, step: int, places: tuple[int, ...] | None) -> None:
        self.asked.append((step, places))
        with contextlib.suppress(OSError):  # its death is told when its batch is wanted
            self.pipe.send((step, places))

    def take(self) -> Batch:
        """Give the batch that was asked for first."""
        step, _ = self.asked.popleft()
        try:
            outcome = self.pipe.recv()
        except (EOFError, OSError) as error:
            self.process.join(_PATIENCE_S)
            raise WorkerError(
                f"a process that makes batches has died before the batch of step {step + 1}: "
                f"{_cause(self.process.exitcode)}"
            ) from error
        if isinstance(outcome, BaseException):
            raise outcome
        batch: Batch = outcome
        return batch

    def stop(self) -> None:
        self.pipe.close()
        self.process.terminate()
        self.process.join(_PATIENCE_S)


class Ahead:
    """The same batches as another's, made by worker processes before they are wanted.

    Parameters
    ----------
    batches
        What makes them; each process gets a copy, of pictures in files (a `Store` of 0 bytes)
        only their names.
    workers
        Processes, at least 1.
    """

    def __init__(self, batches: Batches, workers: int) -> None:
        self._workers = [_Worker(batches) for _ in range(workers)]

    def at(self, step: int, places: Sequence[int] | None = None) -> Batch:
        """Give the batch of a step, and have those of the next ones made.

        Raises
        ------
        WorkerError
            If a process has died; says of what.
        MedprepError
            What making the batch raised.
        """
        wanted = None if places is None else tuple(places)
        count = len(self._workers)
        for later in range(step, step + AHEAD * count):
            worker = self._workers[later % count]
            if (later, wanted) not in worker.asked:
                worker.ask(later, wanted)
        worker = self._workers[step % count]
        while worker.asked[0] != (step, wanted):  # of steps that were never taken
            worker.take()
        return worker.take()

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _serve(pipe: Connection, batches: Batches) -> None:
    """Make batches until the driver is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver ends its workers in order
    with contextlib.suppress(EOFError, OSError):
        while True:
            step, places = pipe.recv()
            try:
                outcome: Batch | BaseException = batches.at(step, places)
            except MedprepError as error:
                outcome = error
            except Exception as error:
                outcome = WorkerError(f"step {step + 1}: {type(error).__name__}: {error}")
            pipe.send(outcome)


def _cause(code: int | None) -> str:
    if code is None:
        return "it no longer answers"
    if code >= 0:
        return f"it ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    out_of_memory = "; most likely the memory ran out: take fewer --workers"
    return f"killed by {name}{out_of_memory if name == 'SIGKILL' else ''}"
