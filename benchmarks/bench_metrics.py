"""Measure the metrics beside their peers, in one run, as ratios.

    python benchmarks/bench_metrics.py [--pairs 5] [--slow-pairs 1] [--size full|small]
                                       [--only overlap|clean|blobs] [--peer NAME]

Four organs in 200 x 512 x 512 voxels of 1.5 x 0.75 x 0.75 mm (``small``: 35 x 256 x 256 of 5.5 x
1.4 x 1.4 mm), uint8 label maps in C order, without ``--size`` both sizes. A prediction is clean, or
has five far balls of each label besides.

``overlap``: medprep gives all nine overlap and volume metrics and each slice's Dice; numpy counts
each label in the reference, the prediction and both; SimpleITK gives all its measures; the others
give the Dice alone. ``clean`` and ``blobs``: HD95, ASSD and NSD (tolerance 2 mm) of all labels;
MedPy has no NSD, so that it does less. What a peer needs of a label map is made in the run: masks
label by label, SimpleITK's images, MONAI's one-hot volume (bool, without the background).

Definitions differ between the peers, so each peer's values are compared with those of medprep's
preset of its name (relative 1e-9; 1e-5 for MONAI, which computes in float32); the costs are those
of medprep's default definition, and in one more line of its surface-distance preset.

Each figure is of one run inside a process of its own, after one on a small crop; processes
alternate. CPU is user and system of all threads; a ratio is the median of the pairs' ratios. Memory
is by how much the run raised the process's largest resident size. Imports and files do not count. A
goal is of the CPU, or where it says so of the memory. Linux only; a peer that is not installed is
passed over. MedPy takes minutes on a full volume (``--slow-pairs``).
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
from typing import Any

from peers_metrics import JOBS, SHAPES
from timing import Cost, median, pairs

HERE = Path(__file__).parent
NEEDS = {
    "numpy": "numpy",
    "simpleitk": "SimpleITK",
    "surface-distance": "surface_distance",
    "surface-distance preset": "surface_distance",
    "monai": "monai",
    "medpy": "medpy",
}
"""Line of a table to the module that it is made of."""
OVERLAP_ONLY = ("numpy", "simpleitk")
SLOW = {"clean": ("monai", "medpy"), "blobs": ("surface-distance", "monai", "medpy")}
"""On the full volume."""
PRESETS = ("surface-distance", "monai", "medpy")
WORDS = {
    "overlap": "All overlap metrics",
    "clean": "HD95, ASSD and NSD of a clean prediction",
    "blobs": "HD95, ASSD and NSD of a prediction with far blobs",
}
CPU_GOALS = {
    ("overlap", "full"): {"numpy": 0.3, "simpleitk": 0.12, "monai": 0.03},
    ("clean", "full"): {"surface-distance": 0.15, "monai": 0.06, "medpy": 0.02},
    ("clean", "small"): {"surface-distance": 0.3, "monai": 0.06, "medpy": 0.02},
    ("blobs", "full"): dict.fromkeys(("surface-distance", "monai", "medpy"), 1.0),
    ("blobs", "small"): dict.fromkeys(("surface-distance", "monai", "medpy"), 1.0),
}
PRESET_GOAL = 1.0
MEMORY_GOALS = {"surface-distance": 0.2}


def main() -> None:
    """Run the wanted jobs and print their tables; exit code 1 where values are not the peer's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--slow-pairs", type=int, default=1, help="for peers that take minutes")
    parser.add_argument("--size", choices=tuple(SHAPES), action="append", help="repeatable")
    parser.add_argument("--only", choices=JOBS, action="append", help="repeatable")
    parser.add_argument("--peer", choices=tuple(NEEDS), action="append", help="repeatable")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}; {versions()}")
    print(f"load before the start {load:.1f}{' - SOMETHING ELSE RUNS' * (load > 0.5)}")
    wrong = False
    for size in given.size or tuple(SHAPES)[::-1]:
        with tempfile.TemporaryDirectory() as folder:
            child("make", "all", size, Path(folder))
            for job in given.only or JOBS:
                print(f"\n{WORDS[job]}, {' x '.join(map(str, SHAPES[size]))}")
                print(
                    f"  {'peer':23} {'n':>2}  {'CPU ms: medprep / peer':>26}  "
                    f"{'wall ms: medprep / peer':>26}  {'MiB: medprep / peer':>22}"
                )
                for name in given.peer or NEEDS:
                    if job != "overlap" and name in OVERLAP_ONLY:
                        continue
                    if job == "overlap" and name.endswith("preset"):
                        continue
                    if not importlib.util.find_spec(NEEDS[name]):
                        print(f"  {name:23} not installed")
                        continue
                    slow = size == "full" and name.split()[0] in SLOW.get(job, ())
                    count = given.slow_pairs if slow else given.pairs
                    wrong |= line(name, job, size, Path(folder), count)
    sys.exit(wrong)


def versions() -> str:
    """Give the versions of what is compared."""
    code = (
        "import importlib.metadata as m, sys\nfor p in sys.argv[1:]:\n"
        " try: print(p, m.version(p), end='; ')\n except m.PackageNotFoundError: pass"
    )
    packages = ("numpy", "scipy", "SimpleITK", "surface-distance", "monai", "MedPy")
    asked = [sys.executable, "-c", code, *packages]
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip("; ")


def child(peer: str, job: str, size: str, folder: Path) -> str:
    """Run one measurement in a process of its own; give what it said."""
    command = [sys.executable, str(HERE / "peers_metrics.py"), peer, job, size, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


def line(name: str, job: str, size: str, folder: Path, count: int) -> bool:
    """Measure pairs, print their line and their goals; tell whether values differ."""
    peer = name.split()[0]
    last: dict[str, Any] = {}

    def run(which: str) -> Callable[[], Cost]:
        def once() -> Cost:
            facts = json.loads(child(which, job, size, folder).splitlines()[-1])
            last[which] = facts["values"]
            return Cost(facts["wall_s"], facts["cpu_s"], facts["growth_mib"])

        return once

    ours_is = f"medprep-{peer}" if name.endswith("preset") else "medprep"
    # Where a pair takes minutes the first one, that warms the page cache, is left out.
    if count == 1:
        mine, other = [run(ours_is)()], [run(peer)()]
    else:
        mine, other = pairs(run(ours_is), run(peer), count)
    ours, theirs = median(mine), median(other)
    both = list(zip(mine, other, strict=True))
    cpu = statistics.median(a.cpu_s / b.cpu_s for a, b in both)
    wall = statistics.median(a.wall_s / b.wall_s for a, b in both)
    memory = ours.peak_mib / max(theirs.peak_mib, 0.1)
    print(
        f"  {name:23} {count:2}  {ours.cpu_s * 1e3:7.1f} / {theirs.cpu_s * 1e3:8.1f} = {cpu:5.3f}  "
        f"{ours.wall_s * 1e3:7.1f} / {theirs.wall_s * 1e3:8.1f} = {wall:5.3f}  "
        f"{ours.peak_mib:5.1f} / {theirs.peak_mib:6.1f} = {memory:4.2f}",
        flush=True,
    )
    goal = PRESET_GOAL if name.endswith("preset") else CPU_GOALS.get((job, size), {}).get(name)
    verdict("CPU", cpu, goal)
    verdict("memory", memory, MEMORY_GOALS.get(name) if job != "overlap" else None)
    return unlike(peer, job, size, folder, last)


def verdict(what: str, ratio: float, goal: float | None) -> None:
    """Say whether a goal is met."""
    if goal is not None:
        print(f"    {what} at most {goal:g}: {'MET' if ratio <= goal else 'MISSED'}", flush=True)


def unlike(peer: str, job: str, size: str, folder: Path, last: dict[str, Any]) -> bool:
    """Tell, and print, whether medprep's values by the peer's definition are not the peer's."""
    same = "medprep"
    if job != "overlap" and peer in PRESETS:
        same = f"medprep-{peer}"
        if same not in last:
            last[same] = json.loads(child(same, job, size, folder).splitlines()[-1])["values"]
    allowed = 1e-5 if peer == "monai" else 1e-9
    far = max(
        abs(a - b) / max(abs(b), 1e-12)
        for metric, values in last[peer].items()
        for a, b in zip(last[same][metric], values, strict=True)
    )
    if far > allowed:
        print(f"    VALUES DIFFER by {far:.1e}, allowed is {allowed:.0e}", flush=True)
    return far > allowed


if __name__ == "__main__":
    main()
