"""Training by clicks: it learns, it is repeatable, and it goes on exactly after any stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_sets import ORGANS, make_ball, weights_of

from medprep.errors import CheckpointError, OptionError, TrainingError
from medprep.formats import nifti
from medprep.inference.prompts.points import Point
from medprep.inference.prompts.tiling import PromptedVolume
from medprep.models.checkpoint import load_model, read_tensors
from medprep.models.sam_med3d import SamMed3d
from medprep.progress import Silent
from medprep.prompting.weights import load_net, spacing_of
from medprep.training.clicking import objective
from medprep.training.dataset import TrainingCase
from medprep.training.guard import is_finite
from medprep.training.loop import train
from medprep.training.options import TrainingOptions, TrainingResult

MODEL = "model.safetensors"
CPU = torch.device("cpu")


class StopAt(Silent):
    """Keeps what is said, and interrupts a training after some steps, as Ctrl-C does."""

    def __init__(self, step: int | None = None) -> None:
        self.said: list[str] = []
        self.left = step

    def say(self, message: str) -> None:
        self.said.append(message.strip())

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self.left is not None:
            self.left -= steps
            if self.left < 0:
                raise KeyboardInterrupt


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of nets as small as these only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingCase]:
    folder = tmp_path_factory.mktemp("cases")
    return [make_ball(folder, name) for name in "abc"]


def options(**given: Any) -> TrainingOptions:
    usual: dict[str, Any] = {
        "model": "sam-med3d", "width": 48, "patch": (24, 24, 24), "spacing": (1.0, 1.0, 1.0),
        "steps": 20, "batch_size": 2, "clicks": 3, "device": "cpu",
        "settings": (("depth", 2), ("global_blocks", (1,)), ("patch_size", 6)),
    }  # fmt: skip
    return TrainingOptions(**usual | given)


def run(
    cases: list[TrainingCase],
    folder: Path,
    wanted: TrainingOptions | None = None,
    progress: Silent | None = None,
) -> TrainingResult:
    asked = wanted or options()
    return train(cases[:2], [], cases[2:], ORGANS, asked, folder, "k", progress or Silent())


@pytest.fixture(scope="module")
def whole(cases: list[TrainingCase], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run(cases, folder)
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (MODEL, "model.json", "log.csv")}


def test_equal_options_give_equal_bytes(
    cases: list[TrainingCase], whole: Path, tmp_path: Path
) -> None:
    run(cases, tmp_path)
    assert outputs(tmp_path) == outputs(whole)
    run(cases, tmp_path / "other", options(seed=1))
    assert weights_of(tmp_path / "other" / MODEL) != weights_of(whole / MODEL)


@pytest.mark.parametrize("step", [3, 10, 17])
def test_stopped_and_resumed_is_as_if_undisturbed(
    step: int, cases: list[TrainingCase], whole: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path, progress=StopAt(step))
    run(cases, tmp_path)
    assert outputs(tmp_path) == outputs(whole)


def test_killed_and_resumed_is_as_if_undisturbed(
    cases: list[TrainingCase], whole: Path, tmp_path: Path
) -> None:
    """A real SIGKILL, once a state is on the disk."""
    code = (
        "import sys; from pathlib import Path; from medprep.progress import Silent\n"
        "from medprep.training.dataset import TrainingCase\n"
        "from medprep.training.loop import train\n"
        "from medprep.training.options import TrainingOptions\n"
        "import torch; torch.set_num_threads(1)\n"
        f"cases = {cases!r}\n".replace("PosixPath", "Path")
        + f"train(cases[:2], [], cases[2:], {ORGANS!r}, {options()!r}, Path(sys.argv[1]), 'k',"
        " Silent())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    end = time.monotonic() + 120
    while not (tmp_path / "state.safetensors").exists() and time.monotonic() < end:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / MODEL).exists()
    told = StopAt()
    run(cases, tmp_path, progress=told)
    assert "going on after step 10" in told.said
    assert outputs(tmp_path) == outputs(whole)


def test_it_learns_and_a_click_marks_the_organ(cases: list[TrainingCase], tmp_path: Path) -> None:
    """From files to a mask, with the spacing and the sizes that the file tells."""
    wanted = options(recipe="sam-med3d-short", steps=120, batch_size=4)
    result = run(cases, tmp_path, wanted)
    assert result.validation_dice is not None
    assert result.validation_dice > 0.45, "a shell and a core; untrained it is below 0.2"
    assert (result.slices, result.augmented_slices) == (4, 0), "two cases, two organs"
    net, record = load_net(tmp_path / MODEL, CPU)
    assert (net.config.image_size, net.config.depth, spacing_of(record)) == (24, 2, 1.0)
    picture, reference = nifti.read(cases[2].images[0]), nifti.read_labels(cases[2].labels)
    prompted = PromptedVolume(net, picture, CPU, spacing_of(record))
    core = np.argwhere(reference == 2).mean(0)
    x, y, z = picture.geometry.affine[:3] @ [*core, 1.0]
    from medprep.inference.prompts.painting import paint

    labels = paint({2: prompted.mark([Point((x, y, z))])}, picture.geometry)
    ball = reference > 0
    assert labels[tuple(core.round().astype(int))] == 2
    assert (labels > 0)[~ball].mean() < 0.2, "and not what lies around"


def test_a_frozen_encoder_stays_as_it_is(cases: list[TrainingCase], tmp_path: Path) -> None:
    run(cases, tmp_path / "one", options(freeze_encoder=True, steps=2))
    run(cases, tmp_path / "two", options(freeze_encoder=True, steps=12))
    first, second = (read_tensors(tmp_path / name / MODEL)[0] for name in ("one", "two"))
    changed = {name for name in first if not torch.equal(first[name], second[name])}
    assert not {name for name in changed if name.startswith("image_encoder.")}
    assert any(name.startswith("mask_decoder.") for name in changed)
    assert any(name.startswith("prompt_encoder.") for name in changed)
    run(cases, tmp_path / "free", options(steps=2))
    free = read_tensors(tmp_path / "free" / MODEL)[0]
    assert any(not torch.equal(free[n], first[n]) for n in first if n.startswith("image_encoder."))


def test_a_stopped_training_of_a_frozen_encoder_goes_on(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    frozen = options(freeze_encoder=True)
    run(cases, tmp_path / "whole", frozen)
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path / "stopped", frozen, StopAt(15))
    run(cases, tmp_path / "stopped", frozen)
    assert outputs(tmp_path / "stopped") == outputs(tmp_path / "whole")


def test_weights_to_begin_with(cases: list[TrainingCase], whole: Path, tmp_path: Path) -> None:
    """Of medprep's own, with their sizes and spacing; of a learning rate of nothing they stay."""
    asked: dict[str, Any] = {
        "width": None, "patch": None, "settings": (), "spacing": None, "steps": 1, "lr": 1e-12,
        "weights": str(whole / MODEL),
    }  # fmt: skip
    result = run(cases, tmp_path, options(**asked))
    before, after = (read_tensors(path / MODEL) for path in (whole, tmp_path))
    for name, tensor in before[0].items():
        torch.testing.assert_close(after[0][name], tensor, rtol=0, atol=1e-6)
    assert after[1]["prompting"] == {"spacing_mm": 1.0}
    assert result.began_from is not None
    assert (result.began_from["file"], result.began_from["foreign"]) == (MODEL, False)


def test_foreign_weights_are_read_and_remembered(
    cases: list[TrainingCase], whole: Path, tmp_path: Path
) -> None:
    net, record = load_model(whole / MODEL, CPU)
    torch.save({"model_state_dict": net.state_dict(), "epoch": 3}, tmp_path / "theirs.pth")
    config = tuple((name, value) for name, value in record["config"].items() if name != "mlp_ratio")
    asked: dict[str, Any] = {
        "width": None, "patch": None, "steps": 1, "weights": str(tmp_path / "theirs.pth"),
    }  # fmt: skip
    run(cases, tmp_path / "a", options(**asked, settings=config))
    assert read_tensors(tmp_path / "a" / MODEL)[1]["began_from"]["foreign"]
    again = asked | {"weights": str(tmp_path / "a" / MODEL), "settings": ()}
    run(cases, tmp_path / "b", options(**again))
    told = read_tensors(tmp_path / "b" / MODEL)[1]["began_from"]
    assert told["foreign"], "what it began with began with foreign ones"
    with pytest.raises(CheckpointError, match="of another shape"):
        run(cases, tmp_path / "c", options(**asked, settings=(("embed_dim", 96), *config[3:])))


def test_a_loss_that_is_no_number_keeps_the_last_good_weights(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, calls = objective.dice_bce_squared, list[int]()

    def poisoned(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return right(logits, wanted) * (float("nan") if len(calls) > 40 else 1.0)

    monkeypatch.setattr(objective, "dice_bce_squared", poisoned)
    with pytest.raises(TrainingError, match=r"the loss is nan at step 14, in a batch of [ab, ]+;"):
        run(cases, tmp_path)
    net, _ = load_model(tmp_path / "last-good.safetensors", CPU)
    assert is_finite(net)


def test_accumulated_halves_are_one_step(cases: list[TrainingCase], tmp_path: Path) -> None:
    result = run(cases, tmp_path, options(steps=2, accumulate=2))
    assert (result.steps, result.resolved["accumulate"]) == (2, 2)


def test_no_organ_is_large_enough(cases: list[TrainingCase], tmp_path: Path) -> None:
    coarse = options(spacing=(6.0, 6.0, 6.0))
    with pytest.raises(TrainingError, match=r"no organ to click on at 6 mm; too small are a label"):
        run(cases, tmp_path, coarse)


def test_everything_is_in_the_file(whole: Path) -> None:
    net, record = load_model(whole / MODEL, CPU)
    assert isinstance(net, SamMed3d)
    assert record["config"] == {**asdict(net.config), "global_blocks": [1]}
    assert record["organs"] == {"1": "shell", "2": "core"}
    assert record["resolved"]["recipe"] == "sam-med3d"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"loss": "bce"}, "--loss does not go with --model sam-med3d"),
        ({"workers": 1}, "--workers does not go"),
        ({"patch": (24, 24, 32)}, "sees a cube"),
        ({"spacing": (1.0, 1.0, 2.0)}, "sees a cube"),
        ({"recipe": "nnunet"}, "for nets that answer clicks there is sam-med3d"),
        ({"weights": "x.pth"}, "are those of the --weights"),
        ({"clicks": 0}, "wanted is above 0"),
        ({"model": "unet3d"}, "--clicks does not go with --model unet3d"),
        ({"encoder_from": "x"}, "--encoder-from does not go"),
    ],
)
def test_options_that_do_not_go_together(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        options(**wrong)


def test_a_recipe_for_clicks_is_for_no_other_net() -> None:
    with pytest.raises(OptionError, match="shown pictures there is default, nnunet, tutorial"):
        TrainingOptions(model="unet3d", recipe="sam-med3d")
