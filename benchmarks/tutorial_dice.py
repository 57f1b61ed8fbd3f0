"""Train as the CHAOS liver tutorial means it and score as it does, beside honest conventions.

    python benchmarks/tutorial_dice.py FOLDER [--minutes 5] [--width 8] [--work DIR]

FOLDER holds ``train`` and ``val``, each with ``Data`` and ``Ground`` pictures (PNG). The 2D U-Net
is trained by the recipe ``tutorial`` (one logit a pixel, binary cross-entropy) for so many minutes
on the pairs of ``train``, the patients of which are unknown: the figures may be of pictures that
are nearly in the training set, and no better than that. Then each logit of ``val`` is clipped to 0
to 1 and drawn as an 8-bit picture, and ``medprep evaluate --preset tutorial`` scores the pictures.
The length is a time, so another run gives other digits.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

# Before torch is loaded: it settles how threads wait.
from medprep.models.backend import choose_device  # isort: split

import numpy as np
import torch
from PIL import Image

import medprep
from medprep.evaluations.options import EvaluateFolders
from medprep.evaluations.tutorial import evaluate_pictures
from medprep.files import natural_key
from medprep.formats import png
from medprep.formats.windowing import choose_window
from medprep.metrics.tutorial import logit_picture
from medprep.models.checkpoint import load_model
from medprep.models.preparation import Preparation


def main() -> None:
    """Train, draw, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--work", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        work = asked.work or Path(spare)
        medprep.split(asked.folder, workspace=work / "w")
        medprep.extract(organ=["liver"], snap=True, workspace=work / "w")
        trained = medprep.train(
            recipe="tutorial", width=asked.width, minutes=asked.minutes, allow_leaks=True,
            workspace=work / "w",
        )  # fmt: skip
        print(*(line for one in trained.summaries for line in one.lines), sep="\n")
        (weights,) = (work / "w" / "models").glob("*/model.safetensors")
        drawn = work / "pictures"
        draw(weights, asked.folder / "val" / "Data", drawn)
        options = EvaluateFolders(
            str(asked.folder / "val" / "Ground"), (str(drawn),), preset="tutorial"
        )
        print(*evaluate_pictures(options).lines, sep="\n")


@torch.inference_mode()
def draw(weights: Path, source: Path, target: Path) -> None:
    """Write the picture of each slice's clipped logits under the slice's own name."""
    net, record = load_model(weights, choose_device("cpu"))
    preparation = Preparation.from_record(record)
    target.mkdir(parents=True)
    for path in sorted(source.glob("*.png"), key=lambda one: natural_key(one.name)):
        slices = png.read(path)[None]
        window = choose_window(slices, "auto", "MR", None)
        shown = preparation.to_net([slices], (1.0, 1.0, 1.0), windows=[(window.low, window.high)])
        logits = net(torch.from_numpy(np.ascontiguousarray(shown.swapaxes(0, 1))))
        organ = logits[0, 0] if logits.shape[1] == 1 else logits[0, 1] - logits[0, 0]
        Image.fromarray(logit_picture(organ.numpy())).save(target / path.name)


if __name__ == "__main__":
    main()
