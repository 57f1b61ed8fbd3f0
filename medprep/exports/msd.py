"""The form of the Medical Segmentation Decathlon (Antonelli et al. 2022)."""

from __future__ import annotations

from typing import Any

from medprep.exports.gather import NIFTI, FileJob, Gathered, side_note
from medprep.exports.planned import Planned
from medprep.version import VERSION

_MODALITY = {"CT": "CT", "MR": "MRI", "": "unknown"}


def plan_msd(found: Gathered, number: int, title: str) -> Planned:
    """Say which files make the task; labels of test cases lie in ``labelsTs``, in no list."""
    jobs = []
    for case in found.cases:
        which = "Tr" if case.trains else "Ts"
        jobs.append(FileJob(case.image, f"images{which}/{case.case}{NIFTI}"))
        if case.labels is not None:
            jobs.append(case.label_job(f"labels{which}/{case.case}{NIFTI}"))
    notes = [*found.notes, *side_note(found.names)]
    if found.regions:
        notes.append(f"this form has no regions: left out are {', '.join(found.regions)}")
    documents = {"dataset.json": _description(found, title)}
    return Planned(f"Task{number:02d}_{title}", tuple(jobs), documents, tuple(notes))


def _description(found: Gathered, title: str) -> dict[str, Any]:
    return {
        "name": title,
        "description": f"written by medprep {VERSION}",
        "reference": "",
        "licence": "",
        "release": "",
        "tensorImageSize": "3D",
        "modality": {"0": _MODALITY.get(found.modality, found.modality)},
        "labels": {"0": "background", **{str(v): name for v, name in found.names.items()}},
        "numTraining": len(found.training),
        "numTest": len(found.test),
        "training": [
            {
                "image": f"./imagesTr/{case.case}{NIFTI}",
                "label": f"./labelsTr/{case.case}{NIFTI}",
            }
            for case in found.training
        ],
        "test": [f"./imagesTs/{case.case}{NIFTI}" for case in found.test],
    }
