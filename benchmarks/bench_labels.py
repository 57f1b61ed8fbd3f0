"""Measure PNG masks into PNG label slices beside scripts that do it, in one run, as ratios.

    python benchmarks/bench_labels.py [--pairs 5] [--peer cv2]

100 made-up masks of 256 x 256 and 50 of 512 x 512 with four organs, a third of them blank, 8-bit
grey, written by Pillow. medprep reads them with `formats.png.read`, names them with
`labels.ranges.extract_labels` (which also looks for strange levels and counts voxels; the scripts
do not) and writes them with `formats.png.write_labels`, as ``extract --format png`` does. Like is
compared with like in ``cv2`` and ``pillow``: one label picture a slice, the labels checked.
``cv2-organs`` writes one picture an organ, four a slice: more files, so no like for like.
``triple-loop`` is the tutorial's, on 2 files, scaled. Each figure is of one run over all files
into an empty folder, inside a process of its own, after a first one; processes alternate. CPU is
user and system. Imports do not count.
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
from collections.abc import Callable
from pathlib import Path

from peers_labels import PEERS
from timing import Cost, median, pairs

HERE = Path(__file__).parent
SIZES = (256, 512)


def main() -> None:
    """Measure and print the tables; exit code 1 where medprep's labels are wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--peer", choices=tuple(PEERS)[1:], action="append", help="repeatable")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}")
    print(f"load before the start {load:.1f}{' - SOMETHING ELSE RUNS' * (load > 0.5)}")
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            source = Path(folder) / f"masks{size}"
            child("make", source, Path(str(size)))
            print(f"\n{len(list(source.iterdir()))} masks of {size} x {size}, four organs")
            print(
                f"  {'peer':11} {'n':>2}  {'CPU ms: medprep / peer':>27}  "
                f"{'wall ms: medprep / peer':>27}  {'kB: medprep / peer':>20}"
            )
            for peer in given.peer or tuple(PEERS)[1:]:
                failed |= line(peer, source, Path(folder) / "out", given.pairs)
    sys.exit(failed)


def child(peer: str, source: Path, target: Path) -> str:
    """Run one measurement in a process of its own; give what it said."""
    command = [sys.executable, str(HERE / "peers_labels.py"), peer, str(source), str(target)]
    # As medprep's own command does; idle threads would count as work, of peers too.
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=alone).stdout


def line(peer: str, source: Path, target: Path, count: int) -> bool:
    """Measure pairs and print their line; tell whether a label slice was wrong."""
    wrong = 0

    def run(name: str) -> Callable[[], Cost]:
        def once() -> Cost:
            nonlocal wrong
            facts = json.loads(child(name, source, target))
            wrong += facts["wrong"]
            return Cost(facts["wall_s"], facts["cpu_s"], 0, int(facts["bytes"]))

        return once

    mine, other = pairs(run("medprep"), run(peer), count)
    a, b = median(mine), median(other)
    cpu = statistics.median(one.cpu_s / two.cpu_s for one, two in zip(mine, other, strict=True))
    wall = statistics.median(one.wall_s / two.wall_s for one, two in zip(mine, other, strict=True))
    print(
        f"  {peer:11} {count:2}  {a.cpu_s * 1e3:7.1f} / {b.cpu_s * 1e3:8.1f} = {cpu:6.4f}  "
        f"{a.wall_s * 1e3:7.1f} / {b.wall_s * 1e3:8.1f} = {wall:6.4f}  "
        f"{a.out_bytes / 1e3:7.1f} / {b.out_bytes / 1e3:7.1f}{'  WRONG LABELS' * (wrong > 0)}",
        flush=True,
    )
    return wrong > 0


if __name__ == "__main__":
    main()
