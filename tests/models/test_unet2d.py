"""The 2D U-Net's own ways; its golden output is in test_golden.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medprep.errors import OptionError
from medprep.models import build, config_of


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
