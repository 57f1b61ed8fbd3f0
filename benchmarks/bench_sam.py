"""Measure SAM-Med3D at its released size beside the plain arithmetic of padded windows.

    python benchmarks/bench_sam.py [--pairs 5] [--clicks 5] [--threads 2]

Random weights and a random cube of 128 voxels a side, both seeded. The two differ only in the
attention of the image encoder (`plain_sam.py` holds the plain one). The first mask is the embedding
and one click; a click is prompt, decoder, the mask enlarged to the cube and cut at 0, one point
more each time, the low-resolution mask fed back. Figures are of one process each, after a first
mask, which is listed too; processes alternate; clicks are medians of several. CPU is user and
system of all threads. Memory is by how much all that raised the process's largest resident size,
weights not counted. Making the net and reading weights do not count, nor does resampling to a
scan's own grid. Linux only; exit code 1 where the outputs are not equal within
2e-5 * max(1, largest value).
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
import time
from collections.abc import Sequence
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from medprep.models.sam_med3d import SamMed3d

NAMES = ("medprep", "plain")
ROWS = {
    "embedding_s": ("embedding of 128^3", 1.0, "s"),
    "first_s": ("first mask", 1.0, "s"),
    "first_cpu_s": ("first mask, CPU", 1.0, "s"),
    "cold_s": ("first mask of a process", 1.0, "s"),
    "click_s": ("further click", 1e3, "ms"),
    "growth_mib": ("memory above the weights", 1.0, "MiB"),
}
SPEEDUP, CLICK_S, TOLERANCE = 3.0, 0.150, 2e-5
"""Goals: plain / medprep to the first mask, seconds of a further click, share of the output."""

Facts = dict[str, float]


def main() -> None:
    """Measure, print the table and the goals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--clicks", type=int, default=5, help="further clicks of each process")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--child", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.child[0], Path(given.child[1]), given)))
        return
    load = os.getloadavg()[0]
    print(f"{given.threads} threads of {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"load before the start {load:.1f}{' - SOMETHING ELSE RUNS' * (load > 0.5)}", flush=True)
    found: dict[str, list[Facts]] = {name: [] for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.pairs):
            for name in NAMES:
                found[name].append(child(name, Path(folder) / f"{name}.npz", given))
        errors = compare(*(Path(folder) / f"{name}.npz" for name in NAMES))
    report(found["medprep"], found["plain"])
    sys.exit(not goals(found["medprep"], found["plain"], errors))


def child(name: str, outputs: Path, given: argparse.Namespace) -> Facts:
    """Run one measurement in a process of its own."""
    options = ["--clicks", str(given.clicks), "--threads", str(given.threads)]
    command = [sys.executable, __file__, *options, "--child", name, str(outputs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    facts: Facts = json.loads(done.stdout.splitlines()[-1])
    return facts


def measure(name: str, outputs: Path, given: argparse.Namespace) -> Facts:
    """Time one net and keep its outputs."""
    import medprep.models.backend  # noqa: F401, I001 - before torch: it sets how threads wait
    import torch

    torch.set_num_threads(given.threads)
    net, volume = make(name), torch.randn(1, 1, 128, 128, 128)
    places = torch.randint(0, 128, (1, given.clicks + 1, 3)).float()
    with torch.inference_mode():
        before = getrusage(RUSAGE_SELF).ru_maxrss
        facts = {"cold_s": first_mask(net, volume, places)[0]}
        cpu = time.process_time()
        first_s, embedding_s, embedding, low_res = first_mask(net, volume, places)
        facts["first_cpu_s"] = time.process_time() - cpu
        kept = {"embedding": embedding, "first": low_res}
        times = []
        for count in range(2, given.clicks + 2):
            start = time.perf_counter()
            low_res = click(net, embedding, places[:, :count], low_res)
            times.append(time.perf_counter() - start)
        growth = (getrusage(RUSAGE_SELF).ru_maxrss - before) / 1024
    np.savez(outputs, **{key: x.numpy() for key, x in {**kept, "last": low_res}.items()})
    facts |= {"first_s": first_s, "embedding_s": embedding_s, "growth_mib": growth}
    return facts | {"click_s": statistics.median(times)}


def make(name: str) -> SamMed3d:
    """Make the net; its positions are drawn too, for fresh ones are zero and would hide errors."""
    import torch
    from plain_sam import make_plain

    from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig

    torch.manual_seed(0)
    net = SamMed3d(SamMed3dConfig()).eval()
    for key, value in net.named_parameters():
        if "rel_pos" in key or "pos_embed" in key:
            torch.nn.init.normal_(value, std=0.1)
    if name == "plain":
        make_plain(net.image_encoder)
    return net


def first_mask(net: SamMed3d, volume: Tensor, places: Tensor) -> tuple[Any, ...]:
    """Give the seconds in all, those of the embedding, the embedding and the mask."""
    zeros = volume.new_zeros(1, 1, *[net.config.low_res] * 3)
    start = time.perf_counter()
    embedding = net.image_encoder(volume)
    seen = time.perf_counter()
    low_res = click(net, embedding, places[:, :1], zeros)
    return time.perf_counter() - start, seen - start, embedding, low_res


def click(net: SamMed3d, embedding: Tensor, places: Tensor, masks: Tensor) -> Tensor:
    """Make the whole mask of a click; give the low-resolution one for the next."""
    points = (places, places.new_ones(places.shape[:2]))
    sparse, dense = net.prompt_encoder(points=points, masks=masks)
    low_res, _ = net.mask_decoder(
        image_embeddings=embedding,
        image_pe=net.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )
    _ = net.enlarge(low_res) > 0
    return low_res


def compare(ours: Path, theirs: Path) -> dict[str, float]:
    """Give the largest difference of each output as a share of the tolerance's base."""
    mine, other = np.load(ours), np.load(theirs)
    return {
        key: float(np.abs(mine[key] - other[key]).max() / max(1.0, np.abs(other[key]).max()))
        for key in other
    }


def report(mine: Sequence[Facts], other: Sequence[Facts]) -> None:
    """Print medians, and the median of the pairs' ratios."""
    print(f"  {'':25} {'n':>2}  {'medprep':>9}  {'plain':>9}  {'plain / medprep':>15}")
    for key, (words, factor, unit) in ROWS.items():
        a, b = (statistics.median(one[key] for one in facts) * factor for facts in (mine, other))
        both = f"{a:9.2f}  {b:9.2f}  {ratio(key, mine, other):15.2f}"
        print(f"  {words:25} {len(mine):2}  {both}  {unit}")


def ratio(key: str, mine: Sequence[Facts], other: Sequence[Facts]) -> float:
    """Give the median of plain / medprep over pairs."""
    return statistics.median(b[key] / a[key] for a, b in zip(mine, other, strict=True))


def goals(mine: Sequence[Facts], other: Sequence[Facts], errors: dict[str, float]) -> bool:
    """Print what was wanted and what came; tell whether the outputs are equal."""
    faster = ratio("first_s", mine, other)
    click_s = statistics.median(one["click_s"] for one in mine)
    worst = max(errors.values())
    rows = (
        (f"first mask {faster:.2f}x faster, goal {SPEEDUP:g}x", faster >= SPEEDUP),
        (f"further click {click_s * 1e3:.0f} ms, goal {CLICK_S * 1e3:.0f} ms", click_s < CLICK_S),
        (f"outputs differ by {worst:.1e}, goal {TOLERANCE:g}", worst <= TOLERANCE),
    )
    for words, met in rows:
        print(f"  {words}: {'MET' if met else 'MISSED'}")
    return rows[-1][1]


if __name__ == "__main__":
    main()
