"""Measure augmented pairs of picture and mask beside peers, in one run, as ratios.

    python benchmarks/bench_augment.py [--pairs 5] [--job 2d-8bit] [--peer albumentations]
                                       [--peers-python PATH] [--albumentations-python PATH]

In memory: 64 pairs of 256 x 256 (8 and 16 bits), 2 pairs of 128 x 128 x 128 (16 bits): turned by
up to 10 degrees either way (in 3D about all three axes), enlarged by 1 to 1.2, flipped along the
columns half of the time; the elastic jobs bend them as well. From disk to disk: the 64 pairs as
8-bit grey PNGs, read and written, without and with threads; medprep by its library, not its
command.

Equal: the pairs, their size, ranges and chances, linear pictures and nearest masks, one thread
each (OpenMP, OpenBLAS, OpenCV, ITK, torch) but for the jobs named threads. The drawing of chance
is part of the work; medprep makes a generator for every pair, as its command does. Not equal:
Augmentor interpolates picture and mask by cubics, crops after a turn and takes several passes;
MONAI draws a zoom for each axis; torch's peers take and give float32 made ready outside the
measure, albumentations and medprep the types named; what comes from outside is 0 for some, the
picture's lowest value for others. Elastic deformation is done in ways that differ (B-splines of a
grid of points 32 voxels apart; smoothed noise in albumentations, MONAI's 3D and batchgeneratorsv2;
Augmentor's meshes; TorchIO and albumentations interpolate twice): the figures stand side by side,
nothing more.

Each figure is of one round (the mean of several, see `peers_augment`) inside a process of its own,
after a first one; processes alternate; a first pair of processes is not counted. CPU is user and
system of all threads. Imports do not count. Memory is by how much the first round raised the
process's largest resident size, its result included. ``new labels`` are label values that were in
no mask. albumentations is 2.0.8, its last release under the MIT licence: in an environment of its
own, whose Python the option or MEDPREP_ALBUMENTATIONS_PYTHON names; MEDPREP_PEERS_PYTHON names that
of the others, by default this one. A peer that is not installed is passed over. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peers_augment import JOBS
from timing import Cost, median, pairs

HERE = Path(__file__).parent
THREE = ("torchio", "monai", "batchgeneratorsv2")
TWO = ("albumentations", "augmentor", *THREE)
BESIDE = {
    "2d-8bit": TWO,
    "2d-16bit": TWO,
    "3d-16bit": THREE,
    "disk": ("augmentor",),
    "disk-threads": ("augmentor",),
    "2d-elastic": TWO,
    "3d-elastic": THREE,
}
GOALS = {
    ("2d", "albumentations"): 0.6,
    ("2d", "augmentor"): 0.06,
    ("disk", "augmentor"): 0.3,
    ("3d", "torchio"): 0.5,
    ("3d", "monai"): 0.2,
    ("3d", "batchgeneratorsv2"): 0.2,
}
"""Largest share of the peer's CPU that medprep may take; elastic jobs have none."""
MODULES = {"augmentor": "Augmentor"}
ALONE = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
    "NO_ALBUMENTATIONS_UPDATE": "1",  # else it asks the network for a newer one
}
PACKAGES = ("numpy", "Pillow", "opencv-python", "opencv-python-headless", "SimpleITK", "torch")


def main() -> None:
    """Run the wanted jobs and print their tables; exit code 1 where medprep's result is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--job", choices=tuple(BESIDE), action="append", help="repeatable")
    parser.add_argument("--peer", choices=TWO, action="append", help="repeatable")
    for name in ("peers", "albumentations"):
        usual = os.environ.get(f"MEDPREP_{name.upper()}_PYTHON", sys.executable)
        parser.add_argument(f"--{name}-python", default=usual)
    given = parser.parse_args()
    pythons = dict.fromkeys(TWO, given.peers_python)
    pythons["albumentations"] = given.albumentations_python
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}")
    print(f"load before the start {load:.1f}{' - SOMETHING ELSE RUNS' * (load > 0.5)}")
    wanted = [peer for peer in TWO if peer in (given.peer or TWO)]
    print(f"  medprep: {versions(sys.executable, PACKAGES)}")
    for peer in wanted:
        print(f"  {peer}: {versions(pythons[peer], (MODULES.get(peer, peer), *PACKAGES))}")
    wrong = False
    for job in given.job or BESIDE:
        print(
            f"\n{job}\n  {'peer':17} {'n':>2}  {'CPU ms: medprep / peer':>28}  "
            f"{'wall ms: medprep / peer':>28}  {'growth MiB':>11}  new labels  goal"
        )
        for peer in BESIDE[job]:
            if peer in wanted:
                wrong |= line(job, peer, pythons[peer], given.pairs)
    sys.exit(wrong)


def versions(python: str, packages: Sequence[str]) -> str:
    """Give the versions that an environment has."""
    code = (
        "import importlib.metadata as m, sys\nfor p in sys.argv[1:]:\n"
        " try: print(p, m.version(p), end='; ')\n except m.PackageNotFoundError: pass"
    )
    asked = [python, "-c", code, *packages]
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip("; ")


def child(python: str, script: str, *words: str) -> dict[str, Any]:
    """Run one measurement in a process of its own; give what it said last."""
    command = [python, str(HERE / script), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ALONE)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def line(job: str, peer: str, python: str, count: int) -> bool:
    """Measure pairs and print their line; tell whether medprep's result is wrong."""
    code = (
        f"import importlib.util as u; print(u.find_spec({MODULES.get(peer, peer)!r}) is not None)"
    )
    if "True" not in subprocess.run([python, "-c", code], capture_output=True, text=True).stdout:
        print(f"  {peer:17} not installed in {python}")
        return False
    last: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in"), Path(folder, "out")
        on_disk, threads = job.startswith("disk"), "-threads" * job.endswith("-threads")
        if on_disk:
            make = [sys.executable, str(HERE / "peers_augment_disk.py"), "make"]
            subprocess.run([*make, str(source), str(target)], check=True)

        def run(name: str, interpreter: str) -> Callable[[], Cost]:
            def once() -> Cost:
                if on_disk:
                    words = (name + threads, str(source), str(target))
                    facts = child(interpreter, "peers_augment_disk.py", *words)
                else:
                    facts = child(interpreter, "peers_augment.py", name, job)
                last[name] = facts
                growth, size = facts.get("growth_mib", 0), facts.get("bytes", 0)
                return Cost(facts["wall_s"], facts["cpu_s"], growth, size)

            return once

        mine, other = pairs(run("medprep", sys.executable), run(peer, python), count)
    print(told(job, peer, mine, other, last), flush=True)
    kind = JOBS["2d-8bit" if on_disk else job].dtype
    facts = last["medprep"]
    return facts["invented"] > 0 or not facts["kept"] or facts["dtype"] != kind


def told(
    job: str,
    peer: str,
    mine: Sequence[Cost],
    other: Sequence[Cost],
    last: dict[str, dict[str, Any]],
) -> str:
    """Set the line of a peer: both medians, and the medians of the pairs' ratios."""
    a, b = median(mine), median(other)
    cpu = statistics.median(one.cpu_s / two.cpu_s for one, two in zip(mine, other, strict=True))
    wall = statistics.median(one.wall_s / two.wall_s for one, two in zip(mine, other, strict=True))
    goal = None if "elastic" in job else GOALS.get((job.partition("-")[0], peer))
    verdict = "none" if goal is None else f"{goal:g} {'met' if cpu <= goal else 'MISSED'}"
    ours, theirs = last["medprep"], last[peer]
    growth = f"{a.peak_mib:4.0f} / {b.peak_mib:4.0f}" if b.peak_mib else "-"
    return (
        f"  {peer:17} {len(mine):2}  {a.cpu_s * 1e3:8.1f} / {b.cpu_s * 1e3:8.1f} = {cpu:6.3f}  "
        f"{a.wall_s * 1e3:8.1f} / {b.wall_s * 1e3:8.1f} = {wall:6.3f}  {growth:>11}  "
        f"{ours['invented']:4} / {theirs['invented']:3}  {verdict}"
        f"{'' if theirs['kept'] else '  (the peer loses the grey values)'}"
        f"{'  MEDPREP WRONG' * (ours['invented'] > 0 or not ours['kept'])}"
    )


if __name__ == "__main__":
    main()
