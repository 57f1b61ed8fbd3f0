"""Train the 2D U-Net on the liver tutorial's slices for some minutes and score its validation set.

    python benchmarks/unetliver.py DATA/unetliver --minutes 60 [--width 16] [--recipe tutorial]

DATA/unetliver holds ``train`` and ``val``, each with ``Data`` and ``Ground`` pictures (PNG). The
500 of ``train`` are learnt from, none chooses weights: the last ones count. A pixel of a mask is
liver from 128 on. The two folders share patients, and some slices are nearly the same in both, so
the Dice printed is not one of unseen patients.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

# Before torch is loaded: it settles how threads wait.
from medprep.models.backend import choose_device, make_repeatable  # isort: split

import numpy as np
from hippocampus import Shown

from medprep.augmentation.recipe import named_recipe
from medprep.files import natural_key
from medprep.formats import nifti, png
from medprep.formats.windowing import choose_window
from medprep.geometry import Geometry
from medprep.models.checkpoint import load_model
from medprep.models.preparation import Preparation
from medprep.models.windows import predict_volume
from medprep.training.dataset import TrainingCase
from medprep.training.loop import train
from medprep.training.online import Online
from medprep.training.options import TrainingOptions
from medprep.volume import LabelMap, Volume

ORGANS = {1: "liver"}
LIVER_FROM = 128


def pairs(folder: Path, work: Path) -> list[TrainingCase]:
    """Write each pair of pictures as a volume of one slice."""
    work.mkdir()
    found = []
    for path in sorted((folder / "Data").glob("*.png"), key=lambda one: natural_key(one.name)):
        picture = png.read(path)[None]
        liver = (png.read(folder / "Ground" / path.name)[None] >= LIVER_FROM).astype(np.uint8)
        grid = Geometry.from_parts(picture.shape, (1.0, 1.0, 1.0))
        window = choose_window(picture, "auto", "MR", None)
        image, labels = work / f"{path.stem}.nii", work / f"{path.stem}-labels.nii"
        nifti.write(image, Volume(picture, grid))
        nifti.write(labels, LabelMap(liver, grid, ORGANS))
        found.append(TrainingCase(path.stem, image, labels, (window.low, window.high), "MR"))
    return found


def overlaps(model: Path, cases: list[TrainingCase]) -> list[tuple[int, int]]:
    """Give for each slice the pixels that agree, twice, and those of both masks."""
    device = choose_device("cpu")
    net, record = load_model(model, device)
    preparation = Preparation.from_record(record)
    found = []
    for case in cases:
        volume, reference = nifti.read(case.images[0]), nifti.read_labels(case.labels)
        seen = preparation.to_net([volume.array], volume.geometry.spacing_mm, case.windows)
        labels = preparation.to_grid(
            predict_volume(net, seen, preparation, device), reference.shape
        )
        ours, theirs = labels == 1, reference == 1
        found.append((2 * int((ours & theirs).sum()), int(ours.sum() + theirs.sum())))
    return found


def main() -> None:
    """Train, score and print."""
    told = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    told.add_argument("folder", type=Path)
    told.add_argument("--minutes", type=float)
    told.add_argument("--width", type=int)
    told.add_argument("--recipe", default="default")
    told.add_argument("--augment", default="tutorial")
    told.add_argument("--device", default="auto")
    told.add_argument("--seed", type=int, default=0)
    told.add_argument("--json", type=Path)
    asked = told.parse_args()
    make_repeatable()
    options = TrainingOptions(
        model="unet2d", recipe=asked.recipe, width=asked.width, minutes=asked.minutes,
        seed=asked.seed, device=asked.device,
    )  # fmt: skip
    online = None
    if asked.augment != "none":
        online = Online(named_recipe(asked.augment), asked.augment, {})
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        learnt = pairs(asked.folder / "train", work / "train")
        tested = pairs(asked.folder / "val", work / "val")
        began = time.monotonic()
        result = train(learnt, [], [], ORGANS, options, work / "run", "benchmark", Shown(), online)
        took_s = time.monotonic() - began
        both = overlaps(work / "run" / "model.safetensors", tested)
    dice = [common / size if size else 1.0 for common, size in both]
    kept = [one for one, (_, size) in zip(dice, both, strict=True) if size]
    pooled = sum(common for common, _ in both) / sum(size for _, size in both)
    used = result.resolved
    print(
        f"unet2d width {used['width']}, {result.parameters:,} parameters, {used['recipe']} recipe, "
        f"batch {used['batch_size']}, lr {used['lr']:g}, augmentation {used['augment']}, seed "
        f"{used['seed']}: {result.steps} steps in {took_s / 60:.1f} min on {result.threads} threads"
    )
    print(
        f"patients shared with training: hard Dice, mean of {len(dice)} slices "
        f"{np.mean(dice):.4f} (median {np.median(dice):.4f}); empty slices left out "
        f"{np.mean(kept):.4f} (n={len(kept)}); pooled {pooled:.4f}"
    )
    if asked.json:
        found = {"steps": result.steps, "seconds": took_s, "dice": dice, "pooled": pooled}
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
