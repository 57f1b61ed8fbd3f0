"""What of a workspace an export takes: pictures, labels, names, folds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medprep.errors import LabelError, OptionError, WorkspaceError
from medprep.formats import nifti
from medprep.organs import mirror_partners
from medprep.places.paths import is_far
from medprep.stages.split import role
from medprep.volume import LabelMap
from medprep.workspace.database import Artifact
from medprep.workspace.workspace import Workspace

NIFTI = ".nii.gz"


@dataclass(frozen=True)
class FileJob:
    """A file to be made.

    Parameters
    ----------
    source
        In the workspace.
    target
        Relative to the export's folder.
    numbers
        Old to new label value where they differ; None: the file goes as it is.
    """

    source: Path
    target: str
    numbers: Mapping[int, int] | None = None


@dataclass(frozen=True)
class ExportCase:
    """A case that has a picture.

    Parameters
    ----------
    case
        Its id.
    image
        The picture.
    labels
        The label map, or None.
    numbers
        As in `FileJob`.
    roles
        train, val, test or ``""`` in each fold number.
    """

    case: str
    image: Path
    labels: Path | None
    numbers: Mapping[int, int] | None
    roles: tuple[str, ...]

    @property
    def trains(self) -> bool:
        """Whether any fold trains or validates with it; else it is a test case."""
        return self.labels is not None and not {"train", "val"}.isdisjoint(self.roles)

    def label_job(self, target: str) -> FileJob:
        """Give the job that makes its label file."""
        assert self.labels is not None
        return FileJob(self.labels, target, self.numbers)


@dataclass(frozen=True)
class Gathered:
    """What a data set is, for an export.

    Parameters
    ----------
    preset
        Of the workspace.
    modality
        DICOM modality, or ``""`` where nobody knows.
    cases
        In the order of their names.
    names
        Label value 1, 2, ... to organ: the same in every case.
    regions
        Region to the organs it is made of.
    folds
        Number of fold numbers.
    notes
        What a person should know.
    """

    preset: str
    modality: str
    cases: tuple[ExportCase, ...]
    names: Mapping[int, str]
    regions: Mapping[str, tuple[str, ...]]
    folds: int
    notes: tuple[str, ...]

    @property
    def training(self) -> tuple[ExportCase, ...]:
        """The cases to train and validate with."""
        return tuple(case for case in self.cases if case.trains)

    @property
    def test(self) -> tuple[ExportCase, ...]:
        """All others."""
        return tuple(case for case in self.cases if not case.trains)


def gather(workspace: Workspace) -> Gathered:
    """Find what is up to date: cleaned labels if there are any, else extracted ones.

    Raises
    ------
    WorkspaceError
        If there are no pictures, or no labels.
    OptionError
        If the pictures are of several modalities.
    """
    meta = workspace.require_split()
    images = workspace.current("convert")
    cleaned = workspace.current("clean")
    labels = cleaned or workspace.current("extract")
    if not images or not labels:
        raise WorkspaceError(
            f"nothing to export: {len(images)} pictures and {len(labels)} label maps are up to "
            "date; run: medprep convert extract"
        )
    names = _common_names(labels)
    values = {name: value for value, name in names.items()}
    folds = int(str(meta["folds"]))
    cases, lost = _cases(workspace, labels, values, folds)
    notes = [f"labels: {'cleaned' if cleaned else 'as extracted, not cleaned'}"]
    if lost:
        notes.append(f"left out, without a picture or label map up to date: {', '.join(lost)}")
    notes.extend(_picture_notes(images))
    return Gathered(
        str(meta["preset"]),
        _modality(images),
        tuple(cases),
        names,
        _regions(labels, workspace.current("extract"), values),
        folds,
        tuple(notes),
    )


def _cases(
    workspace: Workspace, labels: Mapping[str, Artifact], values: Mapping[str, int], folds: int
) -> tuple[list[ExportCase], list[str]]:
    """Give the cases, and the names of those that failed before."""
    layout = workspace.layout
    images = workspace.current("convert")
    cases, lost = [], []
    for row in workspace.database.cases():
        if row.name not in images or (row.labelled and row.name not in labels):
            lost.append(row.name)
            continue
        own = labels.get(row.name)
        path, moves = None, None
        if own is not None:
            path = layout.cleaned(row.name) if own.stage == "clean" else layout.labels(row.name)
            moves = _moves(_names(own), values)
        roles = tuple(role(row, number) for number in range(folds))
        cases.append(ExportCase(row.name, layout.image(row.name), path, moves, roles))
    return cases, lost


def _names(artifact: Artifact) -> dict[int, str]:
    return {int(value): name for value, name in artifact.facts["names"].items()}


def _common_names(labels: Mapping[str, Artifact]) -> dict[int, str]:
    """Give the organs of all cases numbers from 1 on, in the order of their labels."""
    first: dict[str, int] = {}
    for case in sorted(labels):
        for value, name in _names(labels[case]).items():
            first.setdefault(name, value)
    order = sorted(first, key=lambda name: first[name])
    return dict(enumerate(order, 1))


def _moves(own: Mapping[int, str], values: Mapping[str, int]) -> dict[int, int] | None:
    moves = {old: values[name] for old, name in own.items()}
    return None if all(old == new for old, new in moves.items()) else moves


def _regions(
    labels: Mapping[str, Artifact], extracted: Mapping[str, Artifact], values: Mapping[str, int]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for case in sorted(labels):
        source = labels[case] if "regions" in labels[case].facts else extracted.get(case)
        given: dict[str, Any] = {} if source is None else source.facts.get("regions", {})
        for name, members in given.items():
            if len(members) > 1 and set(members) <= set(values):
                found.setdefault(name, tuple(members))
    return found


def _modality(images: Mapping[str, Artifact]) -> str:
    found = {str(image.facts["modality"]) for image in images.values()}
    if len(found) > 1:
        raise OptionError(
            f"pictures of several modalities ({', '.join(sorted(one or '?' for one in found))}); "
            "such a data set has one channel of one kind: export a workspace of one modality"
        )
    return found.pop()


def _picture_notes(images: Mapping[str, Artifact]) -> list[str]:
    unknown = [case for case, image in images.items() if not image.facts["spacing_known"]]
    if not unknown:
        return []
    return [f"{len(unknown)} pictures carry no millimetres: their spacing of 1 mm is made up"]


def side_note(names: Mapping[int, str]) -> list[str]:
    """Warn where mirroring exchanges organs: other programs mirror by default."""
    changes = mirror_partners(dict(names))
    if changes == {}:
        return []
    return [
        "left and right are labels here: mirroring across the patient's sides makes wrong ones; "
        "take nnUNetTrainerNoMirroring, or swap the labels with the picture"
    ]


def make_file(job: FileJob, folder: Path) -> None:
    """Link, copy or renumber one file; a link costs no room and the workspace never edits a file.

    Raises
    ------
    WorkspaceError
        If the file has gone from the workspace.
    LabelError
        If a label map holds a value without a name.
    """
    target = folder / job.target
    target.parent.mkdir(parents=True, exist_ok=True)
    if not job.source.is_file():
        raise WorkspaceError(
            "a file of the workspace is missing; run the stage that makes it again",
            path=job.source,
        )
    if job.numbers is None and is_far(job.source):
        target.write_bytes(job.source.read_bytes())
        return
    if job.numbers is None:
        try:
            os.link(job.source, target)
        except OSError:  # another disk, or one that knows no links
            shutil.copyfile(job.source, target)
        return
    labels = nifti.read_label_map(job.source)
    moved = np.zeros(int(labels.array.max(initial=0)) + 1, labels.array.dtype)
    known = {0: 0, **job.numbers}
    for value in np.flatnonzero(np.bincount(labels.array.reshape(-1))):
        if int(value) not in known:
            raise LabelError(f"a label map holds {value}, which has no name", path=job.source)
        moved[value] = known[int(value)]
    nifti.write(target, LabelMap(moved[labels.array], labels.geometry))
