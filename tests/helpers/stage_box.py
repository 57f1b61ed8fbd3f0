"""A small data set, a workspace before and after each stage, and runs of the command line in it.

Runs are forks of a process that has imported what the stage needs, so that they begin at once.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

TRAIN = ("--steps", "4", "--width", "2", "--batch-size", "2", "--device", "cpu")
CHAIN = {
    "split": ("split", "SOURCE", "--preset", "chaos-mr-t1in"),
    "convert": ("convert",),
    "extract": ("extract",),
    "clean": ("clean",),
    "augment": ("augment", "--copies", "2"),
    "train": ("train", *TRAIN),
    "predict": ("predict",),
    "evaluate": ("evaluate",),
    "report": ("report",),
}
ALONE = {
    "convert-tree": ("convert", "SOURCE", "--output", "OUT", "--id-key", "KEY"),
    "predict-input": (
        "predict", "--input", "SCANS", "--output", "OUT", "--id-key", "KEY",
        "--checkpoint", "NET", "--device", "cpu",
    ),
    "deidentify": (
        "deidentify", "SOURCE", "--output", "OUT", "--id-key", "KEY", "--key-file", "WAY/back.csv",
    ),
}  # fmt: skip
STAGES = (*CHAIN, *ALONE)
_HANGS_S = 900.0


@dataclass
class Box:
    """A folder with a small data set, and a workspace as it was before and after each stage."""

    root: Path

    @property
    def source(self) -> Path:
        return self.root / "CHAOS"

    def before(self, stage: str) -> Path | None:
        place = list(CHAIN).index(stage) if stage in CHAIN else 0
        return self.after(list(CHAIN)[place - 1]) if place else None

    def after(self, stage: str) -> Path:
        return self.root / "after" / stage

    def words(self, stage: str, work: Path) -> list[str]:
        """Give the command line; everything it makes lies in ``work``."""
        net = self.after("train") / "models" / "unet2d-fold0" / "model.safetensors"
        places = {
            "SOURCE": str(self.source), "SCANS": str(self.root / "scans"), "OUT": str(work / "out"),
            "KEY": str(self.root / "key"), "NET": str(net), "WAY/back.csv": str(work / "back.csv"),
        }  # fmt: skip
        words = (CHAIN | ALONE)[stage]
        jobs = ["-w", str(work if stage in CHAIN else work / "none")]
        return [places.get(word, word) for word in words] + jobs

    def modules(self, stage: str) -> list[str]:
        """Give the modules that a stage needs."""
        return (self.root / f"{stage}.modules").read_text().split()

    def cpu_s(self, stage: str, jobs: str) -> float:
        """Give the processor time that a stage takes, undisturbed."""
        path = self.root / f"{stage}.{jobs}.seconds"
        if not path.exists():
            work = fresh(self, stage, self.root / f"measured-{os.getpid()}")
            pid = start([*self.words(stage, work), "-j", jobs], self.root / "log")
            seconds = 0.0
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                seconds = max(seconds, spent_s(pid))
                time.sleep(0.004)
            path.write_text(str(seconds))
        return float(path.read_text())


def prepare(root: Path, stages: Sequence[str] = STAGES) -> Box:
    """Make the data set and run what the stages need, each once and undisturbed."""
    box = Box(root)
    if not box.source.exists():
        from medprep.sources.phantom import make_chaos

        make_chaos(
            box.source, mr_patients=(1, 2, 3, 5), unlabelled=(), ct_patients=(), slices=(3, 4),
            size=32,
        )  # fmt: skip
        (root / "key").write_text("0123456789abcdef" * 4)
        (root / "scans").mkdir()
        shutil.copytree(box.source / "Train_Sets" / "MR" / "1", root / "scans" / "1")
    wanted = {*stages, *(("train",) if "predict-input" in stages else ())}
    last = max((list(CHAIN).index(one) for one in wanted if one in CHAIN), default=-1)
    # Those that need torch come last: each then loads little more than it uses.
    order = sorted(
        [*list(CHAIN)[: last + 1], *(one for one in ALONE if one in wanted)], key=_weight
    )
    for stage in order:
        if not box.after(stage).exists():
            _undisturbed(box, stage)
    return box


def _weight(stage: str) -> tuple[bool, int]:
    return stage not in (*list(CHAIN)[:5], "convert-tree", "deidentify"), STAGES.index(stage)


def _undisturbed(box: Box, stage: str) -> None:
    """Run a stage once, to know its modules and its bytes."""
    work = fresh(box, stage, box.root / "work")
    status, _ = wait(start(box.words(stage, work), box.root / "log", box.root / f"{stage}.modules"))
    if status != 0:
        raise SystemExit(f"{stage} ended with {status}:\n{(box.root / 'log').read_text()}")
    load(box.modules(stage))
    box.after(stage).parent.mkdir(exist_ok=True)
    work.rename(box.after(stage))


def fresh(box: Box, stage: str, work: Path) -> Path:
    shutil.rmtree(work, ignore_errors=True)
    before = box.before(stage)
    if before is None:
        work.mkdir()
    else:
        shutil.copytree(before, work)
    return work


def load(modules: Sequence[str]) -> None:
    for name in modules:
        if name not in sys.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(name)


def start(
    words: list[str],
    log: Path | int,
    listed: Path | None = None,
    first: Callable[[], None] = lambda: None,
) -> int:
    """Run the command line in a child that leads a process group of its own.

    Parameters
    ----------
    log
        Gets what it prints: a file, or a descriptor.
    listed
        Gets the names of its modules.
    first
        What the child does before.
    """
    sys.stdout.flush()
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        os.read(ours, 1)  # it leads its group, and heeds signals
        os.close(ours)
        return pid
    status = 70
    atexit._clear()  # what the parent does at its own end
    try:
        os.setsid()
        if isinstance(log, Path):
            log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        first()
        try:
            os.write(theirs, b".")
        except KeyboardInterrupt:  # hit before the command line could heed it
            raise SystemExit(130) from None
        os.close(theirs)
        importlib.import_module("medprep_cli.main").main(words)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 71
        atexit._run_exitfuncs()
        if listed is not None:
            own = [name for name in sys.modules if not name.startswith("__")]
            listed.write_text("\n".join(own))
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def wait(pid: int, seconds: float = _HANGS_S) -> tuple[int, float]:
    """Wait for its end and give its status and its processor time; who hangs is killed."""
    end = time.monotonic() + seconds
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        if time.monotonic() > end:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return 124, 0.0
        time.sleep(0.005)


def spent_s(pid: int) -> float:
    """Give the processor time of a process and of all that it started."""
    seconds = 0.0
    with contextlib.suppress(OSError, ValueError):
        # clock_getcpuclockid(3): the clock of another process; finer than /proc has it.
        seconds = time.clock_gettime((~pid << 3) | 2)
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # ended ones
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        seconds += sum(spent_s(int(one)) for one in started)
    return seconds


def quietly() -> None:
    """Let the libraries of numbers take few threads, before they are loaded."""
    few = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    os.environ.update(few)


def outcome(harness: str, box: Path, *words: str) -> str:
    """Run one of the harnesses in a process of its own, and give what it says of no fault."""
    script = Path(__file__).with_name(harness)
    done = subprocess.run(
        [sys.executable, str(script), "--box", str(box), *words],
        capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout
