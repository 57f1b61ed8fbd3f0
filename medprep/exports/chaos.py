"""The form in which the CHAOS challenge takes results (Kavur et al. 2021).

::

    Task2/CT/<patient>/Results/img000.png       liver in CT
    Task3/MR/<patient>/T1DUAL/Results/...       liver in MR, grey 63
    Task3/MR/<patient>/T2SPIR/Results/...
    Task5/MR/...                                liver 63, kidneys 126 and 189, spleen 252

Slices are numbered in the order of the source's files, which is how the challenge pairs them.
Tasks 1 and 4 are made of the results of one model for both modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medprep.errors import LabelError, OptionError, WorkspaceError
from medprep.formats import nifti, png
from medprep.reporting.text import counted
from medprep.stages.runs import find_run
from medprep.workspace.workspace import Workspace

GREY: Mapping[str, int] = {"liver": 63, "right_kidney": 126, "left_kidney": 189, "spleen": 252}
"""What each organ is in a submission, CT and MR alike."""
_LIVER: Mapping[str, int] = {"liver": GREY["liver"]}
_PLACE = {
    "chaos-ct": "CT/{}",
    "chaos-mr-t1in": "MR/{}/T1DUAL",
    "chaos-mr-t1out": "MR/{}/T1DUAL",
    "chaos-mr-t2": "MR/{}/T2SPIR",
}


@dataclass(frozen=True)
class ChaosJob:
    """The slices of one case for one task.

    Parameters
    ----------
    prediction
        The predicted label map.
    target
        Folder of the slices, relative to the submission's.
    order
        For each slice of the map its place among the source's files.
    greys
        Label value to grey level.
    """

    prediction: Path
    target: str
    order: tuple[int, ...]
    greys: Mapping[int, int]


def plan_chaos(
    workspace: Workspace, wanted: str | None
) -> tuple[tuple[ChaosJob, ...], tuple[str, ...]]:
    """Say which slices make a submission of a run's predictions.

    Parameters
    ----------
    workspace
        Of a CHAOS data set.
    wanted
        The run; None takes the one trained last.

    Raises
    ------
    OptionError
        If the data set is not CHAOS, or the run knows no liver or other organs than CHAOS's.
    CheckpointError
        If there is no such run.
    WorkspaceError
        If nothing was trained, or the run has no predictions that are up to date.
    """
    preset = str(workspace.require_split()["preset"])
    if preset not in _PLACE:
        raise OptionError(f"this workspace holds {preset}; a CHAOS submission is made of CHAOS")
    _require_trained(workspace, wanted)
    run = find_run(workspace, wanted)
    names = run.names
    strangers = sorted(set(names.values()) - set(GREY))
    if strangers or "liver" not in names.values():
        raise OptionError(
            f"the run {run.name} knows {', '.join(names.values())}; a submission is made of "
            f"{', '.join(GREY)}, and of the liver at least"
        )
    tasks = _tasks(preset, set(names.values()))
    images = workspace.current("convert")
    predicted = workspace.current("predict")
    jobs, tests = [], 0
    for row in workspace.database.cases():
        if f"{run.name}/{row.name}" not in predicted or row.name not in images:
            continue
        tests += not row.labelled
        number = int("".join(one for one in row.patient if one.isdecimal()))
        place = _PLACE[preset].format(number)
        order = tuple(images[row.name].facts["source_order"])
        for task, greys in tasks.items():
            moves = {value: greys.get(name, 0) for value, name in names.items()}
            path = workspace.layout.prediction(run.name, row.name)
            jobs.append(ChaosJob(path, f"{task}/{place}/Results", order, moves))
    if not jobs:
        raise WorkspaceError(
            f"no prediction of {run.name} is up to date; run: medprep predict --run {run.name}"
        )
    count = len(jobs) // len(tasks)
    notes = (
        f"{', '.join(tasks)} of {run.name}: {counted(count, 'case')}, {tests} of them without "
        "masks, as the challenge's test cases are",
    )
    return tuple(jobs), notes


def _require_trained(workspace: Workspace, wanted: str | None) -> None:
    if wanted is None and "train" not in workspace.database.steps():
        raise WorkspaceError(
            "nothing was trained here, and a submission is made of predictions; run: medprep train "
            "predict"
        )


def _tasks(preset: str, names: set[str]) -> dict[str, Mapping[str, int]]:
    if preset == "chaos-ct":
        return {"Task2": _LIVER}
    tasks = {"Task3": _LIVER}
    if names == set(GREY):
        tasks["Task5"] = GREY
    return tasks


def write_slices(job: ChaosJob, folder: Path) -> None:
    """Write a case's slices into a folder.

    Raises
    ------
    LabelError
        If the volume's slices are not those of the source, or a label has no grey level.
    WorkspaceError
        If the prediction has gone.
    """
    if not job.prediction.is_file():
        raise WorkspaceError("a prediction is missing; run 'predict' again", path=job.prediction)
    labels = nifti.read_labels(job.prediction)
    if sorted(job.order) != list(range(len(labels))):
        raise LabelError(
            f"{len(labels)} slices of a volume that was made of {len(job.order)}: a resampled "
            "stack has no slices that the challenge knows",
            path=job.prediction,
        )
    table = np.zeros(256, np.uint8)
    known = {0, *job.greys}
    strangers = sorted({int(one) for one in np.unique(labels)} - known)
    if strangers:
        raise LabelError(f"labels {strangers} have no name", path=job.prediction)
    for value, grey in job.greys.items():
        table[value] = grey
    for place, plane in zip(job.order, labels, strict=True):
        png.write_grey(folder / f"img{place:03d}.png", table[plane])
