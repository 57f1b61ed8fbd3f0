"""Label one case and write it: read, predict on its own grid, all files or none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from medprep import drafts
from medprep.colours import colours_of
from medprep.dicom.series import read_plan
from medprep.errors import LabelError, MedprepError
from medprep.evaluations.greys import voxels_by_level
from medprep.exports.chaos import GREY
from medprep.files import PART, AtomicFiles
from medprep.formats import nifti, png
from medprep.formats.windowing import choose_window
from medprep.geometry import Geometry
from medprep.predictions import chaos
from medprep.predictions.inputs import Case
from medprep.predictions.nets import Nets
from medprep.predictions.options import FolderFormat
from medprep.room import unwritten
from medprep.volume import Volume


@dataclass(frozen=True)
class Made:
    """What was made of a case: its public facts.

    Parameters
    ----------
    name
        Of the case.
    shape
        Slices, rows, columns.
    voxels
        Of each organ.
    notes
        What a person should know.
    """

    name: str
    shape: tuple[int, ...]
    voxels: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Targets:
    """Where the labels of cases go.

    Parameters
    ----------
    format
        Of them.
    output
        The folder of all.
    names
        Label to organ.
    """

    format: FolderFormat
    output: Path
    names: Mapping[int, str]

    def are_there(self, case: Case) -> bool:
        """Tell whether all that a case gives is there; False for one that gives nothing."""
        try:
            return all(path.exists() for path in self._paths(case))
        except MedprepError:
            return False  # whoever labels it will say why

    def _paths(self, case: Case) -> list[Path]:
        if self.format == "chaos":
            return [self.output / name for name in chaos.targets_of(case, self.names)]
        return [self.output / (case.name + (".nii.gz" if self.format == "nifti" else ""))]

    def remove(self, cases: Iterable[Case]) -> None:
        """Delete what there is of cases, in any format: other nets or options made it."""
        # Of a submission all tasks: it may have been made of more organs.
        every = dict(enumerate(GREY, 1))
        forms = [Targets(form, self.output, every) for form in get_args(FolderFormat)]
        for form, case in product(forms, cases):
            with suppress(LabelError):  # it has no place in a submission
                for path in form._paths(case):
                    _remove(path)

    def check(self, case: Case) -> None:
        """Refuse a case that has no place, before it is labelled."""
        self._paths(case)

    def write(self, case: Case, labels: NDArray[np.uint8], geometry: Geometry) -> None:
        """Write a case's labels; all appear, or none."""
        paths = self._paths(case)
        if self.format == "chaos" and case.plan is not None:
            greys = chaos.targets_of(case, self.names).values()
            chaos.write(labels, case.plan, dict(zip(paths, greys, strict=True)))
            return
        with AtomicFiles() as files:
            if self.format == "png":
                png.write_label_slices(files.folder(paths[0]), labels, colours_of(self.names))
                return
            target = files.file(paths[0])
            with nifti.NiftiWriter(target, geometry, labels.dtype, sheared=True) as out:
                out.write(labels)


def _remove(path: Path) -> None:
    """Delete a file, or a folder that holds slices alone; none is ever seen half deleted."""
    try:
        if path.is_dir():
            if any(one.suffix != ".png" for one in path.iterdir()):
                return  # somebody else's
            path = path.replace(path.with_name(f".{path.name}.{os.getpid()}{PART}"))
        drafts.remove(path)
    except OSError as error:
        raise unwritten(error, path) from error


def label_case(nets: Nets, window: str, targets: Targets, case: Case) -> Made:
    """Label a case and write it.

    Parameters
    ----------
    nets
        Which, and how.
    window
        As for ``convert``, where the nets were trained with each volume's own.
    targets
        Where to.
    case
        What.

    Raises
    ------
    MedprepError
        If it cannot be read, labelled or written; its children say why.
    """
    targets.check(case)
    predictor = nets.load()
    volumes, header, notes = _read(case)
    windows = None
    if predictor.wants_windows:
        chosen = [choose_window(one.array, window, one.modality, header) for one in volumes]
        windows = [(one.low, one.high) for one in chosen]
    labels = predictor.predict(volumes, windows)
    geometry = volumes[0].geometry
    targets.write(case, labels, geometry)
    counts = voxels_by_level(labels)
    voxels = {organ: counts.get(label, 0) for label, organ in targets.names.items()}
    return Made(case.name, geometry.shape, voxels, notes)


def _read(case: Case) -> tuple[list[Volume], tuple[float, float] | None, tuple[str, ...]]:
    """Give a case's channels, the window of its header, and what is odd."""
    if case.plan is not None:
        series = read_plan(case.plan)
        return [series.volume], series.window, series.notes
    notes = dict.fromkeys(note for path in case.files for note in nifti.oddities(path))
    return [nifti.read(path) for path in case.files], None, tuple(notes)
