"""How much memory a process took at most, as Linux tells it; other systems do not say."""

from __future__ import annotations

import contextlib
from pathlib import Path

_GIB = float(1 << 30)


def peak_bytes(pid: int | str = "self") -> int | None:
    """Give the most memory that a process held since its start or `forget_peak`."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    _, found, rest = status.partition("VmHWM:")
    return int(rest.split()[0]) << 10 if found else None


def forget_peak() -> None:
    """Let the peak of this process begin anew."""
    with contextlib.suppress(OSError):  # not every container lets it
        Path("/proc/self/clear_refs").write_text("5")


def of_memory(count: int | None) -> str:
    """Say a peak behind what ended with it; nothing where it is unknown."""
    return "" if count is None else f" (it held {count / _GIB:.2f} GiB at most)"


def fitting_jobs(jobs: int, each_bytes: int, most_bytes: int | None) -> int:
    """Give the number of processes that fit into the memory; one works in any case."""
    if most_bytes is None or each_bytes <= 0:
        return jobs
    return max(1, min(jobs, most_bytes // each_bytes))
