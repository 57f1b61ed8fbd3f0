"""Measure training steps and loading beside their peers, in one run, as ratios.

    python benchmarks/bench_train.py [--pairs 5] [--job 2d-16] [--peer basic-unet]
                                     [--nnunet-python PATH]

Jobs ``2d-16`` and ``2d-32``: a training step (forward, loss, backward, AdamW) of the 2D U-Net at
base width 16 and 32 on 256 x 256 pixels, 4 at once; ``3d``: of the 3D U-Net on 64 x 64 x 64 voxels,
2 at once, without a goal; beside MONAI's BasicUNet and UNet and nnU-Net's PlainConvUNet. 2 threads,
float32, 1 channel, 5 classes. ``loading``: an epoch of batches out of 200 slices of 256 x 256 that
fit in memory, beside a torch DataLoader that decodes PNGs by OpenCV; reading once is not in it.

Equal: pictures, batch, loss (Dice + cross-entropy), optimiser, bound on the gradient; and passive
waiting of OpenMP's threads, which medprep sets for itself. Not equal: medprep's step is the whole
one of its ``train``, with its batches, checks and dropout, and algorithms that repeat themselves;
a peer's is a plain loop over one batch made ready. Norm, dropout, parameters and FLOPs of each net
are printed. MONAI's UNet is another net, with a quarter of the FLOPs. A peer runs in the memory
layout, contiguous or channels last, that a first process of each finds quicker; medprep takes its
own choice. ``medprep-bf16`` is tried where the CPU computes in it, ``medprep-compile`` when it is
asked for by ``--peer`` (compiling takes a minute).

Each figure is a mean of some steps after two, inside a process of its own; processes alternate,
a first pair of them is not counted. CPU is user and system of all threads; a ratio is the median of
the pairs' ratios. Imports do not count. Memory is by how much training raised the process's largest
resident size. PlainConvUNet is in dynamic-network-architectures; MEDPREP_NNUNET_PYTHON or the
option names the Python that has it, by default this one. What is not installed is passed over.
Linux only.
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

from peers_train import JOBS, LAYOUTS, THREADS
from timing import Cost, median, pairs

from medprep.training.precision import BF16_FLAGS, cpu_flags

HERE = Path(__file__).parent
MODULES = {
    "basic-unet": "monai",
    "monai-unet": "monai",
    "plain-conv-unet": "dynamic_network_architectures",
    "medprep-bf16": "torch",
    "medprep-compile": "torch",
    "dataloader": "torch",
    "dataloader-2-workers": "torch",
}
"""Peer to the module that it is in."""
LOADERS = tuple(name for name in MODULES if name.startswith("dataloader"))
GOALS = {
    ("2d", "basic-unet"): 0.8,
    ("2d", "plain-conv-unet"): 0.85,
    ("loading", "dataloader"): 0.15,
}
"""Largest share of the peer's CPU that medprep may take; it may take no more memory."""
PACKAGES = ("torch", "numpy", "monai", "dynamic-network-architectures", "opencv-python-headless")
ALONE = {
    "OMP_NUM_THREADS": str(THREADS),
    "MKL_NUM_THREADS": str(THREADS),
    "OMP_WAIT_POLICY": "PASSIVE",  # as medprep sets it: threads that spin are no work
}


def main() -> None:
    """Run the wanted jobs and print their tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--job", choices=(*JOBS, "loading"), action="append", help="repeatable")
    parser.add_argument("--peer", choices=tuple(MODULES), action="append", help="repeatable")
    usual = os.environ.get("MEDPREP_NNUNET_PYTHON", sys.executable)
    parser.add_argument("--nnunet-python", default=usual)
    given = parser.parse_args()
    pythons = dict.fromkeys(MODULES, sys.executable) | {"plain-conv-unet": given.nnunet_python}
    load = os.getloadavg()[0]
    print(f"{len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}")
    print(f"load before the start {load:.1f}{' - SOMETHING ELSE RUNS' * (load > 0.5)}")
    for python in dict.fromkeys(pythons.values()):
        print(f"  {versions(python)}")
    wanted = given.peer or [name for name in MODULES if name != "medprep-compile"]
    for job in given.job or (*JOBS, "loading"):
        print(
            f"\n{job}\n  {'peer':21} {'n':>2}  {'CPU ms: medprep / peer':>26}  "
            f"{'wall ms: medprep / peer':>26}  {'growth MiB':>12}  goals"
        )
        for peer in wanted:
            if (peer in LOADERS) == (job == "loading"):
                print(line(job, peer, pythons[peer], given.pairs), flush=True)


def versions(python: str) -> str:
    """Give the versions that an environment has."""
    code = (
        "import importlib.metadata as m, sys\nfor p in sys.argv[1:]:\n"
        " try: print(p, m.version(p), end='; ')\n except m.PackageNotFoundError: pass"
    )
    asked = [python, "-c", code, *PACKAGES]
    return subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip("; ")


def child(python: str, script: str, *words: str) -> dict[str, Any]:
    """Run one measurement in a process of its own; give what it said last."""
    command = [python, str(HERE / script), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | ALONE)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def line(job: str, peer: str, python: str, count: int) -> str:
    """Measure pairs and give their lines."""
    module = MODULES[peer]
    code = f"import importlib.util as u; print(u.find_spec({module!r}) is not None)"
    if "True" not in subprocess.run([python, "-c", code], capture_output=True, text=True).stdout:
        return f"  {peer:21} {module} is not installed in {python}"
    if peer == "medprep-bf16" and not BF16_FLAGS & cpu_flags():
        return f"  {peer:21} this CPU does not compute in bfloat16"
    last: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        script, layout = "peers_train.py", "its own"
        if job == "loading":
            script = "peers_loading.py"
            made = [sys.executable, str(HERE / script), "make", folder]
            subprocess.run(made, check=True)
        elif not peer.startswith("medprep"):
            took = {one: child(python, script, peer, job, one)["cpu_s"] for one in LAYOUTS}
            layout = min(took, key=lambda one: took[one])

        def run(name: str, interpreter: str, how: str) -> Callable[[], Cost]:
            words = (name, folder) if job == "loading" else (name, job, how)

            def once() -> Cost:
                facts = last[name] = child(interpreter, script, *words)
                return Cost(facts["wall_s"], facts["cpu_s"], facts["growth_mib"])

            return once

        own = run("medprep", sys.executable, "its own")
        mine, other = pairs(own, run(peer, python, layout), count)
    said = told(job, peer, mine, other)
    if job == "loading":
        return f"{said}\n    reading once took medprep {last['medprep']['read_s'] * 1e3:.0f} CPU ms"
    return f"{said}\n{about('medprep', last)}\n{about(peer, last)}, {layout} memory layout"


def told(job: str, peer: str, mine: Sequence[Cost], other: Sequence[Cost]) -> str:
    """Set the line of a peer: both medians, and the medians of the pairs' ratios."""
    a, b = median(mine), median(other)
    cpu = statistics.median(one.cpu_s / two.cpu_s for one, two in zip(mine, other, strict=True))
    wall = statistics.median(one.wall_s / two.wall_s for one, two in zip(mine, other, strict=True))
    goal = GOALS.get((job.partition("-")[0], peer))
    verdict = "none"
    if goal is not None:
        verdict = f"CPU {goal:g} {'MET' if cpu <= goal else 'MISSED'}"
        if b.peak_mib:
            verdict += f", memory 1 {'MET' if a.peak_mib <= b.peak_mib else 'MISSED'}"
    growth = f"{a.peak_mib:.0f} / {b.peak_mib:.0f}" if b.peak_mib else "-"
    return (
        f"  {peer:21} {len(mine):2}  {a.cpu_s * 1e3:7.0f} / {b.cpu_s * 1e3:7.0f} = {cpu:6.3f}  "
        f"{a.wall_s * 1e3:7.0f} / {b.wall_s * 1e3:7.0f} = {wall:6.3f}  {growth:>12}  {verdict}"
    )


def about(name: str, last: dict[str, dict[str, Any]]) -> str:
    """Tell what a net is."""
    facts = last[name]
    return (
        f"    {name}: {facts['parameters']:,} parameters, {facts['gflop']:.2f} GFLOP a picture, "
        f"{facts['norm']} norm, dropout {facts['dropout']:g}"
    )


if __name__ == "__main__":
    main()
