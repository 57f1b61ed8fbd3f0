"""The 2D U-Net is the original one, to the last digits."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from medprep.errors import OptionError
from medprep.models import build, config_of, describe

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="module")
def fill() -> ModuleType:
    """The maker of the golden weights: numpy alone, seeded by the original's names."""
    spec = importlib.util.spec_from_file_location("fill", GOLDEN / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def filled(fill: ModuleType) -> nn.Module:
    """Our net with the golden weights, paired in the order in which data flow."""
    net = build("unet2d", in_channels=1, out_channels=1, width=64).eval()
    originals = json.loads((GOLDEN / "unet2d.keys.json").read_text())["tensors"]
    ours = net.state_dict()
    assert len(ours) == len(originals)
    for tensor, original in zip(ours.values(), originals, strict=True):
        assert list(tensor.shape) == original["shape"]
        whole = "int" in original["dtype"]
        value = fill.fill_tensor(original["key"], original["shape"], whole)
        tensor.copy_(torch.from_numpy(np.asarray(value)))
    return net


def test_golden_output(filled: nn.Module, fill: ModuleType) -> None:
    picture = torch.from_numpy(fill.fill_input("unet2d_full_64x96", (1, 1, 64, 96)))
    with torch.inference_mode():
        output = filled(picture).numpy()
    wanted = np.load(GOLDEN / "unet2d_full_64x96.npz")["output"]
    assert np.abs(output - wanted).max() <= 2e-5 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize(("channels", "parameters"), [((1, 1), 31_042_369), ((3, 4), 31_043_716)])
def test_parameters_are_the_originals(channels: tuple[int, int], parameters: int) -> None:
    net = build("unet2d", in_channels=channels[0], out_channels=channels[1], width=64)
    assert sum(tensor.numel() for tensor in net.parameters()) == parameters


def test_the_list_of_nets_says_what_is_built() -> None:
    for info in describe():
        net = build(info.name)
        assert sum(tensor.numel() for tensor in net.parameters()) == info.parameters


def test_dropout_stands_after_each_pooling_and_each_concatenation() -> None:
    net = build("unet2d", width=2)
    calls: list[Any] = []
    net.dropout.register_forward_hook(lambda *_: calls.append(1))
    net(torch.zeros(2, 1, 32, 32))
    assert len(calls) == 8
    assert net.dropout.p == 0.2


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (1, 1), (35, 51)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    net = build("unet2d", out_channels=3, width=2).eval()
    assert net(torch.rand(1, 1, *size)).shape == (1, 3, *size)


def test_padding_replicates_edges() -> None:
    net = build("unet2d", width=2).eval()
    picture = torch.rand(1, 1, 20, 20)
    by_hand = torch.nn.functional.pad(picture, (0, 12, 0, 12), "replicate")
    with torch.inference_mode():
        assert torch.equal(net(picture), net(by_hand)[..., :20, :20])


def test_config_rebuilds_the_net() -> None:
    net = build("unet2d", in_channels=2, out_channels=3, width=4, dropout=0.1)
    again = build("unet2d", **config_of(net))
    assert config_of(again) == config_of(net)


@pytest.mark.parametrize(
    ("name", "config"),
    [("unet9d", {}), ("unet2d", {"wdth": 3}), ("unet2d", {"width": 0}), ("unet2d", {"dropout": 1})],
)
def test_wrong_requests_are_refused(name: str, config: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        build(name, **config)
