"""What training makes small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_SMOOTH = 1.0
"""Keeps the Dice of a class without a voxel defined; one voxel, so it weighs nothing."""


def dice_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Give cross-entropy plus one minus the mean soft Dice of the organs in the batch.

    Parameters
    ----------
    logits
        (B, K, ...), K classes, the first is the background; no activation applied.
    labels
        (B, ...) int64 from 0 to K - 1. A batch of background only is fine.

    Returns
    -------
    Tensor
        A scalar. Dice as in Milletari et al. (V-Net, 2016) without squares, over the whole batch.
    """
    # B batch, K classes, N pixels
    entropy = functional.cross_entropy(logits, labels)
    share = logits.softmax(1).flatten(2)  # (B, K, N)
    wanted = functional.one_hot(labels.flatten(1), logits.shape[1]).movedim(-1, 1)  # (B, K, N)
    common = (share * wanted).sum((0, 2))[1:]
    both = (share.sum((0, 2)) + wanted.sum((0, 2)))[1:]
    dice = (2 * common + _SMOOTH) / (both + _SMOOTH)
    return torch.add(entropy, 1 - dice.mean())
