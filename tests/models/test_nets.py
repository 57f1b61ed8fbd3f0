"""What holds for every net, and what no golden output sees: eps, dropouts, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from medprep.errors import GeometryError, OptionError
from medprep.models import build, config_of, describe

UNETR = {"shape": (16, 32, 16), "embed_dim": 12, "heads": 2}
OFFICIAL = {
    "shape": (16, 32, 16), "feature_size": 2, "hidden_size": 12, "mlp_dim": 8, "heads": 2,
}  # fmt: skip
SMALL: dict[str, dict[str, Any]] = {
    "unet2d": {"width": 2},
    "unet3d": {"width": 2},
    "unetr": UNETR,
    "unetr-official": OFFICIAL,
    "densenet-unet": {"width": 4},
}
NEVER_USED = {
    "unetr": {"encoder_norm.weight", "encoder_norm.bias"},
    "unetr-official": {
        "cls_token", "encoder2.1.1.conv3.weight", "encoder2.2.1.conv3.weight",
        "encoder3.1.1.conv3.weight",
    },
}  # fmt: skip
TRAINED = {2: (40, 33), 3: (12, 20, 16)}


def _input(name: str, channels: int = 1, batch: int = 2) -> Tensor:
    dimensions = next(one.dimensions for one in describe() if one.name == name)
    return torch.rand(batch, channels, *TRAINED[dimensions])


@pytest.fixture(scope="module")
def nets() -> dict[str, nn.Module]:
    """Each net, small, ready to predict."""
    torch.manual_seed(0)
    return {name: build(name, out_channels=3, **config).eval() for name, config in SMALL.items()}


def test_every_net_is_tried() -> None:
    # sam-med3d gives no logits of a picture alone; its tests have a room of their own.
    assert SMALL.keys() == {one.name for one in describe()} - {"sam-med3d"}


@pytest.mark.parametrize("name", SMALL)
@settings(max_examples=6)
@given(data=st.data())
def test_any_size_comes_back(nets: dict[str, nn.Module], name: str, data: st.DataObject) -> None:
    info = next(one for one in describe() if one.name == name)
    most = (70,) * info.dimensions if info.any_size else UNETR["shape"]
    size = data.draw(st.tuples(*(st.integers(1, side) for side in most)))  # type: ignore[attr-defined]
    with torch.inference_mode():
        logits = nets[name](torch.rand(1, 1, *size))
    assert logits.shape == (1, 3, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_far_edges_are_replicated(nets: dict[str, nn.Module], name: str) -> None:
    info = next(one for one in describe() if one.name == name)
    image = _input(name, batch=1)
    size = image.shape[2:]
    full = [side + -side % info.multiple for side in size] if info.any_size else UNETR["shape"]
    by_hand = image
    for axis, wanted in enumerate(full, 2):  # type: ignore[arg-type]
        last = by_hand.narrow(axis, by_hand.shape[axis] - 1, 1)
        by_hand = torch.cat([by_hand, *[last] * (wanted - by_hand.shape[axis])], axis)
    with torch.inference_mode():
        wanted_logits = nets[name](by_hand)[(..., *map(slice, size))]
        assert torch.equal(nets[name](image), wanted_logits)


@pytest.mark.parametrize("name", ["unetr", "unetr-official"])
def test_a_volume_above_the_shape_is_refused(nets: dict[str, nn.Module], name: str) -> None:
    with pytest.raises(GeometryError, match=r"is \(17, 32, 16\), .* \(16, 32, 16\).* windows"):
        nets[name](torch.zeros(1, 1, 17, 32, 16))


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_all_that_is_used(name: str) -> None:
    torch.manual_seed(0)
    net = build(name, **SMALL[name]).train()
    net(_input(name)).square().mean().backward()
    idle = {
        key
        for key, tensor in net.named_parameters()
        if tensor.grad is None or not tensor.grad.any()
    }
    assert idle == NEVER_USED.get(name, set())


@pytest.mark.parametrize("name", SMALL)
def test_training_draws_dropout_and_prediction_does_not(name: str) -> None:
    config = {**SMALL[name], **({} if name == "unet3d" else {"dropout": 0.5})}
    torch.manual_seed(0)
    net = build(name, **config)
    image = _input(name)
    with torch.no_grad():
        net.train()
        differ = not torch.equal(net(image), net(image))
        net.eval()
        assert torch.equal(net(image), net(image))
    assert differ == (name != "unet3d")


@pytest.mark.parametrize("name", SMALL)
def test_a_seed_gives_the_same_net(name: str) -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(9)
        made.append(build(name, **SMALL[name]).state_dict())
    assert all(torch.equal(made[0][key], made[1][key]) for key in made[0])


@pytest.mark.parametrize("name", SMALL)
def test_config_rebuilds_the_net(name: str) -> None:
    net = build(name, in_channels=2, out_channels=3, **SMALL[name])
    # A record is JSON: its tuples come back as lists.
    config = {key: list(v) if isinstance(v, tuple) else v for key, v in config_of(net).items()}
    again = build(name, **config)
    assert config_of(again) == config_of(net)
    again.load_state_dict(net.state_dict())


def _kinds(net: nn.Module, kind: type[nn.Module]) -> dict[str, Any]:
    return {name: module for name, module in net.named_modules() if isinstance(module, kind)}


def _on_meta(name: str, **config: Any) -> nn.Module:
    with torch.device("meta"):
        return build(name, **config)


@pytest.mark.parametrize(("name", "eps"), [("unetr", 1e-6), ("unetr-official", 1e-5)])
def test_eps_of_the_transformer(name: str, eps: float) -> None:
    norms = _kinds(_on_meta(name), nn.LayerNorm)
    assert len(norms) == 2 * 12 + 1
    assert {norm.eps for norm in norms.values()} == {eps}


def test_eps_of_the_convolutions() -> None:
    for name, eps in (
        ("unet2d", 1e-5),
        ("unet3d", 1e-5),
        ("unetr", 1e-5),
        ("densenet-unet", 1.1e-5),
    ):
        net = _on_meta(name)
        norms = {**_kinds(net, nn.BatchNorm2d), **_kinds(net, nn.BatchNorm3d)}
        assert {norm.eps for norm in norms.values()} == {eps}
        assert {norm.momentum for norm in norms.values()} == {0.1}
    for norm in _kinds(_on_meta("unetr-official"), nn.InstanceNorm3d).values():
        assert (norm.eps, norm.affine, norm.track_running_stats) == (1e-5, False, False)


def test_dropouts_of_unetr() -> None:
    shares = {key: one.p for key, one in _kinds(_on_meta("unetr", dropout=0.3), nn.Dropout).items()}
    assert shares.pop("dropout") == 0.3
    for number in range(12):
        assert shares.pop(f"blocks.{number}.attention.weights_dropout") == 0.3
        assert shares.pop(f"blocks.{number}.attention.out_dropout") == 0.3
        assert shares.pop(f"blocks.{number}.mlp.2") == 0.1
    assert not shares


def test_dropouts_of_the_official_unetr() -> None:
    shares = _kinds(_on_meta("unetr-official", dropout=0.3), nn.Dropout)
    assert len(shares) == 1 + 4 * 12
    assert {one.p for one in shares.values()} == {0.3}
    assert {one.p for one in _kinds(_on_meta("unetr-official"), nn.Dropout).values()} == {0.0}


def test_dropout_of_attention_weights_is_drawn() -> None:
    torch.manual_seed(0)
    net = build("unetr", **UNETR).train()
    for key, module in _kinds(net, nn.Dropout).items():
        module.p = 0.5 if key.endswith("weights_dropout") else 0.0
    image = _input("unetr")
    with torch.no_grad():
        assert not torch.equal(net(image), net(image))


def test_dropouts_of_the_densenet_unet() -> None:
    shares = _kinds(_on_meta("densenet-unet"), nn.Dropout)
    assert {key: one.p for key, one in shares.items()} == {"last.1": 0.3}


def test_positions_start_as_the_originals_do() -> None:
    torch.manual_seed(0)
    assert not build("unetr", **UNETR).positions.any()
    official = build("unetr-official", **{**OFFICIAL, "hidden_size": 480})
    assert official.positions.std().item() == pytest.approx(0.02, rel=0.1)
    assert official.patches.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not official.patches.bias.any()
    assert not official.cls_token.any()


def test_skips_of_the_densenet_unet_are_added() -> None:
    net = _on_meta("densenet-unet", in_channels=3, out_channels=3)
    widths = [(up[0].in_channels, up[0].out_channels) for up in net.up]
    assert widths == [(2208, 768), (768, 384), (384, 96), (96, 96)]
    assert (net.line.in_channels, net.line.out_channels) == (2112, 2208)
    assert (net.last[0].in_channels, net.last[0].out_channels) == (96, 64)
    assert len(_kinds(net, nn.Conv2d)) == 167


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("unet3d", {"width": 0}),
        ("unet3d", {"activation": "relu"}),
        ("unetr", {"shape": (128, 100, 128)}),
        ("unetr", {"shape": (128, 128)}),
        ("unetr", {"heads": 5}),
        ("unetr", {"dropout": 1.0}),
        ("unetr-official", {"hidden_size": 100}),
        ("unetr-official", {"mlp_dim": 0}),
        ("unetr-official", {"in_channels": 0}),
        ("densenet-unet", {"width": 7}),
        ("densenet-unet", {"dropout": -0.1}),
        ("densenet-unet", {"out_channels": 0}),
    ],
)
def test_impossible_configs_are_refused(name: str, config: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        build(name, **config)
