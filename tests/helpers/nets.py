"""Weights of small nets that were never trained, and yet give every class somewhere."""

from __future__ import annotations

from pathlib import Path

import torch

from medprep.models import build
from medprep.models.checkpoint import save_model
from medprep.models.preparation import Preparation, Spacing
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets

ORGANS = Targets({1: "liver", 2: "spleen"})


def saved(
    path: Path, preparation: Preparation | None = None, *, seed: int = 0, old: bool = False
) -> Path:
    """Weights of a small net that gives every class somewhere."""
    torch.manual_seed(seed)
    flat = preparation is None or preparation.dimensions == 2
    targets = ORGANS if preparation is None else preparation.targets
    channels = 1 if preparation is None else len(preparation.scalings)
    name = "unet2d" if flat else "unet3d"
    net = build(name, in_channels=channels, out_channels=targets.channels, width=2).eval()
    with torch.no_grad():
        logits = net(torch.randn(1, channels, *(16,) * (2 if flat else 3)))
        net.head.bias -= logits.mean((0, *range(2, logits.ndim)))
    record: dict[str, object] = {"organs": {str(k): v for k, v in targets.names.items()}}
    if not old and preparation is not None:
        record["preparation"] = preparation.to_dict()
    save_model(path, name, net, record)
    return path


def solid(
    *, spacing: Spacing | None = None, channels: int = 1, targets: Targets = ORGANS
) -> Preparation:
    return Preparation(3, (Scaling("z-score"),) * channels, spacing, (8, 16, 16), targets)
