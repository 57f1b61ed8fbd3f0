"""Measure the cleaning of label maps beside its peers, in one run, as ratios.

    python benchmarks/bench_components.py [--pairs 5] [--slow-pairs 3] [--size small]
                                          [--only largest] [--peer cc3d]

Four organs and 3,000 specks in 200 x 512 x 512 voxels (``small``: 600 in 35 x 256 x 256), uint8,
26 neighbours: keep the largest piece of each organ, drop pieces under 50 voxels, keep the five
largest pieces. Each figure is of one run inside a process of its own, after a first one; processes
alternate. CPU is user and system of all threads. Memory is by how much the first run raised the
process's largest resident size, its result included. Imports and files do not count. Every result
is compared with scipy's, whose pieces are numbered by their first voxel: of equally large pieces
that one wins. Linux only; a peer that is not installed is passed over.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from peers_components import JOBS, NEEDS
from timing import Cost, median, pairs

HERE = Path(__file__).parent
SLOW = ("simpleitk", "scipy", "skimage", "monai")
WORDS = {
    "largest": "Keep the largest piece of each label",
    "small": "Drop pieces under 50 voxels",
    "five": "Keep the five largest pieces of each label",
}
VOXELS = {"full": 200 * 512 * 512, "small": 35 * 256 * 256}


def main() -> None:
    """Run the wanted jobs and print their tables; exit code 1 where medprep's result is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--slow-pairs", type=int, default=3, help="for peers that take long")
    parser.add_argument("--size", choices=tuple(VOXELS), default="full")
    parser.add_argument("--only", choices=JOBS, action="append", help="repeatable")
    parser.add_argument("--peer", choices=tuple(NEEDS)[1:], action="append", help="repeatable")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}; {versions()}")
    print(f"load before the start {load:.1f}{' - SOMETHING ELSE RUNS' * (load > 0.5)}")
    wrong = False
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.npy"
        child("make", given.size, path)
        for job in given.only or JOBS:
            print(f"\n{WORDS[job]}, {VOXELS[given.size] / 1e6:.1f} M voxels")
            print(
                f"  {'peer':10} {'n':>2}  {'CPU ms: medprep / peer':>26}  "
                f"{'wall ms: medprep / peer':>26}  {'bytes/voxel':>13}  voxels unlike scipy's"
            )
            child("scipy", job, path)
            for peer in given.peer or tuple(NEEDS)[1:]:
                if not importlib.util.find_spec(NEEDS[peer]):
                    print(f"  {peer:10} not installed")
                    continue
                count = given.slow_pairs if peer in SLOW and given.size == "full" else given.pairs
                wrong |= line(peer, job, path, count, VOXELS[given.size])
    sys.exit(wrong)


def versions() -> str:
    """Give the versions of what is compared."""
    code = (
        "import importlib.metadata as m, sys\nfor p in sys.argv[1:]:\n"
        " try: print(p, m.version(p), end='; ')\n except m.PackageNotFoundError: pass"
    )
    packages = ("numpy", "connected-components-3d", "SimpleITK", "scipy", "scikit-image", "monai")
    asked = [sys.executable, "-c", code, *packages]
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip("; ")


def child(peer: str, job: str, path: Path) -> str:
    """Run one measurement in a process of its own; give what it said."""
    command = [sys.executable, str(HERE / "peers_components.py"), peer, job, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


def line(peer: str, job: str, path: Path, count: int, voxels: int) -> bool:
    """Measure pairs and print their line; tell whether medprep's result is not scipy's."""
    unlike: dict[str, int] = {}

    def run(name: str) -> Callable[[], Cost]:
        def once() -> Cost:
            facts = json.loads(child(name, job, path).splitlines()[-1])
            unlike[name] = facts["differs"]
            return Cost(facts["wall_s"], facts["cpu_s"], facts["growth_mib"])

        return once

    mine, other = pairs(run("medprep"), run(peer), count)
    ours, theirs = median(mine), median(other)
    cpu = statistics.median(a.cpu_s / b.cpu_s for a, b in zip(mine, other, strict=True))
    wall = statistics.median(a.wall_s / b.wall_s for a, b in zip(mine, other, strict=True))
    memory = [cost.peak_mib * 2**20 / voxels for cost in (ours, theirs)]
    print(
        f"  {peer:10} {count:2}  {ours.cpu_s * 1e3:7.0f} / {theirs.cpu_s * 1e3:7.0f} = {cpu:5.3f}  "
        f"{ours.wall_s * 1e3:7.0f} / {theirs.wall_s * 1e3:7.0f} = {wall:5.3f}  "
        f"{memory[0]:5.2f} / {memory[1]:5.2f}  {unlike['medprep']} / {unlike[peer]}",
        flush=True,
    )
    return unlike["medprep"] > 0


if __name__ == "__main__":
    main()
