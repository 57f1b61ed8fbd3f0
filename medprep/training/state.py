"""A training as it stands at one step: written whole, read whole, so that it goes on exactly.

The state before the last is kept too, and is gone on from where the last is damaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from medprep.errors import CheckpointError
from medprep.files import AtomicFiles, csv_bytes
from medprep.models.checkpoint import read_tensors, write_tensors

LAST, PREVIOUS = "state.safetensors", "state-previous.safetensors"
_COLUMNS = ("step", "loss", "lr", "validation_dice")
_DIGEST = "digest"


@dataclass
class State:
    """Where a training is.

    Parameters
    ----------
    key
        What it trains on and how; a state of another key is of no use.
    step
        Steps done.
    best_step, best_dice
        The best validation so far; None before the first, or without validation cases.
    stale
        Validations since then.
    seconds
        Time spent, for ``--minutes`` only.
    patch
        What the net is shown: it may have become smaller on the way.
    settled
        What else of its options free memory had a part in: see
        `medprep.training.settling.kept_of`.
    best_before
        ``best_step`` of the state before.
    log
        Rows of the log so far: step, loss, learning rate, validation Dice or None.
    """

    key: str
    step: int = 0
    best_step: int = 0
    best_dice: float | None = None
    stale: int = 0
    seconds: float = 0.0
    patch: list[int] = field(default_factory=list)
    settled: dict[str, Any] = field(default_factory=dict)
    best_before: int = 0
    log: list[list[Any]] = field(default_factory=list)

    def save(self, folder: Path, net: nn.Module, optimiser: Optimizer) -> None:
        """Write everything that the next step depends on; what was the last is now the previous."""
        tensors = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
        for number, moments in optimiser.state_dict()["state"].items():
            for name, tensor in moments.items():
                tensors[f"optimiser.{number}.{name}"] = torch.as_tensor(tensor)
        last = folder / LAST
        with AtomicFiles() as files:
            write_checked(files.file(last), tensors, asdict(self))
            if last.exists():
                # Killed between these renames, a training goes on from the previous one.
                last.replace(folder / PREVIOUS)
        needed = {best_name(self.best_step), best_name(self.best_before)}
        for path in folder.glob(best_name("*")):
            if path.name not in needed:
                path.unlink()
        self.best_before = self.best_step

    def save_best(self, folder: Path, net: nn.Module) -> None:
        """Write the weights as the best so far."""
        with AtomicFiles() as files:
            write_checked(files.file(folder / best_name(self.best_step)), net.state_dict(), {})

    def load_best(self, folder: Path, net: nn.Module) -> None:
        """Read the best weights back.

        Raises
        ------
        CheckpointError
            If they are damaged.
        """
        net.load_state_dict(read_checked(folder / best_name(self.best_step))[0])

    @classmethod
    def load(cls, path: Path, key: str, net: nn.Module, optimiser: Optimizer) -> State:
        """Read a state back into a net and its optimiser.

        Raises
        ------
        CheckpointError
            If it is damaged or of another training.
        """
        tensors, record = read_checked(path)
        if record.get("key") != key:
            raise CheckpointError("it is of other data or options", path=path)
        try:
            state = cls(**record)
            moments = _moments(_below("optimiser.", tensors))
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"it does not fit: {error}", path=path) from error
        if state.best_dice is not None:
            read_checked(path.with_name(best_name(state.best_step)))
        weights = _below("net.", tensors)
        _require_fit(weights, net, path)  # before anything is copied: a net is not half another
        net.load_state_dict(weights)
        optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
        state.best_before = state.best_step  # of the next save this is the state before
        return state

    def log_csv(self) -> bytes:
        """Give the log as CSV."""
        return csv_bytes(_COLUMNS, self.log)


def saved_states(folder: Path) -> Iterator[Path]:
    """Yield the states there are, the last one first."""
    return (path for path in (folder / LAST, folder / PREVIOUS) if path.exists())


def saved_state(folder: Path, key: str) -> State | None:
    """Give the state that a stopped training had come to; None where there is none."""
    for path in saved_states(folder):
        try:
            record = read_checked(path)[1]
            if record.get("key") == key:
                return State(**record)
        except (CheckpointError, TypeError):
            continue
    return None


def remove_states(folder: Path) -> None:
    """Delete what only a training under way needs."""
    for path in [*saved_states(folder), *folder.glob(best_name("*"))]:
        path.unlink()


def best_name(step: int | str) -> str:
    """Give the name of the file of the best weights so far, which were those of a step."""
    return f"best-{step}.safetensors"


def write_checked(path: Path, tensors: Mapping[str, Tensor], record: dict[str, Any]) -> None:
    """Write tensors and a record with a digest of both."""
    write_tensors(path, dict(tensors), {**record, _DIGEST: _digest(tensors, record)})


def read_checked(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_checked` wrote.

    Raises
    ------
    CheckpointError
        If it is damaged: a single other byte is enough.
    """
    tensors, record = read_tensors(path)
    if record.pop(_DIGEST, None) != _digest(tensors, record):
        raise CheckpointError("it does not hold what was written", path=path)
    return tensors, record


def _digest(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> str:
    found = hashlib.blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=16)
    for name in sorted(tensors):
        found.update(f"{name} {tuple(tensors[name].shape)}".encode())
        whole = tensors[name].detach().cpu().contiguous().reshape(-1)
        found.update(whole.view(torch.uint8).numpy().data)
    return found.hexdigest()


def _require_fit(weights: Mapping[str, Tensor], net: nn.Module, path: Path) -> None:
    found = {name: list(tensor.shape) for name, tensor in weights.items()}
    wanted = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise CheckpointError(
                f"it does not fit: {name} is {found.get(name, 'not there')}, wanted is "
                f"{wanted.get(name, 'none')}",
                path=path,
            )


def _moments(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Give what an optimiser keeps of each parameter, by its number."""
    found: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, moment = name.partition(".")
        found.setdefault(int(number), {})[moment] = tensor
    return found


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
