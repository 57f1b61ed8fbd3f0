"""What training makes small. Logits go in: no activation stands between the net and its loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from medprep.errors import OptionError
from medprep.training.distributed import ALONE, Crew
from medprep.training.recipes import LOSSES, Loss

# What stands over a whole batch, the Dice of an organ or a weighted mean, is summed over all
# processes that train together, so that they make small what one process would.

_SMOOTH = 1.0
"""Keeps the Dice of a class without a voxel defined; one voxel, so it weighs nothing."""

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From logits and targets to a scalar."""


def named_loss(
    name: Loss,
    *,
    exclusive: bool,
    channels: int,
    weights: Sequence[float] = (),
    crew: Crew = ALONE,
) -> LossFunction:
    """Give a loss.

    Parameters
    ----------
    name
        ``dice-ce``: `dice_cross_entropy` of classes, `dice_bce` of regions; ``bce``: `bce`, of
        regions; ``ce``: cross-entropy of classes, logits (B, K, ...) and targets int64 (B, ...).
    exclusive
        Whether the targets are classes, not regions.
    channels
        How many of them.
    weights
        With ``ce``, of each class, the background first; none weighs all alike.
    crew
        Who sees the other places of the batch.

    Raises
    ------
    OptionError
        If there is none such, or it does not go with the targets or the weights.
    """
    if name not in LOSSES:
        raise OptionError(f"--loss is '{name}'; wanted is {', '.join(LOSSES)}")
    if weights and name != "ce":
        raise OptionError(f"--class-weight goes with --loss ce, not with {name}")
    if name == "dice-ce":
        return partial(dice_cross_entropy if exclusive else dice_bce, crew=crew)
    if (name == "ce") != exclusive:
        goes_with, other = ("classes", "regions") if name == "ce" else ("regions", "classes")
        raise OptionError(f"--loss {name} goes with --target {goes_with}, not with {other}")
    if name == "bce":
        return bce
    if weights and len(weights) != channels:
        raise OptionError(
            f"--class-weight is given {len(weights)} times; wanted is {channels} times: once for "
            "each class, the background first"
        )

    def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        if not weights:
            return functional.cross_entropy(logits, labels)
        weight = logits.new_tensor(weights)
        whole = functional.cross_entropy(logits, labels, weight, reduction="sum")
        return whole * crew.count / crew.sum(weight[labels].sum())

    return cross_entropy


def dice_cross_entropy(logits: Tensor, labels: Tensor, crew: Crew = ALONE) -> Tensor:
    """Give cross-entropy plus one minus the mean soft Dice of the organs in the batch.

    Parameters
    ----------
    logits
        (B, K, ...), K classes, the first is the background; no activation applied.
    labels
        (B, ...) int64 from 0 to K - 1. A batch of background only is fine.
    crew
        Who sees the other places of the batch.

    Returns
    -------
    Tensor
        A scalar. Dice as in Milletari et al. (V-Net, 2016) without squares, over the whole batch.
    """
    # B batch, K classes, N pixels
    entropy = functional.cross_entropy(logits, labels)
    share = logits.softmax(1).flatten(2)  # (B, K, N)
    classes = torch.arange(logits.shape[1], device=labels.device)[:, None]
    wanted = labels.flatten(1)[:, None] == classes  # (B, K, N), an eighth of one-hot's memory
    return torch.add(entropy, 1 - _dice(share, wanted, crew)[1:].mean())


def dice_bce(logits: Tensor, wanted: Tensor, crew: Crew = ALONE) -> Tensor:
    """Give binary cross-entropy plus one minus the mean soft Dice of the regions in the batch.

    Parameters
    ----------
    logits
        (B, K, ...), K regions that may overlap; no activation applied.
    wanted
        The same shape, float, 0 and 1. A batch of background only is fine.
    crew
        Who sees the other places of the batch.
    """
    share = logits.sigmoid().flatten(2)  # (B, K, N)
    return torch.add(bce(logits, wanted), 1 - _dice(share, wanted.flatten(2), crew).mean())


def bce(logits: Tensor, wanted: Tensor) -> Tensor:
    """Give the binary cross-entropy, mean over batch, regions and voxels; shapes as `dice_bce`."""
    return functional.binary_cross_entropy_with_logits(logits, wanted)


def _dice(share: Tensor, wanted: Tensor, crew: Crew) -> Tensor:
    """Give the soft Dice (K) of (B, K, N)."""
    common = crew.sum((share * wanted).sum((0, 2)))
    both = crew.sum(share.sum((0, 2)) + wanted.sum((0, 2)))
    return torch.div(2 * common + _SMOOTH, both + _SMOOTH)
