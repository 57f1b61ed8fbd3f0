"""Small data sets to split, and what a split left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from dicom_files import write_dicom, write_mask

from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.progress import Silent
from medprep.stages.base import Context, Summary
from medprep.stages.split import Split
from medprep.volume import Volume
from medprep.workspace.database import CaseRow
from medprep.workspace.workspace import Workspace


def split(folder: Path, source: Path, **options: Any) -> Summary:
    """Split as the pipeline does, and give what it says."""
    with Workspace(folder / "work") as workspace:
        stage = Split(str(source), **options)
        stage.look(workspace.layout)
        return stage.perform(Context(workspace, Silent(), 1))


def written(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "work" / "splits.json").read_text())


def rows_of(folder: Path) -> dict[str, CaseRow]:
    with Workspace(folder / "work", readonly=True) as workspace:
        return {row.name: row for row in workspace.database.cases()}


def patients_of(folder: Path) -> dict[str, str]:
    return {name: row.patient for name, row in rows_of(folder).items()}


def said(summary: Summary) -> str:
    return "\n".join(summary.lines)


def pictures(folder: Path, names: Sequence[str]) -> Path:
    """Make PNG pairs; each picture has pixels of its own."""
    for number, name in enumerate(names):
        for kind in ("images", "masks"):
            path = folder / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((8, 8), number + 1 if kind == "images" else 255, np.uint8)
            png.write_grey(path, pixels)
    return folder


def volumes(folder: Path, masks: dict[str, np.ndarray]) -> Path:
    for name, mask in masks.items():
        grid = Geometry.from_parts(mask.shape, (2.0, 1.0, 1.0))
        for kind in ("images", "labels"):
            path = folder / kind / f"{name}.nii"
            path.parent.mkdir(parents=True, exist_ok=True)
            values = mask.astype(np.int16 if kind == "images" else np.uint8)
            nifti.write(path, Volume(values, grid, "MR"))
    return folder


def organs(*labels: int, voxels: int = 4) -> np.ndarray:
    mask = np.zeros((2, 8, 8), np.uint8)
    for row, label in enumerate(labels):
        mask[0, row, :voxels] = label
    return mask


def chaos(folder: Path, patients: Sequence[int], **tags: Sequence[str]) -> Path:
    """Make T2 patients of one slice; ``tags`` has a value for each."""
    for place, number in enumerate(patients):
        home = folder / "Train_Sets" / "MR" / str(number) / "T2SPIR"
        pixels = np.full((8, 8), number, np.uint16)
        own = {keyword: values[place] for keyword, values in tags.items()}
        (home / "DICOM_anon").mkdir(parents=True)
        (home / "Ground").mkdir()
        write_dicom(home / "DICOM_anon" / "IMG-1.dcm", pixels, **own)
        write_mask(home / "Ground" / "IMG-1.png", np.full((8, 8), 63, np.uint8))
    return folder
