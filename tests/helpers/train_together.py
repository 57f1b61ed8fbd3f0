"""Train as torchrun or nobody starts it: ``python train_together.py CASES FOLDER OPTIONS``.

``OPTIONS`` is JSON for `TrainingOptions`; ``stop_at`` in it kills the first process after so many
steps, ``shards`` names a folder in which the cases are put into shards, ``lose`` one of the files
there that is then lost, ``fail_at`` is a process and a step at which it finds no more room. Cases
are those of `training_sets.make_ball` in the folder ``CASES``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from training_sets import ORGANS, ball_in, in_shards

from medprep.errors import WriteError
from medprep.progress import Silent
from medprep.training.batches import Batch, Batches
from medprep.training.loop import follow, train
from medprep.training.options import TrainingOptions


class Killed(Silent):
    """Kills its process after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.left -= steps
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def say(self, message: str) -> None:
        print(message.strip(), flush=True)


def work() -> None:
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    given = json.loads(sys.argv[3])
    given.pop("fail_at", None)
    told = Killed(given.pop("stop_at", 10**9))
    shards, lost = (given.pop(name, None) for name in ("shards", "lose"))
    names = sorted(path.name.removesuffix("-l.nii.gz") for path in source.glob("*-l.nii.gz"))
    cases = [ball_in(source, name) for name in names]
    if shards is not None:
        cases = [in_shards(case, Path(shards)) for case in cases]
    if lost is not None:
        Path(shards, lost).unlink()
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    learnt, watched = cases[:-1], cases[-1:] * 3
    train(learnt, [], watched, ORGANS, TrainingOptions(**given), folder, "key", told)


def fail(step: int) -> None:
    """Let making the batch of a step fail."""
    whole = Batches.at

    def at(self: Batches, number: int, places: Sequence[int] | None = None) -> Batch:
        if number == step:
            raise WriteError("no room for it")
        return whole(self, number, places)

    Batches.at = at  # type: ignore[method-assign]


if __name__ == "__main__":
    which, when = json.loads(sys.argv[3]).get("fail_at", (None, 0))
    if which is not None and str(which) == os.environ.get("RANK"):
        fail(when)
    if "RANK" not in os.environ:
        work()
    else:
        from medprep.training.distributed import together

        with together("cpu") as crew:
            work() if crew.leads else follow(crew)
