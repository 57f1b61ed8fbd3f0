"""Hand damaged input to medprep, again and again.

    python tests/helpers/fuzz.py --target cli --count 2000 --seed 1

Each case comes from (target, seed, number) alone, so that ``--only 17`` repeats the 17th. What
must not happen: an error that is none of ours, more than 5 s of processor time, more than a
minute by the clock, more than 1 GiB of memory, and whatever else a target forbids. Prints the
slowest case, the peak and each distinct fault with the command that repeats it; exit status 1 if
there is one. The module ``fuzz_<target>`` beside this one says what a case is.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

TARGETS = ("dicom", "series", "pictures", "volumes", "texts", "weights", "database", "cli")
MOST_S, MOST_MIB = 5.0, 1024.0
_HANGS_S = 60.0
_ADDRESSES = 6 << 30
"""A wrong size must end in an error here, not in the kernel's killer."""

Case = Callable[[random.Random], None]


class ForbiddenError(Exception):
    """A case did what no input may bring about."""


def peak_mib() -> float:
    """Give the most memory this process ever held."""
    # ru_maxrss would count what the parent held when it forked.
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) / 1024


def place_of(error: BaseException) -> str:
    """Name a fault by its kind and the innermost line of medprep."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if "/medprep" in frame.filename] or list(frames)
    if isinstance(error, ForbiddenError):
        return " ".join(str(error).split()[-12:])
    last = inside[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno} ({last.name})"


def run(target: str, folder: Path, seed: int, numbers: range) -> int:
    """Do the cases and give the number of distinct faults."""
    case: Case = importlib.import_module(f"fuzz_{target}").make(folder)
    faults: dict[str, int] = {}
    slowest, slowest_at, longest = 0.0, 0, 0.0
    for number in numbers:
        faulthandler.dump_traceback_later(_HANGS_S, exit=True)
        (folder / "number").write_text(str(number))
        cpu, clock = time.process_time(), time.monotonic()
        try:
            case(random.Random(f"{target} {seed} {number}"))
        except Exception as error:
            if place_of(error) not in faults:
                faults[place_of(error)] = number
                traceback.print_exc()
        cpu, clock = time.process_time() - cpu, time.monotonic() - clock
        longest = max(longest, clock)
        if cpu > slowest:
            slowest, slowest_at = cpu, number
        if cpu > MOST_S:
            faults.setdefault("too slow", number)
        if peak_mib() > MOST_MIB:
            faults.setdefault("too much memory", number)
    faulthandler.cancel_dump_traceback_later()
    for fault, number in faults.items():
        print(f"FAULT {fault}: --target {target} --seed {seed} --only {number}")
    print(
        f"{target}: {len(numbers)} cases of seed {seed}, {len(faults)} faults, slowest "
        f"{slowest:.1f} s of processor (case {slowest_at}), {longest:.1f} s by the clock, "
        f"peak {peak_mib():.0f} MiB"
    )
    return len(faults)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--target", choices=TARGETS, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="this case alone")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    numbers = range(asked.count) if asked.only is None else range(asked.only, asked.only + 1)
    with tempfile.TemporaryDirectory(prefix="medprep-fuzz-") as folder:
        os.chdir(folder)
        faults = run(asked.target, Path(folder), asked.seed, numbers)
        os.chdir("/")
    sys.exit(bool(faults))


if __name__ == "__main__":
    # Under its own name, so that `ForbiddenError` is one class for the targets too.
    importlib.import_module("fuzz").main()
