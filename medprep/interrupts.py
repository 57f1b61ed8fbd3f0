"""Ctrl-C and SIGTERM, where a library would take what they raise for an error of its own."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SENT = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def stops_later() -> Iterator[None]:
    """Let them wait until the block has ended; for short blocks. Other threads never get them."""
    handlers = {one: signal.getsignal(one) for one in _SENT}
    heeded = [one for one, handler in handlers.items() if callable(handler)]
    if threading.current_thread() is not threading.main_thread() or not heeded:
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    for one in heeded:
        signal.signal(one, note)
    try:
        yield
    finally:
        for one in heeded:
            signal.signal(one, handlers[one])
        for number in came[:1]:
            handler = handlers[signal.Signals(number)]
            if callable(handler):
                handler(number, None)
