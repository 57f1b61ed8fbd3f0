"""Run a chain: each stage in turn, recorded as a step, with what it needs before it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import math
import os
import platform
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medprep.errors import (
    AccessError,
    MedprepError,
    NothingDoneError,
    OptionError,
    WorkerError,
    WorkspaceError,
    WriteError,
)
from medprep.execute import workers_at
from medprep.order import check_order, expand, title
from medprep.progress import Progress, Silent
from medprep.room import unwritten
from medprep.stages.base import GIB, Context, Stage, Summary, command_words, options_of
from medprep.stages.split import Split
from medprep.stages.tables import write_cases
from medprep.workspace.database import Step
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

_BREAKS = (WorkerError, WriteError, AccessError)
"""Come from outside: with the same options the stage goes on later."""
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


def run(
    stages: Sequence[Stage],
    workspace: Path | str = "medprep-work",
    *,
    jobs: int = 1,
    overwrite: bool = False,
    wait_s: float = 0,
    break_lock: bool = False,
    case_timeout_s: float | None = None,
    max_memory_gib: float | None = None,
    cluster: str | None = None,
    artifacts: str | None = None,
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
    case_timeout_s
        A case that takes longer in a stage is stopped and fails.
    max_memory_gib
        No more cases are worked at once than this holds, by estimate.
    cluster
        Work cases on a Dask cluster: the address of its scheduler, or ``local:N``.
    artifacts
        URL where files of single cases lie from now on; recorded, so that it is said once.
    progress
        Who shows how far it is; nobody by default.

    Raises
    ------
    MedprepError
        If a stage can do nothing at all. A case that fails does not raise: it is in the outcome.
    """
    check_order(stages)
    most = most_bytes(max_memory_gib)
    root = Path(workspace)
    shown = progress or Silent()
    _look_first(stages[0], root)
    summaries: list[Summary] = []
    with contextlib.ExitStack() as stack:
        workers = stack.enter_context(workers_at(cluster, shown))
        opened = stack.enter_context(
            Workspace(root, wait_s=wait_s, break_lock=break_lock, artifacts=artifacts)
        )
        stack.enter_context(_debug_log(opened))
        _require_reach(opened.layout, jobs, case_timeout_s, cluster)
        if workers is not None:
            workers.require_visible(opened.layout.cases, _sources(stages, opened))
        database = opened.database
        folds = int(database.meta().get("folds", 1))
        chain = expand(stages, database.steps(), database.artifacts("train"), folds)
        for number, (stage, asked) in enumerate(chain, 1):
            context = Context(
                opened, shown, jobs, overwrite and asked, case_timeout_s, most, workers
            )
            where = f"{number}/{len(chain)} {title(stage)}"
            summaries.append(_run_stage(stage, context, where, asked))
        write_cases(opened)
    return Outcome(tuple(summaries))


def _require_reach(
    layout: Layout, jobs: int, case_timeout_s: float | None, cluster: str | None
) -> None:
    """Refuse other processes where only this one sees the artifacts."""
    alone = jobs == 1 and case_timeout_s is None and cluster is None
    if str(layout.far).startswith("memory://") and not alone:
        raise OptionError(
            "artifacts in memory:// are seen by one process: take --jobs 1 without --cluster, "
            "--scheduler and --case-timeout, or another URL"
        )


def _sources(stages: Sequence[Stage], workspace: Workspace) -> list[str]:
    """Give the folder that workers will read, if it is known."""
    if isinstance(stages[0], Split):
        return [stages[0].source]
    known = "ledger" in workspace.database.meta()
    return [str(workspace.ledger.source)] if known else []


def most_bytes(gib: float | None) -> int | None:
    """Give a limit of memory in bytes.

    Raises
    ------
    OptionError
        If it is none.
    """
    if gib is not None and not 0 < gib < math.inf:
        raise OptionError(f"--max-memory is {gib}; wanted are GiB above 0")
    return None if gib is None else int(gib * GIB)


def _look_first(stage: Stage, root: Path) -> None:
    """Look at the source before a workspace is made for it; other stages want one."""
    if not isinstance(stage, Split):
        if (root / "medprep.sqlite").is_file():
            return
        raise WorkspaceError(
            f"no workspace here, so '{stage.name}' has nothing to work on; begin with: "
            "medprep split SOURCE",
            path=root,
        )
    try:
        stage.look(Layout(root))
    except MedprepError as error:
        error.stage = "split"
        raise


def _run_stage(stage: Stage, context: Context, where: str, asked: bool) -> Summary:
    database = context.workspace.database
    step = Step(
        stage.name,
        {**options_of(stage), **({"source": "SOURCE"} if stage.name == "split" else {})},
        shlex.join(command_words(stage)),
        _versions(),
        _now(),
        "running",
    )
    last = database.steps().get("train")
    # A run that is only looked after because it was named is not the one trained last.
    beside = stage.name == "train" and not asked and last and last.command != step.command
    number = None if beside else database.begin(step)
    before = database.made.get(stage.name)
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
        # What it made before it broke is made with its options; what refuses these leaves them out.
        if not isinstance(error, _BREAKS) or database.made.get(stage.name) == before:
            status = "error"
        error.stage = where
        raise
    finally:
        if number is not None:
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
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        handler = _Log(path)
    except OSError as error:
        raise unwritten(error, path) from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("medprep")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        with contextlib.suppress(OSError):
            handler.close()


class _Log(logging.FileHandler):
    """Without room it stays silent: what fails for want of room says so itself."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass
