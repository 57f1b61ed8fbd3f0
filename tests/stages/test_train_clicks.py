"""A net that answers clicks, trained in a workspace; and weights that others began."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from training_sets import make_ball

import medprep
from medprep import pipeline
from medprep.errors import CheckpointError, OptionError
from medprep.formats import nifti
from medprep.models.checkpoint import load_model, save_model
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.prompting import Prompting, prompt
from medprep.stages.base import command_words
from medprep.stages.evaluate import Evaluate
from medprep.stages.predict import Predict
from medprep.stages.report import Report
from medprep.stages.train import Train
from medprep_cli.commands.train import command

OPTIONS: dict[str, Any] = {
    "model": "sam-med3d", "steps": 2, "width": 48, "patch": "32x32x32", "spacing": "6x6x6",
    "batch_size": 2, "clicks": 2, "device": "cpu", "set": ("depth=2", "global_blocks=1,"),
}  # fmt: skip
SIZES: dict[str, Any] = {
    "image_size": 32, "patch_size": 16, "embed_dim": 48, "depth": 2, "heads": 3, "window": 2,
    "global_blocks": (1,), "prompt_dim": 48,
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of nets as small as these only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def work(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("clicked") / "w"
    medprep.split(phantom, train=0.5, val=0.0, test=0.5, workspace=work)
    medprep.extract(organ=["liver", "right_kidney", "left_kidney"], workspace=work)
    pipeline.run([Train(**OPTIONS)], work)
    return work


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that say that they were imported."""
    path = tmp_path_factory.mktemp("weights") / "turbo.safetensors"
    torch.manual_seed(0)
    net = SamMed3d(SamMed3dConfig(**SIZES))
    save_model(path, "sam-med3d", net, {"imported": "sam_med3d_turbo.pth"})
    return path


def test_it_is_a_run_like_others_and_prompt_takes_it(work: Path, tmp_path: Path) -> None:
    again = pipeline.run([Train(**OPTIONS)], work).summaries[-1]
    assert (again.made, again.kept) == ([], ["sam-med3d-fold0"])
    folder = work / "models" / "sam-med3d-fold0"
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors", "model.json", "log.csv", "curve.png",
    }  # fmt: skip
    net, record = load_model(folder / "model.safetensors", torch.device("cpu"))
    assert isinstance(net, SamMed3d)
    assert (net.config.image_size, net.config.depth) == (32, 2)
    assert record["prompting"] == {"spacing_mm": 6.0}
    picture = make_ball(tmp_path, "ball", size=40).images[0]
    outcome = prompt(
        Prompting(
            str(picture), points=((20.0, 20.0, 20.0),), space="voxel",
            checkpoint=str(folder / "model.safetensors"), output=str(tmp_path / "p.nii.gz"),
        )
    )  # fmt: skip
    assert outcome.exit_code == 0
    assert outcome.contamination == ""
    labels = nifti.read_label_map(tmp_path / "p.nii.gz")
    labels.geometry.require_same(nifti.read(picture).geometry)


@pytest.mark.parametrize("stage", [Predict(device="cpu"), Evaluate()])
def test_it_does_not_predict_by_itself(stage: Predict | Evaluate, work: Path) -> None:
    with pytest.raises(CheckpointError, match=r"answers clicks.*medprep prompt SCAN"):
        pipeline.run([stage], work)


def test_a_report_shows_how_it_learnt(work: Path) -> None:
    assert pipeline.run([Report()], work).exit_code == 0
    assert "sam-med3d-fold0" in (work / "report.html").read_text("utf-8")


def test_other_weights_to_begin_with_are_another_run(
    work: Path, foreign: Path, tmp_path: Path
) -> None:
    asked = {
        "model": "sam-med3d", "steps": 1, "spacing": "6x6x6", "batch_size": 1, "clicks": 1,
        "device": "cpu", "run": "tuned", "weights": str(tmp_path / "own.safetensors"),
    }  # fmt: skip
    (tmp_path / "own.safetensors").write_bytes(foreign.read_bytes())
    first = pipeline.run([Train(**asked)], work).summaries[-1]
    said = [line for line in first.lines if "BEGAN WITH own.safetensors" in line]
    assert "trained on CHAOS_Task_4" in said[0], "the phantom is a CHAOS set"
    assert pipeline.run([Train(**asked)], work).summaries[-1].kept == ["tuned"]
    net, record = load_model(foreign, torch.device("cpu"))
    with torch.no_grad():
        next(net.parameters()).add_(1.0)
    save_model(tmp_path / "own.safetensors", "sam-med3d", net, record)
    assert pipeline.run([Train(**asked)], work).summaries[-1].made == ["tuned"]


def test_scores_say_that_the_encoder_has_seen_the_patients(work: Path, foreign: Path) -> None:
    asked: dict[str, Any] = {
        "model": "unetr-official", "steps": 1, "patch": "32x32x32", "batch_size": 1,
        "device": "cpu", "run": "given", "encoder_from": str(foreign), "spacing": "6x6x6",
    }  # fmt: skip
    trained = pipeline.run([Train(**asked)], work).summaries[-1]
    assert any("begins with the encoder of turbo.safetensors" in line for line in trained.lines)
    given = load_model(work / "models" / "given" / "model.safetensors", torch.device("cpu"))[0]
    assert (given.config.hidden_size, given.config.heads) == (48, 3)
    pipeline.run([Predict(run="given", device="cpu")], work)
    outcome = pipeline.run([Evaluate(run=("given",))], work)
    assert any("CHAOS_Task_4" in line for line in outcome.summaries[-1].lines)
    for ending in ("json", "csv", "md"):
        assert "CHAOS_Task_4" in (work / "metrics" / f"given.{ending}").read_text("utf-8")
    pipeline.run([Report()], work)
    assert "CHAOS_Task_4" in (work / "report.html").read_text("utf-8")


def test_labels_of_files_keep_the_word_beside_them(foreign: Path, tmp_path: Path) -> None:
    ball = make_ball(tmp_path, "ball", size=40)
    picture, reference = ball.images[0], ball.labels
    (tmp_path / "r").mkdir()
    (tmp_path / "p").mkdir()
    (tmp_path / "r" / "one.nii.gz").write_bytes(reference.read_bytes())
    prompt(
        Prompting(
            str(picture), from_reference=str(reference), checkpoint=str(foreign),
            output=str(tmp_path / "p" / "one.nii.gz"),
        )
    )  # fmt: skip
    from medprep.evaluations.options import EvaluateFolders
    from medprep.evaluations.run import evaluate_folders

    options = EvaluateFolders(str(tmp_path / "r"), (str(tmp_path / "p"),))
    lines = evaluate_folders(options, jobs=1).lines
    assert any("CHAOS_Task_4, AMOS, LiTS" in line for line in lines)
    (tmp_path / "p" / "one.json").unlink()
    assert not any("CHAOS_Task_4" in line for line in evaluate_folders(options, jobs=1).lines)


def test_the_options_are_words() -> None:
    stage = Train(**OPTIONS | {"freeze_encoder": True})
    words = command_words(stage)
    assert "--set depth=2 --set global_blocks=1," in " ".join(words)
    with command.make_context("train", words[1:]) as context:
        assert command.invoke(context) == stage
    assert dict(stage._training_options().settings) == {"depth": 2, "global_blocks": (1,)}


def test_it_is_not_augmented_online(work: Path) -> None:
    with pytest.raises(OptionError, match="--augment nnunet does not go with --model sam-med3d"):
        pipeline.run([Train(**OPTIONS | {"augment": "nnunet", "run": "x"})], work)
