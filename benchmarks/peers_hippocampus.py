"""Train a peer's net by a plain loop, on the cases and for the time that hippocampus.py takes.

    python benchmarks/peers_hippocampus.py DATA/hippocampus --net plain-conv-unet --minutes 10
    python benchmarks/peers_hippocampus.py DATA/hippocampus --net monai-unet --minutes 10

``plain-conv-unet`` is nnU-Net's network without deep supervision, ``monai-unet`` MONAI's UNet with
two residual units a level; four levels from 16 channels on, so that FLOPs are like those of
medprep's 3D U-Net at width 8. Equal: cases, preparation, batches, loss, optimiser, its schedule,
the bound on the gradient, last weights, and how windows are blended. So net beside net is compared,
not nnU-Net or MONAI as wholes. The Python needs numpy, torch, nibabel or not, and the peer.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))  # medprep, where it is not installed

from hippocampus import ORGANS, Shown, score_net, split

from medprep.models.backend import choose_device, make_repeatable  # before torch
from medprep.models.preparation import Preparation
from medprep.training.batches import Batches
from medprep.training.cache import Store
from medprep.training.dataset import TrainingCase, decode
from medprep.training.fingerprint import Fingerprint
from medprep.training.losses import dice_cross_entropy
from medprep.training.options import Settled, TrainingOptions
from medprep.training.recipes import named_recipe
from medprep.training.samples import Samples
from medprep.training.schedules import learning_rate
from medprep.training.settling import settle

import torch  # isort: skip
from peers_train import Job, monai_unet, plain_conv_unet  # isort: skip
from torch import nn  # isort: skip

NETS = {"plain-conv-unet": plain_conv_unet, "monai-unet": monai_unet}
WIDTH = 16


def batches_of(
    cases: list[TrainingCase], seed: int, minutes: float
) -> tuple[Settled, Preparation, Batches]:
    """Give what medprep's 3D U-Net would be shown."""
    options = TrainingOptions(model="unet3d", seed=seed, minutes=minutes, device="cpu")
    store = Store(None, Path())
    decoded = list(decode(cases, [], store))
    settled, preparation = settle(
        options, choose_device("cpu"), Fingerprint.of(decoded), ORGANS, {}
    )
    samples = Samples.prepared(decoded, preparation, store)
    return settled, preparation, Batches(samples, preparation, settled.batch_size, seed)


def train_plainly(net: nn.Module, settled: Settled, batches: Batches, minutes: float) -> int:
    """Train for a time; give the steps."""
    recipe, shown = named_recipe("default"), Shown()
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=recipe.weight_decay)
    longest = recipe.largest_gradient or math.inf
    net.train()
    began, step = time.monotonic(), 0
    shown.start("train", -1)
    while (part := (time.monotonic() - began) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe.schedule, settled.lr, part, recipe.warm_up)
        batch = batches.at(step)
        pictures = torch.from_numpy(batch.pictures).contiguous(memory_format=torch.channels_last_3d)
        loss = dice_cross_entropy(net(pictures), torch.from_numpy(batch.targets))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), longest)
        optimiser.step()
        step += 1
        shown.advance(1, f"loss {float(loss.detach()):.3f}")
    return step


def main() -> None:
    """Train and score."""
    told = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    told.add_argument("folder", type=Path)
    told.add_argument("--net", choices=NETS, required=True)
    told.add_argument("--minutes", type=float, default=10.0)
    told.add_argument("--seed", type=int, default=0)
    told.add_argument("--json", type=Path)
    asked = told.parse_args()
    make_repeatable()
    learnt, tested = split(asked.folder)
    settled, preparation, batches = batches_of(learnt, asked.seed, asked.minutes)
    torch.manual_seed(asked.seed)
    make = partial(NETS[asked.net], classes=preparation.targets.channels)
    net = make(Job(settled.width, WIDTH, settled.batch_size, settled.patch, 0))
    net = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    steps = train_plainly(net, settled, batches, asked.minutes)
    dice = score_net(net, preparation, tested, overlap=0.5)
    both = float(np.mean([np.mean(values) for values in dice.values()]))
    size = sum(tensor.numel() for tensor in net.parameters())
    print(
        f"{asked.net} from {WIDTH} channels, {size:,} parameters, patch "
        f"{'x'.join(map(str, settled.patch))}, batch {settled.batch_size}, lr {settled.lr:g}, seed "
        f"{asked.seed}: {steps} steps in {asked.minutes:g} min on {torch.get_num_threads()} threads"
    )
    print("  ".join(f"{n} {np.mean(v):.4f}" for n, v in dice.items()), f" mean Dice {both:.4f}")
    if asked.json:
        found = {"net": asked.net, "steps": steps, "dice": dice, "mean_dice": both}
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
