"""Labels of a CHAOS case as a submission's slices, in the order of the case's own files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.stacks import Plan
from medprep.errors import LabelError, OptionError
from medprep.evaluations.words import chaos_id
from medprep.exports.chaos import GREY
from medprep.files import AtomicFiles, natural_key
from medprep.formats import png
from medprep.predictions.inputs import Case

_PLACES = {"ct": "CT/{}", "t1": "MR/{}/T1DUAL", "t2": "MR/{}/T2SPIR"}
_IN_PHASE, _OUT_PHASE = "inphase", "outphase"


def require_organs(names: Mapping[int, str]) -> None:
    """Refuse labels that no submission has.

    Raises
    ------
    OptionError
        With the organs there are.
    """
    if "liver" not in names.values() or not set(names.values()) <= set(GREY):
        raise OptionError(
            f"--format chaos: the net knows {', '.join(names.values())}; a submission is made of "
            f"{', '.join(GREY)}, and of the liver at least"
        )


def folder_of(case: Case) -> str | None:
    """Give where a case lies in a submission's task, ``MR/1/T2SPIR``; None if it is no CHAOS."""
    if case.plan is None:
        return None
    found = chaos_id(_folder(case.plan).parts)
    if found is None:
        return None
    patient, name = found
    return _PLACES[name.rpartition("-")[2]].format(int(patient[2:]))


def targets_of(case: Case, names: Mapping[int, str]) -> dict[str, Mapping[int, int]]:
    """Give the folders of a case's slices, and the grey level of each label in them.

    Raises
    ------
    LabelError
        If the case is no CHAOS.
    """
    place = folder_of(case)
    if place is None:
        raise LabelError(
            "its folders are not those of CHAOS (MR/1/T2SPIR/DICOM_anon, CT/1/DICOM_anon), so it "
            "has no place in a submission; take --format nifti or png"
        )
    greys = {label: GREY[organ] for label, organ in names.items()}
    liver = {label: grey for label, grey in greys.items() if names[label] == "liver"}
    if place.startswith("CT"):
        return {f"Task2/{place}/Results": liver}
    tasks: dict[str, Mapping[int, int]] = {f"Task3/{place}/Results": liver}
    if len(greys) == len(GREY):
        tasks[f"Task5/{place}/Results"] = greys
    return tasks


def of_first_phase(cases: Sequence[Case]) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """Leave out the second phase of T1DUAL where both are there: a submission has one.

    Returns
    -------
    tuple, tuple
        The cases, and what a person should know.
    """
    first = {folder_of(case) for case in cases if _phase(case) == _IN_PHASE}
    kept = [case for case in cases if _phase(case) != _OUT_PHASE or folder_of(case) not in first]
    left = len(cases) - len(kept)
    note = f"passed over {left} series out of phase: a submission has one of the two"
    return tuple(kept), (note,) if left else ()


def _phase(case: Case) -> str:
    return "" if case.plan is None else _folder(case.plan).name.casefold()


def _folder(plan: Plan) -> Path:
    return plan.slices[0].blob.file.absolute().parent


def write(labels: NDArray[Any], plan: Plan, targets: Mapping[Path, Mapping[int, int]]) -> None:
    """Write a case's slices into each of its folders, numbered as its files are by name.

    Raises
    ------
    LabelError
        If the slices are not those of the case's files.
    """
    names = [str(one.blob) for one in plan.slices]
    if len(set(names)) < len(labels) or len(names) > len(labels):
        raise LabelError(
            f"{len(labels)} slices, and {len(set(names))} files: only a stack of one slice a "
            "file, not resampled, has slices that the challenge knows"
        )
    order = {name: place for place, name in enumerate(sorted(names, key=natural_key))}
    with AtomicFiles() as files:
        for target, greys in targets.items():
            folder = files.folder(target)
            table = np.zeros(256, np.uint8)
            table[list(greys)] = list(greys.values())
            for name, plane in zip(names, labels, strict=True):
                png.write_grey(folder / f"img{order[name]:03d}.png", table[plane])
