"""Weights from files that others wrote, brought to medprep's own form."""

from __future__ import annotations

import argparse
import contextlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from medprep.errors import CheckpointError, OptionError, WriteError
from medprep.files import AtomicFiles
from medprep.models.checkpoint import save_model
from medprep.models.originals import Original, fill, original_names, original_of, sizes_of
from medprep.models.published import PUBLISHED
from medprep.models.registry import build, config_of, require_model

ALLOWED = (argparse.Namespace,)
"""What a pickled file may hold beside tensors and plain values: training scripts store options."""

WRAPPERS = ("state_dict", "model_state_dict")
"""Where training scripts put the tensors beside what else they store."""

_PARALLEL = "module."
_NO_ARCHIVE = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError)
_DAMAGED = (
    RuntimeError, OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError,
    AssertionError,
)  # fmt: skip


def read_foreign(path: Path) -> dict[str, Tensor]:
    """Read named tensors from a ``.pth``, ``.pt`` or ``.safetensors`` file; runs nothing in it.

    Parameters
    ----------
    path
        A safetensors file, or what ``torch.save`` made of a state_dict, alone or under one of
        `WRAPPERS`. ``module.`` before each name, which parallel training leaves, is dropped.

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, or holds what is not allowed in it.
    """
    if not path.is_file():
        raise CheckpointError("there is no such file of weights; see how it is spelt", path=path)
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickled(path)
    while isinstance(found, Mapping) and any(name in found for name in WRAPPERS):
        found = next(found[name] for name in WRAPPERS if name in found)
    if not isinstance(found, Mapping) or not found:
        raise CheckpointError(
            "there are no named tensors in this file; wanted is a state_dict", path=path
        )
    strangers = [str(name) for name, value in found.items() if not isinstance(value, Tensor)]
    if strangers:
        raise CheckpointError(
            f"beside tensors there is {', '.join(sorted(strangers)[:5])}; wanted is a state_dict "
            f"alone, or under {' or '.join(WRAPPERS)}",
            path=path,
        )
    tensors = {str(name): value for name, value in found.items()}
    if all(name.startswith(_PARALLEL) for name in tensors):
        return {name.removeprefix(_PARALLEL): value for name, value in tensors.items()}
    return tensors


def require_source(source: Path | None, name: str) -> Path:
    """Refuse to go on without a file, and say where one is to be had.

    Raises
    ------
    OptionError
        If there is none.
    """
    require_model(name)
    if source is None:
        where = PUBLISHED.get(name)
        raise OptionError(
            f"no file of weights for {name} was given; "
            + (f"published are {where}" if where else "give one made with the net's original code")
        )
    return source


def rebuild(name: str, tensors: Mapping[str, Tensor], **given: Any) -> nn.Module:
    """Build the net that tensors belong to, and fill it.

    Parameters
    ----------
    name
        One of `medprep.models.describe`.
    tensors
        With the original's names or our own.
    **given
        Fields of the net's config that no shape tells; they win over what was read.

    Raises
    ------
    OptionError
        If the config cannot be, or a field must be given.
    CheckpointError
        If the tensors are not those of such a net.
    """
    require_model(name)
    with torch.device("meta"):
        template = build(name)
    original = original_of(template)
    tensors = original.adapt(dict(tensors))
    own = {key: [key] for key in template.state_dict()}
    ours = original.names is None or not own.keys().isdisjoint(tensors)
    names = own if ours else original_names(template)
    shapes = {
        key: tuple(tensors[parts[0]].shape)
        for key, parts in names.items()
        if len(parts) == 1 and parts[0] in tensors
    }
    if not shapes:
        fill(template, tensors, names)  # lists what is missing
    config = {**sizes_of(template, shapes, skip=given), **given}
    _require_unseen(original, config, config_of(template))
    net = build(name, **config)
    return fill(net, tensors, {key: [key] for key in net.state_dict()} if ours else
                original_names(net))  # fmt: skip


def import_weights(
    source: Path, name: str, output: Path, *, overwrite: bool = False, **given: Any
) -> dict[str, Any]:
    """Write the weights of a foreign file as medprep keeps them.

    Parameters
    ----------
    source, name
        As `read_foreign` and `rebuild` take them.
    output
        The safetensors file to write, ready for `medprep.models.checkpoint.load_model`.
    overwrite
        Replace what is there.
    **given
        As `rebuild` takes them.

    Returns
    -------
    dict
        The config of the net.

    Raises
    ------
    CheckpointError, OptionError
        As `read_foreign` and `rebuild`.
    WriteError
        If the output is there already, or cannot be written.
    """
    if output.exists() and not overwrite:
        raise WriteError("it is there already; say --overwrite or another --output", path=output)
    net = rebuild(name, read_foreign(source), **given)
    with AtomicFiles() as files:
        save_model(files.file(output), name, net, {"imported": source.name})
    return config_of(net)


def _require_unseen(
    original: Original, config: Mapping[str, Any], published: Mapping[str, Any]
) -> None:
    for key, told_by in original.unseen.items():
        size = config.get(told_by, published[told_by])
        if key not in config and size != published[told_by]:
            raise OptionError(
                f"no tensor tells {key}, and with {told_by} {size} it need not be "
                f"the usual {published[key]}; say the {key} the net was trained with"
            )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"this is no whole safetensors file ({error}); copy it anew", path=path
        ) from error
    return tensors


def _read_pickled(path: Path) -> Any:
    torch.serialization.add_safe_globals(list(ALLOWED))
    _require_unpacked(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            "this file holds more than tensors and plain values, or is damaged; nothing in it was "
            "run. Have it saved again as torch.save(net.state_dict(), FILE). "
            f"What was found: {_first_line(error)}",
            path=path,
        ) from error
    except _DAMAGED as error:
        raise CheckpointError(
            f"this is no file of torch.save ({type(error).__name__}: {_first_line(error)})",
            path=path,
        ) from error


def _require_unpacked(path: Path) -> None:
    """Refuse an archive whose members are packed: torch.save packs none, and unpacks any size."""
    packed: list[zipfile.ZipInfo] = []
    with contextlib.suppress(*_NO_ARCHIVE), zipfile.ZipFile(path) as archive:
        packed = [one for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]
    if packed:
        raise CheckpointError(
            f"its {packed[0].filename[:80]!r} is packed, {packed[0].compress_size:,} bytes for "
            f"{packed[0].file_size:,}; torch.save packs nothing: have it saved again as "
            "torch.save(net.state_dict(), FILE)",
            path=path,
        )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if "GLOBAL" in line or "Unsupported" in line]
    return (named or lines or ["nothing more"])[0]
