"""Measure how time and memory grow with the number of files and of cases.

    python benchmarks/bench_scale.py [--most-files 100000] [--most-cases 100000] [--keep FOLDER]

Trees of 10^3, 10^4, ... DICOM headers are scanned and grouped; workspaces of as many cases, all
of them done, are opened, looked at, planned, resumed, resumed with ten stale cases, and their
tables written. Each is a process of its own: processor time of it and its children, wall time, and
the most memory it held (VmHWM; of an empty process some 30 MiB). Between two sizes stands the
slope: 1 is linear. Compare processor times; wall times are the machine's.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MOST_SPLIT = 10_000
"""So many files are split at most: with all their empty pixels they are 5 GB to hash."""
STALE = 10
"""So many cases are stale in the resume that has work to do."""


@dataclass(frozen=True)
class Cost:
    """What one step took: seconds, and the most memory of its process until its end."""

    step: str
    cpu_s: float
    wall_s: float
    peak_mib: float


class Steps:
    """Measures one step after another in this process."""

    def __init__(self) -> None:
        self.costs: list[Cost] = []
        self._from = self._now()

    def took(self, step: str) -> None:
        """Note the end of a step."""
        now = self._now()
        cpu, wall = (end - start for end, start in zip(now, self._from, strict=True))
        self.costs.append(Cost(step, cpu, wall, _peak_mib()))
        self._from = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        times = os.times()
        return sum(times[:4]), time.perf_counter()


def _peak_mib() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def scan_tree(folder: Path, steps: Steps) -> None:
    """Scan a tree of headers and group its slices."""
    from medprep.dicom.grouping import group
    from medprep.dicom.scan import scan

    steps.took("start")
    found = scan(folder)
    steps.took("scan")
    stacks = group(found.slices)
    steps.took("group")
    assert sum(len(one.slices) for one in stacks) == len(found.slices)


def split_tree(folder: Path, steps: Steps) -> None:
    """Split a tree: scan and group it, hash every byte of it, and record its cases."""
    from medprep.pipeline import run
    from medprep.stages.split import Split

    steps.took("start")
    with tempfile.TemporaryDirectory() as work:
        run([Split(str(folder))], work)
    steps.took("split")


def open_workspace(folder: Path, steps: Steps) -> None:
    """Open a workspace for work, as every command does."""
    from medprep.workspace.workspace import Workspace

    steps.took("start")
    with Workspace(folder):
        pass
    steps.took("open")


def look_at_workspace(folder: Path, steps: Steps) -> None:
    """Do what ``medprep status`` does."""
    from medprep.overview import status

    steps.took("start")
    status(folder)
    steps.took("status")


def plan_chain(folder: Path, steps: Steps) -> None:
    """Do what ``--dry-run`` does."""
    from medprep.plan import plan
    from medprep.stages.clean import Clean
    from medprep.stages.convert import Convert
    from medprep.stages.extract import Extract

    steps.took("start")
    plan([Convert(), Extract(), Clean()], folder)
    steps.took("dry run")


def resume(folder: Path, steps: Steps) -> None:
    """Run a chain of which everything is up to date."""
    _run(folder)
    steps.took("resume")


def resume_stale(folder: Path, steps: Steps) -> None:
    """Run it where a few cases are stale and fail at once: their sources are not there."""
    from medprep.workspace.database import Database

    database = Database(folder / "medprep.sqlite")
    stale = [f"p{number:07d}-t2" for number in range(STALE)]
    database.forget("convert", stale)
    database.close()
    steps.took("start")
    _run(folder)
    steps.took("resume, 10 stale")


def _run(folder: Path) -> None:
    from medprep_cli.main import main

    try:
        main(["convert", "extract", "clean", "--workspace", str(folder)])
    except SystemExit as end:
        assert end.code in (0, 8), end.code


def write_tables(folder: Path, steps: Steps) -> None:
    """Write ``cases.csv`` though nothing has changed."""
    from medprep.stages.tables import write_cases
    from medprep.workspace.workspace import Workspace

    with Workspace(folder) as opened:
        (folder / "cases.csv").unlink(missing_ok=True)
        steps.took("start")
        write_cases(opened)
        steps.took("cases.csv")


OF_TREES: dict[str, Callable[[Path, Steps], None]] = {
    "scan": scan_tree, "split": split_tree,
}  # fmt: skip
OF_WORKSPACES: dict[str, Callable[[Path, Steps], None]] = {
    "open": open_workspace, "status": look_at_workspace, "plan": plan_chain, "resume": resume,
    "tables": write_tables, "resume-stale": resume_stale,
}  # fmt: skip


def measured(what: str, folder: Path) -> list[Cost]:
    """Measure in a process of its own."""
    words = [sys.executable, __file__, "--one", what, str(folder)]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what} {folder}: {done.stderr.decode()[-2000:]}")
    return [Cost(**one) for one in json.loads(done.stdout.splitlines()[-1])]


def sizes(most: int) -> Iterator[int]:
    """Give 1000 and its tenfolds up to the most."""
    size = 1000
    while size <= most:
        yield size
        size *= 10


def told(what: str, found: dict[int, list[Cost]]) -> None:
    """Print a table of one kind, a line for each step and size."""
    print(
        f"{what:20} {'number':>8} {'CPU s':>9} {'slope':>6} {'us each':>8} {'wall s':>9} {'MiB':>7}"
    )
    steps = [one.step for one in next(iter(found.values())) if one.step != "start"]
    for step in steps:
        before: tuple[int, Cost] | None = None
        for number, costs in found.items():
            cost = next(one for one in costs if one.step == step)
            slope = ""
            if before is not None and min(cost.cpu_s, before[1].cpu_s) > 0:
                slope = f"{math.log(cost.cpu_s / before[1].cpu_s, number / before[0]):.2f}"
            print(
                f"{step:20} {number:8} {cost.cpu_s:9.3f} {slope:>6} "
                f"{cost.cpu_s / number * 1e6:8.1f} {cost.wall_s:9.3f} {cost.peak_mib:7.0f}"
            )
            before = number, cost


def main(words: Sequence[str] | None = None) -> None:
    """Make what is missing, measure, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--most-files", type=int, default=100_000)
    parser.add_argument("--most-cases", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="where trees and workspaces lie, or stay")
    parser.add_argument("--only", nargs="*", help="some of: " + " ".join(OF_TREES | OF_WORKSPACES))
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if given.one is not None:
        steps = Steps()
        (OF_TREES | OF_WORKSPACES)[given.one[0]](Path(given.one[1]), steps)
        print("\n" + json.dumps([asdict(one) for one in steps.costs]))
        return
    from make_scale import make_tree, make_workspace

    with tempfile.TemporaryDirectory() as scratch:
        home = given.keep or Path(scratch)
        for kinds, make, most, name in (
            (OF_TREES, make_tree, given.most_files, "tree"),
            (OF_WORKSPACES, make_workspace, given.most_cases, "workspace"),
        ):
            for what in kinds:
                if given.only and what not in given.only:
                    continue
                found = {}
                for size in sizes(min(most, MOST_SPLIT) if what == "split" else most):
                    make(home / f"{name}{size}", size)
                    found[size] = measured(what, home / f"{name}{size}")
                if found:
                    told(what, found)


if __name__ == "__main__":
    main()
