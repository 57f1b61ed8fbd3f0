"""Weights in one safetensors file that holds all that is needed to rebuild its net.

No pickle: reading a file never runs code from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medprep.errors import CheckpointError, MedprepError
from medprep.interrupts import stops_later
from medprep.models.layout import quickest
from medprep.models.registry import build, config_of
from medprep.places.hand import on_disk

_ENTRY = "medprep"
_UNFIT = (MedprepError, KeyError, TypeError, ValueError, OverflowError, RuntimeError, IndexError)
_LONGEST_TEXT = 2000
_MOST_TIMES = 4


def write_tensors(path: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write tensors and a JSON record; equal content gives equal bytes."""
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Not save_file: it makes a file that only its owner may read, whatever the umask says.
    path.write_bytes(save(whole, metadata={_ENTRY: json.dumps(record, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or not of medprep.
    """
    from safetensors import SafetensorError, safe_open

    try:
        # What a signal raises within torch's reading of a shape comes out as a ValueError.
        with on_disk(path) as local, stops_later(), safe_open(local, framework="pt") as file:
            record = json.loads((file.metadata() or {})[_ENTRY])
            return {name: file.get_tensor(name) for name in file.keys()}, record  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(
            "there is no such file of weights; see how it is spelt, or train first", path=path
        ) from error
    except (SafetensorError, OSError, KeyError, ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"no weights of medprep in this file ({type(error).__name__}: {error}); train again or "
            "give another file",
            path=path,
        ) from error


def save_model(path: Path, name: str, net: nn.Module, record: dict[str, Any]) -> None:
    """Write a net.

    Parameters
    ----------
    path
        A temporary path; the caller sees to atomicity.
    name
        The net's name in the registry.
    record
        What else is known of it, as JSON.
    """
    whole = {**record, "model": name, "config": config_of(net)}
    write_tensors(path, net.state_dict(), whole)


def load_model(path: Path, device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """Rebuild a net, ready to predict.

    Returns
    -------
    Module, dict
        In eval mode, its tensors in the order that is quickest for it; and its record, of which
        `medprep.models.preparation.Preparation.from_record` reads what its input and labels are.

    Raises
    ------
    CheckpointError
        If the file cannot be used, or its tensors are not those of its net.
    """
    tensors, record = read_tensors(path)
    try:
        _require_size(record, tensors)
        net = build(record["model"], **record["config"])
        net.load_state_dict(tensors)
    except _UNFIT as error:
        raise CheckpointError(
            f"its weights fit no net we know: {str(error)[:_LONGEST_TEXT]}; train again or give "
            "another file",
            path=path,
        ) from error
    net = net.to(device, memory_format=quickest(net))  # type: ignore[call-overload]
    return net.eval(), record


def _require_size(record: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Refuse a net far larger than its tensors, before it takes memory: a record may say any size.

    What fits but for a few tensors is left to torch, which names each.
    """
    with torch.device("meta"):
        net = build(record["model"], **record["config"])
    wanted = sum(one.numel() for one in net.state_dict().values())
    found = sum(one.numel() for one in tensors.values())
    if wanted > _MOST_TIMES * found:
        raise ValueError(f"the net it speaks of has {wanted:,} weights, the file {found:,}")
