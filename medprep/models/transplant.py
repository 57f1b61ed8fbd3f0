"""Weights of one net given to another: the image encoder of SAM-Med3D to a UNETR."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from medprep.errors import CheckpointError
from medprep.models.checkpoint import load_model, read_tensors
from medprep.models.foreign import read_foreign, rebuild
from medprep.models.published import is_foreign
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.models.unetr import Unetr
from medprep.models.unetr_official import UnetrOfficial

MODEL = "sam-med3d"

_WITHIN_BLOCK = {
    "norm1.weight": "norm1.weight",
    "norm1.bias": "norm1.bias",
    "attention.qkv.weight": "attn.qkv.weight",
    "attention.qkv.bias": "attn.qkv.bias",
    "attention.out.weight": "attn.proj.weight",
    "attention.out.bias": "attn.proj.bias",
    "norm2.weight": "norm2.weight",
    "norm2.bias": "norm2.bias",
    "mlp.0.weight": "mlp.lin1.weight",
    "mlp.0.bias": "mlp.lin1.bias",
    "mlp.3.weight": "mlp.lin2.weight",
    "mlp.3.bias": "mlp.lin2.bias",
}
"""A UNETR's tensor to the encoder's, in each block. What the encoder has beside them has no place:
relative positions, the neck, and where queries, keys and values have no bias there, theirs."""


def read_sam(path: Path, **given: Any) -> tuple[SamMed3d, dict[str, Any]]:
    """Rebuild a SAM-Med3D from a file of medprep, or a foreign one, and tell where it came from.

    Parameters
    ----------
    path
        As `medprep.models.foreign.read_foreign` takes it; nothing in it is run.
    **given
        Fields of the config of a foreign file's net that are not the released ones'.

    Returns
    -------
    SamMed3d, dict
        On the CPU; and ``file``, its digest as ``sha256``, ``foreign``: whether its weights, or
        those it began with, were not trained by medprep, and ``spacing_mm`` where it says so.

    Raises
    ------
    CheckpointError
        If it cannot be read, or its tensors are not those of such a net: they are listed.
    """
    if not path.is_file():
        raise CheckpointError("there is no such file of weights", path=path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record = _record(path)
    told: dict[str, Any] = {"file": path.name, "sha256": digest, "foreign": True}
    if record is None:
        net = rebuild(MODEL, read_foreign(path), **given)
    else:
        net, record = load_model(path, torch.device("cpu"))
        told["foreign"] = is_foreign(record)
        if "prompting" in record:
            told["spacing_mm"] = record["prompting"]["spacing_mm"]
    if not isinstance(net, SamMed3d):
        raise CheckpointError(f"it holds a {type(net).__name__}; wanted is {MODEL}", path=path)
    return net, told


def encoder_of(path: Path) -> SamMed3dConfig:
    """Give the sizes of the net in a file, as `read_sam` reads it."""
    return read_sam(path)[0].config


def give_encoder(path: Path, net: nn.Module) -> dict[str, Any]:
    """Copy the image encoder of a SAM-Med3D into a UNETR, as far as their tensors agree.

    Blocks go to the blocks of the same number. Positions are interpolated to the UNETR's grid and,
    as the cubes of voxels that become tokens, turned from right, front, head to slice, row, column.

    Parameters
    ----------
    path
        As `read_sam` takes it.
    net
        A `Unetr` or `UnetrOfficial`; what has no counterpart stays as it is.

    Returns
    -------
    dict
        What `read_sam` tells, ``taken``: the net's tensors that were copied, ``kept``: those of
        its transformer that were not, with the reason.

    Raises
    ------
    CheckpointError
        If nothing fits.
    """
    if not isinstance(net, Unetr | UnetrOfficial):
        raise CheckpointError(f"an encoder is given to a UNETR, not to a {type(net).__name__}")
    sam, told = read_sam(path)
    own = net.state_dict()
    taken, kept = {}, {}
    for name, tensor in _offered(sam, net):
        if name not in own:
            continue
        if tensor is None or tensor.shape != own[name].shape:
            found = "none there" if tensor is None else f"{tuple(tensor.shape)} there"
            kept[name] = f"{tuple(own[name].shape)}, {found}"
        else:
            taken[name] = tensor
    if not any(name.startswith("blocks.") for name in taken):
        raise CheckpointError(
            f"no block of this encoder fits: it has {sam.config.embed_dim} channels a token, the "
            f"UNETR {own['positions'].shape[-1]}; give --width {sam.config.embed_dim}",
            path=path,
        )
    net.load_state_dict({**own, **taken})
    return {**told, "taken": sorted(taken), "kept": kept}


def told_of(began: Mapping[str, Any]) -> str:
    """Say what was copied and what not."""
    blocks = {name.split(".")[1] for name in began["taken"] if name.startswith("blocks.")}
    others = [name for name in began["taken"] if not name.startswith("blocks.")]
    text = (
        f"begins with the encoder of {began['file']}: {len(began['taken'])} tensors, of "
        f"{len(blocks)} blocks{''.join(f', {name}' for name in others)}"
    )
    left = [f"{name} {why}" for name, why in began["kept"].items()]
    if not left:
        return text
    more = f"; and {len(left) - _LISTED} more" * (len(left) > _LISTED)
    return f"{text}. Not taken: {'; '.join(left[:_LISTED])}{more}"


_LISTED = 6


def _offered(sam: SamMed3d, net: Unetr | UnetrOfficial) -> Iterator[tuple[str, Tensor | None]]:
    """Yield what the encoder has for each tensor of a UNETR's transformer; None for nothing."""
    theirs = sam.image_encoder.state_dict()
    yield "positions", _positions(theirs["pos_embed"], net.grid)
    weight = theirs["patch_embed.proj.weight"].permute(0, 1, 4, 3, 2)
    if isinstance(net, UnetrOfficial):
        weight = weight.flatten(1)
    yield "patches.weight", weight
    fits = weight.shape == net.patches.weight.shape
    yield "patches.bias", theirs["patch_embed.proj.bias"] if fits else None
    # Heads are in no shape: the same numbers would mean something else.
    same_heads = sam.config.heads == net.config.heads
    for number in range(len(net.blocks)):
        for ours, name in _WITHIN_BLOCK.items():
            found = theirs.get(f"blocks.{number}.{name}")
            if name.startswith("attn.") and not same_heads:
                found = None
            yield f"blocks.{number}.{ours}", found


def _positions(places: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Turn (1, G, G, G, C) to slice, row, column and bring it to a grid: (1, N, C)."""
    turned = places.permute(0, 4, 3, 2, 1)
    if tuple(turned.shape[2:]) != tuple(grid):
        turned = functional.interpolate(turned, tuple(grid), mode="trilinear", align_corners=False)
    return turned.flatten(2).transpose(1, 2)


def _record(path: Path) -> dict[str, Any] | None:
    """Give the record of a file of medprep; None of any other."""
    if path.suffix != ".safetensors":
        return None
    try:
        return read_tensors(path)[1]
    except CheckpointError:
        return None
