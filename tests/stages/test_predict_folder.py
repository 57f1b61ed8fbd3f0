"""Pictures that were never in a workspace: every one labelled or named, nothing twice."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dicom_files import write_dicom
from nets import ORGANS, saved, solid
from PIL import Image
from unseen import add_nifti, add_series, asked, run, times

from medprep.dicom.series import read_series
from medprep.dicom.stacks import Policy
from medprep.errors import (
    CheckpointError,
    OptionError,
    WriteError,
)
from medprep.formats import nifti
from medprep.inference.predict import load_predictor
from medprep.models.targets import Targets
from medprep.predictions import work
from medprep.predictions.run import predict_folder
from medprep.trees.options import ConvertTree
from medprep.trees.run import convert_tree


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("net") / "net.safetensors", solid())


def test_nifti_on_its_own_grid(tmp_path: Path, weights: Path) -> None:
    volume = add_nifti(tmp_path / "in" / "deep" / "Case 1.nii.gz")
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert outcome.exit_code == 0
    assert [one.name for one in outcome.made] == ["case-1"]
    made = nibabel.load(tmp_path / "out" / "case-1.nii.gz")
    own = nibabel.load(tmp_path / "in" / "deep" / "Case 1.nii.gz")
    assert np.allclose(made.affine, own.affine, atol=1e-5)
    wanted = load_predictor(weights, "cpu").predict(volume)
    labels = np.asarray(made.dataobj).T
    assert np.array_equal(labels, wanted)
    assert outcome.made[0].voxels == {
        name: int((wanted == label).sum()) for label, name in ORGANS.names.items()
    }
    assert not (tmp_path / "out" / "private").exists()


def test_a_tilt_is_kept_where_asked(tmp_path: Path, weights: Path) -> None:
    for place in range(5):
        pixels = np.random.default_rng(place).integers(0, 900, (18, 20)).astype(np.int16)
        write_dicom(tmp_path / "in" / f"{place}.dcm", pixels, (0, 0.5 * place, 3.0 * place))
    outcome = run(tmp_path / "in", tmp_path / "out", weights, policy=Policy(tilt="keep"))
    assert outcome.exit_code == 0
    affine = nibabel.load(next((tmp_path / "out").glob("*.nii.gz"))).affine
    assert np.allclose(np.abs(affine[:3, 2]), (0, 0.5, 3))
    refused = run(tmp_path / "in", tmp_path / "out2", weights)
    assert refused.exit_code == 8
    assert not refused.made


def test_dicom_under_the_names_that_convert_gives(tmp_path: Path, weights: Path) -> None:
    add_series(tmp_path / "in" / "a", "Smith", 3)
    add_series(tmp_path / "in" / "b", "Jones", 4)
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert outcome.exit_code == 0
    key = tmp_path / "out" / "private" / "id-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    converted = ConvertTree(str(tmp_path / "in"), str(tmp_path / "nii"), id_key=str(key))
    names = {one.name for one in convert_tree(converted, jobs=1).made}
    assert {one.name for one in outcome.made} == names
    for name in names:
        picture = nibabel.load(tmp_path / "nii" / f"{name}.nii.gz")
        labels = nibabel.load(tmp_path / "out" / f"{name}.nii.gz")
        assert np.allclose(labels.affine, picture.affine)
        assert labels.shape == picture.shape
    series = read_series(sorted((tmp_path / "in" / "a").iterdir()))
    wanted = load_predictor(weights, "cpu").predict(series.volume)
    found = [nifti.read_labels(path) for path in (tmp_path / "out").glob("*-003.nii.gz")]
    assert np.array_equal(found[0], wanted)


def test_what_is_there_is_kept(tmp_path: Path, weights: Path) -> None:
    for number in range(3):
        add_nifti(tmp_path / "in" / f"c{number}.nii.gz", number)
    add_series(tmp_path / "in" / "d", "Smith", 3)
    run(tmp_path / "in", tmp_path / "out", weights)
    before = times(tmp_path / "out")
    assert len(before) == 4
    (tmp_path / "out" / "c1.nii.gz").unlink()
    again = run(tmp_path / "in", tmp_path / "out", weights)
    assert [one.name for one in again.made] == ["c1"]
    assert len(again.kept) == 3
    after = times(tmp_path / "out")
    assert {name for name in before if before[name] != after[name]} == {"c1.nii.gz"}
    anew = predict_folder(asked(tmp_path / "in", tmp_path / "out", weights), overwrite=True)
    assert len(anew.made) == 4
    assert not anew.kept


def test_a_killed_run_goes_on(tmp_path: Path, weights: Path) -> None:
    for number in range(12):
        add_nifti(tmp_path / "in" / f"c{number}.nii.gz", number)
    run(tmp_path / "in", tmp_path / "whole", weights)
    code = (
        "import sys; from medprep.predictions.run import predict_folder\n"
        "from medprep.predictions.options import PredictFolder\n"
        "predict_folder(PredictFolder(sys.argv[1], sys.argv[2], None, (sys.argv[3],), "
        "device='cpu'))"
    )
    words = [str(tmp_path / "in"), str(tmp_path / "out"), str(weights)]
    process = subprocess.Popen([sys.executable, "-c", code, *words])
    end = time.monotonic() + 60
    while not times(tmp_path / "out") and time.monotonic() < end:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = times(tmp_path / "out")
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert sorted(outcome.kept) == sorted(name.removesuffix(".nii.gz") for name in kept)
    assert not list((tmp_path / "out").glob(".*"))
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_predictions_of_another_net_are_not_mixed_in(tmp_path: Path, weights: Path) -> None:
    add_nifti(tmp_path / "in" / "a.nii.gz")
    run(tmp_path / "in", tmp_path / "out", weights)
    other = saved(tmp_path / "other", solid(), seed=5)
    with pytest.raises(WriteError, match=r"made otherwise \(models\)"):
        run(tmp_path / "in", tmp_path / "out", other)
    with pytest.raises(WriteError, match=r"made otherwise \(overlap\)"):
        run(tmp_path / "in", tmp_path / "out", weights, overlap=0.25)
    anew = predict_folder(asked(tmp_path / "in", tmp_path / "out", other), overwrite=True)
    assert len(anew.made) == 1
    record = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert record["labels"] == {"1": "liver", "2": "spleen"}
    assert len(record["models"][0]["sha256"]) == 64


def test_predictions_of_regions_from_before_their_order_was_kept(tmp_path: Path) -> None:
    add_nifti(tmp_path / "in" / "a.nii.gz")
    targets = Targets({1: "liver", 2: "aorta"}, {"b": ("liver",), "a": ("aorta",)})
    net = saved(tmp_path / "net", solid(targets=targets))
    run(tmp_path / "in", tmp_path / "out", net)
    path = tmp_path / "out" / "prediction.json"
    record = json.loads(path.read_text())
    assert record.pop("channels") == ["b", "a"]
    path.write_text(json.dumps(record))
    with pytest.raises(WriteError, match=r"made otherwise \(channels\)"):
        run(tmp_path / "in", tmp_path / "out", net)


@pytest.mark.parametrize("before", ["nifti", "png"])
def test_a_stopped_run_leaves_no_labels_of_the_nets_before(
    tmp_path: Path, weights: Path, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, source, out = saved(tmp_path / "other", solid(), seed=5), tmp_path / "in", tmp_path / "o"
    for number in range(3):
        add_nifti(source / f"c{number}.nii.gz", number)
    run(source, out, weights, format=before)
    label = work.label_case

    def stopped(*others: Any) -> work.Made:
        if others[-1].name == "c1":
            raise KeyboardInterrupt
        return label(*others)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("medprep.predictions.run.label_case", stopped)
        predict_folder(asked(source, out, other), overwrite=True)
    assert run(source, out, other).exit_code == 0
    run(source, tmp_path / "whole", other)
    for path in (tmp_path / "whole").iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()
    assert not run(source, out, other, format="png").kept


def test_what_is_no_label_stays(tmp_path: Path, weights: Path) -> None:
    """A case may be called as the folder of the key is."""
    other, source, out = saved(tmp_path / "other", solid(), seed=5), tmp_path / "in", tmp_path / "o"
    add_nifti(source / "private.nii.gz")
    add_series(source / "d", "Smith", 3)
    run(source, out, weights)
    key = (out / "private" / "id-key").read_bytes()
    anew = predict_folder(asked(source, out, other), overwrite=True)
    assert len(anew.made) == 2
    assert (out / "private" / "id-key").read_bytes() == key


def test_png_slices_hold_the_labels(tmp_path: Path, weights: Path) -> None:
    volume = add_nifti(tmp_path / "in" / "a.nii.gz")
    run(tmp_path / "in", tmp_path / "out", weights, format="png")
    planes = sorted((tmp_path / "out" / "a").glob("*.png"))
    found = np.stack([np.asarray(Image.open(path)) for path in planes])
    assert Image.open(planes[0]).mode == "P"
    assert np.array_equal(found, load_predictor(weights, "cpu").predict(volume))
    assert run(tmp_path / "in", tmp_path / "out", weights, format="png").kept == ("a",)


def test_a_window_where_the_net_was_trained_with_one(tmp_path: Path) -> None:
    weights = saved(tmp_path / "old", old=True)
    volume = add_nifti(tmp_path / "in" / "a.nii.gz")
    run(tmp_path / "in", tmp_path / "given", weights, window="100,600")
    wanted = load_predictor(weights, "cpu").predict(volume, (100.0, 600.0))
    assert np.array_equal(nifti.read_labels(tmp_path / "given" / "a.nii.gz"), wanted)
    with pytest.raises(WriteError, match=r"otherwise \(window\)"):
        run(tmp_path / "in", tmp_path / "given", weights)
    add_series(tmp_path / "ct", "Smith", 3, Modality="CT", WindowCenter="300", WindowWidth="401")
    run(tmp_path / "ct", tmp_path / "header", weights)
    series = read_series(sorted((tmp_path / "ct").iterdir()))
    wanted = load_predictor(weights, "cpu").predict(series.volume, series.window)
    found = [nifti.read_labels(path) for path in (tmp_path / "header").glob("*.nii.gz")]
    assert np.array_equal(found[0], wanted)


def test_an_ensemble_of_files(tmp_path: Path, weights: Path) -> None:
    other = saved(tmp_path / "other", solid(), seed=5)
    volume = add_nifti(tmp_path / "in" / "a.nii.gz")
    run(tmp_path / "in", tmp_path / "out", weights, checkpoint=(str(weights), str(other)))
    wanted = load_predictor([weights, other], "cpu").predict(volume)
    assert np.array_equal(nifti.read_labels(tmp_path / "out" / "a.nii.gz"), wanted)


def test_a_run_of_a_workspace(tmp_path: Path, weights: Path) -> None:
    models = tmp_path / "work" / "models" / "mine"
    models.mkdir(parents=True)
    (models / "model.safetensors").write_bytes(weights.read_bytes())
    add_nifti(tmp_path / "in" / "a.nii.gz")
    options = asked(tmp_path / "in", tmp_path / "out", weights, checkpoint=(), run="mine")
    assert len(predict_folder(options, tmp_path / "work").made) == 1
    wrong = asked(tmp_path / "in", tmp_path / "out", weights, checkpoint=(), run="yours")
    with pytest.raises(CheckpointError, match=r"no run 'yours' in this workspace \(have mine\)"):
        predict_folder(wrong, tmp_path / "work")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"checkpoint": ()}, "--run NAME of the workspace, or --checkpoint FILE"),
        ({"run": "x"}, "not both"),
        ({"format": "tiff"}, "--format is 'tiff'"),
        ({"window": "5,1"}, "--window is '5,1'"),
        ({"overlap": 1.0}, "--overlap is 1"),
    ],
)
def test_options_that_cannot_be(
    options: dict[str, object], said: str, tmp_path: Path, weights: Path
) -> None:
    with pytest.raises(OptionError, match=said):
        asked(tmp_path, tmp_path / "out", weights, **options)
