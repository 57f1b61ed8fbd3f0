"""Time commands as whole processes: wall, CPU with all children, and the largest resident size."""

from __future__ import annotations

import contextlib
import ctypes
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from resource import struct_rusage

MIB = 1 << 20
_PR_SET_CHILD_SUBREAPER = 36
HEADING = (
    f"  {'peer':22} {'n':>2}  {'wall s: medprep / peer':>24}  {'CPU s: medprep / peer':>24}  "
    f"{'peak MiB':>11}  {'out MB: medprep / peer':>24}"
)


class CommandError(RuntimeError):
    """A command ended with another status than 0."""


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Parameters
    ----------
    wall_s
        From its start to its end.
    cpu_s
        User and system, its children included.
    peak_mib
        Resident size of its largest single process; the sum of several is not known.
    out_bytes
        What it wrote; 0 where nobody looked.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    out_bytes: int = 0


def adopt_orphans() -> None:
    """Become the parent of what commands leave behind, so that `run` can count it (Linux).

    Python's multiprocessing never waits for its resource tracker: its CPU would be lost.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end.

    Raises
    ------
    CommandError
        If its status is not 0; with the last line that it said.
    """
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        usages = [usage, *_orphans()]
        if process.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
            raise CommandError(f"exit status {process.returncode}: {last.strip()[:200]}")
    cpu = sum(one.ru_utime + one.ru_stime for one in usages)
    return Cost(wall, cpu, max(one.ru_maxrss for one in usages) * 1024 / MIB)


def _orphans() -> list[struct_rusage]:
    """Wait for every process that the command left, where `adopt_orphans` was called."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while True:
            found.append(os.wait4(-1, 0)[2])
    return found


def pairs(
    ours: Callable[[], Cost], theirs: Callable[[], Cost], count: int
) -> tuple[list[Cost], list[Cost]]:
    """Run two things in turn; a first pair warms the page cache and is not counted."""
    figures = [(ours(), theirs()) for _ in range(count + 1)][1:]
    mine, other = zip(*figures, strict=True)
    return list(mine), list(other)


def median(costs: Sequence[Cost]) -> Cost:
    """Give the median of each figure."""
    return Cost(
        statistics.median(one.wall_s for one in costs),
        statistics.median(one.cpu_s for one in costs),
        statistics.median(one.peak_mib for one in costs),
        int(statistics.median(one.out_bytes for one in costs)),
    )


def row(name: str, mine: Sequence[Cost], other: Sequence[Cost]) -> str:
    """Set one line under `HEADING`: both medians, and the median of the pairs' ratios."""
    both = list(zip(mine, other, strict=True))
    wall = statistics.median(a.wall_s / b.wall_s for a, b in both)
    cpu = statistics.median(a.cpu_s / b.cpu_s for a, b in both)
    a, b = median(mine), median(other)
    line = (
        f"  {name:22} {len(both):2}  {a.wall_s:7.3f} / {b.wall_s:7.3f} = {wall:4.2f}  "
        f"{a.cpu_s:7.3f} / {b.cpu_s:7.3f} = {cpu:4.2f}  {a.peak_mib:4.0f} / {b.peak_mib:4.0f}"
    )
    if not a.out_bytes or not b.out_bytes:
        return line
    mb, other_mb = a.out_bytes / 1e6, b.out_bytes / 1e6
    return f"{line}  {mb:6.1f} / {other_mb:6.1f} = {a.out_bytes / b.out_bytes:5.3f}"
