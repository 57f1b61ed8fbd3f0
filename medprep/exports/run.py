"""Write a workspace's data in the form another program asks for: plan it, then all or nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medprep.errors import NothingDoneError, OptionError, WriteError
from medprep.exports.chaos import ChaosJob, plan_chaos, write_slices
from medprep.exports.gather import gather, make_file
from medprep.exports.msd import plan_msd
from medprep.exports.nnunet import plan_nnunet
from medprep.exports.planned import Planned
from medprep.files import AtomicFiles, json_bytes
from medprep.progress import Progress, Silent
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

ExportFormat = Literal["nnunet", "msd", "chaos"]
FORMATS: tuple[ExportFormat, ...] = ("nnunet", "msd", "chaos")
_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Export:
    """Options of ``export``.

    Parameters
    ----------
    format
        ``nnunet``: nnU-Net v2's raw form; ``msd``: the Medical Segmentation Decathlon's;
        ``chaos``: what the CHAOS challenge takes, of a run's predictions.
    output
        Folder that gets ``Dataset501_Name``, ``Task501_Name``, or ``Task2`` to ``Task5``.
    dataset_id
        The number in that name.
    name
        The name in it; None makes one of the preset's.
    run
        Of ``chaos``: whose predictions; None takes the model trained last.
    """

    format: ExportFormat
    output: str
    dataset_id: int = 501
    name: str | None = None
    run: str | None = None

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise OptionError(f"--format is '{self.format}'; wanted is {', '.join(FORMATS)}")
        if not 1 <= self.dataset_id <= 999:
            raise OptionError(f"--dataset-id is {self.dataset_id}; wanted is 1 to 999")
        if self.name is not None and not _TITLE.fullmatch(self.name):
            raise OptionError(
                f"--name is '{self.name}'; wanted are up to 64 letters, digits, - and _"
            )
        if self.run is not None and self.format != "chaos":
            raise OptionError("--run goes with --format chaos: the other forms hold no predictions")


@dataclass(frozen=True)
class ExportOutcome:
    """What was written, or would be.

    Parameters
    ----------
    format
        Its form.
    folders
        What was made, below the output folder.
    files
        Number of files.
    cases
        Number of cases: for ``training`` and ``test``, or ``predicted``.
    notes
        What a person should know.
    """

    format: ExportFormat
    folders: tuple[str, ...]
    files: int
    cases: dict[str, int]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs."""
        return {
            "format": self.format,
            "folders": list(self.folders),
            "files": self.files,
            "cases": self.cases,
            "notes": list(self.notes),
        }


def export(
    options: Export,
    workspace: Path,
    *,
    dry_run: bool = False,
    overwrite: bool = False,
    wait_s: float = 0,
    break_lock: bool = False,
    progress: Progress | None = None,
) -> ExportOutcome:
    """Export a workspace; its folders appear whole or not at all.

    Parameters
    ----------
    options
        What.
    workspace
        Of what; it must be there.
    dry_run
        Only say what would be written.
    overwrite
        Replace an export that is there.
    wait_s, break_lock
        As `medprep.workspace.lock.Lock` has them.

    Raises
    ------
    WorkspaceError
        If there is no workspace, it is in use, or nothing in it is up to date.
    WriteError
        If the output is there already or cannot be written.
    OptionError
        If the data set cannot have this form.
    """
    shown = progress or Silent()
    looking = dry_run or not Layout(workspace).database.is_file()  # which says there is none
    opened = Workspace(workspace, readonly=looking, wait_s=wait_s, break_lock=break_lock)
    with opened as found:
        if options.format == "chaos":
            jobs, notes = plan_chaos(found, options.run)
            outcome = _chaos_outcome(jobs, notes)
            _require_free(options, outcome.folders, overwrite, "img000.png")
            if not dry_run:
                _write_chaos(options, jobs, shown)
            return outcome
        gathered = gather(found)
        if not gathered.training:
            raise NothingDoneError("no labelled case is in a training fold; nothing to export")
        title = options.name or _title(gathered.preset)
        make = plan_nnunet if options.format == "nnunet" else plan_msd
        planned = make(gathered, options.dataset_id, title)
        outcome = ExportOutcome(
            options.format,
            (planned.folder,),
            len(planned.jobs) + len(planned.documents),
            {"training": len(gathered.training), "test": len(gathered.test)},
            planned.notes,
        )
        _require_free(options, outcome.folders, overwrite, "dataset.json")
        if not dry_run:
            _write(options, planned, shown)
        return outcome


def _title(preset: str) -> str:
    return "".join(word.capitalize() for word in preset.split("-"))


def _require_free(options: Export, folders: tuple[str, ...], overwrite: bool, telling: str) -> None:
    """Refuse to replace what is there, unless asked and it is an export of ours."""
    for folder in folders:
        path = Path(options.output, folder)
        if not path.exists():
            continue
        if not overwrite:
            raise WriteError(
                "is there already; give another --output, --name or --dataset-id, or --overwrite "
                "to replace it",
                path=path,
            )
        if not (path / telling).is_file():
            raise WriteError(
                f"is there and holds no {telling}: no export, so it is not replaced", path=path
            )


def _write(options: Export, planned: Planned, shown: Progress) -> None:
    shown.start("export", len(planned.jobs))
    with AtomicFiles(durable=False) as files:
        folder = files.folder(Path(options.output, planned.folder))
        for job in planned.jobs:
            make_file(job, folder)
            shown.advance()
        for name, record in planned.documents.items():
            (folder / name).write_bytes(json_bytes(record))
    shown.finish()


def _chaos_outcome(jobs: tuple[ChaosJob, ...], notes: tuple[str, ...]) -> ExportOutcome:
    return ExportOutcome(
        "chaos",
        tuple(job.target for job in jobs),
        sum(len(job.order) for job in jobs),
        {"predicted": len({job.prediction for job in jobs})},
        notes,
    )


def _write_chaos(options: Export, jobs: tuple[ChaosJob, ...], shown: Progress) -> None:
    shown.start("export", len(jobs))
    with AtomicFiles(durable=False) as files:
        for job in jobs:
            write_slices(job, files.folder(Path(options.output, job.target)))
            shown.advance()
    shown.finish()
