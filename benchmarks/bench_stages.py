"""Measure the stages of the chain beside what people use instead, in one run, as ratios.

    python benchmarks/bench_stages.py [--pairs 5]

Conversion is timed as whole processes in alternating pairs: ``medprep split convert --format
nifti`` against SimpleITK's series reader writing ``.nii.gz``, on made-up MR series (compressed and
plain files as the phantom has them, 256 x 256). The training step is timed against MONAI's
BasicUNet at the same width, batch and size, where MONAI is installed. Medians of the pairs' ratios
count; absolute times are the machine's.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PATIENTS = tuple(range(1, 11))
SIZE, SLICES = 256, (30, 36)
WIDTH, BATCH = 16, 4

PEER = """
import sys
from pathlib import Path
import SimpleITK as sitk
out = Path(sys.argv[2]); out.mkdir()
for n, folder in enumerate(sorted(Path(sys.argv[1]).glob("*/MR/*/T2SPIR/DICOM_anon"))):
    reader = sitk.ImageSeriesReader()
    names = []
    for uid in reader.GetGDCMSeriesIDs(str(folder)):
        names += reader.GetGDCMSeriesFileNames(str(folder), uid)
    reader.SetFileNames(names)
    sitk.WriteImage(reader.Execute(), str(out / f"{n}.nii.gz"))
"""


def main() -> None:
    """Run both comparisons and print their tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as scratch:
        convert(Path(scratch), pairs)
    train_step(pairs)


def convert(scratch: Path, pairs: int) -> None:
    """Time whole processes from DICOM to NIfTI."""
    from medprep.sources.phantom import make_chaos

    source = scratch / "CHAOS"
    make_chaos(
        source, mr_patients=PATIENTS, unlabelled=(), ct_patients=(), slices=SLICES, size=SIZE
    )
    ours = [sys.executable, "-m", "medprep_cli", "split", str(source), "--preset", "chaos-mr-t2"]
    ours += ["convert", "--format", "nifti", "-w"]
    theirs = [sys.executable, "-c", PEER, str(source)]
    figures = []
    for number in range(pairs + 1):  # the first pair warms the page cache
        a = process([*ours, str(scratch / f"a{number}")])
        b = process([*theirs, str(scratch / f"b{number}")])
        figures.append((a, b))
    print(f"DICOM to .nii.gz, {len(PATIENTS)} series, split included; {pairs} pairs, medians")
    for name, place in (("wall s", 0), ("CPU s", 1)):
        report(name, [(a[place], b[place]) for a, b in figures[1:]], "SimpleITK")


def train_step(pairs: int) -> None:
    """Time one training step of equal nets on equal data."""
    import torch

    from medprep.models import build
    from medprep.training.losses import dice_cross_entropy

    try:
        from monai.networks.nets import BasicUNet
    except ImportError:
        print("MONAI is not installed: no comparison of the training step")
        return
    picture = torch.rand(BATCH, 1, SIZE, SIZE)
    labels = torch.randint(0, 2, (BATCH, SIZE, SIZE))
    ours = build("unet2d", out_channels=2, width=WIDTH)
    widths = (WIDTH, 2 * WIDTH, 4 * WIDTH, 8 * WIDTH, 16 * WIDTH, WIDTH)
    theirs = BasicUNet(2, 1, 2, features=widths, norm="batch", act="relu", dropout=0.2)

    def step(net: torch.nn.Module) -> Callable[[], None]:
        last = net.to(memory_format=torch.channels_last)  # both in their faster layout
        optimiser = torch.optim.AdamW(last.parameters(), 1e-3)
        shown = picture.contiguous(memory_format=torch.channels_last)

        def run() -> None:
            loss = dice_cross_entropy(last(shown), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

        return run

    a, b = step(ours), step(theirs)
    figures = [(clock(a), clock(b)) for _ in range(pairs + 1)][1:]
    print(f"training step, width {WIDTH}, batch {BATCH}, {SIZE} x {SIZE}, batch norm, dropout 0.2")
    for name, place in (("wall s", 0), ("CPU s", 1)):
        report(name, [(x[place], y[place]) for x, y in figures], "MONAI BasicUNet")


def process(command: list[str]) -> tuple[float, float]:
    """Give wall and CPU seconds of a process and its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ})
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def clock(work: Callable[[], None]) -> tuple[float, float]:
    """Give wall and CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def report(name: str, figures: list[tuple[float, float]], peer: str) -> None:
    """Print the medians and the median ratio."""
    ratio = statistics.median(a / b for a, b in figures)
    a, b = (statistics.median(column) for column in zip(*figures, strict=True))
    print(f"  {name:7} medprep {a:8.3f}   {peer} {b:8.3f}   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
