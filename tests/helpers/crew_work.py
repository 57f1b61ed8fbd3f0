"""Work for several processes: they import it by name."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from pathlib import Path

from medprep.errors import LabelError
from medprep.stages.base import CaseResult


def square(number: int) -> int:
    """Work well."""
    return number * number


def own_process(_: int) -> int:
    """Tell who works."""
    return os.getpid()


def die_once(marker: str) -> str:
    """End by SIGKILL where the marker file does not exist yet."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def die_if_odd(number: int) -> int:
    """End by SIGKILL, whenever asked for an odd number."""
    if number % 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def leave_if_odd(number: int) -> int:
    """End without a word and with exit status 0, as a library may."""
    if number % 2:
        os._exit(0)
    return number


def fail(number: int) -> int:
    """Fail in all ways an error can."""
    if number == 0:
        raise LabelError("no mask", path="private.png")
    if number == 1:
        raise MemoryError
    if number == 2:
        raise FileNotFoundError(2, "No such file or directory", "/home/someone/private.dcm")
    if number == 3:
        return lambda: number  # type: ignore[return-value]  # cannot be pickled
    return number


def hang_if_odd(number: int) -> int:
    """Never end for an odd number."""
    while number % 2:
        time.sleep(1)
    return number


def swell_if_odd(number: int) -> int:
    """Take more memory than the process may, after a good part of it."""
    resource = importlib.import_module("resource")  # not on Windows
    held = bytearray(96 << 20)
    if number % 2:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))
        try:
            held += bytearray(8 << 30)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
    return number


def hold_and_die(marker: str) -> None:
    """Take 200 MiB, be seen with it, and end by SIGKILL."""
    held = bytearray(200 << 20)
    time.sleep(1.5)
    os.kill(os.getpid(), signal.SIGKILL if held else 0)


def ill(case: str) -> CaseResult:
    """Work a case; the first three end badly, each in a way of its own."""
    number = int(case[2:4])
    if number == 1:
        die_if_odd(1)
    if number == 2:
        hang_if_odd(1)
    if number == 3:
        swell_if_odd(1)
    return CaseResult((), {"notes": []})


def linger(marker: str) -> None:
    """Write one's process number, and go on for long."""
    Path(marker).write_text(str(os.getpid()))
    time.sleep(60)


if __name__ == "__main__":
    sys.exit("a module to import")
