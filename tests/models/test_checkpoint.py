"""Weights in one file: rebuilt exactly, and nothing else is believed."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from medprep.errors import CheckpointError
from medprep.models import build
from medprep.models.checkpoint import load_model, save_model, write_tensors

CPU = torch.device("cpu")


def test_round_trip_and_equal_bytes(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net = build("unet2d", out_channels=2, width=2).eval()
    for name in ("a", "b"):
        save_model(tmp_path / name, "unet2d", net, {"organs": {"1": "liver"}})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again, record = load_model(tmp_path / "a", CPU)
    assert record["organs"] == {"1": "liver"}
    for ours, theirs in zip(again.state_dict().values(), net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        load_model(tmp_path / "none", CPU)


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    save_model(path, "unet2d", build("unet2d", width=2), {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError):
        load_model(path, CPU)


class Bomb:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_a_pickle_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Bomb(tmp_path / "burst")))
    with pytest.raises(CheckpointError):
        load_model(path, CPU)
    assert not (tmp_path / "burst").exists()


def test_tensors_of_another_net(tmp_path: Path) -> None:
    path = tmp_path / "other"
    record = {"model": "unet2d", "config": {"width": 2}}
    write_tensors(path, {"weight": torch.zeros(1)}, record)
    with pytest.raises(CheckpointError, match="fit no net"):
        load_model(path, CPU)
