"""Folders of pictures that are in no workspace, and how they are predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dicom_files import write_dicom

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.predictions.options import PredictFolder
from medprep.predictions.run import PredictOutcome, predict_folder
from medprep.volume import Volume

OBLIQUE = Geometry.from_parts(
    (7, 18, 20), (3, 0.7, 0.8), (-10, 20, 5), ((0, 0.6, 0.8), (0, 0.8, -0.6), (-1, 0, 0))
)


def add_series(folder: Path, patient: str, number: int, *, slices: int = 5, **tags: object) -> None:
    chance = np.random.default_rng(number)
    for place in range(slices):
        pixels = chance.integers(0, 900, (18, 20)).astype(np.int16)
        write_dicom(
            folder / f"f{slices - place}.dcm", pixels, (1, 2, 3.0 * place), spacing=(0.9, 0.8),
            PatientID=patient, PatientName=f"{patient}^Secret",
            StudyInstanceUID=f"1.9.{len(patient)}{number}", SeriesInstanceUID=f"1.8.{number}",
            SeriesNumber=str(number), **tags,
        )  # fmt: skip


def add_nifti(path: Path, seed: int = 0, *, grid: Geometry = OBLIQUE) -> Volume:
    values = np.random.default_rng(seed).integers(0, 900, grid.shape).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    volume = Volume(values, grid)
    nifti.write(path, volume)
    return volume


def asked(source: Path, output: Path, weights: Path, **options: object) -> PredictFolder:
    how = {"checkpoint": (str(weights),), "device": "cpu", **options}
    return PredictFolder(str(source), str(output), **how)  # type: ignore[arg-type]


def run(source: Path, output: Path, weights: Path, **options: object) -> PredictOutcome:
    return predict_folder(asked(source, output, weights, **options))


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.nii.gz")}
