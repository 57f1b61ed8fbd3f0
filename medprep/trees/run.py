"""Convert a whole tree into a folder: plan, work, and say what became of every file."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medprep.dicom.records import SliceHeader
from medprep.dicom.tags import EXPLICIT, IMPLICIT
from medprep.errors import NothingDoneError
from medprep.execute import Failure, choose_jobs, fitting_jobs, map_cases, workers_at
from medprep.places.paths import path_of
from medprep.progress import Progress, Silent
from medprep.reporting.text import counted
from medprep.trees.ledger import TreeLedger
from medprep.trees.options import ConvertTree
from medprep.trees.survey import Found, Survey, survey
from medprep.trees.write import Made, VolumeJob, write_volume
from medprep.workspace.idkey import id_key, save_key
from medprep.workspace.output import held

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster

_NATIVE_BYTES_S, _CODED_BYTES_S = 150e6, 25e6
_OTHER = (
    "another series was written under this name before; give another --output, or take the old "
    "file away"
)
_PROCESS_BYTES = 50 << 20
_WORTH_S = 4.0
"""Processes take half a second to start; below this much work one is as quick."""


@dataclass(frozen=True)
class TreeOutcome:
    """What became of a tree.

    Parameters
    ----------
    made
        Volumes made now.
    kept
        Names of volumes that were there already.
    failed
        Name to failure.
    found
        What the tree holds.
    """

    made: tuple[Made, ...]
    kept: tuple[str, ...]
    failed: dict[str, Failure]
    found: Survey

    @property
    def exit_code(self) -> int:
        """0 where all is well, 8 where a volume failed or a file cannot be read."""
        return 8 if self.failed or self.found.broken else 0

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs. Holds paths: for the person who owns the tree."""
        return {
            "made": [asdict(one) for one in self.made],
            "kept": list(self.kept),
            "failed": {name: str(failure) for name, failure in self.failed.items()},
            "others": [{"path": one.path, "role": one.why} for one in self.found.others],
            "broken": [{"path": one.path, "why": one.why} for one in self.found.broken],
            "no_dicom": len(self.found.strangers),
            "exit_code": self.exit_code,
        }


def look_at(
    options: ConvertTree, progress: Progress | None = None, *, cluster: str | None = None
) -> Survey:
    """Scan the source as the conversion would.

    Parameters
    ----------
    cluster
        As for `convert_tree`.

    Raises
    ------
    SourceError
        If there is no such folder or file.
    """
    shown = progress or Silent()
    with workers_at(cluster, shown, read=[options.source]) as workers:
        return _surveyed(options, shown, workers)


def _surveyed(options: ConvertTree, shown: Progress, workers: Cluster | None) -> Survey:
    shown.start("scan", -1)
    found = survey(
        path_of(options.source), _key(options), policy=options.policy, include=options.roles,
        advance=shown.advance, cluster=workers, without=Path(options.output),
    )  # fmt: skip
    shown.finish()
    return found


def convert_tree(
    options: ConvertTree,
    *,
    jobs: int = 0,
    overwrite: bool = False,
    case_timeout_s: float | None = None,
    most_bytes: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> TreeOutcome:
    """Convert every volume of a tree.

    Parameters
    ----------
    case_timeout_s
        A volume that takes longer is stopped and fails.
    most_bytes
        No more volumes are worked at once than this holds, by estimate.
    cluster
        Work on a Dask cluster: the address of its scheduler, or ``local:N``.

    Raises
    ------
    SourceError
        If there is no such folder or file.
    NothingDoneError
        If it holds no volume, sound or not.
    WorkspaceError
        If the output's private table or key is damaged, or another process writes there.
    """
    shown = progress or Silent()
    output = Path(options.output)
    with workers_at(cluster, shown, written=output, read=[options.source]) as workers:
        found = _surveyed(options, shown, workers)
        with held(output, _private(options)):
            planned = _planned(found, options, overwrite=overwrite)
            todo = planned.todo
            if todo:
                save_key(_private(options), _key(options))
            count = choose_jobs(jobs, len(todo)) if jobs or _seconds(todo) > _WORTH_S else 1
            each = max(map(needed_bytes, todo), default=0)
            going = map_cases(
                write_volume, todo, jobs=fitting_jobs(count, each, most_bytes),
                limit_s=case_timeout_s, cluster=workers,
                at_once=fitting_jobs(len(todo), each, most_bytes),
            )  # fmt: skip
            made = _told(going, len(todo), planned.failed, shown)
            if not (made or planned.kept or planned.failed or found.broken):
                raise NothingDoneError(_nothing(found, options))
            TreeLedger(_private(options)).write(planned.jobs, found, planned.failed)
    return TreeOutcome(tuple(made), tuple(planned.kept), planned.failed, found)


@dataclass(frozen=True)
class _Planned:
    """The volumes of a tree: all, those to be made, those that are there, those that cannot be."""

    jobs: list[VolumeJob]
    todo: list[VolumeJob]
    kept: list[str]
    failed: dict[str, Failure]


def _planned(found: Survey, options: ConvertTree, *, overwrite: bool) -> _Planned:
    failed = {one.name: one.failure for one in found.refused if one.failure is not None}
    ledger = TreeLedger(_private(options))
    planned = _Planned(_jobs_of(found, options), [], [], failed)
    for job in planned.jobs:
        there = job.target.exists() and job.sidecar.exists()
        if there and ledger.is_other(job):
            failed[job.name] = Failure("other-data", _OTHER)
        elif there and not overwrite:
            planned.kept.append(job.name)
        else:
            planned.todo.append(job)
    return planned


def _private(options: ConvertTree) -> Path:
    return Path(options.output, "private")


def _key(options: ConvertTree) -> bytes:
    return id_key(_private(options), None if options.id_key is None else Path(options.id_key))


def needed_bytes(job: VolumeJob) -> int:
    """Estimate what a process takes that writes a volume: itself, what it reads, what it writes."""
    picture = sum(
        math.prod(plan.geometry.shape) * plan.slices[0].encoding.allocated // 8
        for plan in job.plans
    )
    return _PROCESS_BYTES + 2 * picture


def _told(
    going: Iterable[tuple[VolumeJob, Made | Failure]],
    total: int,
    failed: dict[str, Failure],
    progress: Progress,
) -> list[Made]:
    progress.start("convert", total)
    made = []
    for job, outcome in going:
        if isinstance(outcome, Failure):
            failed[job.name] = outcome
        else:
            made.append(outcome)
        progress.advance(1, job.name)
    progress.finish()
    return sorted(made, key=lambda one: one.name)


def _seconds(todo: Sequence[VolumeJob]) -> float:
    """Estimate the work."""

    def cost(one: SliceHeader) -> float:
        size = one.plane.rows * one.plane.columns * one.encoding.allocated / 8
        native = one.encoding.syntax in (EXPLICIT, IMPLICIT)
        return size / (_NATIVE_BYTES_S if native else _CODED_BYTES_S)

    return sum(cost(plan.slices[0]) * len(plan.slices) for job in todo for plan in job.plans)


def _jobs_of(found: Survey, options: ConvertTree) -> list[VolumeJob]:
    jobs = []
    for members in _stacked(found.volumes) if options.stack else [[one] for one in found.volumes]:
        plans = tuple(one.plan for one in members if one.plan is not None)
        name = members[0].name if len(members) == 1 else _stem(members[0])
        if plans:
            jobs.append(VolumeJob(name, plans, options, all(one.stack.time for one in members)))
    return _distinct(jobs)


def _stem(one: Found) -> str:
    """Give the name of its series."""
    return one.name.removesuffix(one.stack.suffix)


def _stacked(volumes: Sequence[Found]) -> list[list[Found]]:
    """Put the volumes of a series together that one 4D file can hold."""
    series: dict[Hashable, list[list[Found]]] = defaultdict(list)
    for one in volumes:
        origin = one.first.origin
        files = series[origin.patient, origin.study, _stem(one)]
        fitting = next((file for file in files if _fit(file[0], one)), None)
        if fitting is None:
            files.append([one])
        else:
            fitting.append(one)
    return [file for files in series.values() for file in files]


def _fit(one: Found, other: Found) -> bool:
    """Tell whether two volumes will lie on one grid, both grey or both in colour."""
    if one.plan is None or other.plan is None:
        return False
    return (
        one.plan.geometry.allclose(other.plan.geometry)
        and one.first.encoding.colour == other.first.encoding.colour
        # What is resampled gets a grid of its own: the same one only from the very same places.
        and np.array_equal(one.plan.heights_mm, other.plan.heights_mm)  # type: ignore[arg-type]
        and np.array_equal(one.plan.shift_mm, other.plan.shift_mm)  # type: ignore[arg-type]
    )


def _distinct(jobs: list[VolumeJob]) -> list[VolumeJob]:
    """Give what shares a name a number: the volumes of one series on two grids."""
    seen: dict[str, int] = {}
    for place, job in enumerate(jobs):
        seen[job.name] = seen.get(job.name, 0) + 1
        if seen[job.name] > 1:
            jobs[place] = replace(job, name=f"{job.name}_g{seen[job.name]}")
    return jobs


def _nothing(found: Survey, options: ConvertTree) -> str:
    roles = sorted({one.why for one in found.others})
    if roles:
        return (
            f"no volume but {counted(len(found.others), 'other DICOM object')} "
            f"({', '.join(roles)}); "
            "--include ROLE takes localizers and secondary captures, --colour colour pictures"
        )
    return f"no DICOM among {counted(len(found.strangers), 'file')} of {options.source}"
