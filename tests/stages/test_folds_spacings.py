"""Nets of one family that see volumes on spacings of their own, as folds of other patients give."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pair_sets import draw, write_pair, write_set

import medprep
from medprep.errors import WriteError
from medprep.formats import nifti
from medprep.inference.options import PredictorOptions
from medprep.inference.predict import Predictor
from medprep.pipeline import run
from medprep.predictions.options import PredictFolder
from medprep.predictions.run import predict_folder
from medprep.stages.evaluate import Evaluate
from medprep.stages.predict import Predict
from medprep.stages.train import Train
from medprep.workspace.workspace import Workspace

FAST: dict[str, Any] = {
    "model": "unet3d", "steps": 6, "width": 2, "batch_size": 1, "lr": 0.02, "device": "cpu",
    "patch": "8x16x16",
}  # fmt: skip
SPACINGS = (None, "4x1.5x1.4")
"""The first net sees volumes as they are, the second in voxels half as large again."""


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of four patients, and one patient to test."""
    folder = tmp_path_factory.mktemp("spacings")
    write_set(folder / "set", 5)
    medprep.split(folder / "set", folds=2, workspace=folder / "w")
    for fold, spacing in enumerate(SPACINGS):
        run([Train(fold=fold, run=f"mine-fold{fold}", spacing=spacing, **FAST)], folder / "w")
    run([Predict("mine", device="cpu"), Evaluate(("mine",), metrics=("dice",))], folder / "w")
    return folder / "w"


def nets(work: Path, *folds: int) -> Predictor:
    paths = [work / "models" / f"mine-fold{fold}" / "model.safetensors" for fold in folds]
    return Predictor(paths, PredictorOptions("cpu"))


def test_each_case_by_its_nets_and_test_cases_by_all(ready: Path) -> None:
    spacings = [one.spacing_mm for one in nets(ready, 0, 1).preparations]
    assert spacings == [None, (4.0, 1.5, 1.4)]
    with Workspace(ready, readonly=True) as opened:
        cases = {one.name: one.part for one in opened.database.cases()}
    assert sorted(map(str, cases.values())) == ["0", "0", "1", "1", "None"]
    for case, own in cases.items():
        window = json.loads((ready / "images" / f"{case}.json").read_text())["window"]
        picture = nifti.read(ready / "images" / f"{case}.nii.gz")
        predictor = nets(ready, *((0, 1) if own is None else (own,)))
        wanted = predictor.predict(picture, (window["low"], window["high"]))
        found = nifti.read_labels(ready / "predictions" / "mine" / f"{case}.nii.gz")
        assert np.array_equal(found, wanted), case
    for name, count in (("mine", 1), ("mine-out-of-fold", 4)):
        scores = json.loads((ready / "metrics" / f"{name}.json").read_text())["evaluation"]
        assert len(scores["cases"]) == count


def test_pictures_from_elsewhere(ready: Path, tmp_path: Path) -> None:
    write_pair(tmp_path / "new", "x", *draw(50))
    asked = PredictFolder(
        str(tmp_path / "new" / "images"), str(tmp_path / "out"), "mine", device="cpu",
        window="0,500",
    )  # fmt: skip
    assert predict_folder(asked, ready).exit_code == 0
    volume = nifti.read(tmp_path / "new" / "images" / "x.nii.gz")
    found = nifti.read_labels(tmp_path / "out" / "x.nii.gz")
    assert np.array_equal(found, nets(ready, 0, 1).predict(volume, (0.0, 500.0)))
    assert predict_folder(asked, ready).kept == ("x",)
    # Labels of an earlier version, which showed the nets one grid, are not these.
    record = tmp_path / "out" / "prediction.json"
    told = json.loads(record.read_text())
    assert told.pop("grids") == "own"
    record.write_text(json.dumps(told))
    with pytest.raises(WriteError, match=r"otherwise \(grids\)"):
        predict_folder(asked, ready)
