"""The authors' UNETR gives what MONAI's own gives, with weights of today's MONAI."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medprep.errors import CheckpointError
from medprep.models import build, load_original

SIZES: dict[str, Any] = {"feature_size": 4, "hidden_size": 48, "mlp_dim": 80}


def _theirs(projection: str, channels: int, classes: int, shape: tuple[int, ...]) -> nn.Module:
    pytest.importorskip("einops")
    nets = pytest.importorskip("monai.networks.nets")
    torch.manual_seed(5)
    net = nets.UNETR(
        channels, classes, shape, num_heads=6, proj_type=projection, norm_name="instance", **SIZES
    ).eval()
    assert isinstance(net, nn.Module)
    with torch.no_grad():
        for tensor in net.parameters():
            tensor.add_(0.02 * torch.randn_like(tensor))
    return net


def _ours(channels: int, classes: int, shape: tuple[int, ...]) -> nn.Module:
    return build(
        "unetr-official", in_channels=channels, out_channels=classes, shape=shape, heads=6, **SIZES
    ).eval()


@pytest.mark.parametrize(
    ("projection", "channels", "classes", "shape"),
    [
        ("perceptron", 1, 14, (32, 32, 32)),
        ("perceptron", 2, 3, (32, 48, 16)),
        ("conv", 2, 3, (48, 16, 32)),
        ("conv", 4, 2, (32, 32, 32)),  # as many channels as the finest level: no conv3 there
    ],
)
def test_equal_outputs(
    projection: str, channels: int, classes: int, shape: tuple[int, ...]
) -> None:
    theirs = _theirs(projection, channels, classes, shape)
    ours = load_original(_ours(channels, classes, shape), theirs.state_dict())
    volume = torch.randn(2, channels, *shape)
    with torch.inference_mode():
        wanted, found = theirs(volume), ours(volume)
    assert (found - wanted).abs().max() <= 2e-5 * max(1.0, float(wanted.abs().max()))


def test_equal_gradients() -> None:
    theirs = _theirs("perceptron", 1, 2, (32, 32, 32)).train()
    ours = load_original(_ours(1, 2, (32, 32, 32)), theirs.state_dict()).train()
    volume = torch.randn(1, 1, 32, 32, 32)
    for net in (theirs, ours):
        net(volume).square().mean().backward()

    def gradient(tensor: Tensor) -> Tensor:
        assert tensor.grad is not None
        return tensor.grad

    wanted = gradient(theirs.vit.blocks[0].attn.qkv.weight)  # type: ignore[union-attr,index]
    found = gradient(ours.blocks[0].attention.qkv.weight)  # type: ignore[union-attr,index]
    assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


def test_a_shortcut_that_is_used_must_be_there() -> None:
    weights = dict(_theirs("conv", 1, 2, (32, 32, 32)).state_dict())
    assert "encoder2.blocks.0.1.conv3.conv.weight" not in weights
    del weights["encoder1.layer.conv3.conv.weight"]
    with pytest.raises(CheckpointError, match=r"1 missing: encoder1\.layer\.conv3"):
        load_original(_ours(1, 2, (32, 32, 32)), weights)
