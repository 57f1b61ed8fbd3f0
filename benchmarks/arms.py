"""Train one small U-Net in four arms: 8 or 16 bits, augmentation off or on; print what differs.

    python benchmarks/arms.py FOLDER [--results arms.jsonl] [--minutes 25 | --steps N]
                              [--width 8] [--batch-size 4] [--patch 128] [--lr 0.002]
                              [--seeds 3] [--device cpu]

FOLDER holds ``image_N.nii.gz`` and ``label_N.nii.gz`` of N = 1, 2, ... Test patients are the last
three of ``numpy.random.default_rng(0).permutation`` of the sorted N; the others train. No patient
validates: the last weights are kept. Every training of every arm takes the same number of steps,
and a seed gives all arms the same first weights and the same slices in each step. ``8`` is the
window of each volume (percentiles 0.5 and 99.5) as 0 to 255; ``16`` is the volume's own numbers
(whole ones exactly), shown to the net through the same window. ``on`` augments by the recipe
``tutorial`` as slices are shown, before a crop of ``--patch`` rows and columns is taken from them;
whole slices are predicted. With ``--minutes`` the steps are chosen before the first training, from
a measured one, so that all trainings fit.

Each training is a line in the results; started again, the script goes on where it was stopped, and
when all is there it only prints. The score is the hard Dice of whole volumes by organ and patient.
Differences are paired: first the mean over organs and seeds within each test patient, then the
mean over patients, with Student's 95% interval over patients.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

# Before torch is loaded: it settles how threads wait, which moves a step's time several times.
import torch
from arms_report import ARMS, MOVED16, ORGANS, Arm, Results, report

from medprep.augmentation.recipe import Recipe
from medprep.files import AtomicFiles
from medprep.formats import nifti
from medprep.formats.windowing import choose_scale, choose_window, to_8bit, to_16bit
from medprep.inference.predict import load_predictor
from medprep.metrics.confusion import confusion_matrix
from medprep.metrics.overlap import Overlap
from medprep.organs import mirror_partners
from medprep.progress import Silent
from medprep.training.dataset import TrainingCase
from medprep.training.loop import train
from medprep.training.online import Online
from medprep.training.options import TrainingOptions
from medprep.volume import Volume, compact

HELD_OUT = 3
SHARE = 0.92
"""Of the minutes: the rest is for what the measured steps did not meet."""
FEW, MORE = 5, 30
"""Steps of the shorter measured training, and what the longer one has more."""


def main() -> None:
    """Train what is missing and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--results", type=Path, default=Path("arms.jsonl"))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=25, help="for all trainings together")
    length.add_argument("--steps", type=int, help="of each training")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--patch", type=int, default=128, help="rows and columns of a crop")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    work = given.results.with_suffix(".work")
    results = Results.read(given.results)
    sizes = {
        name: getattr(given, name) for name in ("width", "batch_size", "lr", "device", "patch")
    }
    # Crops of 128 rows and columns take a quarter of the time that whole slices do.
    bench = Bench(given.folder, work, sizes)
    prepare(results, bench, given)
    settings = results.settings
    print(f"settings: {json.dumps(settings)}", flush=True)
    for seed in range(settings["seeds"]):
        for arm in ARMS:
            if not results.has(arm, seed):
                results.runs.append(bench.run(arm, seed, settings["steps"]))
                results.save()
                print(line(results.runs[-1]), flush=True)
    shutil.rmtree(work, ignore_errors=True)
    print(report(results))


def prepare(results: Results, bench: Bench, given: argparse.Namespace) -> None:
    """Settle on the steps, or keep to the settings that the file of results holds."""
    fixed = {
        **bench.sizes,
        "seeds": given.seeds,
        "train": [f"{number}" for number in bench.train],
        "test": [f"{number}" for number in bench.test],
    }
    if results.settings:
        wanted = fixed if given.steps is None else {**fixed, "steps": given.steps}
        for name, value in wanted.items():
            if results.settings[name] != value:
                sys.exit(
                    f"{results.path} holds results with {name} {results.settings[name]}, not "
                    f"{value}: give the same options, or another file"
                )
        return
    steps = given.steps or bench.steps_within(60 * given.minutes, len(ARMS) * given.seeds)
    results.settings = {
        **fixed,
        "steps": steps,
        "minutes": None if given.steps else given.minutes,
        "command": " ".join(["python", *sys.argv]),
        "python": platform.python_version(),
        "cores": len(os.sched_getaffinity(0)),
        **bench.facts(),
    }
    results.save()


class Bench:
    """What trains and scores.

    Parameters
    ----------
    folder
        The data.
    work
        Gets the volumes of both kinds, and trainings under way.
    sizes
        Width, batch size, learning rate, device and the side of a patch.
    """

    def __init__(self, folder: Path, work: Path, sizes: dict[str, Any]) -> None:
        names = (re.fullmatch(r"image_(\d+)\.nii\.gz", path.name) for path in folder.iterdir())
        numbers = sorted(int(name[1]) for name in names if name)
        mixed = [int(number) for number in np.random.default_rng(0).permutation(numbers)]
        self.train, self.test = sorted(mixed[:-HELD_OUT]), sorted(mixed[-HELD_OUT:])
        self._folder, self._work = folder, work
        self.sizes = sizes

    def facts(self) -> dict[str, Any]:
        """Tell what computes."""
        return {"torch": torch.__version__, "threads": torch.get_num_threads()}

    def case(self, number: int, bits: int) -> TrainingCase:
        """Give a patient for training, its picture written with 8 or 16 bits."""
        volume = nifti.read(self._folder / f"image_{number}.nii.gz")
        window = choose_window(volume.array, "auto", "MR", None)
        if bits == 8:
            pixels, seen = to_8bit(volume.array, window), (0.0, 255.0)
        else:
            values = compact(volume.array)  # whole numbers that were stored as floats
            scale = choose_scale(values)
            pixels = to_16bit(values, scale)
            seen = (
                (window.low - scale.intercept) / scale.slope,
                (window.high - scale.intercept) / scale.slope,
            )
        path = self._work / f"{number}_{bits}.nii"
        if not path.exists():
            self._work.mkdir(parents=True, exist_ok=True)
            with AtomicFiles() as files:
                nifti.write(files.file(path), Volume(pixels, volume.geometry, "MR"))
        return TrainingCase(f"{number}", path, self._folder / f"label_{number}.nii.gz", seen)

    def run(self, arm: Arm, seed: int, steps: int) -> dict[str, Any]:
        """Train and score once."""
        start = time.perf_counter()
        folder = self._work / f"{arm.bits}_{arm.augment}_{seed}_{steps}"
        folder.mkdir(parents=True, exist_ok=True)
        mirror = mirror_partners(ORGANS)
        online = Online(Recipe.preset("tutorial"), "tutorial", mirror) if arm.augment else None
        cases = [self.case(number, arm.bits) for number in self.train]
        sizes = {**self.sizes, "patch": (self.sizes["patch"],) * 2}
        options = TrainingOptions(seed=seed, steps=steps, normalise="window", **sizes)
        key = f"{arm} {options}"
        trained = train(cases, [], [], ORGANS, options, folder, key, Silent(), online)
        seconds = time.perf_counter() - start
        loss = (folder / "log.csv").read_text().splitlines()[-1].split(",")[1]
        predictor = load_predictor(folder / "model.safetensors", options.device)
        dice = {}
        for number in self.test:
            case = self.case(number, arm.bits)
            predicted = predictor.predict(nifti.read(case.images[0]), case.windows)
            found = confusion_matrix(nifti.read_labels(case.labels), predicted, max(ORGANS))
            dice[case.case] = {
                name: Overlap(int(found[n].sum()), int(found[:, n].sum()), int(found[n, n])).dice
                for n, name in sorted(ORGANS.items())
            }
        shutil.rmtree(folder)
        return {
            "arm": asdict(arm),
            "seed": seed,
            "dice": dice,
            "loss": float(loss),
            "parameters": trained.parameters,
            "train_s": round(seconds, 2),
            "score_s": round(time.perf_counter() - start - seconds, 2),
        }

    def steps_within(self, seconds: float, trainings: int) -> int:
        """Measure a short and a longer training of the slowest arm; say how many steps fit."""
        start = time.perf_counter()
        # The first also writes the volumes, and waits for much that is then in memory.
        _, few, more = (self.run(MOVED16, 0, steps) for steps in (1, FEW, FEW + MORE))
        step = (more["train_s"] - few["train_s"]) / MORE
        if step <= 0:
            sys.exit("the machine is too busy to measure a step: wait, or give --steps")
        once = max(few["train_s"] - FEW * step, 0) + few["score_s"]
        left = seconds * SHARE - (time.perf_counter() - start) - trainings * once
        steps = int(left / trainings / step)
        print(f"a step takes {step:.3f} s, all else of a training {once:.1f} s: {steps} steps each")
        if steps < 1:
            sys.exit(f"{trainings} trainings do not fit in {seconds / 60:g} minutes")
        return steps


def line(run: dict[str, Any]) -> str:
    """Say how one training ended."""
    scores = [dice for case in run["dice"].values() for dice in case.values() if dice is not None]
    return (
        f"{Arm(**run['arm'])}, seed {run['seed']}: Dice {np.mean(scores):.3f}, "
        f"loss {run['loss']:.3f}, {run['train_s']:.0f} s"
    )


if __name__ == "__main__":
    main()
