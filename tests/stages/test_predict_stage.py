"""Predictions in a workspace, and what the command makes of its options."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from nets import saved, solid
from PIL import Image
from plain_slices import predict_slices

import medprep
from medprep import pipeline
from medprep.dicom.stacks import Policy
from medprep.errors import OptionError
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.models.checkpoint import load_model
from medprep.predictions.options import PredictFolder
from medprep.stages.base import command_words
from medprep.stages.predict import Predict, _channels
from medprep.training.recipes import TARGETS
from medprep.volume import Volume
from medprep.workspace.database import Artifact
from medprep_cli.commands.predict import command
from medprep_cli.options import Shared
from medprep_cli.show_prediction import run_prediction


@pytest.fixture(scope="module")
def work(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that learnt nothing, and two patients that it may be asked of."""
    work = tmp_path_factory.mktemp("predicted") / "w"
    medprep.split(phantom, train=0.5, val=0.0, test=0.5, workspace=work)
    medprep.extract(organ=["liver", "right_kidney", "left_kidney"], workspace=work)
    medprep.train(steps=2, width=2, batch_size=2, device="cpu", workspace=work)
    return work


def predict(work: Path, **options: object) -> pipeline.Outcome:
    return pipeline.run([Predict(device="cpu", **options)], work)  # type: ignore[arg-type]


def labels(work: Path) -> dict[str, np.ndarray]:
    folder = work / "predictions" / "unet2d-fold0"
    return {path.name: nifti.read_labels(path) for path in sorted(folder.glob("*.nii.gz"))}


def test_labels_are_those_of_the_net_slice_by_slice(work: Path) -> None:
    outcome = predict(work)
    assert outcome.exit_code == 0
    found = labels(work)
    assert len(found) >= 2
    import torch

    net, _ = load_model(work / "models" / "unet2d-fold0" / "model.safetensors", torch.device("cpu"))
    for name, values in found.items():
        window = json.loads((work / "images" / name.replace(".nii.gz", ".json")).read_text())
        window = window["window"]
        picture = nifti.read(work / "images" / name).array
        wanted = predict_slices(net, picture, (window["low"], window["high"]), torch.device("cpu"))
        assert np.array_equal(values, wanted)
    assert not predict(work).summaries[-1].made


def test_options_make_it_anew_and_defaults_do_not(work: Path) -> None:
    predict(work)
    assert not predict(work, overlap=0.5, mirror=(), format="nifti").summaries[-1].made
    outcome = predict(work, mirror=("rows",), format="png")
    assert outcome.summaries[-1].made
    for name, values in labels(work).items():
        folder = work / "predictions" / "unet2d-fold0" / name.removesuffix(".nii.gz")
        planes = [np.asarray(Image.open(path)) for path in sorted((folder / "labels").iterdir())]
        assert np.array_equal(np.stack(planes), values)
    assert predict(work).summaries[-1].made


def test_predictions_from_before_there_was_a_choice_stay_up_to_date() -> None:
    assert Predict()._changed() == {"device": "auto"}
    assert Predict(overlap=0.25)._changed() == {"device": "auto", "overlap": 0.25}


def test_what_nets_of_regions_gave_before_is_made_anew() -> None:
    """Channels of a net that was read from its file were exchanged once."""
    nets = [Artifact("train", t, "k", (), (), {"resolved": {"target": t}}) for t in TARGETS]
    assert [_channels([net]) for net in nets] == [{}, {"channels": "in order"}]
    assert _channels([Artifact("train", "old", "k", (), (), {})]) == {}


def test_the_line_that_repeats_it() -> None:
    stage = Predict(mirror=["rows", "columns"], format="png")  # type: ignore[arg-type]
    assert command_words(stage) == [
        "predict", "--mirror", "rows", "--mirror", "columns", "--format", "png",
    ]  # fmt: skip
    with pytest.raises(OptionError, match="medprep export --format chaos"):
        Predict(format="chaos")  # type: ignore[arg-type]


def parsed(*words: str) -> object:
    with command.make_context("predict", list(words)) as context:
        return command.invoke(context)


def test_the_command_tells_a_folder_from_a_workspace() -> None:
    assert parsed() == Predict()
    assert parsed("--run", "x", "--cases", "all") == Predict("x", "all")
    folder = parsed("--input", "in", "-o", "out", "--checkpoint", "a", "--checkpoint", "b",
                    "--mirror", "rows", "--gaps", "resample", "--overlap", "0.25")  # fmt: skip
    assert folder == PredictFolder(
        "in", "out", None, ("a", "b"), overlap=0.25, mirror=("rows",), policy=Policy("resample")
    )
    assert parsed("--input", "in", "--output", "out", "--run", "x") == PredictFolder(
        "in", "out", "x"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "out"], "--output: wanted with --input"),
        (["--checkpoint", "x"], "--checkpoint: wanted with --input"),
        (["--input", "in"], "give --output DIR too"),
        (["--input", "in", "--output", "out", "--run", "x", "--cases", "all"], "--cases chooses"),
        (["--overlap", "1"], "not in the range"),
    ],
)
def test_options_that_do_not_go_together(words: list[str], said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        parsed(*words)


def test_what_a_person_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = saved(tmp_path / "net", solid())
    grid = Geometry.from_parts((8, 16, 16), (1, 1, 1))
    values = np.random.default_rng(0).integers(0, 900, grid.shape).astype(np.int16)
    (tmp_path / "in").mkdir()
    nifti.write(tmp_path / "in" / "a.nii.gz", Volume(values, grid))
    (tmp_path / "in" / "b.nii.gz").write_bytes(b"nothing")
    asked = PredictFolder(
        str(tmp_path / "in"), str(tmp_path / "out"), None, (str(weights),), device="cpu"
    )
    run_prediction(asked, Shared(dry_run=True))
    assert capsys.readouterr().out.splitlines() == ["a", "b"]
    with pytest.raises(SystemExit) as ended:
        run_prediction(asked, Shared(json=True))
    assert ended.value.code == 8
    out, err = capsys.readouterr()
    assert json.loads(out)["made"][0]["name"] == "a"
    assert "FAILED b: " in err
    assert "1 case made, 0 kept, 1 failed, 0 files broken" in err
