"""Ctrl-C and SIGTERM, also where a library takes what they raise for an error of its own.

C and C++ code that calls Python may clear an exception that it did not expect (torch and matplotlib
raise a ValueError instead) or go on with half a result. So whoever installs `heed` as the handler
can be sure that work does not go on: `go_on` stands where a result is about to be kept.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

_SENT = (signal.SIGINT, signal.SIGTERM)
received: list[int] = []
"""Signals that asked this process for an end."""


def heed(number: int, frame: FrameType | None) -> None:
    """Stop; the handler of a signal.

    Raises
    ------
    KeyboardInterrupt
        Always.
    """
    received.append(number)
    raise KeyboardInterrupt


def pass_over(unraisable: sys.UnraisableHookArgs) -> None:
    """Say nothing of a stop that fell where Python cannot raise; a `sys.unraisablehook`.

    That is in what looks after objects that go (``__del__``, callbacks of weak references).
    """
    if not (received and unraisable.exc_type is KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def go_on() -> None:
    """Do nothing.

    Raises
    ------
    KeyboardInterrupt
        If a signal asked for an end and a library swallowed that.
    """
    if received:
        raise KeyboardInterrupt


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
