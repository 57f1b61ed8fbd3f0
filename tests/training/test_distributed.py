"""Two real processes that train one net together, beside one process with the same batch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torchrun import UNETR, losses, rows, start
from training_sets import make_ball

from medprep.errors import WorkerError
from medprep.models.checkpoint import read_tensors
from medprep.training.distributed import ALONE, Crew, _require_alike

UNET3D: dict[str, Any] = {
    "model": "unet3d", "width": 2, "patch": (16, 16, 16), "batch_size": 4, "steps": 20,
    "device": "cpu",
}  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for name in "abcd":
        make_ball(folder, name)
    return folder


def train(source: Path, folder: Path, processes: int, **options: Any) -> Path:
    status, said = start(source, folder, processes, **options)
    assert status == 0, said
    return folder


@pytest.mark.parametrize(
    "more",
    [
        {"loss": "ce"},
        {"loss": "ce", "class_weights": (0.2, 1.0, 3.0)},
        {"loss": "dice-ce", "accumulate": 2},
        {"target": "regions"},
    ],
    ids=lambda more: " ".join(map(str, more)),
)
def test_two_processes_follow_the_curve_of_one(
    source: Path, tmp_path: Path, more: dict[str, Any]
) -> None:
    one = train(source, tmp_path / "one", 1, **UNETR, **more)
    two = train(source, tmp_path / "two", 2, **UNETR, **more)
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    dice = [
        [row["validation_dice"] for row in rows(run) if row["validation_dice"]]
        for run in (one, two)
    ]
    assert list(map(float, dice[1])) == pytest.approx(list(map(float, dice[0])), abs=1e-2)
    ours, theirs = (read_tensors(run / "model.safetensors")[0] for run in (one, two))
    for name, tensor in ours.items():
        assert torch.allclose(theirs[name], tensor, atol=5e-3), name


def test_batch_normalisation_sees_its_own_places_on_a_cpu(source: Path, tmp_path: Path) -> None:
    """The curves are near each other, no more; a GPU normalises over all."""
    one = train(source, tmp_path / "one", 1, **UNET3D)
    two = train(source, tmp_path / "two", 2, **UNET3D)
    assert losses(two) == pytest.approx(losses(one), abs=0.3)
    assert losses(two) != pytest.approx(losses(one), abs=1e-4)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_training_killed_in_two_processes_goes_on(
    source: Path, tmp_path: Path, processes: int
) -> None:
    whole = train(source, tmp_path / "whole", 2, **UNETR)
    status, said = start(source, tmp_path / "cut", 2, **UNETR, stop_at=14)
    assert status != 0
    assert (tmp_path / "cut" / "state.safetensors").exists(), said
    status, said = start(source, tmp_path / "cut", processes, **UNETR)
    assert status == 0 and "going on after step 10" in said, said
    assert losses(tmp_path / "cut") == pytest.approx(losses(whole), abs=1e-4)
    if processes == 2:
        same = (read_tensors(run / "model.safetensors")[0] for run in (whole, tmp_path / "cut"))
        assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in same), strict=True))


def same_bytes(one: Path, other: Path) -> None:
    ours, theirs = (read_tensors(run / "model.safetensors")[0] for run in (one, other))
    assert all(torch.equal(theirs[name], tensor) for name, tensor in ours.items())
    assert (one / "log.csv").read_bytes() == (other / "log.csv").read_bytes()


def test_two_processes_on_shards_give_the_bytes_of_two_without(
    source: Path, tmp_path: Path
) -> None:
    """On another spacing, so that both prepare: without shards each for itself, else together."""
    more = {**UNETR, "spacing": (1.0, 1.2, 1.0), "steps": 12}
    plain = train(source, tmp_path / "plain", 2, **more)
    packed = train(source, tmp_path / "packed", 2, **more, shards=str(tmp_path / "s"))
    same_bytes(plain, packed)
    assert not [path for path in packed.iterdir() if path.name.startswith("prepared")]


@pytest.mark.parametrize("processes", [1, 2])
def test_blocks_go_on_with_any_number_of_processes(
    source: Path, tmp_path: Path, processes: int
) -> None:
    more = {**UNETR, "block": 1, "spacing": (1.0, 1.2, 1.0), "shards": str(tmp_path / "s")}
    whole = train(source, tmp_path / "whole", 1, **more)
    without = train(source, tmp_path / "without", 1, **UNETR, spacing=(1.0, 1.2, 1.0))
    assert losses(whole) != losses(without)
    cut = tmp_path / "cut"
    status, _ = start(source, cut, 2, **more, stop_at=14)
    assert status != 0
    # What was prepared is prepared: nothing of it is written again.
    made = {path: path.stat().st_mtime_ns for path in cut.glob("prepared-*/*")}
    assert len(made) == 3 * 4
    status, said = start(source, cut, processes, **more, stop_at=5)
    assert status != 0 and "going on after step 10" in said
    assert {path: path.stat().st_mtime_ns for path in cut.glob("prepared-*/*")} == made
    status, said = start(source, cut, processes, **more)
    assert status == 0, said
    assert losses(cut) == pytest.approx(losses(whole), abs=1e-4)


def test_missing_shards_are_told_by_all(source: Path, tmp_path: Path) -> None:
    """Also where the first process would find its own."""
    folder = tmp_path / "s"
    train(source, tmp_path / "a", 1, **UNETR | {"steps": 2}, shards=str(folder))
    # The second case is the second process's to look for.
    status, said = start(source, tmp_path / "b", 2, **UNETR, shards=str(folder), lose="b-marks.npz")
    assert status != 0
    assert "does not see the shards of b; wanted is the workspace under the same path" in said


def test_the_cause_of_a_process_that_ends_is_told_by_the_others(
    source: Path, tmp_path: Path
) -> None:
    status, said = start(source, tmp_path, 2, **UNETR, fail_at=(1, 6))
    assert status != 0
    assert re.search(r"process 1 of 2, on \S+, ended: no room for it\. The same command", said)


def test_a_batch_that_cannot_be_shared_is_refused(source: Path, tmp_path: Path) -> None:
    status, said = start(source, tmp_path, 2, **UNETR | {"batch_size": 3})
    assert status != 0
    assert (
        "--batch-size is 3, which 2 processes cannot share equally; wanted is a multiple of 2"
        in said
    )


def test_a_loss_that_is_no_number_names_the_cases_of_all(source: Path, tmp_path: Path) -> None:
    status, said = start(source, tmp_path, 2, **UNETR | {"lr": 1e30, "batch_size": 8})
    assert status != 0
    assert "in a batch of a, b, c" in said


def test_processes_of_other_versions_do_not_train_together() -> None:
    class Pair(Crew):
        def gather(self, value: Any) -> list[Any]:
            return [value, ("node2", value[1].replace("numpy", "numpy 0.1, not"))]

    with pytest.raises(WorkerError, match=r"process 1, on node2, has medprep .* numpy 0\.1"):
        _require_alike(Pair(0, 2))
    _require_alike(ALONE)


def test_alone_nothing_is_sent() -> None:
    tensor = torch.ones(2)
    assert ALONE.sum(tensor) is tensor and ALONE.mean(0.5) == 0.5
    assert ALONE.agree("x") == "x" and ALONE.gather(1) == [1]
    assert list(ALONE.places(3)) == [0, 1, 2]
