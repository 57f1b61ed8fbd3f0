"""Batch normalisation as part of the convolution before it: the same function in less time."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Net = TypeVar("Net", bound=nn.Module)

_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)


def fold(net: Net) -> Net:
    """Give a net for prediction without the batch normalisations that follow a convolution.

    In eval mode both are affine, so that one convolution does the work of the two. Logits differ
    by rounding alone. What stands otherwise, before a convolution say, stays.

    Parameters
    ----------
    net
        In any mode; not changed.

    Returns
    -------
    Module
        New, in eval mode; it cannot be trained any more.
    """
    folded = copy.deepcopy(net).eval()
    for module in folded.modules():
        if isinstance(module, nn.Sequential):
            _fold_pairs(module)
    return folded


def _fold_pairs(layers: nn.Sequential) -> None:
    """Fold neighbours; dropout between them does nothing in eval mode."""
    before: tuple[int, nn.Conv2d | nn.Conv3d] | None = None
    for place, layer in enumerate(layers):
        if isinstance(layer, _NORMS) and before is not None:
            layers[before[0]] = fuse_conv_bn_eval(before[1], layer)
            layers[place] = nn.Identity()
        if isinstance(layer, nn.Conv2d | nn.Conv3d):
            before = place, layer
        elif not isinstance(layer, nn.Dropout):
            before = None
