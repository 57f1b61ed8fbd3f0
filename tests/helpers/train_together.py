"""Train as torchrun or nobody starts it: ``python train_together.py CASES FOLDER OPTIONS``.

``OPTIONS`` is JSON for `TrainingOptions`; ``stop_at`` in it kills the first process after so many
steps. Cases are those of `training_sets.make_ball` in the folder ``CASES``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from training_sets import ORGANS, ball_in

from medprep.progress import Silent
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
    told = Killed(given.pop("stop_at", 10**9))
    names = sorted(path.name.removesuffix("-l.nii.gz") for path in source.glob("*-l.nii.gz"))
    cases = [ball_in(source, name) for name in names]
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    learnt, watched = cases[:-1], cases[-1:] * 3
    train(learnt, [], watched, ORGANS, TrainingOptions(**given), folder, "key", told)


if __name__ == "__main__":
    if "RANK" not in os.environ:
        work()
    else:
        from medprep.training.distributed import together

        with together("cpu") as crew:
            work() if crew.leads else follow(crew)
