"""Train a net for volumes on the MSD Hippocampus set for some minutes and score the test cases.

The split is fixed: ``numpy.random.default_rng(0).permutation(80)`` of the sorted names, the first
64 train, the last 16 test. Nothing is chosen on the test cases: all 64 train, none validates, the
last weights count.

    python benchmarks/hippocampus.py DATA/hippocampus --minutes 30

prints the mean Dice of both labels over the test cases, and a table as JSON with ``--json FILE``.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from medprep.augmentation.recipe import named_recipe
from medprep.formats import nifti
from medprep.models.backend import choose_device, make_repeatable
from medprep.models.checkpoint import load_model
from medprep.models.preparation import Preparation
from medprep.models.windows import predict_volume
from medprep.training.dataset import TrainingCase
from medprep.training.loop import train
from medprep.training.online import Online
from medprep.training.options import TrainingOptions, TrainingResult

from torch import nn  # isort: skip

ORGANS = {1: "anterior", 2: "posterior"}
TRAIN = 64


class Shown:
    """Prints how it stands, once in a while."""

    def __init__(self, every_s: float = 30.0) -> None:
        self._every, self._next, self._steps = every_s, 0.0, 0
        self._started = time.monotonic()

    def start(self, what: str, total: int) -> None:
        """Tell what begins."""
        print(f"{what}: {total} steps", flush=True)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Tell steps and loss."""
        self._steps += steps
        gone = time.monotonic() - self._started
        if gone >= self._next:
            self._next = gone + self._every
            print(f"{gone:6.0f} s  step {self._steps}  {note}", flush=True)

    def finish(self) -> None:
        """Tell nothing."""

    def say(self, message: str) -> None:
        """Pass it on."""
        print(message, flush=True)


def split(folder: Path) -> tuple[list[TrainingCase], list[TrainingCase]]:
    """Give the training and the test cases."""
    names = sorted(path.name for path in (folder / "images").glob("*.nii.gz"))
    every = [names[place] for place in np.random.default_rng(0).permutation(len(names))]
    cases = [
        TrainingCase(
            name.removesuffix(".nii.gz"), folder / "images" / name, folder / "labels" / name,
            modality="MR",
        )
        for name in every
    ]  # fmt: skip
    return cases[:TRAIN], cases[TRAIN:]


def score(model: Path, cases: Sequence[TrainingCase], overlap: float) -> dict[str, list[float]]:
    """Give the Dice of each label in each case."""
    net, record = load_model(model, choose_device("cpu"))
    return score_net(net, Preparation.from_record(record), cases, overlap)


def score_net(
    net: nn.Module, preparation: Preparation, cases: Sequence[TrainingCase], overlap: float
) -> dict[str, list[float]]:
    """Give the Dice of each label in each case."""
    device = choose_device("cpu")
    found: dict[str, list[float]] = {name: [] for name in ORGANS.values()}
    for case in cases:
        volume, reference = nifti.read(case.images[0]), nifti.read_labels(case.labels)
        seen = preparation.to_net([volume.array], volume.geometry.spacing_mm)
        labels = predict_volume(net, seen, preparation, device, overlap=overlap)
        predicted = preparation.to_grid(labels, reference.shape)
        for label, name in ORGANS.items():
            ours, theirs = predicted == label, reference == label
            found[name].append(2 * float((ours & theirs).sum() / (ours.sum() + theirs.sum())))
    return found


def tell(
    options: TrainingOptions, result: TrainingResult, dice: dict[str, list[float]], took_s: float
) -> dict[str, Any]:
    """Print what came out, and give it."""
    means = {name: float(np.mean(values)) for name, values in dice.items()}
    both = float(np.mean(list(means.values())))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    used = result.resolved
    print(
        f"{used['model']} width {used['width']}, {result.parameters:,} parameters, patch "
        f"{'x'.join(map(str, used['patch']))}, batch {used['batch_size']}, {used['recipe']} "
        f"recipe, lr {used['lr']:g}, augmentation {used['augment']}, seed {used['seed']}: "
        f"{result.steps} steps in {took_s / 60:.1f} min on {result.threads} threads, "
        f"peak {peak:.0f} MiB"
    )
    print("  ".join(f"{name} {mean:.4f}" for name, mean in means.items()), f" mean Dice {both:.4f}")
    return {
        "options": asdict(options), "result": asdict(result), "dice": dice, "mean_dice": both,
        "seconds": took_s, "peak_mib": peak,
    }  # fmt: skip


def main() -> None:
    """Train and score."""
    told = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    told.add_argument("folder", type=Path)
    told.add_argument("--minutes", type=float, help="default: the length of a plain training")
    told.add_argument("--model", default="unet3d")
    told.add_argument("--recipe", default="default")
    told.add_argument("--width", type=int)
    told.add_argument("--batch-size", type=int)
    told.add_argument("--patch", type=int, nargs="+")
    told.add_argument("--lr", type=float)
    told.add_argument("--precision", default="auto")
    told.add_argument("--augment", default="none")
    told.add_argument("--overlap", type=float, default=0.5)
    told.add_argument("--seed", type=int, default=0)
    told.add_argument("--json", type=Path)
    asked = told.parse_args()
    make_repeatable()
    options = TrainingOptions(
        model=asked.model, recipe=asked.recipe, width=asked.width, batch_size=asked.batch_size,
        patch=tuple(asked.patch) if asked.patch else None, lr=asked.lr, minutes=asked.minutes,
        precision=asked.precision, seed=asked.seed, device="cpu",
    )  # fmt: skip
    learnt, tested = split(asked.folder)
    online = None
    if asked.augment != "none":
        online = Online(named_recipe(asked.augment), asked.augment, {})
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        result = train(learnt, [], [], ORGANS, options, Path(name), "benchmark", Shown(), online)
        took_s = time.monotonic() - began
        dice = score(Path(name) / "model.safetensors", tested, asked.overlap)
    record = tell(options, result, dice, took_s)
    if asked.json:
        asked.json.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
