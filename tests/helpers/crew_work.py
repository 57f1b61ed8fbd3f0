"""Work for several processes: they import it by name."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import time
from pathlib import Path

from medprep.errors import LabelError
from medprep.files import AtomicFiles
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


def linger_if(marked: tuple[str, int]) -> str:
    """Linger where a marker is named."""
    if marked[0]:
        linger(marked[0])
    return marked[0]


def last_first(seconds: float) -> float:
    """Take so long."""
    time.sleep(seconds)
    return seconds


def square_slowly(number: int) -> int:
    """Work well, for half a second."""
    time.sleep(0.5)
    return number * number


def count_at_once(named: tuple[str, int]) -> int:
    """Tell how many are at it, oneself included."""
    folder = Path(named[0])
    folder.mkdir(exist_ok=True)
    own = folder / f"{os.getpid()}"
    own.touch()
    time.sleep(1)
    count = len(list(folder.iterdir()))
    own.unlink()
    return count


def kill_the_worker_if_odd(number: int) -> int:
    """End the Dask worker that it is worked for."""
    if number % 2:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return number


def write_file(path: str) -> str:
    """Write a small file whole."""
    with AtomicFiles() as files:
        files.file(Path(path)).write_text("whole")
    return Path(path).name


def write_and_fail(path: str) -> str:
    """Write a file whole, and come to grief."""
    write_file(path)
    raise LabelError("no mask")


def write_much(path: str) -> str:
    """Write two million bytes."""
    with AtomicFiles() as files:
        files.file(Path(path)).write_bytes(bytes(2_000_000))
    return Path(path).name


if __name__ == "__main__":
    sys.exit("a module to import")
