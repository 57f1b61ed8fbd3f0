"""What a training is guarded against: numbers that are none, and memory that runs out."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from medprep.errors import TrainingError

SMALLER = 0.75
"""A patch that did not fit is followed by the next one of at most this share of its voxels."""
_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "status_alloc_failed",
    "allocation_failed",
)


def not_finite(
    name: str, value: float, step: int, cases: Iterable[str], lr: float, kept: str
) -> TrainingError:
    """Give the error that says that a loss, a gradient or a weight is no number.

    Parameters
    ----------
    name
        What it is.
    value
        Its value.
    step
        From 0.
    cases
        Whose pictures the step was shown.
    lr
        The peak learning rate.
    kept
        What is left of the training, in words.
    """
    return TrainingError(
        f"the {name} is {value} at step {step + 1}, in a batch of "
        f"{', '.join(sorted(set(cases)))}; look at these cases, or lower --lr (it is {lr:g}). "
        f"{kept}"
    )


def is_finite(net: nn.Module) -> bool:
    """Tell whether every number in a net is one."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in net.state_dict().values())


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory ran out, on a GPU or here."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    # A CPU's allocator, and CUDA's libraries, say it in words only.
    words = str(error).casefold()
    return isinstance(error, RuntimeError) and any(one in words for one in _OUT_OF_MEMORY)


def free_memory(device: torch.device) -> None:
    """Give back what a failed training held; not in the handler of its error, which holds on."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def smaller_patch(patch: Sequence[int], multiple: int) -> tuple[int, ...] | None:
    """Give the next smaller patch: its longest sides give way first; None below the smallest."""
    sides = list(patch)
    most = SMALLER * math.prod(sides)
    while math.prod(sides) > most:
        longest = sides.index(max(sides))
        if sides[longest] <= multiple:
            return None
        sides[longest] -= multiple
    return tuple(sides)
