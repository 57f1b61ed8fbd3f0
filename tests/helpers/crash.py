"""Kill a stage at random moments, run it again, and compare with a run that nobody disturbed.

    python tests/helpers/crash.py --kills 50 --stage convert --seed 1 --signal KILL

A process that has imported what the stage needs is forked for each run, so that the moments fall
into the work and not into the start of an interpreter: they are drawn evenly over the processor
time that the stage takes, from (stage, seed, number) alone. The whole process group is hit; a
rerun may be hit too. Every second time all files that no record names are filled with rubbish
first: whoever read one would give other bytes. KILL ends at once; TERM and INT must end by
themselves with 143 or 130. Prints each distinct fault and a line of figures; exit status 1 if
there is a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from same_bytes import content, differences, poison
from stage_box import (
    CHAIN,
    STAGES,
    Box,
    fresh,
    load,
    prepare,
    quietly,
    spent_s,
    start,
    wait,
)  # fmt: skip

SIGNALS = ("KILL", "TERM", "INT")
POLITE = {signal.SIGTERM: 143, signal.SIGINT: 130}
MOST_S = 2.0
"""Of processor time, from a polite signal to the end."""
SPARED = {"report": ("metrics", "labels")}
"""The report holds tables of scores against the records itself, and tells of others; it does not
make the tables of colours anew."""
_LOOK = os.WEXITED | os.WNOHANG | os.WNOWAIT
_RERUN_HIT = 0.3


@dataclass
class Tally:
    """What was seen of one stage."""

    landed: int = 0
    runs: int = 0
    poisoned: int = 0
    slowest_s: float = 0.0
    slowest_cpu_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)


def _hit(box: Box, words: list[str], after_s: float, sent: signal.Signals, tally: Tally) -> str:
    """Start the command, send the signal, and give what was wrong with its end."""
    log = box.root / "log"
    pid = start(words, log)
    tally.runs += 1
    while (spent := spent_s(pid)) < after_s and not os.waitid(os.P_PID, pid, _LOOK):
        time.sleep(max(0.0005, (after_s - spent) / 4))
    ended = bool(os.waitid(os.P_PID, pid, _LOOK))
    at = time.monotonic()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, sent)
    status, cpu_s = wait(pid)
    if sent == signal.SIGKILL:
        tally.landed += status == -signal.SIGKILL
        return "" if status in (0, -signal.SIGKILL) else _ended(status, log)
    if status == 0:
        return "" if ended or cpu_s - spent < MOST_S / 4 else "a signal was lost"
    tally.landed += 1
    tally.slowest_s = max(tally.slowest_s, time.monotonic() - at)
    tally.slowest_cpu_s = max(tally.slowest_cpu_s, cpu_s - spent)
    if status not in (POLITE[sent], -sent) or "Traceback" in log.read_text():
        return _ended(status, log)
    return "" if cpu_s - spent < MOST_S else "took long to stop"


def _ended(status: int, log: Path) -> str:
    return f"ended with {status}: {log.read_text()[-1500:]}"


def _once(box: Box, stage: str, chance: random.Random, sent: signal.Signals, tally: Tally) -> str:
    """Hit a stage until it comes through, and give what was wrong."""
    work = fresh(box, stage, box.root / f"work-{os.getpid()}")
    jobs = chance.choice(["1", "1", "1", "2"])
    words, seconds = [*box.words(stage, work), "-j", jobs], box.cpu_s(stage, jobs)
    while True:
        wrong = _hit(box, words, chance.uniform(0, seconds), sent, tally)
        if wrong:
            return wrong
        if sent != signal.SIGKILL and (work / "medprep.lock").exists():
            return "the lock was not given back"
        if stage in CHAIN and chance.random() < 0.5:
            tally.poisoned += poison(work, spare=SPARED.get(stage, ()))
        if chance.random() > _RERUN_HIT:
            break
    tally.runs += 1
    status, _ = wait(start(words, box.root / "log"))
    if status != 0:
        return _ended(status, box.root / "log")
    return differences(work, box.after(stage))


def kill(box: Box, stage: str, kills: range, seed: int, sent: signal.Signals) -> Tally:
    """Do it so many times."""
    tally = Tally()
    load(box.modules(stage))
    for number in kills:
        chance = random.Random(f"{stage} {seed} {number}")
        wrong = _once(box, stage, chance, sent, tally)
        if wrong:
            tally.faults.setdefault(wrong, number)
    for wrong, number in tally.faults.items():
        print(f"FAULT {stage} --seed {seed} --only {number}: {wrong}")
    polite = ""
    if sent != signal.SIGKILL:
        polite = f", slowest end {tally.slowest_s:.2f} s ({tally.slowest_cpu_s:.2f} s of processor)"
    print(
        f"{stage}: {len(kills)} times {sent.name} of seed {seed}, {tally.landed} landed in "
        f"{tally.runs} runs, {tally.poisoned} files poisoned, {len(tally.faults)} faults{polite}",
        flush=True,
    )
    return tally


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--stage", choices=STAGES, action="append", default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--signal", choices=SIGNALS, action="append", default=[])
    parser.add_argument("--only", type=int, help="this number alone")
    parser.add_argument("--box", type=Path, help="folder of what is prepared, kept for next time")
    asked = parser.parse_args()
    quietly()
    numbers = range(asked.kills) if asked.only is None else range(asked.only, asked.only + 1)
    with contextlib.ExitStack() as stack:
        made = functools.partial(tempfile.TemporaryDirectory, prefix="medprep-crash-")
        root = asked.box or Path(stack.enter_context(made()))
        root.mkdir(parents=True, exist_ok=True)
        stages = asked.stage or STAGES
        box = prepare(root.resolve(), stages)
        source = content(box.source)
        faults = 0
        for sent in (signal.Signals[f"SIG{name}"] for name in asked.signal or SIGNALS[:1]):
            for stage in stages:
                faults += len(kill(box, stage, numbers, asked.seed, sent).faults)
        if content(box.source) != source:
            print("FAULT the source was changed")
            faults += 1
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
