"""Ctrl-C is for the driver alone, which stops what it has started in order, by SIGTERM."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker


@contextlib.contextmanager
def interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C back while processes or threads start: they inherit the hold."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # it would let go of the hold
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave(number: int, _: object) -> None:
    """End, but take back first what is half-written; the handler of SIGTERM in a worker.

    Raises
    ------
    SystemExit
        Always.
    """
    raise SystemExit(128 + number)
