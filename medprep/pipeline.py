"""The chain: its order, the stages it puts in before those asked for, and how it is run."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import os
import platform
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from medprep.errors import (
    CheckpointError,
    MedprepError,
    NothingDoneError,
    OrderError,
    WorkspaceError,
)
from medprep.progress import Progress, Silent
from medprep.stages.augment import Augment
from medprep.stages.base import CHAIN, Context, Stage, Summary, command_words, options_of
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert
from medprep.stages.dice import Dice
from medprep.stages.extract import Extract
from medprep.stages.predict import Predict
from medprep.stages.report import Report
from medprep.stages.split import Split
from medprep.stages.tables import write_cases
from medprep.stages.train import Train
from medprep.workspace.database import Artifact, Step
from medprep.workspace.workspace import Workspace

STAGES: tuple[type[Stage], ...] = (
    Split, Convert, Extract, Clean, Augment, Train, Predict, Dice, Report,
)  # fmt: skip
_BY_NAME = {stage.name: stage for stage in STAGES}
_VERSIONS_OF = ("medprep", "numpy", "pydicom", "torch", "opencv-python", "Augmentor")


@dataclass(frozen=True)
class Outcome:
    """How a chain went.

    Parameters
    ----------
    summaries
        One for each stage that ran, in order.
    """

    summaries: tuple[Summary, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """0 when all is well, 8 when some cases failed."""
        return 8 if any(summary.failed for summary in self.summaries) else 0

    def to_dict(self) -> dict[str, Any]:
        """Give the outcome for programs; without paths of the source."""
        return {
            "exit_code": self.exit_code,
            "stages": [
                {
                    "stage": one.stage,
                    "made": one.made,
                    "up_to_date": one.kept,
                    "failed": {
                        k: {"code": f.code, "message": f.message} for k, f in one.failed.items()
                    },
                    "facts": one.facts,
                }
                for one in self.summaries
            ],
        }


def check_order(stages: Sequence[Stage]) -> None:
    """Refuse a chain that cannot work, before anything runs.

    Raises
    ------
    OrderError
        If a stage stands twice or after one that needs it.
    """
    for one, following in pairwise(stages):
        if one.name == following.name:
            raise OrderError(f"'{one.name}' stands twice in one line")
        if CHAIN.index(one.name) > CHAIN.index(following.name):
            raise OrderError(
                f"'{following.name}' cannot come after '{one.name}'; the order is: "
                + " ".join(CHAIN)
            )


def expand(
    stages: Sequence[Stage], recorded: dict[str, Step], trained: dict[str, Artifact]
) -> list[tuple[Stage, bool]]:
    """Put before each stage those it needs, and say of each whether it was asked for.

    A stage that ran before comes with the options it had then, else with its defaults; the
    training of a run that is named comes with the options of that run.

    Raises
    ------
    CheckpointError
        If a run is named that is not trained, and will not be.
    """
    _require_runs(stages, trained)
    chain: list[tuple[Stage, bool]] = []
    present = {stage.name for stage in stages}

    def require(name: str, run: str | None) -> None:
        if name in present or name == "split":
            return
        present.add(name)
        for need in _BY_NAME[name].needs:
            require(need, run)
        if name == "train" and run in trained:
            chain.append((Train(**trained[str(run)].facts["options"]), False))
        elif name == "predict" and run is not None:
            chain.append((Predict(run), False))
        else:
            chain.append((_remembered(name, recorded), False))

    for stage in stages:
        for need in stage.needs:
            require(need, getattr(stage, "run", None))
        chain.append((stage, True))
    return sorted(chain, key=lambda pair: CHAIN.index(pair[0].name))


def _require_runs(stages: Sequence[Stage], trained: dict[str, Artifact]) -> None:
    """Refuse a run that nobody trained, before an hour is spent on training another."""
    known = [*trained, *(stage.run_id for stage in stages if isinstance(stage, Train))]
    for stage in stages:
        wanted = stage.run if isinstance(stage, Predict | Dice) else None
        if wanted is not None and wanted not in known:
            raise CheckpointError(
                f"no model '{wanted}' (have {', '.join(known) or 'none'}); train it: "
                f"medprep train --run {wanted}"
            )


def run(
    stages: Sequence[Stage],
    workspace: Path | str = "medprep-work",
    *,
    jobs: int = 1,
    overwrite: bool = False,
    wait_s: float = 0,
    break_lock: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Run stages, and before each what it needs.

    Parameters
    ----------
    stages
        In the order of the chain.
    workspace
        Folder of the workspace; made by ``split``.
    jobs
        Number of processes for per-case work; 0 for as many as suit.
    overwrite
        Make again what is up to date, in the stages asked for.
    wait_s, break_lock
        What to do about another process in the workspace.
    progress
        Who shows how far it is; nobody by default.

    Raises
    ------
    MedprepError
        If a stage can do nothing at all. A case that fails does not raise: it is in the outcome.
    """
    check_order(stages)
    root = Path(workspace)
    shown = progress or Silent()
    if isinstance(stages[0], Split):
        _look_first(stages[0])
    elif not (root / "medprep.sqlite").is_file():
        raise WorkspaceError(
            f"no workspace here, so '{stages[0].name}' has nothing to work on; begin with: "
            "medprep split SOURCE",
            path=root,
        )
    summaries: list[Summary] = []
    with Workspace(root, wait_s=wait_s, break_lock=break_lock) as opened, _debug_log(opened):
        database = opened.database
        chain = expand(stages, database.steps(), database.artifacts("train"))
        for number, (stage, asked) in enumerate(chain, 1):
            context = Context(opened, shown, jobs, overwrite and asked)
            where = f"{number}/{len(chain)} {title(stage)}"
            summaries.append(_run_stage(stage, context, where, asked))
        write_cases(opened)
    return Outcome(tuple(summaries))


def _look_first(stage: Split) -> None:
    """Look at the source before a workspace is made for it."""
    try:
        stage.look()
    except MedprepError as error:
        error.stage = "split"
        raise


def title(stage: Stage) -> str:
    """Give a stage the name that its user knows it by."""
    return "extract-liver" if stage == Extract(organ=("liver",)) else stage.name


def _run_stage(stage: Stage, context: Context, where: str, asked: bool) -> Summary:
    database = context.workspace.database
    number = database.begin(
        Step(
            stage.name,
            {**options_of(stage), **({"source": "SOURCE"} if stage.name == "split" else {})},
            shlex.join(command_words(stage)),
            _versions(),
            _now(),
            "running",
        )
    )
    status = "stopped"
    try:
        summary = stage.perform(context)
        if summary.failed and not summary.made and not summary.kept:
            first = next(iter(summary.failed.items()))
            raise NothingDoneError(
                f"all {len(summary.failed)} failed; first {first[0]}: {first[1].message}",
                path=first[1].path,
            )
        status = "some failed" if summary.failed else "done"
    except MedprepError as error:
        status = "error"
        error.stage = where
        raise
    finally:
        database.end(number, status, _now())
    summary.asked = asked
    _tell(summary, context.progress, where)
    return summary


def _tell(summary: Summary, progress: Progress, where: str) -> None:
    if not summary.asked and not summary.made and not summary.failed:
        return
    counts = [f"{len(summary.made)} made"] if summary.made else []
    counts += [f"{len(summary.kept)} up to date"] if summary.kept else []
    counts += [f"{len(summary.failed)} failed"] if summary.failed else []
    because = "" if summary.asked else " (needed by what follows)"
    progress.say(f"[{where}]{because} {', '.join(counts) or 'nothing to do'}")
    for line in summary.lines:
        progress.say(f"    {line}")
    for subject, failure in summary.failed.items():
        progress.say(f"    FAILED {subject}: {failure}")


def _remembered(name: str, recorded: dict[str, Step]) -> Stage:
    kind = _BY_NAME[name]
    return kind(**recorded[name].options) if name in recorded else kind()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _VERSIONS_OF:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def _debug_log(workspace: Workspace) -> Iterator[None]:
    """Keep tracebacks where only the user may read them."""
    path = workspace.layout.private / "debug.log"
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("medprep")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
