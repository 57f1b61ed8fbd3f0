"""What TensorBoard is told, and what an earlier training leaves behind."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from training_sets import ORGANS, make_ball

from medprep.errors import LibraryError
from medprep.progress import Silent
from medprep.training.dataset import TrainingCase
from medprep.training.ending import remove_left
from medprep.training.events import FILE, Events, events_of_log, require_tensorboard
from medprep.training.loop import train
from medprep.training.options import TrainingOptions, TrainingResult


class Told(Silent):
    """Keeps the notes, and may interrupt."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.notes: list[str] = []
        self.left = stop_at

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.notes.append(note)
        if self.left is not None:
            self.left -= steps
            if self.left < 0:
                raise KeyboardInterrupt


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingCase]:
    folder = tmp_path_factory.mktemp("cases")
    return [make_ball(folder, name, size=16) for name in "abc"]


def run(
    cases: list[TrainingCase], folder: Path, key: str = "k", told: Silent | None = None, **more: Any
) -> TrainingResult:
    events = more.pop("events", False)
    options = TrainingOptions(
        **{"model": "unet2d", "width": 2, "steps": 60, "batch_size": 2, "device": "cpu"} | more
    )
    return train(
        cases[:2], [], cases[2:], ORGANS, options, folder, key, told or Silent(),
        events=Events(folder) if events else None,
    )  # fmt: skip


def rows(folder: Path) -> list[tuple[int, dict[str, float]]]:
    """Read a file of events as TensorBoard does."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    loaded = LegacyEventFileLoader(str(folder / FILE)).Load()
    return [
        (event.step, {value.tag: value.simple_value for value in event.summary.value})
        for event in loaded
        if event.HasField("summary")
    ]


def test_tensorboard_reads_the_log(cases: list[TrainingCase], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    run(cases, tmp_path, events=True)
    log = [line.split(",") for line in (tmp_path / "log.csv").read_text().split()[1:]]
    found = rows(tmp_path)
    assert [step for step, _ in found] == [int(row[0]) for row in log] == list(range(10, 61, 10))
    for (_, told), (_, loss, rate, dice) in zip(found, log, strict=True):
        assert told["loss"] == pytest.approx(float(loss))
        assert told["learning_rate"] == pytest.approx(float(rate))
        assert ("validation_dice" in told) == bool(dice)
    assert found[-1][1]["validation_dice"] == pytest.approx(float(log[-1][3]))


def test_a_resumed_training_writes_no_row_twice(cases: list[TrainingCase], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    more: dict[str, Any] = {"events": True, "steps": 300}
    run(cases, tmp_path / "whole", **more)
    with pytest.raises(KeyboardInterrupt):  # rows 70 and 80 were told after the last save
        run(cases, tmp_path / "stopped", told=Told(stop_at=85), **more)
    assert [step for step, _ in rows(tmp_path / "stopped")] == list(range(10, 81, 10))
    run(cases, tmp_path / "stopped", **more)
    assert [step for step, _ in rows(tmp_path / "stopped")] == list(range(10, 301, 10))
    whole, stopped = ((tmp_path / name / FILE).read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


def test_a_training_that_has_ended_gets_its_events_from_the_log(
    cases: list[TrainingCase], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    run(cases, tmp_path / "with", events=True)
    run(cases, tmp_path / "without")
    assert not (tmp_path / "without" / FILE).exists()
    events_of_log(tmp_path / "without")
    told = [(tmp_path / name / FILE).read_bytes() for name in ("with", "without")]
    assert told[0] == told[1]


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tensorboard", "tensorboard.compat", "tensorboard.compat.proto"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "tensorboard.compat.proto.event_pb2", raising=False)
    with pytest.raises(LibraryError, match=r'pip install "medprep\[tensorboard\]"'):
        require_tensorboard()


def test_another_training_removes_what_was_left(cases: list[TrainingCase], tmp_path: Path) -> None:
    left = [tmp_path / name for name in ("epoch-20.safetensors", "last-good.safetensors", FILE)]
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path, steps=100, told=Told(stop_at=25))
    for path in left:
        path.write_bytes(b"of it")
    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path, steps=100, told=Told(stop_at=25))
    assert all(path.exists() for path in left), "it is the same training"
    (tmp_path / "mine.txt").write_text("not ours")
    run(cases, tmp_path, key="another", steps=10)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log.csv", "mine.txt", "model.json", "model.safetensors",
    ]  # fmt: skip
    remove_left(tmp_path / "nowhere")


def test_the_note_says_loss_dice_and_time_left(cases: list[TrainingCase], tmp_path: Path) -> None:
    by_steps = Told()
    run(cases, tmp_path / "s", told=by_steps)
    assert re.fullmatch(
        r"loss \d\.\d{3}, validation Dice \d\.\d{3}, about 0\.0 min left", by_steps.notes[-1]
    )
    by_clock = Told()
    run(cases, tmp_path / "m", told=by_clock, steps=None, minutes=0.02)
    assert re.search(
        r"loss \d\.\d{3}, validation Dice \d\.\d{3}, 0\.0 min left", by_clock.notes[-1]
    )
