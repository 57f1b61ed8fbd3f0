"""Several processes that train one net together, as torchrun starts them.

Each sees its places of every batch; gradients are averaged (`DistributedDataParallel`), and what a
loss or a score needs of a whole batch is summed over all, so that the numbers are those of one
process with the same batch. Batch normalisation is the exception on CPUs: each process normalises
by its own places there, on GPUs by all (`SyncBatchNorm`).

The first process leads: it alone reads and writes a workspace, and tells the others what to train.
"""

from __future__ import annotations

import gc
import os
import platform
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from medprep.errors import MedprepError, WorkerError
from medprep.version import VERSION

T = TypeVar("T")

_WAIT = timedelta(days=30)
"""The others wait while the first process converts a whole archive; one that dies is noticed by
torchrun, which ends all."""
_BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
_SOON = timedelta(seconds=10)
_BROKEN = ("gloo", "nccl", "closed by peer", "connection reset")


class _Sum(torch.autograd.Function):
    """The sum over all processes, whose gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return _summed(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _summed(tensor: Tensor) -> Tensor:
    whole = tensor.clone()
    distributed.all_reduce(whole)
    return whole


def _outcome(work: Callable[[], T]) -> Any:
    try:
        return work()
    except MedprepError as error:
        return error


def _came_to(outcome: Any) -> Any:
    if isinstance(outcome, MedprepError):
        raise outcome
    return outcome


class Crew:
    """The processes of a training; one that is alone is a crew of one.

    Parameters
    ----------
    rank
        Which this is, from 0.
    count
        How many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @classmethod
    def here(cls) -> Crew:
        """Give the one that this process is in."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this process reads and writes files."""
        return self.rank == 0

    @property
    def beside(self) -> int:
        """How many of them share this machine."""
        return 1 if self.count == 1 else int(os.environ.get("LOCAL_WORLD_SIZE", 1))

    def device(self, chosen: torch.device) -> torch.device:
        """Give this process's own of several GPUs."""
        if self.count == 1 or chosen.type != "cuda":
            return chosen
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", self.rank)))

    def places(self, batch_size: int) -> range:
        """Give this process's places of a batch; every process has some of each kind."""
        return range(self.rank, batch_size, self.count)

    def wrap(self, net: nn.Module, device: torch.device) -> nn.Module:
        """Give a net whose gradients are averaged over all processes."""
        if self.count == 1:
            return net
        if device.type == "cuda":
            net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call]
        # Of convolutions of one voxel, whose strides say the same in two ways.
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
        ids = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(net, ids)

    def sum(self, tensor: Tensor) -> Tensor:
        """Give the sum over all processes; a gradient flows back to each."""
        if self.count == 1:
            return tensor
        whole: Tensor = _Sum.apply(tensor)  # type: ignore[no-untyped-call]
        return whole

    def mean(self, value: float) -> float:
        """Give the mean over all processes; no number where one has none."""
        if self.count == 1:
            return value
        return float(sum(self.gather(value)) / self.count)

    def agree(self, value: T) -> T:
        """Give what the first process has, everywhere."""
        if self.count == 1:
            return value
        held: list[Any] = [value if self.leads else None]
        distributed.broadcast_object_list(held, 0, device=torch.device("cpu"))
        agreed: T = held[0]
        return agreed

    def gather(self, value: T) -> list[T]:
        """Give what each process has, in their order."""
        if self.count == 1:
            return [value]
        held: list[Any] = [None] * self.count
        distributed.all_gather_object(held, value)
        return held

    def each(self, work: Callable[[], T]) -> list[T]:
        """Do work in every process, and give what each found, in their order.

        Raises
        ------
        MedprepError
            What one of them raised, in all.
        """
        outcomes = self.gather(_outcome(work)) if self.count > 1 else [work()]
        return [_came_to(outcome) for outcome in outcomes]

    def lead(self, work: Callable[[], T]) -> T:
        """Do work in the first process, and give everywhere what it found.

        Raises
        ------
        MedprepError
            What it raised, in all.
        """
        if self.count == 1:
            return work()
        found: T = _came_to(self.agree(_outcome(work) if self.leads else None))
        return found

    def share(self, net: nn.Module) -> None:
        """Give every process the first one's parameters and buffers."""
        if self.count > 1:
            for tensor in net.state_dict().values():
                distributed.broadcast(tensor, 0)

    def call(self, **order: Any) -> None:
        """Have the others do what this one is about to do; where they call, nothing happens."""
        if self.leads:
            self.agree(order)


ALONE = Crew()


def _require_alike(crew: Crew) -> None:
    """Refuse processes that would not do the same arithmetic.

    Raises
    ------
    WorkerError
        If one has other versions than the first.
    """
    own = f"medprep {VERSION}, torch {torch.__version__}, numpy {np.__version__}"
    found = crew.gather((platform.node(), own))
    for rank, (node, versions) in enumerate(found):
        if versions != found[0][1]:
            raise WorkerError(
                f"process {rank}, on {node}, has {versions}; the first, on {found[0][0]}, has "
                f"{found[0][1]}; wanted are the same everywhere"
            )


class _Board:
    """Where a process that ends tells the others why: the store by which they met."""

    def __init__(self) -> None:
        self._store: Any = None
        self._key = f"medprep/ended/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"

    def open(self) -> None:
        """Find it; without one nothing is told."""
        address, port = os.environ.get("MASTER_ADDR"), os.environ.get("MASTER_PORT")
        if address and port:
            with suppress(RuntimeError):
                self._store = distributed.TCPStore(  # type: ignore[attr-defined]
                    address, int(port), is_master=False, timeout=_SOON, wait_for_workers=False
                )

    def tell(self, cause: str) -> None:
        """Say why this process ends; the first one to say it is heard."""
        crew = Crew.here()
        text = f"process {crew.rank} of {crew.count}, on {platform.node()}, ended: {cause}"
        if self._store is not None:
            with suppress(RuntimeError):
                self._store.compare_set(self._key, "", text)

    def told(self) -> str | None:
        """Give what was said; None where nothing was, or the store is gone too."""
        if self._store is not None:
            with suppress(RuntimeError):
                if self._store.check([self._key]):
                    return str(self._store.get(self._key).decode())
        return None


@contextmanager
def together(device: str | None = None) -> Iterator[Crew]:
    """Join the processes that torchrun has started; the others are sent home at a good end.

    Parameters
    ----------
    device
        ``cpu`` or ``cuda``; None takes a GPU where each process can have one.

    Raises
    ------
    WorkerError
        If another process is gone.
    """
    several = torch.cuda.device_count() >= int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    kind = device or ("cuda" if torch.cuda.is_available() and several else "cpu")
    if kind == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
    board = _Board()
    try:
        distributed.init_process_group(_BACKENDS[kind], timeout=_WAIT)
        board.open()
        crew = Crew.here()
        _require_alike(crew)
        yield crew
        crew.call()
        distributed.barrier()  # who leaves first can make the other one abort
    except MedprepError as error:
        board.tell(error.message)
        raise
    except RuntimeError as error:
        if not any(word in str(error).casefold() for word in _BROKEN):
            board.tell(f"{type(error).__name__}: {error}")
            raise
        cause = board.told() or (
            "another process of this training is gone without a word: killed, most often because "
            "its memory ran out, or its machine is lost; torchrun says which"
        )
        raise WorkerError(f"{cause}. The same command goes on from the last saved state") from error
    except BaseException as error:
        board.tell(f"stopped ({type(error).__name__})")
        raise
    finally:
        # DistributedDataParallel lies in circles and holds the group, whose threads would otherwise
        # outlive the interpreter: then C++ aborts the process, work done or not.
        gc.collect()
        if distributed.is_initialized():
            distributed.destroy_process_group()
