"""Run stages where there is too little room, make room, and run them again.

    python tests/helpers/full_disk.py --tries 10 --stage convert --seed 1

Two ways: no file may become longer than so many bytes (RLIMIT_FSIZE), or the workspace lies on a
small disk of its own (tmpfs; root only) that has so many bytes left. How many is drawn from
(stage, seed, number). A run must end by itself, say which path, what was to be written and what
is free, and leave nothing half-written; with room the same command must give the same bytes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from same_bytes import content, differences
from stage_box import STAGES, Box, fresh, load, prepare, quietly, start, wait

_AMPLE = 256 << 20
_TELLS = re.compile(r"bytes are free there.*\[.*\]|FAILED .*bytes are free there", re.S)


@dataclass
class Tally:
    """What was seen of one stage."""

    runs: int = 0
    short: int = 0
    faults: dict[str, int] = field(default_factory=dict)


def can_mount(folder: Path) -> bool:
    """Tell whether a small disk can be had."""
    folder.mkdir(exist_ok=True)
    return _mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder) and _leave(folder)


def _mount(*words: str | Path) -> bool:
    if os.getuid() != 0:
        return False
    return not subprocess.run(["mount", *words], capture_output=True, check=False).returncode


def _leave(folder: Path) -> bool:
    return not subprocess.run(["umount", folder], capture_output=True, check=False).returncode


def _run(words: list[str], longest: int | None = None) -> tuple[int, str]:
    """Run the command line and give its status and what it said; a file would be too long."""
    ours, theirs = os.pipe()
    most = (resource.RLIM_INFINITY if longest is None else longest, resource.RLIM_INFINITY)
    pid = start(words, theirs, first=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, most))
    os.close(theirs)
    with os.fdopen(ours, errors="replace") as said:
        text = said.read()
    return wait(pid)[0], text


def _too_long(box: Box, stage: str, chance: random.Random, tally: Tally) -> str:
    """Let no file become longer than a part of the longest."""
    work = fresh(box, stage, box.root / f"work-{os.getpid()}")
    sizes = [one.stat().st_size for one in box.after(stage).rglob("*") if one.is_file()]
    known = work / "medprep.sqlite"
    least = known.stat().st_size + 8192 if known.exists() and chance.random() < 0.7 else 1
    limit = int(least * (max(sizes) / least) ** chance.random())
    words = [*box.words(stage, work), "-j", chance.choice(["1", "1", "2"])]
    wrong = _judged(_run(words, limit), work, tally)
    return wrong or _with_room(box, stage, words, work)


def _small_disk(box: Box, stage: str, chance: random.Random, tally: Tally) -> str:
    """Work on a disk that has room for a part of what will be made."""
    disk = box.root / f"disk-{os.getpid()}"
    disk.mkdir(exist_ok=True)
    if not _mount("-t", "tmpfs", "-o", f"size={_AMPLE}", "tmpfs", disk):
        return "no small disk can be had"
    try:
        work = fresh(box, stage, disk / "work")
        used = shutil.disk_usage(disk).used
        grows = _allotted(box.after(stage)) - _allotted(work)
        left = max(1, int(max(grows, 8192) * chance.uniform(-0.1, 1)) >> 12) << 12
        if not _mount("-o", f"remount,size={used + left}", disk):
            return "a disk cannot be made smaller"
        words = [*box.words(stage, work), "-j", chance.choice(["1", "1", "2"])]
        wrong = _judged(_run(words), work, tally)
        _mount("-o", f"remount,size={_AMPLE}", disk)
        return wrong or _with_room(box, stage, words, work)
    finally:
        _leave(disk)


def _allotted(folder: Path) -> int:
    return sum(4096 + (one.stat().st_size + 4095) // 4096 * 4096 for one in folder.rglob("*"))


def _judged(ended: tuple[int, str], work: Path, tally: Tally) -> str:
    """Give what was wrong with a run that lacked room."""
    status, said = ended
    tally.runs += 1
    if "Traceback" in said or status not in (0, 1, 8):
        return f"ended with {status}: {said[-1500:]}"
    left = [one.name for one in work.rglob(".*") if ".part" in one.name] if work.exists() else []
    if left or (work / "medprep.lock").exists():
        return f"left half-written: {left or 'lock'}"
    if status:
        tally.short += 1
        if not _TELLS.search(said):
            return f"tells neither path nor room: {said[-600:]}"
    return ""


def _with_room(box: Box, stage: str, words: list[str], work: Path) -> str:
    status, said = _run(words)
    return differences(work, box.after(stage)) if status == 0 else f"with room: {status}: {said}"


def fill(box: Box, stage: str, tries: range, seed: int, *, disk: bool) -> Tally:
    """Do it so many times."""
    tally = Tally()
    load(box.modules(stage))
    for number in tries:
        chance = random.Random(f"{stage} {seed} {number}")
        wrong = (_small_disk if disk else _too_long)(box, stage, chance, tally)
        if wrong:
            tally.faults.setdefault(wrong, number)
    for wrong, number in tally.faults.items():
        kind = "--disk " if disk else ""
        print(f"FAULT {kind}{stage} --seed {seed} --only {number}: {wrong}")
    print(
        f"{stage}: {len(tries)} times {'a small disk' if disk else 'files kept short'} of seed "
        f"{seed}, {tally.short} came short, {len(tally.faults)} faults",
        flush=True,
    )
    return tally


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tries", type=int, default=10)
    parser.add_argument("--stage", choices=STAGES, action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--disk", action="store_true", help="a small disk, not short files")
    parser.add_argument("--only", type=int, help="this number alone")
    parser.add_argument("--box", type=Path, help="folder of what is prepared, kept for next time")
    asked = parser.parse_args()
    quietly()
    numbers = range(asked.tries) if asked.only is None else range(asked.only, asked.only + 1)
    with contextlib.ExitStack() as stack:
        made = partial(tempfile.TemporaryDirectory, prefix="medprep-full-")
        root = asked.box or Path(stack.enter_context(made()))
        root.mkdir(parents=True, exist_ok=True)
        stages = asked.stage or STAGES
        box = prepare(root.resolve(), stages)
        source = content(box.source)
        faults = [fill(box, one, numbers, asked.seed, disk=asked.disk).faults for one in stages]
        same = content(box.source) == source
    print("" if same else "FAULT the source was changed")
    sys.exit(any(faults) or not same)


if __name__ == "__main__":
    main()
