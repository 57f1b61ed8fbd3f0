"""What of a machine a training can use: mixed precision, a compiler. Looked at, never assumed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import torch

from medprep.errors import OptionError
from medprep.training.options import Precision

MEMORY_FORMAT = {2: torch.channels_last, 3: torch.channels_last_3d}
"""Channels last is quicker on CPUs and GPUs; measured, see docs/training.md."""

BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
"""Flags of an x86 CPU that computes in bfloat16; one without is slower with it."""
_COMPILERS = ("c++", "g++", "clang++", "cl")


def choose_precision(wanted: Precision, device: torch.device) -> Literal["float32", "bf16"]:
    """Give the precision of a training.

    ``auto`` is ``bf16`` on a GPU that computes in it, else ``float32``: a CPU gains little at the
    widths that it trains, and keeps its numbers.

    Raises
    ------
    OptionError
        If ``bf16`` is wanted of a device without it.
    """
    if wanted == "float32" or (wanted == "auto" and device.type != "cuda"):
        return "float32"
    if device.type == "cuda":
        # Without emulation: a GPU that only imitates it is slower with it.
        there = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        there = device.type == "cpu" and bool(BF16_FLAGS & cpu_flags())
    if there:
        return "bf16"
    if wanted == "auto":
        return "float32"
    raise OptionError(
        f"--precision bf16, but this {device.type} does not compute in it (a CPU has one of the "
        f"flags {', '.join(sorted(BF16_FLAGS))}); take float32"
    )


def cpu_flags() -> frozenset[str]:
    """Give the flags of this CPU; none where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def require_compiler(device: torch.device) -> None:
    """Refuse to compile where nothing can; torch would fail in the first step.

    Raises
    ------
    OptionError
        If no C++ compiler is found for a CPU.
    """
    if device.type == "cpu" and not any(shutil.which(name) for name in _COMPILERS):
        raise OptionError(
            f"--compile wants a C++ compiler on the path ({', '.join(_COMPILERS)}); there is none"
        )
