"""What a chain would do: the stages, the cases, and about how many files, bytes and memory."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medprep.execute import choose_jobs, fitting_jobs
from medprep.order import check_order, expand, title
from medprep.pipeline import most_bytes
from medprep.plan_runs import Runs, folds_of, is_as_trained
from medprep.reporting.text import counted
from medprep.sources.base import SourceCase
from medprep.stages.augment import Augment
from medprep.stages.base import Stage, command_words
from medprep.stages.memory import needed_bytes, picture_bytes, source_bytes
from medprep.stages.split import Split
from medprep.stages.train import Train
from medprep.workspace.database import Artifact, CaseRow, Step
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

_PACKED = 0.6
"""Bytes of a gzipped volume, or of PNG slices, for each byte of picture files."""
_COPIES_IN_TRAINING = 4
"""A case that is learnt from is held as float32, and has masks."""


@dataclass(frozen=True)
class PlanRow:
    """One stage of a plan.

    Parameters
    ----------
    stage
        Its name; what it would be started with.
    asked
        False where it would run only because another needs it.
    cases
        Cases it would work; what is up to date is not counted.
    files, written_bytes, memory_bytes
        Estimates, from the size of the source.
    note
        How many nets do it, where there are several.
    """

    stage: str
    command: str
    asked: bool
    cases: int
    files: int
    written_bytes: int
    memory_bytes: int
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs."""
        return asdict(self)

    def __str__(self) -> str:
        because = "" if self.asked else " (needed by what follows)"
        return (
            f"{self.command}{because}: {counted(self.cases, 'case')}, about "
            f"{counted(self.files, 'file')}, {_mib(self.written_bytes)} MiB written, "
            f"{_mib(self.memory_bytes)} MiB of memory{self.note and f'; {self.note}'}"
        )


@dataclass(frozen=True)
class _Size:
    name: str
    fold: str
    labelled: bool
    slices: int
    bytes: int
    unpacked: int
    row: CaseRow | None = None
    """None before there is a split."""


def plan(
    stages: Sequence[Stage],
    workspace: Path | str = "medprep-work",
    *,
    jobs: int = 1,
    max_memory_gib: float | None = None,
) -> list[PlanRow]:
    """Say what `medprep.pipeline.run` would do with the same arguments; writes nothing.

    Raises
    ------
    MedprepError
        As the run would, as far as that shows without doing it.
    """
    check_order(stages)
    most = most_bytes(max_memory_gib)
    recorded: dict[str, Step] = {}
    trained: dict[str, Artifact] = {}
    done: dict[str, set[str]] = {}
    folds = 1
    if isinstance(stages[0], Split):
        sizes = [_size_of_source(case) for case in stages[0].look(Layout(Path(workspace))).cases]
    if (Path(workspace) / "medprep.sqlite").is_file() or not isinstance(stages[0], Split):
        with Workspace(Path(workspace), readonly=True) as opened:
            recorded = opened.database.steps()
            trained = opened.database.artifacts("train")
            folds = int(opened.database.meta().get("folds", 1))
            done = {name: {one[0] for one in opened.currency.cells(name)} for name in recorded}
            if not isinstance(stages[0], Split):
                rows_of_cases = opened.database.cases()
                unpacked = picture_bytes(opened, [row.name for row in rows_of_cases])
                sizes = [_size_of_row(row, unpacked[row.name]) for row in rows_of_cases]
    rows = []
    chain = expand(stages, recorded, trained, folds)
    if isinstance(stages[0], Split):
        folds = folds_of(stages[0])
    for stage, asked in chain:
        runs = Runs.of(stage, [one for one, _ in chain], trained, folds)
        if isinstance(stage, Train):
            same = is_as_trained(stage, folds, trained)
        else:
            words = shlex.join(command_words(stage))
            same = stage.name in recorded and recorded[stage.name].command == words
        kept = done.get(stage.name, set()) if same else set()
        todo = [one for one in sizes if not runs.has(one.name, kept)]
        rows.append(_row(stage, asked, todo, (jobs, most), runs))
        if rows[-1].cases:
            done = {}  # what is made anew makes all that follows anew
    return rows


def _row(
    stage: Stage, asked: bool, sizes: list[_Size], limits: tuple[int, int | None], runs: Runs
) -> PlanRow:
    taken = [one for one in sizes if _takes(stage, one, runs)]
    slices, size = sum(one.slices for one in taken), sum(one.bytes for one in taken)
    copies = stage.copies if isinstance(stage, Augment) else 1
    volumes = isinstance(stage, Augment) and stage.dimensions == 3
    each_case, each_slice = {
        "convert": (2, 1), "extract": (1, 0), "clean": (1, 1), "check": (2, 0),
        "augment": (2 + 2 * copies, 0) if volumes else (2, 2 * copies), "predict": (1, 1),
    }.get(stage.name, (0, 0))  # fmt: skip
    written = {"convert": 2 * _PACKED, "augment": copies * _PACKED, "predict": _PACKED}
    each_set = 4 * max(1, len(runs.nets)) if stage.name == "train" else 2
    files = each_case * len(taken) + each_slice * slices or (each_set if taken else 0)
    each = needed_bytes(stage.name, max((one.unpacked for one in taken), default=0))
    jobs, most = limits
    parallel = 1 if stage.name == "predict" else choose_jobs(jobs, len(taken))
    memory = each * fitting_jobs(parallel, each, most)
    if stage.name == "train":  # which holds all cases at once
        memory = _COPIES_IN_TRAINING * sum(one.unpacked for one in taken)
    return PlanRow(
        title(stage),
        shlex.join(command_words(stage)),
        asked,
        len(taken),
        files,
        int(size * written.get(stage.name, 0.02)),
        memory if taken else 0,
        runs.note(stage) if taken else "",
    )


def _takes(stage: Stage, one: _Size, runs: Runs) -> bool:
    if stage.name in ("extract", "clean"):
        return one.labelled
    if stage.name in ("augment", "train"):
        return one.labelled and one.fold in ("train", "")
    if stage.name in ("predict", "evaluate"):
        held = one.fold != "train" if one.row is None else runs.holds_out(one.row)
        return held and (one.labelled or stage.name == "predict")
    return True


def _size_of_source(case: SourceCase) -> _Size:
    size = sum(path.stat().st_size for path in case.pictures if path.is_file())
    return _Size(
        case.case, case.fold, bool(case.masks), len(case.pictures), size,
        source_bytes(case.reader, case.pictures),
    )  # fmt: skip


def _size_of_row(row: CaseRow, unpacked: int) -> _Size:
    return _Size(row.name, row.fold, row.labelled, row.slices, row.bytes, unpacked, row)


def _mib(count: int) -> str:
    return f"{count / 2**20:,.1f}"
