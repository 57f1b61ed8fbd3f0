"""Measure predictions beside their peers, in one run, as ratios.

    python benchmarks/bench_infer.py [--pairs 5] [--job 2d] [--peer basic-unet]

Job ``2d``: 16 slices of 256 x 256 by the 2D U-Net at width 16, beside MONAI's BasicUNet at width
16, which is not the same net (6% more FLOPs, instance norm; norm, parameters and FLOPs of both are
printed). ``3d``, without a goal: a volume of 64 x 192 x 192 by the 3D U-Net at width 8 in windows
of 64 x 96 x 96 that overlap by half, beside MONAI's SlidingWindowInferer with the same net: once as
training leaves it (``inferer``), once folded and laid out as medprep predicts with it
(``inferer-folded``), which compares the inferers alone; both must give medprep's labels.

Equal: 2 threads, float32, 1 channel, 5 classes, labels as uint8 at the end; and passive waiting of
OpenMP's threads, which medprep sets for itself. medprep predicts as its ``predict`` does once a
volume is read and scaled: batch norm folded, channels last. A peer runs in the memory layout,
contiguous or channels last, that a first process of each finds quicker. How far logits are from
those of the unfolded net is printed.

Each figure is a mean of some predictions after one, inside a process of its own; processes
alternate, a first pair of them is not counted. CPU is user and system of all threads; a ratio is
the median of the pairs' ratios. Imports do not count. Memory is by how much the first prediction
raised the process's largest resident size. MONAI must be installed in this Python. Linux only; exit
code 1 where medprep's result is wrong.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_train import about, child, versions
from peers_train import LAYOUTS
from timing import Cost, median, pairs

SCRIPT = "peers_infer.py"
BESIDE = {"2d": ("basic-unet",), "3d": ("inferer", "inferer-folded")}
SAME_NET = BESIDE["3d"]
GOALS = {"basic-unet": 0.45}
"""Largest share of the peer's CPU that medprep may take; it may take no more memory."""
FARTHEST = 1e-5
"""Between logits of the folded and the plain net, beside logits of 1 or less."""


def main() -> None:
    """Run the wanted jobs and print their tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--job", choices=tuple(BESIDE), action="append", help="repeatable")
    names = [peer for peers in BESIDE.values() for peer in peers]
    parser.add_argument("--peer", choices=names, action="append", help="repeatable")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}")
    print(f"load before the start {load:.1f}{' - SOMETHING ELSE RUNS' * (load > 0.5)}")
    print(f"  {versions(sys.executable)}")
    if importlib.util.find_spec("monai") is None:
        sys.exit(f"monai is not installed in {sys.executable}")
    far = child(sys.executable, SCRIPT, "differences")
    wrong = any(far[job] > FARTHEST * max(1, far[f"{job} largest"]) for job in BESIDE)
    for job in given.job or BESIDE:
        print(
            f"\n{job}; logits of the folded net are off by {far[job]:.1e} at most, of up to "
            f"{far[f'{job} largest']:.2f}\n  {'peer':15} {'n':>2}  {'CPU ms: medprep / peer':>26}  "
            f"{'wall ms: medprep / peer':>26}  {'growth MiB':>12}  goals"
        )
        for peer in BESIDE[job]:
            if peer in (given.peer or names):
                wrong |= line(job, peer, given.pairs)
    sys.exit(wrong)


def line(job: str, peer: str, count: int) -> bool:
    """Measure pairs and print their lines; tell whether labels are not what they must be."""
    last: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:

        def facts_of(name: str, layout: str) -> dict[str, Any]:
            last[name] = child(sys.executable, SCRIPT, name, job, layout, folder)
            return last[name]

        def run(name: str, layout: str) -> Callable[[], Cost]:
            def once() -> Cost:
                facts = facts_of(name, layout)
                return Cost(facts["wall_s"], facts["cpu_s"], facts["growth_mib"])

            return once

        layout = "medprep's"
        if not peer.endswith("folded"):
            took = {one: facts_of(peer, one)["cpu_s"] for one in LAYOUTS}
            layout = min(took, key=lambda one: took[one])
        mine, other = pairs(run("medprep", "its own"), run(peer, layout), count)
        labels = [np.load(Path(folder, f"{name}.npy")) for name in ("medprep", peer)]
    print(told(peer, mine, other))
    print(f"{about('medprep', last)}\n{about(peer, last)}, {layout} memory layout", flush=True)
    if peer not in SAME_NET:
        return False
    unlike = int((labels[0] != labels[1]).sum())
    # Of two classes that are equally likely, rounding takes one or the other.
    wrong = bool(unlike > labels[0].size * FARTHEST)
    print(f"    labels: {unlike} of {labels[0].size:,} differ{' - WRONG' * wrong}")
    return wrong


def told(peer: str, mine: Sequence[Cost], other: Sequence[Cost]) -> str:
    """Set the line of a peer: both medians, and the medians of the pairs' ratios."""
    a, b = median(mine), median(other)
    cpu = statistics.median(one.cpu_s / two.cpu_s for one, two in zip(mine, other, strict=True))
    wall = statistics.median(one.wall_s / two.wall_s for one, two in zip(mine, other, strict=True))
    verdict, goal = "none", GOALS.get(peer)
    if goal is not None:
        less = a.peak_mib <= b.peak_mib
        verdict = (
            f"CPU {goal:g} {'MET' if cpu <= goal else 'MISSED'}, "
            f"memory 1 {'MET' if less else 'MISSED'}"
        )
    return (
        f"  {peer:15} {len(mine):2}  {a.cpu_s * 1e3:7.0f} / {b.cpu_s * 1e3:7.0f} = {cpu:6.3f}  "
        f"{a.wall_s * 1e3:7.0f} / {b.wall_s * 1e3:7.0f} = {wall:6.3f}  "
        f"{f'{a.peak_mib:.0f} / {b.peak_mib:.0f}':>12}  {verdict}"
    )


if __name__ == "__main__":
    main()
