"""Measure two Dask workers beside two worker processes, and what a task costs on the way.

    python benchmarks/bench_dask.py [--pairs 5] [--series 300] [--tasks 2000]

``medprep convert DIR --output OUT`` of made-up MR series (those of `make_dicom`, but so many that
the start of processes counts little) as whole processes: with
``--jobs 1``, with ``--jobs 2``, and on two ``dask worker`` processes on loopback that run already.
The speed-up of each is against ``--jobs 1`` of the same round; what counts is Dask's divided by
the pool's (goal: at least 0.85). The processor time of the workers is not the command's child and
is not shown. Then the time for each of many cases that do nothing (goal: below 10 ms), on the same
workers: by the clock, and the driver's own processor time. Let nothing else run meanwhile.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from make_dicom import KINDS, write

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests" / "helpers"))


def main() -> None:
    """Measure and print."""
    from dask_box import dask_box

    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--series", type=int, default=300)
    parser.add_argument("--tasks", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, dask_box(Path(scratch, "dask")) as box:
        folder = Path(scratch, "series")
        made = write(folder, replace(KINDS["full"]["mr"], series=asked.series))
        print(f"{made['series']} series, {made['files']} files", flush=True)
        _speed_ups(str(folder), Path(scratch), box.address, asked.pairs)
        _per_task(box.address, asked.tasks)


def _speed_ups(folder: str, scratch: Path, address: str, rounds: int) -> None:
    ways = {"jobs 1": ("-j", "1"), "jobs 2": ("-j", "2"), "Dask 2": ("--scheduler", address)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):  # the first warms the page cache
        for name, words in ways.items():
            out = scratch / "out"
            command = [sys.executable, "-m", "medprep_cli", "convert", folder, "--output", str(out)]
            seconds[name].append(_wall_s([*command, *words]))
            shutil.rmtree(out)
    found = {name: several[1:] for name, several in seconds.items()}
    for name, several in found.items():
        print(f"  {name:8} {statistics.median(several):7.2f} s by the clock")
    alone = found["jobs 1"]
    pool, dask = (
        [a / b for a, b in zip(alone, found[name], strict=True)] for name in ("jobs 2", "Dask 2")
    )
    ratio = statistics.median(b / a for a, b in zip(pool, dask, strict=True))
    print(
        f"  speed-up of two processes {statistics.median(pool):.2f}, of two Dask workers "
        f"{statistics.median(dask):.2f}; the one of the other {ratio:.2f}"
    )


def _wall_s(command: list[str]) -> float:
    """Time a command; the scheduler and the workers are children too, and never end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _per_task(address: str, count: int) -> None:
    from medprep.execute import map_cases, workers_at
    from medprep.progress import Silent

    with workers_at(address, Silent()) as cluster:
        list(map_cases(abs, range(20), cluster=cluster))  # the processes start
        began, worked = time.perf_counter(), time.process_time()
        done = sum(1 for _ in map_cases(abs, range(count), cluster=cluster))
        wall, own = time.perf_counter() - began, time.process_time() - worked
    assert done == count
    print(
        f"{count} cases that do nothing: {1000 * wall / count:.1f} ms each by the clock on two "
        f"workers, {1000 * own / count:.1f} ms of the driver's processor time"
    )


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
