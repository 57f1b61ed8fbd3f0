"""The nets are the original ones, to the last digits."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medprep.errors import CheckpointError
from medprep.models import build, load_original
from medprep.models.originals import original_names

GOLDEN = Path(__file__).parent.parent / "golden"

BTCV = {
    "in_channels": 1, "out_channels": 14, "shape": (96, 96, 96), "feature_size": 16,
    "hidden_size": 768, "mlp_dim": 3072, "heads": 12,
}  # fmt: skip
TUTORIAL = {
    "in_channels": 4, "out_channels": 3, "shape": (128, 128, 128), "embed_dim": 768, "heads": 12,
}  # fmt: skip
SMALL_UNETR = {
    "in_channels": 2, "out_channels": 3, "shape": (32, 48, 16), "embed_dim": 96, "heads": 4,
}  # fmt: skip
CASES: list[Any] = [
    ("unet2d_full_64x96", "unet2d", {"width": 64}, "unet2d", (1, 1, 64, 96)),
    (
        "unet3d_2_1_8_b2", "unet3d", {"out_channels": 2, "width": 8}, "unet3d_2_1_8_b2",
        (2, 1, 16, 24, 32),
    ),
    ("unetr_seed_small", "unetr", SMALL_UNETR, "unetr_seed_small", (1, 2, 32, 48, 16)),
]  # fmt: skip
KEYS: list[Any] = [
    ("unet2d", "unet2d", {"in_channels": 1, "out_channels": 1, "width": 64}),
    (
        "unet3d", "unet3d",
        {"in_channels": 3, "out_channels": 3, "width": 32, "activation": "prelu"},
    ),
    ("unet3d_2_1_8_b2", "unet3d", {"out_channels": 2, "width": 8}),
    ("unetr_seed_default_128", "unetr", TUTORIAL),
    ("unetr_seed_small", "unetr", SMALL_UNETR),
    ("monai07_unetr_btcv_96", "unetr-official", BTCV),
]  # fmt: skip


def _on_meta(name: str, config: dict[str, Any]) -> nn.Module:
    with torch.device("meta"):
        return build(name, **config)


@pytest.mark.parametrize(("case", "name", "config", "keys", "shape"), CASES)
def test_golden_output(
    case: str,
    name: str,
    config: dict[str, Any],
    keys: str,
    shape: tuple[int, ...],
    fill: ModuleType,
    original_weights: Callable[[str], dict[str, Tensor]],
) -> None:
    weights = list(original_weights(keys).items())
    random.Random(0).shuffle(weights)
    net = load_original(build(name, **config), dict(weights)).eval()
    with torch.inference_mode():
        output = net(torch.from_numpy(fill.fill_input(case, shape))).numpy()
    wanted = np.load(GOLDEN / f"{case}.npz")["output"]
    assert np.abs(output - wanted).max() <= 2e-5 * max(1.0, np.abs(wanted).max())


@pytest.mark.parametrize(("keys", "name", "config"), KEYS)
def test_names_shapes_and_kinds_are_the_originals(
    keys: str, name: str, config: dict[str, Any], original_shapes: Callable[[str], dict[str, Any]]
) -> None:
    original = original_shapes(keys)
    net = _on_meta(name, config)
    own = net.state_dict()
    parameters = dict(net.named_parameters())
    found = {}
    for ours, parts in original_names(net).items():
        for part in parts:
            shape = list(own[ours].shape)
            if len(parts) > 1:
                shape[0] //= len(parts)
            found[part] = (shape, ours in parameters)
    assert found == {one["key"]: (one["shape"], one["param"]) for one in original["tensors"]}
    assert sum(one.numel() for one in net.parameters()) == original["n_parameters"]


@pytest.mark.parametrize(
    ("name", "config", "parameters"),
    [
        ("unet2d", {"in_channels": 1, "out_channels": 1, "width": 64}, 31_042_369),
        ("unet2d", {"in_channels": 3, "out_channels": 4}, 31_043_716),
        ("unet3d", {"in_channels": 3, "out_channels": 3, "width": 32}, 19_077_859),
        ("unet3d", {"in_channels": 1, "out_channels": 2, "width": 32}, 19_076_066),
        ("unet3d", {"in_channels": 1, "out_channels": 2, "width": 8}, 1_194_362),
        ("unet3d", {"out_channels": 2, "width": 8, "activation": "elu"}, 1_194_362 - 584),
        ("unetr", TUTORIAL, 148_955_299),
        ("unetr", SMALL_UNETR, 64_780_483),
        ("unetr-official", BTCV, 92_790_958),
    ],
)
def test_parameters_are_counted_as_the_originals(
    name: str, config: dict[str, Any], parameters: int
) -> None:
    net = _on_meta(name, config)
    assert sum(one.numel() for one in net.parameters()) == parameters


def test_the_paper_counts_no_norms_and_no_biases_of_up_convolutions() -> None:
    net = _on_meta("unet3d", {"in_channels": 3, "out_channels": 3, "width": 32})
    counted = 0
    for module in net.modules():
        own = list(module.parameters(recurse=False))
        if isinstance(module, nn.ConvTranspose3d):
            own = [module.weight]
        if not isinstance(module, nn.BatchNorm3d | nn.PReLU):
            counted += sum(one.numel() for one in own)
    assert counted == 19_069_955


def test_what_does_not_fit_is_listed_and_changes_nothing() -> None:
    torch.manual_seed(0)
    net = build("unet3d", width=2)
    names = {part: ours for ours, (part,) in original_names(net).items()}
    weights = {part: torch.zeros_like(net.state_dict()[ours]) for part, ours in names.items()}
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    del weights["init_conv.0.bias"]
    weights["final_conv.weight"] = torch.zeros(5, 4, 1, 1, 1)
    weights["stranger"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        load_original(net, weights)
    message = str(caught.value)
    assert "1 missing: init_conv.0.bias" in message
    assert "1 unknown: stranger" in message
    assert "final_conv.weight is (5, 4, 1, 1, 1), wanted (1, 4, 1, 1, 1)" in message
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_elu_takes_the_originals_names_without_slopes(
    original_weights: Callable[[str], dict[str, Tensor]],
) -> None:
    weights = original_weights("unet3d_2_1_8_b2")
    net = build("unet3d", out_channels=2, width=8, activation="elu")
    with pytest.raises(CheckpointError, match=r"14 unknown: down_conv1\.2\.weight"):
        load_original(net, weights)
    slopes = [name for name in weights if name.endswith((".2.weight", ".5.weight"))]
    load_original(net, {name: one for name, one in weights.items() if name not in slopes})
    assert torch.equal(net.head.weight, weights["final_conv.weight"])


def test_sam_med3d_bears_the_names_of_the_released_weights(
    original_shapes: Callable[[str], dict[str, Any]],
) -> None:
    net = build("sam-med3d")
    keys = original_shapes("sam3d_vit_b_ori")["tensors"]
    assert sum(one.numel() for one in net.parameters()) == 100_509_232
    load_original(net, {one["key"]: torch.zeros(()).expand(one["shape"]) for one in keys})
    assert not any(tensor.any() for tensor in net.state_dict().values())


def test_our_own_net_has_no_original() -> None:
    with pytest.raises(CheckpointError, match="our own form"):
        load_original(_on_meta("densenet-unet", {}), {})
