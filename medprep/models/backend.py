"""Where a net computes, and how it is made to give the same numbers each time."""

from __future__ import annotations

import os
import sys
import warnings

from medprep.errors import OptionError

if "torch" not in sys.modules:
    # One busy neighbour makes spinning OpenMP threads several times slower (see the tutorial on
    # training); torch reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(wanted: str) -> torch.device:
    """Give the device; ``auto`` is a GPU where there is one.

    Raises
    ------
    OptionError
        If it is not there.
    """
    if wanted not in DEVICES:
        raise OptionError(f"--device is '{wanted}'; wanted is {', '.join(DEVICES)}")
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return torch.device(next(name for name, there in here.items() if there))
    if not here[wanted]:
        raise OptionError(f"--device is '{wanted}', but this machine has none")
    return torch.device(wanted)


def make_repeatable() -> None:
    """Let torch use only algorithms that give the same numbers each time.

    On a CPU that holds for one machine and one number of threads. On a GPU a few backward passes
    have no such algorithm; they warn and go on.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Else new memory is filled before it is written, which takes a tenth of a step; no net reads
    # what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
