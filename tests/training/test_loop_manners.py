"""Nets for volumes, and the same training in other manners: by processes, in parts, in less memory.

Every run is of a few steps: what is looked at is that numbers are the same, or files are there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from training_sets import ORGANS, make_ball, weights_of

from medprep.augmentation.recipe import named_recipe
from medprep.errors import OptionError, TrainingError
from medprep.models.checkpoint import load_model
from medprep.models.preparation import Preparation
from medprep.progress import Silent
from medprep.training import settling
from medprep.training.batches import Batch, Batches
from medprep.training.dataset import TrainingCase
from medprep.training.loop import train
from medprep.training.objective import Supervised
from medprep.training.online import Online
from medprep.training.options import TrainingOptions, TrainingResult
from medprep.training.validation import Validation

MODEL = "model.safetensors"


class Told(Silent):
    """Keeps what is said, and may interrupt."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.said: list[str] = []
        self.left = stop_at

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
    usual = {"model": "unet3d", "width": 2, "steps": 20, "patch": (16, 16, 16), "device": "cpu"}
    return TrainingOptions(**usual | given)


def run(
    cases: list[TrainingCase],
    folder: Path,
    wanted: TrainingOptions,
    progress: Silent | None = None,
    **more: Any,
) -> TrainingResult:
    told = progress or Silent()
    return train(cases[:2], [], cases[2:], ORGANS, wanted, folder, "k", told, **more)


def test_volumes_are_learnt_and_all_is_in_the_file(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    result = run(cases, tmp_path, options(width=4, steps=60))
    assert result.validation_dice is not None
    assert result.validation_dice > 0.8
    assert (result.slices, result.resolved["patch"]) == (2, [16, 16, 16])
    net, record = load_model(tmp_path / MODEL, torch.device("cpu"))
    preparation = Preparation.from_record(record)
    assert (preparation.dimensions, preparation.patch) == (3, (16, 16, 16))
    assert preparation.scalings[0].kind == "z-score"
    assert preparation.targets.names == ORGANS
    assert record["fingerprint"]["cases"] == 2, "of the training cases alone"
    assert net(torch.zeros(1, 1, 16, 16, 16)).shape == (1, 3, 16, 16, 16)


def test_stopped_and_resumed_volumes(cases: list[TrainingCase], tmp_path: Path) -> None:
    online = Online(named_recipe("tutorial"), "tutorial", {})
    run(cases, tmp_path / "whole", options(), online=online)
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path / "stopped", options(), Told(stop_at=13), online=online)
    run(cases, tmp_path / "stopped", options(), online=online)
    for name in (MODEL, "model.json", "log.csv"):
        assert (tmp_path / "stopped" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


def test_killed_and_resumed_volumes(cases: list[TrainingCase], tmp_path: Path) -> None:
    """A real SIGKILL, once a state is on the disk."""
    run(cases, tmp_path / "whole", options())
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
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    end = time.monotonic() + 60
    while not (folder / "state.safetensors").exists() and time.monotonic() < end:
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    run(cases, folder, options())
    assert weights_of(folder / MODEL) == weights_of(tmp_path / "whole" / MODEL)


@pytest.mark.parametrize("model", ["unetr-official", "densenet-unet", "unet2d"])
def test_every_net_by_its_name_alone(model: str, cases: list[TrainingCase], tmp_path: Path) -> None:
    width = 24 if model.startswith("unetr") else 4
    sides = (16, 16, 16) if model.startswith("unetr") else (32, 32)
    result = run(cases, tmp_path, options(model=model, width=width, patch=sides, steps=2))
    assert result.steps == 2
    assert result.validation_dice is not None
    load_model(tmp_path / MODEL, torch.device("cpu"))


def test_workers_change_nothing(cases: list[TrainingCase], tmp_path: Path) -> None:
    run(cases, tmp_path / "none", options(steps=3))
    run(cases, tmp_path / "one", options(steps=3, workers=1))
    assert weights_of(tmp_path / "one" / MODEL) == weights_of(tmp_path / "none" / MODEL)


def test_the_same_batch_twice_is_the_batch(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients are accumulated as their mean, not as their sum or their last."""
    first, asked = Batches.at, []

    def at(self: Batches, step: int, places: Any = None) -> Batch:
        asked.append(step)
        return first(self, 0, places)

    monkeypatch.setattr(Batches, "at", at)
    for parts in (1, 2):
        run(cases, tmp_path / f"{parts}", options(steps=2, accumulate=parts))
    assert asked == [0, 1, 0, 1, 2, 3]
    one, two = (load_model(tmp_path / name / MODEL, torch.device("cpu"))[0] for name in "12")
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_regions(cases: list[TrainingCase], tmp_path: Path) -> None:
    regions = {"whole": ("shell", "core")}
    result = run(cases, tmp_path, options(target="regions", width=4, steps=60), regions=regions)
    assert result.validation_dice is not None
    assert result.validation_dice > 0.7
    _, record = load_model(tmp_path / MODEL, torch.device("cpu"))
    targets = Preparation.from_record(record).targets
    assert (targets.exclusive, targets.channel_names) == (False, ("whole", "core"))


def test_organs_by_themselves_stay_the_channels_they_were(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    """Their names sort otherwise than their labels."""
    run(cases, tmp_path, options(target="regions", steps=2))
    _, record = load_model(tmp_path / MODEL, torch.device("cpu"))
    targets = Preparation.from_record(record).targets
    assert targets.channel_names == ("shell alone", "core alone")
    assert [channel.paint for channel in targets.overlapping] == [1, 2]


def test_deep_supervision_goes_on_exactly_too(cases: list[TrainingCase], tmp_path: Path) -> None:
    """Its heads are in the state and not in the model."""
    wanted = options(recipe="nnunet")
    run(cases, tmp_path / "whole", wanted)
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path / "stopped", wanted, Told(stop_at=15))
    run(cases, tmp_path / "stopped", wanted)
    assert weights_of(tmp_path / "stopped" / MODEL) == weights_of(tmp_path / "whole" / MODEL)


def test_the_tutorial_keeps_weights_on_the_way(tmp_path: Path) -> None:
    small = [make_ball(tmp_path, name, size=8) for name in "abc"]
    wanted = options(recipe="tutorial", model="unet2d", patch=(16, 16), batch_size=16, steps=None)
    result = run(small, tmp_path, wanted)
    assert (result.steps, result.resolved["loss"], result.resolved["keep_every"]) == (
        80,
        "bce",
        20,
    )
    kept = sorted(path.name for path in tmp_path.glob("epoch-*"))
    assert kept == [f"epoch-{number}.safetensors" for number in (20, 40, 60, 80)]
    net, record = load_model(tmp_path / "epoch-20.safetensors", torch.device("cpu"))
    assert (net.config.dropout, Preparation.from_record(record).targets.exclusive) == (0.2, False)


def test_the_tutorial_keeps_its_last_epoch_whatever_the_slices(tmp_path: Path) -> None:
    small = [make_ball(tmp_path, name, size=size) for name, size in (("a", 8), ("b", 9), ("c", 8))]
    wanted = options(recipe="tutorial", model="unet2d", patch=(16, 16), batch_size=32, steps=None)
    result = run(small, tmp_path, wanted)
    assert (result.steps, result.resolved["keep_every"]) == (43, 11), "17 slices"
    kept = sorted(path.name for path in tmp_path.glob("epoch-*"))
    assert kept == [f"epoch-{number}.safetensors" for number in (20, 40, 60, 80)]
    assert weights_of(tmp_path / kept[-1]) != weights_of(tmp_path / kept[-2])


def test_patience_ends_it(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Validation, "mean_dice", lambda *_: 0.5)
    result = run(cases, tmp_path, options(steps=100, patience=2))
    assert (result.steps, result.best_step) == (30, 10)
    assert "step 10: the best" in result.choice
    assert "ended early, after 2 validations" in result.choice


def test_out_of_memory_is_answered_with_less(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Supervised._loss_of

    def scarce(self: Supervised, batch: Any) -> Any:
        if batch.pictures[0, 0].size > 16**3:
            torch.empty(1 << 55, dtype=torch.uint8)  # what a failure to allocate raises
        return shown(self, batch)

    monkeypatch.setattr(Supervised, "_loss_of", scarce)
    told = Told()
    result = run(cases, tmp_path, options(patch=(16, 24, 24)), told)
    assert result.resolved["patch"] == [16, 16, 16]
    assert "does not take patches of 16 x 24 x 24: going on with 16 x 16 x 24" in told.said[0]
    assert json.loads((tmp_path / "model.json").read_text())["preparation"]["patch"] == [16] * 3
    monkeypatch.setattr(Supervised, "_loss_of", lambda *_: torch.empty(1 << 55, dtype=torch.uint8))
    with pytest.raises(TrainingError, match=r"does not take a patch of 8 x 8 x 8"):
        run(cases, tmp_path / "none", options())


def test_a_patch_that_became_smaller_stays_so(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, failed = Supervised._loss_of, list[int]()

    def once(self: Supervised, batch: Any) -> Any:
        if not failed:
            failed.append(1)
            raise MemoryError
        return shown(self, batch)

    monkeypatch.setattr(Supervised, "_loss_of", once)
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path, options(), Told(stop_at=13))
    assert run(cases, tmp_path, options()).resolved["patch"] == [8, 16, 16]


def short_of_memory(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let memory run out once, in the batch of this number."""
    shown, seen = Supervised._loss_of, list[int]()

    def once(self: Supervised, batch: Any) -> Any:
        seen.append(1)
        if len(seen) == at:
            raise MemoryError
        return shown(self, batch)

    monkeypatch.setattr(Supervised, "_loss_of", once)


def test_a_patch_that_became_smaller_after_a_save_stays_so(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_of_memory(monkeypatch, at=13)
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path, options(steps=40), Told(stop_at=35))
    told = Told()
    result = run(cases, tmp_path, options(steps=40), told)
    assert result.resolved["patch"] == [8, 16, 16]
    assert told.said == ["going on after step 20"]


def test_a_net_that_is_built_for_its_patch_stops_after_a_save(
    cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = options(model="unetr-official", width=24, patch=(16, 16, 32), steps=20)
    run(cases, tmp_path / "whole", wanted)
    folder = tmp_path / "short"
    with monkeypatch.context() as patched:
        short_of_memory(patched, at=13)
        with pytest.raises(TrainingError, match=r"no longer takes a patch of 16 x 16 x 32.*again"):
            run(cases, folder, wanted)
    told = Told()
    run(cases, folder, wanted, told)
    assert told.said == ["going on after step 10"]
    assert weights_of(folder / MODEL) == weights_of(tmp_path / "whole" / MODEL)
    with monkeypatch.context() as patched:
        short_of_memory(patched, at=3)
        before = run(cases, tmp_path / "before", wanted)
    assert before.resolved["patch"] == [16, 16, 16], "before a save it is built anew"


@pytest.mark.parametrize("recipe", ["default", "tutorial"])
def test_it_goes_on_as_it_began_whatever_memory_is_free(
    recipe: str, cases: list[TrainingCase], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU patch, batch and steps follow from what is free when it begins."""
    wanted = options(recipe=recipe, patch=None, spacing=(1.0, 1.0, 1.0), steps=None, epochs=40)

    def free(voxels: int) -> None:
        monkeypatch.setattr(settling, "voxels_a_step", lambda *_: voxels)

    free(32768)
    whole = run(cases, tmp_path / "whole", wanted)
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path / "stopped", wanted, Told(stop_at=13))
    free(10000)
    run(cases, tmp_path / "stopped", wanted)
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("stopped", "whole")
    )
    assert one == other
    anew = run(cases, tmp_path / "anew", wanted)
    assert (anew.steps, anew.resolved["patch"]) != (whole.steps, whole.resolved["patch"])


def test_loss_and_target_that_do_not_go_together(cases: list[TrainingCase], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--loss bce goes with --target regions"):
        run(cases, tmp_path, options(loss="bce"))


def test_threads_wait_quietly() -> None:
    """A busy neighbour makes threads that spin several times slower; torch reads this once."""
    code = "import os, medprep.training.loop; print(os.environ.get('OMP_WAIT_POLICY'))"
    bare = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True)
    assert done.stdout.strip() == "PASSIVE", done.stderr
