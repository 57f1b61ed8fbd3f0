"""How large a net is, and how much of a picture it is shown in a step, on one machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from medprep.errors import OptionError
from medprep.models.preparation import Preparation
from medprep.models.registry import ModelInfo, build, training_bytes
from medprep.training.fingerprint import VOXELS_A_STEP

MOST_VOXELS = {
    (2, "cpu"): VOXELS_A_STEP,
    (2, "gpu"): VOXELS_A_STEP,
    (3, "cpu"): 2 * 40 * 48 * 32,
    (3, "gpu"): 2 * 128**3,
}
"""Voxels a step by default. Of volumes on a CPU it is two patches
of a size at which a narrow net does several steps a second."""

_SHARE_OF_MEMORY = 0.8
"""Of what is free on a GPU."""
_FORWARD_AND_BACKWARD = 3
"""Operations of a training step, in those of a prediction."""
_CONV = (nn.Conv2d, nn.Conv3d)
_UP = (nn.ConvTranspose2d, nn.ConvTranspose3d)
_GIB = 1 << 30


@dataclass(frozen=True)
class _Size:
    """Which field of a net's config its width is, and the default on a CPU.

    A GPU gets the original's. Where it ``scales``, what the net keeps for its backward pass goes
    with the width.
    """

    field: str
    on_cpu: int
    scales: bool = True


_SIZES = {
    "unet2d": _Size("width", 16),
    "unet3d": _Size("width", 8),
    "densenet-unet": _Size("width", 24),
    "unetr": _Size("embed_dim", 192, scales=False),
    "unetr-official": _Size("hidden_size", 384),
}


def kind_of(device: torch.device) -> str:
    """Give ``cpu`` or ``gpu``."""
    return "cpu" if device.type == "cpu" else "gpu"


def width_of(info: ModelInfo, wanted: int | None, device: torch.device) -> int:
    """Give the width: what is asked for, else the machine's default."""
    size = _SIZES[info.name]
    if wanted:
        return wanted
    return size.on_cpu if kind_of(device) == "cpu" else int(info.published[size.field])


def net_config(
    info: ModelInfo, width: int, preparation: Preparation, dropout: float | None
) -> dict[str, Any]:
    """Give what a net is built from.

    Parameters
    ----------
    preparation
        Its channels in and out, and the patch of nets that are built for one shape.
    dropout
        For nets that have any; None leaves it to the net.
    """
    size = _SIZES[info.name]
    config: dict[str, Any] = {
        "in_channels": len(preparation.scalings),
        "out_channels": preparation.targets.channels,
        size.field: width,
    }
    if not info.any_size:
        config |= {"shape": tuple(preparation.patch), "heads": info.published["heads"]}
    if info.name == "unetr-official":  # its other widths keep their share of the tokens'
        share = width / info.published[size.field]
        for name in ("feature_size", "mlp_dim"):
            config[name] = max(1, round(info.published[name] * share))
    if dropout is not None and hasattr(blueprint(info.name, config).config, "dropout"):
        config["dropout"] = dropout
    return config


def blueprint(model: str, config: dict[str, Any]) -> nn.Module:
    """Build a net that takes no memory and has no numbers."""
    with torch.device("meta"):
        return build(model, **config)


def operations(net: nn.Module, shape: Sequence[int]) -> int:
    """Give the floating-point operations of a training step of a `blueprint`.

    Those of convolutions and linear layers count, forward and twice as many backward.

    Parameters
    ----------
    shape
        Batch, channels, sides of the patch.
    """
    found = [0]

    def count(layer: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        weight = layer.get_parameter("weight")
        if isinstance(layer, _UP):  # each voxel that goes in meets all weights, else each that
            found[0] += 2 * given[0].shape[0] * prod(given[0].shape[2:]) * weight.numel()
        elif isinstance(layer, nn.Linear):
            found[0] += 2 * prod(answer.shape[:-1]) * weight.numel()
        else:  # comes out
            found[0] += 2 * answer.shape[0] * prod(answer.shape[2:]) * weight.numel()

    for layer in net.modules():
        if isinstance(layer, (*_CONV, *_UP, nn.Linear)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        net(torch.empty(tuple(shape), device="meta"))
    return _FORWARD_AND_BACKWARD * found[0]


def voxels_a_step(
    info: ModelInfo, width: int, device: torch.device, memory_gib: float | None
) -> int:
    """Give how many voxels a step takes by the rule of `medprep.models.registry.training_bytes`.

    Parameters
    ----------
    memory_gib
        What a step may take. None takes `MOST_VOXELS`, on CUDA no more than fits into what is free.

    Raises
    ------
    OptionError
        If it does not take the smallest patch that the net can have.
    """
    most = MOST_VOXELS[info.dimensions, kind_of(device)]
    if memory_gib is not None:
        budget = memory_gib * _GIB
    elif device.type == "cuda":
        budget = _SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0]
    else:  # What is free there just now must not decide what a training gives.
        return most
    size = _SIZES[info.name]
    share = width / info.published[size.field] if size.scales else 1.0
    smallest = [info.multiple] * info.dimensions
    one, two = (training_bytes(info, smallest, batch) or 0 for batch in (1, 2))
    a_patch = (two - one) * share
    fixed = (2 * one - two) * share**2
    fitting = int((budget - fixed) / a_patch * prod(smallest))
    if fitting < prod(smallest):
        raise OptionError(
            f"{info.name} of width {width} takes {(fixed + a_patch) / _GIB:.2f} GiB for the "
            f"smallest patch, and may take {budget / _GIB:.2f}; give more --memory, or a smaller "
            "--width"
        )
    return fitting if memory_gib is not None else min(fitting, most)
