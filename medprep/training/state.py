"""A training as it stands at one step: written whole, read whole, so that it goes on exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from medprep.errors import CheckpointError
from medprep.files import AtomicFiles, csv_bytes
from medprep.models.checkpoint import read_tensors, write_tensors

_COLUMNS = ("step", "loss", "lr", "validation_dice")


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
    seconds
        Time spent, for ``--minutes`` only.
    log
        Rows of the log so far: step, loss, learning rate, validation Dice or None.
    """

    key: str
    step: int = 0
    best_step: int = 0
    best_dice: float | None = None
    seconds: float = 0.0
    log: list[list[Any]] = field(default_factory=list)

    def save(self, path: Path, net: nn.Module, optimiser: Optimizer) -> None:
        """Write everything that the next step depends on."""
        tensors = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
        for number, moments in optimiser.state_dict()["state"].items():
            for name, tensor in moments.items():
                tensors[f"optimiser.{number}.{name}"] = tensor
        with AtomicFiles() as files:
            write_tensors(files.file(path), tensors, vars(self))

    @classmethod
    def load(cls, path: Path, key: str, net: nn.Module, optimiser: Optimizer) -> State:
        """Read a state back into a net and its optimiser.

        Raises
        ------
        CheckpointError
            If it is damaged or of another training.
        """
        tensors, record = read_tensors(path)
        if record.get("key") != key:
            raise CheckpointError("it is of other data or options", path=path)
        try:
            net.load_state_dict(_below("net.", tensors))
            moments: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _below("optimiser.", tensors).items():
                number, _, moment = name.partition(".")
                moments.setdefault(int(number), {})[moment] = tensor
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
            return cls(**record)
        except (RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(f"it does not fit: {error}", path=path) from error

    def log_csv(self) -> bytes:
        """Give the log as CSV."""
        return csv_bytes(_COLUMNS, self.log)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
