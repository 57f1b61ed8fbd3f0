"""Make small data sets with a dataset.json, by nibabel: our own writer is not its own witness."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

SHAPE = (5, 4, 3)
"""Of the file's axes, columns first."""


def write_volume(path: Path, array: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.arange(60, dtype=np.int16).reshape(SHAPE) if array is None else array
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])), path)
    return path


def write_labels(path: Path, highest: int = 2) -> Path:
    return write_volume(path, (np.arange(60) % (highest + 1)).astype(np.uint8).reshape(SHAPE))


def write_json(folder: Path, **record: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dataset.json"
    path.write_text(json.dumps(record))
    return path


def write_nnunet(
    root: Path,
    *,
    training: Sequence[str] = ("la_003", "la_010", "la_002"),
    test: Sequence[str] = (),
    channels: Sequence[str] = ("MRI",),
    **record: Any,
) -> Path:
    """Write a data set as nnU-Net v2 wants it and give its folder."""
    folder = root / "Dataset501_Heart"
    for which, names in (("Tr", training), ("Ts", test)):
        for name in names:
            for number in range(len(channels)):
                write_volume(folder / f"images{which}" / f"{name}_{number:04d}.nii.gz")
    for name in training:
        write_labels(folder / "labelsTr" / f"{name}.nii.gz")
    given = {
        "channel_names": {str(n): name for n, name in enumerate(channels)},
        "labels": {"background": 0, "Left Atrium": 1, "rest": 2},
        "numTraining": len(training),
        "file_ending": ".nii.gz",
    }
    write_json(folder, **{**given, **record})
    return folder


def write_msd(
    root: Path,
    *,
    trained: Sequence[str] = ("spleen_10", "spleen_2"),
    tested: Sequence[str] = ("spleen_1",),
    **record: Any,
) -> Path:
    """Write a task of the Decathlon and give its folder."""
    folder = root / "Task09_Spleen"
    for name in trained:
        write_volume(folder / "imagesTr" / f"{name}.nii.gz")
        write_labels(folder / "labelsTr" / f"{name}.nii.gz")
    for name in tested:
        write_volume(folder / "imagesTs" / f"{name}.nii.gz")
    given = {
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "spleen", "2": "Left Atrium"},
        "training": [
            {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
            for name in trained
        ],
        "test": [f"./imagesTs/{name}.nii.gz" for name in tested],
    }
    write_json(folder, **{**given, **record})
    return folder
