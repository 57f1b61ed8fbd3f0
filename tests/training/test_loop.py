"""Training: repeatable, resumable after any stop, and honest about what it cannot do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from medprep.errors import TrainingError
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.inference.predict import load_predictor
from medprep.models.checkpoint import load_model
from medprep.progress import Silent
from medprep.training import objective, session
from medprep.training.dataset import TrainingCase
from medprep.training.guard import is_finite
from medprep.training.loop import train
from medprep.training.losses import dice_cross_entropy
from medprep.training.options import TrainingOptions, TrainingResult
from medprep.training.state import read_checked, saved_states
from medprep.training.validation import Validation
from medprep.volume import LabelMap, Volume

OPTIONS = TrainingOptions(width=2, steps=40, batch_size=3, device="cpu")
ORGANS = {1: "disc"}


def make_case(folder: Path, name: str, *, blank: bool = False, size: int = 24) -> TrainingCase:
    """A bright disc on a dark ground, in three slices."""
    chance = np.random.default_rng(abs(int.from_bytes(name.encode(), "big")) % 2**32)
    rows, columns = np.mgrid[:size, :size]
    disc = (rows - size / 2) ** 2 + (columns - size / 2) ** 2 < (size / 4) ** 2
    labels = np.repeat(disc[None], 3, 0).astype(np.uint8) * (0 if blank else 1)
    picture = (chance.normal(100, 20, labels.shape) + 200 * labels).astype(np.int16)
    grid = Geometry.from_parts(labels.shape, (2.0, 1.0, 1.0))
    case = TrainingCase(name, folder / f"{name}.nii.gz", folder / f"{name}-l.nii.gz", (0.0, 400.0))
    nifti.write(case.image, Volume(picture, grid))
    nifti.write(case.labels, LabelMap(labels, grid, ORGANS))
    return case


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
    return [make_case(folder, name, size=size) for name, size in (("a", 24), ("b", 30), ("c", 24))]


def run(
    cases: list[TrainingCase],
    folder: Path,
    *,
    options: TrainingOptions = OPTIONS,
    key: str = "k",
    progress: Silent | None = None,
) -> TrainingResult:
    return train(cases[:2], [], cases[2:], ORGANS, options, folder, key, progress or Silent())


def outputs(folder: Path) -> dict[str, bytes]:
    names = ("model.safetensors", "model.json", "log.csv")
    return {name: (folder / name).read_bytes() for name in names}


class StopAt(Silent):
    """Interrupts a training after some steps, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.left = step

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.left -= steps
        if self.left < 0:
            raise KeyboardInterrupt


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message.strip())


def test_equal_options_give_equal_bytes(cases: list[TrainingCase], tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(cases, tmp_path / name)
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {"model.safetensors", "model.json", "log.csv"}


def test_another_seed_gives_other_weights(cases: list[TrainingCase], tmp_path: Path) -> None:
    run(cases, tmp_path / "one")
    other = TrainingOptions(width=2, steps=40, batch_size=3, device="cpu", seed=1)
    run(cases, tmp_path / "two", options=other)
    assert outputs(tmp_path / "one") != outputs(tmp_path / "two")


@pytest.mark.parametrize("step", [3, 10, 27, 39])
def test_stopped_and_resumed_is_as_if_undisturbed(
    step: int, cases: list[TrainingCase], tmp_path: Path
) -> None:
    run(cases, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path / "stopped", progress=StopAt(step))
    assert not (tmp_path / "stopped" / "model.safetensors").exists()
    run(cases, tmp_path / "stopped")
    assert outputs(tmp_path / "stopped") == outputs(tmp_path / "whole")


def test_killed_and_resumed_is_as_if_undisturbed(cases: list[TrainingCase], tmp_path: Path) -> None:
    """A real SIGKILL, once a state is on the disk."""
    run(cases, tmp_path / "whole")
    code = (
        "import sys; from pathlib import Path; from medprep.progress import Silent\n"
        "from medprep.training.dataset import TrainingCase\n"
        "from medprep.training.loop import train\n"
        "from medprep.training.options import TrainingOptions\n"
        "import torch; torch.set_num_threads(1)\n"
        f"cases = {cases!r}\n".replace("PosixPath", "Path")
        + f"train(cases[:2], [], cases[2:], {ORGANS!r}, {OPTIONS!r}, Path(sys.argv[1]), 'k',"
        " Silent())"
    )
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    end = time.monotonic() + 60
    while not (folder / "state.safetensors").exists() and time.monotonic() < end:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run(cases, folder)
    assert outputs(folder) == outputs(tmp_path / "whole")


def test_it_is_saved_by_time_too(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = TrainingOptions(width=2, steps=400, batch_size=3, device="cpu", patience=1)
    monkeypatch.setattr(Validation, "mean_dice", lambda *_: 0.5)
    run(cases, tmp_path / "whole", options=options)
    monkeypatch.setattr(session, "SAVE_EVERY_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path / "stopped", options=options, progress=StopAt(37))
    found = [read_checked(path)[1]["step"] for path in saved_states(tmp_path / "stopped")]
    assert found == [30, 20], "the first validation is at 40"
    told = Told()
    run(cases, tmp_path / "stopped", options=options, progress=told)
    assert told.said == ["going on after step 30"]
    assert outputs(tmp_path / "stopped") == outputs(tmp_path / "whole")


def test_a_state_of_other_options_is_not_continued(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    run(cases, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path / "stopped", key="other", progress=StopAt(25))
    run(cases, tmp_path / "stopped")
    assert outputs(tmp_path / "stopped") == outputs(tmp_path / "whole")


@pytest.mark.parametrize("both", [False, True])
def test_a_damaged_state_is_gone_on_from_the_one_before(
    both: bool, cases: list[TrainingCase], tmp_path: Path
) -> None:
    """With both damaged the training starts anew; the end is the same."""
    run(cases, tmp_path / "whole")
    folder = tmp_path / "damaged"
    with pytest.raises(KeyboardInterrupt):
        run(cases, folder, progress=StopAt(35))
    for name in ("state.safetensors", "state-previous.safetensors")[: 1 + both]:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
    told = Told()
    run(cases, folder, progress=told)
    assert told.said[-1] == ("going on after step 20" if not both else told.said[-1])
    assert sum("of no use" in one for one in told.said) == 1 + both
    assert outputs(folder) == outputs(tmp_path / "whole")


def test_a_damaged_state_does_not_take_the_place_of_the_one_before(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path, progress=StopAt(35))
    (tmp_path / "state.safetensors").write_bytes(b"half")
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path, progress=StopAt(35))
    assert [read_checked(path)[1]["step"] for path in saved_states(tmp_path)] == [30, 20]


def test_it_learns_and_predicts_on_the_volumes_grid(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    options = TrainingOptions(width=4, steps=120, batch_size=4, device="cpu")
    result = run(cases, tmp_path, options=options)
    assert result.validation_dice is not None
    assert result.validation_dice > 0.9
    picture = nifti.read(cases[2].image)
    labels = load_predictor(tmp_path / "model.safetensors", "cpu").predict(picture, (0.0, 400.0))
    assert labels.shape == picture.array.shape
    reference = nifti.read_labels(cases[2].labels)
    dice = 2 * np.sum((labels == 1) & (reference == 1)) / (np.sum(labels) + np.sum(reference))
    assert dice == pytest.approx(result.validation_dice)


def test_without_validation_the_last_weights_are_kept(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    result = train(cases, [], [], ORGANS, OPTIONS, tmp_path, "k", Silent())
    assert result.validation_dice is None
    assert result.best_step == result.steps == 40
    assert "last step" in result.choice
    assert json.loads((tmp_path / "model.json").read_text())["choice"] == result.choice


def test_no_organ_anywhere(tmp_path: Path) -> None:
    blank = [make_case(tmp_path, "x", blank=True)]
    with pytest.raises(TrainingError, match="no organ"):
        train(blank, [], [], ORGANS, OPTIONS, tmp_path / "run", "k", Silent())


def test_a_loss_that_is_no_number_names_step_and_cases(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    wild = TrainingOptions(width=2, steps=40, batch_size=3, device="cpu", lr=1e30)
    with pytest.raises(
        TrainingError, match=r"the loss is .* at step \d+, in a batch of [ab, ]+;.*--lr"
    ):
        run(cases, tmp_path, options=wild)


def test_a_gradient_that_is_no_number_spares_the_weights(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of the step is finite: only its gradient gives it away."""
    calls = []

    def poisoned(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        loss = dice_cross_entropy(logits, labels)
        return loss if len(calls) != 16 else loss + (logits * 0).sum().sqrt()

    monkeypatch.setattr(objective, "named_loss", lambda *_, **__: poisoned)
    with pytest.raises(TrainingError, match=r"the gradient is nan at step 16, .* of step 10 are"):
        run(cases, tmp_path)
    net, _ = load_model(tmp_path / "last-good.safetensors", torch.device("cpu"))
    assert is_finite(net)
    monkeypatch.undo()
    run(cases, tmp_path)
    run(cases, tmp_path / "whole")
    assert outputs(tmp_path) == outputs(tmp_path / "whole"), "and it can be gone on with"


def test_minutes_end_it_and_mark_it(cases: list[TrainingCase], tmp_path: Path) -> None:
    options = TrainingOptions(width=2, batch_size=2, device="cpu", minutes=0.02)
    result = run(cases, tmp_path, options=options)
    assert not result.repeatable
    assert result.steps >= 1
