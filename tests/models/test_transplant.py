"""The image encoder of a SAM-Med3D given to a UNETR."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from medprep.errors import CheckpointError
from medprep.models.checkpoint import save_model
from medprep.models.registry import build
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.models.transplant import encoder_of, give_encoder, told_of

SIZES: dict[str, Any] = {
    "image_size": 64, "patch_size": 16, "embed_dim": 48, "depth": 3, "heads": 3, "window": 3,
    "global_blocks": (1,), "prompt_dim": 48,
}  # fmt: skip


def weights(folder: Path, **other: Any) -> tuple[Path, SamMed3d]:
    torch.manual_seed(0)
    net = SamMed3d(SamMed3dConfig(**SIZES | other))
    for tensor in net.parameters():
        torch.nn.init.normal_(tensor)
    save_model(folder / "sam.safetensors", "sam-med3d", net, {})
    return folder / "sam.safetensors", net


def official(**other: Any) -> torch.nn.Module:
    usual = {
        "shape": (64, 64, 64),
        "feature_size": 4,
        "hidden_size": 48,
        "mlp_dim": 192,
        "heads": 3,
    }
    return build("unetr-official", **{**usual, **other})


def test_blocks_are_equal_and_all_else_is_told(tmp_path: Path) -> None:
    path, sam = weights(tmp_path)
    net = official()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    began = give_encoder(path, net)
    own, theirs = net.state_dict(), sam.image_encoder.state_dict()
    for number in range(3):
        start, other = f"blocks.{number}.", f"blocks.{number}."
        assert torch.equal(own[f"{start}attention.qkv.weight"], theirs[f"{other}attn.qkv.weight"])
        assert torch.equal(own[f"{start}attention.out.bias"], theirs[f"{other}attn.proj.bias"])
        assert torch.equal(own[f"{start}mlp.0.weight"], theirs[f"{other}mlp.lin1.weight"])
        assert torch.equal(own[f"{start}mlp.3.bias"], theirs[f"{other}mlp.lin2.bias"])
        assert torch.equal(own[f"{start}norm2.weight"], theirs[f"{other}norm2.weight"])
    untouched = {n for n in own if torch.equal(own[n], before[n])}
    assert set(began["taken"]).isdisjoint(untouched)
    assert set(own) == untouched | set(began["taken"])
    assert {name.split(".")[1] for name in began["kept"]} == {str(n) for n in range(3, 12)}
    assert "of 3 blocks, patches.bias, patches.weight, positions" in told_of(began)
    assert "none there" in told_of(began)
    assert not began["foreign"]


def test_the_same_voxels_become_the_same_tokens(tmp_path: Path) -> None:
    """Right, front, head there are column, row, slice here."""
    path, sam = weights(tmp_path)
    net: Any = official()
    give_encoder(path, net)
    volume = torch.randn(1, 1, 64, 64, 64)
    from medprep.models.unetr_official import _cut

    with torch.no_grad():
        ours = net.patches(_cut(volume)) + net.positions
        turned = volume.permute(0, 1, 4, 3, 2)
        theirs = sam.image_encoder.patch_embed(turned) + sam.image_encoder.pos_embed
    torch.testing.assert_close(
        ours, theirs.permute(0, 3, 2, 1, 4).flatten(1, 3), rtol=1e-4, atol=1e-3
    )


def test_positions_are_interpolated_to_another_grid(tmp_path: Path) -> None:
    path, sam = weights(tmp_path)
    net: Any = official(shape=(32, 96, 64))
    began = give_encoder(path, net)
    assert "positions" in began["taken"]
    places = net.positions.unflatten(1, (2, 6, 4))
    mean = sam.image_encoder.pos_embed.mean((1, 2, 3))
    torch.testing.assert_close(places.mean((1, 2, 3)), mean, rtol=0.2, atol=0.2)
    first = sam.image_encoder.pos_embed[0, 0, 0, :2].mean(0)  # along head, from the first corner
    # Of two slices the first lies in the middle of the first two of four.
    assert math.isclose(places[0, 0, 0, 0, 0].item(), first[0].item(), abs_tol=1e-4)


def test_the_tutorials_form_takes_attention_but_not_its_mlps(tmp_path: Path) -> None:
    path, sam = weights(tmp_path)
    net = build("unetr", shape=(64, 64, 64), embed_dim=48, heads=3)
    began = give_encoder(path, net)
    own = net.state_dict()
    theirs = sam.image_encoder.state_dict()
    assert torch.equal(own["blocks.2.attention.qkv.bias"], theirs["blocks.2.attn.qkv.bias"])
    assert "blocks.0.mlp.0.weight" in began["kept"]
    assert "(2048, 48), (192, 48) there" in told_of(began)


def test_other_heads_keep_their_attention(tmp_path: Path) -> None:
    path, _ = weights(tmp_path)
    began = give_encoder(path, official(heads=6))
    assert "blocks.0.attention.qkv.weight" in began["kept"]
    assert "blocks.0.mlp.0.weight" in began["taken"]


def test_another_width_is_refused(tmp_path: Path) -> None:
    path, _ = weights(tmp_path)
    with pytest.raises(CheckpointError, match="48 channels a token, the UNETR 96; give --width 48"):
        give_encoder(path, official(hidden_size=96, mlp_dim=384))


def test_tokens_of_other_cubes_are_not_taken(tmp_path: Path) -> None:
    path, _ = weights(tmp_path, patch_size=8)
    began = give_encoder(path, official())
    assert {"patches.weight", "patches.bias"} <= set(began["kept"])
    assert encoder_of(path).patch_size == 8


def test_no_such_file_and_no_such_net(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        encoder_of(tmp_path / "x.pth")
    save_model(tmp_path / "u.safetensors", "unet3d", build("unet3d", width=2), {})
    with pytest.raises(CheckpointError, match="it holds a UNet3d; wanted is sam-med3d"):
        encoder_of(tmp_path / "u.safetensors")
    path, _ = weights(tmp_path)
    with pytest.raises(CheckpointError, match="to a UNETR, not to a UNet3d"):
        give_encoder(path, build("unet3d", width=2))
