"""The folded net is the same function, and the quickest order of tensors changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from medprep.models import build
from medprep.models.checkpoint import load_model, save_model
from medprep.models.folding import fold
from medprep.models.layout import quickest

NETS: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("unet2d", {"in_channels": 2, "out_channels": 5, "width": 8}, (2, 2, 50, 47)),
    ("densenet-unet", {"in_channels": 1, "out_channels": 3, "width": 8}, (2, 1, 64, 50)),
    ("unet3d", {"out_channels": 3, "width": 4, "activation": "elu"}, (1, 1, 17, 24, 16)),
    ("unet3d", {"out_channels": 3, "width": 4}, (2, 1, 16, 24, 16)),
]


def trained(name: str, config: dict[str, Any]) -> nn.Module:
    """A net whose batch normalisations have seen something."""
    torch.manual_seed(1)
    net = build(name, **config)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
    return net.eval()


def norms(net: nn.Module) -> int:
    return sum(isinstance(one, nn.BatchNorm2d | nn.BatchNorm3d) for one in net.modules())


@pytest.mark.parametrize(("name", "config", "shape"), NETS)
def test_logits_stay(name: str, config: dict[str, Any], shape: tuple[int, ...]) -> None:
    net = trained(name, config)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    picture = torch.randn(shape)
    folded = fold(net)
    with torch.inference_mode():
        wanted = net(picture)
        found = folded.to(memory_format=quickest(folded))(picture)  # type: ignore[call-overload]
    assert float((found - wanted).abs().max()) <= 1e-5 * max(1, float(wanted.abs().max()))
    assert not torch.equal(found, torch.zeros_like(found))
    assert norms(folded) < norms(net)
    if name != "densenet-unet":
        assert norms(folded) == 0
    assert all(torch.equal(before[key], tensor) for key, tensor in net.state_dict().items())


def test_a_norm_before_a_convolution_stays() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.ReLU(), nn.BatchNorm2d(4))
    assert norms(fold(net)) == 2
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Dropout(0.3), nn.BatchNorm2d(4))
    assert norms(fold(net)) == 0


@pytest.mark.parametrize(
    ("name", "config", "wanted"),
    [
        ("unet2d", {"width": 2}, torch.channels_last),
        ("densenet-unet", {"width": 2}, torch.channels_last),
        ("unet3d", {"width": 2}, torch.channels_last_3d),
        ("unetr", {"shape": (16, 16, 16), "embed_dim": 24}, torch.contiguous_format),
    ],
)
def test_a_net_is_loaded_in_its_quickest_order(
    name: str, config: dict[str, Any], wanted: torch.memory_format, tmp_path: Path
) -> None:
    net = build(name, **config)
    assert quickest(net) == wanted
    save_model(tmp_path / "net", name, net, {})
    loaded, _ = load_model(tmp_path / "net", torch.device("cpu"))
    assert not loaded.training
    weights = [one for one in loaded.parameters() if one.ndim > 3]
    assert all(one.is_contiguous(memory_format=wanted) for one in weights)
    for ours, theirs in zip(loaded.state_dict().values(), net.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
