"""A mirror image is a patient with left and right exchanged, and the labels say so again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medprep.errors import OptionError
from medprep.models.mirroring import mirrored, mirrored_channels
from medprep.models.preparation import Preparation
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets
from medprep.models.windows import predict_volume

CPU = torch.device("cpu")
KIDNEYS = Targets({1: "liver", 2: "right_kidney", 3: "left_kidney"})


class Sided(nn.Module):
    """Calls what is bright left of the middle a right kidney, right of it a left one."""

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, :1] - 0.5
        columns = torch.linspace(1, -1, x.shape[-1]).expand_as(bright)
        return torch.cat([-bright, torch.full_like(bright, -9), columns * bright.relu() * 4,
                          -columns * bright.relu() * 4], 1)  # fmt: skip


def test_channels_of_pairs_change_places() -> None:
    assert mirrored_channels(KIDNEYS) == (0, 1, 3, 2)
    assert mirrored_channels(Targets({1: "liver"})) == (0, 1)
    assert mirrored_channels(Targets({1: "liver", 2: "left_kidney"})) is None
    assert mirrored_channels(Targets({1: "left_thing", 2: "liver"})) is None


def test_channels_of_regions_change_places() -> None:
    names = {1: "right_kidney", 2: "left_kidney", 3: "tumour"}
    both = Targets(names, {"all": ("tumour", "right_kidney", "left_kidney")})
    held = [channel.name for channel in both.overlapping]
    found = mirrored_channels(both)
    assert found is not None
    assert [held[place] for place in found] == [
        {"left_kidney": "right_kidney", "right_kidney": "left_kidney"}.get(one, one) for one in held
    ]
    assert len(set(found)) == 3
    # Of the pair as a region one kidney is what the other leaves: no channel is its mirror image.
    pair = Targets(names, {"kidneys": ("right_kidney", "left_kidney")})
    assert mirrored_channels(pair) is None


def test_the_mean_over_all_flips() -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(1, 3, 3, padding=1)
    x = torch.randn(2, 1, 6, 7)
    with torch.no_grad():
        wanted = (
            net(x) + net(x.flip(2)).flip(2) + net(x.flip(3)).flip(3) + net(x.flip(2, 3)).flip(2, 3)
        ) / 4
        found = mirrored(net, (2, 3), None, None)(x)
    assert torch.allclose(found, wanted, atol=1e-6)
    assert mirrored(net, (), None, None) is net


@pytest.mark.parametrize("dimensions", [2, 3])
def test_sides_are_swapped_back(dimensions: int) -> None:
    array = np.zeros((1, 8, 8, 8), np.float32)
    array[..., 2:6, 1:3] = 1
    array[..., 2:6, 6:7] = 1
    patch = (8,) * dimensions
    preparation = Preparation(dimensions, (Scaling("z-score"),), None, patch, KIDNEYS)  # type: ignore[arg-type]
    plain = predict_volume(Sided(), array, preparation, CPU)
    assert set(np.unique(plain[..., :4])) == {0, 2}
    assert set(np.unique(plain[..., 4:])) == {0, 3}
    across = predict_volume(Sided(), array, preparation, CPU, mirror_axes=(1, 2), across=2)
    assert np.array_equal(across, plain)
    wrongly = predict_volume(Sided(), array, preparation, CPU, mirror_axes=(1, 2))
    assert not np.array_equal(wrongly, plain)


def test_an_organ_without_a_partner_is_not_mirrored() -> None:
    alone = Targets({1: "left_kidney"})
    preparation = Preparation(3, (Scaling("z-score"),), None, (8, 8, 8), alone)
    array = np.zeros((1, 8, 8, 8), np.float32)
    with pytest.raises(OptionError, match="has no partner among left_kidney"):
        predict_volume(nn.Identity(), array, preparation, CPU, mirror_axes=(2,), across=2)
    flat = Preparation(2, (Scaling("z-score"),), None, (8, 8), KIDNEYS)
    with pytest.raises(OptionError, match="sees nothing across"):
        predict_volume(nn.Identity(), array, flat, CPU, mirror_axes=(0,))
