"""What all stages share: how a stage is told to run, and how its cases are worked and recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from medprep.execute import (
    Failure,
    Result,
    Second,
    Task,
    choose_jobs,
    fitting_jobs,
    map_cases,
)
from medprep.option_files import option_name
from medprep.progress import Progress
from medprep.stages.memory import needed_bytes, picture_bytes
from medprep.stages.pending import FailedBefore, Keys, Payloads, Present, Recorded
from medprep.workspace.database import Artifact, CaseRow, Database, FailureRow, Input
from medprep.workspace.workspace import Workspace

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster

log = logging.getLogger("medprep")

CHAIN = (
    "split", "convert", "extract", "clean", "check", "augment", "train", "predict", "evaluate",
    "report",
)  # fmt: skip
"""The stages in the order in which they may stand in one line."""


@dataclass
class Context:
    """What a stage runs in.

    Parameters
    ----------
    workspace
        Open and locked.
    progress
        Who shows how far it is.
    jobs
        Number of processes, 0 for as many as suit.
    overwrite
        Make again what is up to date.
    case_timeout_s
        A case that takes longer is stopped and fails; None waits without end.
    max_memory_bytes
        No more cases are worked at once than fit, by estimate; None asks for no estimate. On a
        cluster this is the memory of each worker.
    cluster
        Where cases are worked; None works them here.
    """

    workspace: Workspace
    progress: Progress
    jobs: int = 1
    overwrite: bool = False
    case_timeout_s: float | None = None
    max_memory_bytes: int | None = None
    cluster: Cluster | None = None

    def work(
        self,
        stage: str,
        work: Callable[[Task], Result],
        tasks: Mapping[str, Task],
        *,
        jobs: int | None = None,
    ) -> Iterator[tuple[Task, Result | Failure]]:
        """Work a stage's tasks, each of a case, in as many processes as were asked for and fit."""
        count = choose_jobs(self.jobs if jobs is None else jobs, len(tasks))
        at_once = None
        if self.max_memory_bytes is not None and tasks:
            each = needed_bytes(stage, max(picture_bytes(self.workspace, tasks).values()))
            count = fitting_jobs(count, each, self.max_memory_bytes)
            at_once = fitting_jobs(len(tasks), each, self.max_memory_bytes)
            if each > self.max_memory_bytes:
                self.progress.say(
                    f"    {stage} takes about {each / GIB:.2f} GiB for its largest case, more than "
                    f"--max-memory {self.max_memory_bytes / GIB:.2f}: one case at a time"
                )
        return map_cases(
            work, tasks.values(), jobs=count, limit_s=self.case_timeout_s,
            cluster=self.cluster, at_once=at_once,
        )  # fmt: skip


@dataclass
class Summary:
    """How a stage went.

    Parameters
    ----------
    stage
        Its name.
    made, kept
        Subjects made now, and subjects that were up to date.
    failed
        Subject to failure.
    lines
        What a person should read.
    facts
        The same for programs.
    asked
        False where it ran only because another stage needs it.
    """

    stage: str
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, Failure] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    asked: bool = True


class Stage(Protocol):
    """A step of the chain; its fields are its options."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]

    def perform(self, context: Context) -> Summary:
        """Do the work and record it."""


@dataclass(frozen=True, slots=True)
class CaseTask:
    """One case's share of a stage.

    Parameters
    ----------
    subject
        The case.
    inputs
        What it is made from.
    key
        Hash of the options and the inputs' keys.
    payload
        Gives what the work function needs: paths, options, facts. Called when the case is worked.
    """

    subject: str
    inputs: tuple[Input, ...]
    key: str
    payload: Callable[[], Any]


@dataclass(frozen=True)
class CaseResult:
    """What was made for one case: files relative to the workspace, and facts."""

    files: tuple[str, ...]
    facts: dict[str, Any]


GIB = 1 << 30
_READ = 8
"""So many findings are told one by one."""
_NAMED = 3
"""So many cases a note names before it only counts them."""


def options_of(stage: Stage) -> dict[str, Any]:
    """Give a stage's options as JSON can hold them."""
    return {one.name: getattr(stage, one.name) for one in fields(stage)}  # type: ignore[arg-type]


def task(
    stage: str, version: int, subject: str, inputs: Sequence[Input], options: object, payload: Any
) -> CaseTask:
    """Make a task of what is known already; see `Keys` and `CaseTask`."""
    key = Keys(stage, version, options).of(inputs)
    return CaseTask(subject, tuple(inputs), key, lambda: payload)


def source_input(case: CaseRow, role: str) -> Input:
    """Give the input that is a case's source files (``picture`` or ``mask``)."""
    key = case.picture_key if role == "picture" else case.mask_key
    return Input("source", f"{case.name}/{role}", key)


def artifact_input(artifact: Artifact) -> Input:
    """Give the input that is another stage's artifact."""
    return Input(artifact.stage, artifact.subject, artifact.key)


def is_up_to_date(context: Context, known: Artifact | None, key: str) -> bool:
    """Tell whether what is recorded was made so, and its files are still there."""
    if known is None or known.key != key or context.overwrite:
        return False
    layout = context.workspace.layout
    return all(layout.at(name).exists() for name in known.files)


def run_cases(
    context: Context,
    stage: str,
    tasks: Iterable[CaseTask],
    work: Callable[[Any], CaseResult],
    *,
    jobs: int | None = None,
) -> Summary:
    """Work the tasks that are not up to date and record each as it comes."""
    database = context.workspace.database
    summary = Summary(stage)
    todo = _todo(context, stage, tasks, summary)
    # Records go before their files do: a kill from here on leaves nothing that is wrongly trusted.
    database.forget(stage, list(todo))
    payloads = Payloads({subject: one.payload for subject, one in todo.items()})
    context.progress.start(stage, len(todo))
    for (subject, _), outcome in context.work(stage, Second(work), payloads, jobs=jobs):
        if isinstance(outcome, Failure):
            summary.failed[subject] = outcome
            database.put_failure(FailureRow(stage, subject, outcome.code, outcome.message))
            log.warning("%s %s: %s\n%s", stage, subject, outcome, outcome.detail)
        else:
            made = todo[subject]
            database.put(
                Artifact(stage, subject, made.key, made.inputs, outcome.files, outcome.facts)
            )
            summary.made.append(subject)
        context.progress.advance(1, subject)
    context.progress.finish()
    return summary


def _todo(
    context: Context, stage: str, tasks: Iterable[CaseTask], summary: Summary
) -> dict[str, CaseTask]:
    """Give the tasks that are not up to date, and note those that are."""
    todo: dict[str, CaseTask] = {}
    database = context.workspace.database
    present = Present(context.workspace.layout.root, context.workspace.layout.far)
    recorded, failed = Recorded(database, stage), FailedBefore(database, stage)
    for one in tasks:
        failed.is_task(one.subject)
        known = None if context.overwrite else recorded.of(one.subject)
        if known is not None and known[0] == one.key and present.has(known[1]):
            summary.kept.append(one.subject)
        else:
            todo[one.subject] = one
    recorded.close()
    if gone := failed.no_tasks():  # else nothing changes, and no table is written anew
        database.forget(stage, gone)
    return todo


def names_of(facts: Mapping[str, Any]) -> dict[int, str]:
    """Give the label values and names of an artifact, in order."""
    return dict(sorted((int(value), name) for value, name in facts["names"].items()))


def command_words(stage: Stage) -> list[str]:
    """Give the words that ask for this stage on a command line, defaults left out.

    The source folder is written as ``SOURCE``: its path is private; a TOML file by its name.
    """
    words = [stage.name]
    for one in fields(stage):  # type: ignore[arg-type]
        value = getattr(stage, one.name)
        flag = "--" + one.name.replace("_", "-")
        if one.name == "source":
            words.append("SOURCE")
        elif value == one.default:
            continue
        elif isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, tuple):
            for item in value:
                words.extend([flag, *map(str, item if isinstance(item, tuple) else (item,))])
        else:
            words.extend([flag, option_name(str(value))])
    return words


def look_at(findings: Sequence[str]) -> list[str]:
    """Give what a person should look at, and only count what is more than one would read."""
    lines = [f"LOOK AT {one}" for one in findings[:_READ]]
    if len(findings) > _READ:
        lines.append(f"LOOK AT {len(findings) - _READ} more: medprep check, check/findings.csv")
    return lines


def tell_notes(summary: Summary, database: Database) -> None:
    """Add what the cases made now have to say; a note of many cases is one line."""
    cases: dict[str, list[str]] = {}
    for name in sorted(summary.made):
        for note in database.artifacts(summary.stage, [name])[name].facts["notes"]:
            cases.setdefault(note, []).append(name)
    for note, names in cases.items():
        who = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} cases"
        summary.lines.append(f"{who}: {note}")
