"""``train --fold all`` and what follows: out of fold by one net each, the others by all together.

Nets learn for a few steps: what is looked at is who labelled whom, and what is said of it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pair_sets import draw, write_pair, write_set

import medprep
from medprep.errors import CheckpointError
from medprep.formats import nifti
from medprep.inference.options import PredictorOptions
from medprep.inference.predict import Predictor
from medprep.pipeline import Outcome, run
from medprep.plan import plan
from medprep.predictions.options import PredictFolder
from medprep.predictions.run import predict_folder
from medprep.stages.evaluate import Evaluate
from medprep.stages.predict import Predict
from medprep.stages.report import Report
from medprep.stages.runs import find_run
from medprep.stages.split import Split
from medprep.stages.train import Train
from medprep.workspace.workspace import Workspace

FAST: dict[str, Any] = {"steps": 20, "width": 4, "batch_size": 2, "lr": 0.02, "device": "cpu"}
ALL = Train(fold="all", **FAST)
DICE = Evaluate(metrics=("dice",))


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three folds of six patients, one patient to test, all predicted and scored."""
    folder = tmp_path_factory.mktemp("folds")
    write_set(folder / "set", 7)
    medprep.split(folder / "set", folds=3, workspace=folder / "w")
    run([ALL, Predict(device="cpu"), DICE, Report()], folder / "w")
    return folder / "w"


@pytest.fixture
def work(ready: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(ready, tmp_path / "w"))


def parts(work: Path) -> dict[str, int | None]:
    """Give the fold that validates each case; None for test cases."""
    with Workspace(work, readonly=True) as opened:
        return {one.name: one.part for one in opened.database.cases()}


def made(outcome: Outcome, stage: str) -> list[str]:
    return next(one.made for one in outcome.summaries if one.stage == stage)


def predicted(work: Path, case: str, *nets: int) -> np.ndarray:
    """Label a case by the nets of some folds, as the workspace should have."""
    paths = [work / "models" / f"unet2d-fold{net}" / "model.safetensors" for net in nets]
    window = json.loads((work / "images" / f"{case}.json").read_text())["window"]
    picture = nifti.read(work / "images" / f"{case}.nii.gz")
    predictor = Predictor(paths, PredictorOptions("cpu"))
    return predictor.predict(picture, (window["low"], window["high"]))


def record(work: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((work / "metrics" / f"{name}.json").read_text())
    return found


def test_each_case_is_labelled_by_the_net_that_never_saw_its_patient(ready: Path) -> None:
    folds = parts(ready)
    assert sorted(map(str, folds.values())) == ["0", "0", "1", "1", "2", "2", "None"]
    others = 0
    for case, own in folds.items():
        found = nifti.read_labels(ready / "predictions" / "unet2d" / f"{case}.nii.gz")
        nets = (0, 1, 2) if own is None else (own,)
        assert np.array_equal(found, predicted(ready, case, *nets)), case
        if own is not None:
            others += not np.array_equal(found, predicted(ready, case, (own + 1) % 3))
            told = json.loads((ready / "models" / f"unet2d-fold{own}" / "model.json").read_text())
            assert told["key"]
    assert others, "the nets must not all say the same, or this shows nothing"


def test_no_net_learnt_from_who_it_labels(ready: Path) -> None:
    with Workspace(ready, readonly=True) as opened:
        trained = opened.current("train")
        for case, own in parts(ready).items():
            for fold in range(3):
                facts = trained[f"unet2d-fold{fold}"].facts
                assert (case in facts["train"]) == (own is not None and own != fold)
                assert (case in facts["val"]) == (own == fold)


def test_scores_tell_who_chose_the_weights(ready: Path) -> None:
    test, held = record(ready, "unet2d"), record(ready, "unet2d-out-of-fold")
    folds = parts(ready)
    assert (test["evaluation"]["fold"], test["evaluation"]["parts"]) == ("test", {})
    assert [one["case"] for one in test["evaluation"]["cases"]] == [
        case for case, own in folds.items() if own is None
    ]
    assert held["evaluation"]["fold"] == "val"
    assert held["evaluation"]["parts"] == {
        case: f"fold {own}" for case, own in folds.items() if own is not None
    }
    assert "6 patients OUT OF FOLD (each chose the weights of the net" in held["text"][0]
    assert "OUT OF FOLD" not in "".join(test["text"])


def test_pooled_and_by_fold(ready: Path) -> None:
    held = record(ready, "unet2d-out-of-fold")
    [whole] = [one for one in held["summaries"] if one["organ"] == "label_63"]
    folds = [one for one in held["parts"] if one["organ"] == "label_63"]
    assert (whole["n"], whole["interval"] is not None) == (6, True)
    assert [(one["part"], one["n"]) for one in folds] == [(f"fold {n}", 2) for n in range(3)]
    assert np.mean([one["mean"] for one in folds]) == pytest.approx(whole["mean"])
    assert any(line.split()[:3] == ["by", "fold", "organ"] for line in held["text"])
    assert "| fold 2 | label_252 |" in (ready / "metrics" / "unet2d-out-of-fold.md").read_text()


def test_the_report_shows_every_curve_and_says_out_of_fold(ready: Path) -> None:
    page = (ready / "report.html").read_text()
    for fold in range(3):
        assert f"Loss and validation Dice of unet2d-fold{fold} over its steps" in page
    assert "unet2d-out-of-fold, out of fold, against the extracted labels" in page
    assert "they helped to choose its weights" in page
    assert "No fold was kept for testing" not in page, "there is one"
    assert "Dice by fold" in page
    assert "out of date" not in page


def test_nothing_is_made_twice_and_a_retrained_fold_makes_its_own_anew(work: Path) -> None:
    again = run([ALL, Predict(device="cpu"), DICE], work)
    assert [made(again, stage) for stage in ("train", "predict", "evaluate")] == [[], [], []]
    run([Train(fold=1, **(FAST | {"seed": 1}))], work)
    outcome = run([Predict("unet2d", device="cpu")], work)
    stale = {f"unet2d/{case}" for case, own in parts(work).items() if own in (1, None)}
    assert len(stale) == 3
    assert set(made(outcome, "predict")) == stale
    assert "the nets of unet2d were trained with different seed" in outcome.summaries[-1].lines
    scored = run([Evaluate(("unet2d",), metrics=("dice",))], work)
    assert set(made(scored, "evaluate")) == stale


def test_one_net_is_still_asked_for_by_its_name(work: Path) -> None:
    run([Predict("unet2d-fold1", device="cpu"), Evaluate(("unet2d-fold1",))], work)
    assert record(work, "unet2d-fold1")["evaluation"]["fold"] == "test"
    [case] = [case for case, own in parts(work).items() if own is None]
    found = nifti.read_labels(work / "predictions" / "unet2d-fold1" / f"{case}.nii.gz")
    assert np.array_equal(found, predicted(work, case, 1))
    # What is scored without a name is what was trained last, whichever was predicted last.
    shutil.rmtree(work / "predictions" / "unet2d")
    outcome = run([DICE], work)
    assert len(made(outcome, "predict")) == 7
    assert outcome.exit_code == 0


def test_a_fold_without_a_net_is_named_with_what_to_do(ready: Path, tmp_path: Path) -> None:
    source = tmp_path / "set"
    write_set(source, 4)
    work = tmp_path / "w"
    medprep.split(source, folds=3, workspace=work, train=0.9, val=0.1, test=0.0)
    for fold in (0, 2):
        run([Train(fold=fold, run=f"mine-fold{fold}", **FAST)], work)
    with pytest.raises(CheckpointError) as error:
        run([Predict("mine", device="cpu")], work)
    wanted = (
        "'mine' wants 3 nets: fold 1 was not trained; run: medprep train --width 4 --steps 20 "
        "--batch-size 2 --lr 0.02 --device cpu --fold 1 --run mine-fold1"
    )
    assert str(error.value).startswith(wanted)
    asked = PredictFolder(str(source / "images"), str(tmp_path / "out"), "mine", device="cpu")
    with pytest.raises(CheckpointError, match="'mine' wants 3 nets, and mine-fold1 is not trained"):
        predict_folder(asked, work)
    # A net of the right name and another fold knows the patients it would be asked of.
    run([Train(fold=0, run="mine-fold1", **FAST)], work)
    with pytest.raises(CheckpointError, match="fold 1 was"):
        run([Predict("mine", device="cpu")], work)


def test_folds_whose_data_have_changed_are_told_from_those_never_trained(work: Path) -> None:
    source = work.parent / "set"
    write_set(source, 7)
    changed = next(case for case, own in parts(work).items() if own == 0)
    write_pair(source, changed, *draw(99))
    run([Split(str(source), folds=3)], work)
    for asked in (DICE, Predict("unet2d", device="cpu")):
        rows = {row.stage: row for row in plan([asked], work)}
        assert rows["train"].note == "3 nets, unet2d-fold0 to unet2d-fold2"
        assert rows["train"].cases, "its data have changed"
    run([Train(fold=0, **FAST)], work)
    with Workspace(work, readonly=True) as opened, pytest.raises(CheckpointError) as error:
        find_run(opened, "unet2d")
    wanted = (
        "'unet2d' wants 3 nets: folds 1, 2 were trained on data that have changed; run: medprep "
        "train --width 4 --steps 20 --batch-size 2 --lr 0.02 --device cpu --fold all"
    )
    assert error.value.message == wanted


def test_pictures_from_elsewhere_are_labelled_by_all_nets(ready: Path, tmp_path: Path) -> None:
    picture, mask = draw(50)
    write_pair(tmp_path / "new", "x", picture, mask)
    asked = PredictFolder(
        str(tmp_path / "new" / "images"), str(tmp_path / "out"), "unet2d", device="cpu",
        window="0,500",
    )  # fmt: skip
    stray = ready / "models" / "unet2d-fold7"
    stray.mkdir()
    (stray / "model.safetensors").write_bytes(b"of an earlier split")
    try:
        assert predict_folder(asked, ready).exit_code == 0
    finally:
        shutil.rmtree(stray)
    paths = [ready / "models" / f"unet2d-fold{fold}" / "model.safetensors" for fold in range(3)]
    together = Predictor(paths, PredictorOptions("cpu"))
    volume = nifti.read(tmp_path / "new" / "images" / "x.nii.gz")
    found = nifti.read_labels(tmp_path / "out" / "x.nii.gz")
    assert np.array_equal(found, together.predict(volume, (0.0, 500.0)))
    told = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert len(told["models"]) == 3


def test_a_plan_tells_the_nets(ready: Path, tmp_path: Path) -> None:
    source = tmp_path / "set"
    write_set(source, 4)
    rows = {
        row.stage: row for row in plan([Split(str(source), folds=3), ALL, DICE], tmp_path / "w")
    }
    assert rows["train"].note == "3 nets, unet2d-fold0 to unet2d-fold2"
    assert rows["train"].files == 12
    assert "3 nets that do not learn from its patient" in str(rows["predict"])
    rows = {row.stage: row for row in plan([ALL, Predict(device="cpu"), DICE], ready)}
    assert [rows[stage].cases for stage in ("train", "predict", "dice")] == [0, 0, 0]
    rows = {row.stage: row for row in plan([Predict("unet2d-fold1", device="cpu")], ready)}
    assert (rows["predict"].cases, rows["predict"].note) == (3, "")
    rows = {row.stage: row for row in plan([Predict("unet2d")], ready)}
    assert (rows["predict"].cases, rows["train"].cases) == (7, 0)
