"""What a training settles on when it is told nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from medprep.errors import OptionError
from medprep.models.registry import build, config_of, describe
from medprep.training.fingerprint import Fingerprint
from medprep.training.greys import Greys
from medprep.training.options import Settled, TrainingOptions
from medprep.training.settling import MOST_OPERATIONS, MOST_STEPS_CPU, settle, targets_of
from medprep.training.sizing import blueprint, operations, voxels_a_step

CPU = torch.device("cpu")
TRAINABLE = [info.name for info in describe() if info.takes != "exactly"]
ORGANS = {1: "liver", 2: "spleen"}


def settled(
    shape: tuple[int, int, int], cases: int = 4, *, modality: str = "MR", **options: Any
) -> Settled:
    found = Fingerprint(
        ((1.0, 1.0, 1.0),) * cases, (shape,) * cases, (modality,) * cases, (Greys(0, 9, 4, 2),)
    )
    return settle(TrainingOptions(device="cpu", **options), CPU, found, ORGANS, {})[0]


def test_default_steps_of_slices_are_capped_and_given_ones_are_not() -> None:
    many = settled((1000, 256, 256), 100)
    assert (many.steps, many.patch, many.batch_size) == (MOST_STEPS_CPU, (256, 256), 4)
    assert (many.width, many.lr, many.config["out_channels"]) == (16, 2e-3, 3)
    assert settled((1000, 256, 256), steps=7).steps == 7
    assert settled((11, 64, 64), 1, epochs=2, batch_size=5).steps == 5


def test_volumes_of_the_size_of_a_hippocampus() -> None:
    found = settled((37, 49, 35), 64, model="unet3d")
    assert (found.patch, found.batch_size, found.width) == ((40, 48, 32), 2, 8)
    each = operations(blueprint("unet3d", found.config), (2, 1, *found.patch))
    assert found.steps == int(MOST_OPERATIONS / each)
    assert settled((37, 49, 35), 2, model="unet3d").steps == 200, "a small set ends sooner"


@pytest.mark.parametrize("name", TRAINABLE)
def test_every_net_is_built_and_takes_its_patch(name: str) -> None:
    found = settled((40, 60, 60), model=name, width=24, memory=4.0, batch_size=1)
    net = build(name, **found.config)
    assert config_of(net) | found.config == config_of(net)
    with torch.no_grad():
        answer = net.eval()(torch.zeros(1, 1, *found.patch))
    assert answer.shape == (1, 3, *found.patch)


def test_operations_of_one_convolution() -> None:
    with torch.device("meta"):
        net = torch.nn.Sequential(torch.nn.Conv2d(2, 5, 3, padding=1))
    assert operations(net, (4, 2, 10, 10)) == 3 * 2 * 4 * 100 * (2 * 5 * 9)


def test_recipes_fill_in() -> None:
    tutorial = settled((40, 256, 256), recipe="tutorial")
    assert (tutorial.batch_size, tutorial.loss, tutorial.target) == (4, "bce", "regions")
    assert (tutorial.steps, tutorial.keep_every) == (80 * 40, 20 * 40)
    assert tutorial.config == {"in_channels": 1, "out_channels": 2, "width": 16, "dropout": 0.2}
    assert settled((40, 256, 256), recipe="tutorial", minutes=1).steps < 80 * 40
    nnunet = settled((40, 64, 64), model="unet3d", recipe="nnunet")
    assert (nnunet.deep_supervision, nnunet.lr) == (True, 1e-2)
    assert "dropout" not in settled((40, 64, 64), model="unet3d", recipe="tutorial").config
    assert not settled((40, 64, 64), model="unetr", recipe="nnunet", width=24).deep_supervision


def test_memory_decides_the_patch() -> None:
    small, large = (
        settled((200, 200, 200), model="unet3d", memory=gib).patch for gib in (0.5, 4.0)
    )
    assert torch.Size(small).numel() < torch.Size(large).numel()
    info = next(info for info in describe() if info.name == "unet3d")
    assert voxels_a_step(info, 8, CPU, 1.0) > 2 * voxels_a_step(info, 16, CPU, 1.0)
    with pytest.raises(OptionError, match=r"takes .* GiB for the smallest patch.*--memory"):
        settled((200, 200, 200), model="unet3d", memory=0.001)


def test_patches_that_do_not_fit_the_net() -> None:
    with pytest.raises(OptionError, match=r"30 32 32; unet3d wants 3 sides, multiples of 8"):
        settled((40, 64, 64), model="unet3d", patch=(30, 32, 32))
    with pytest.raises(OptionError, match="wants 2 sides"):
        settled((40, 64, 64), patch=(32, 32, 32))


def test_no_such_net() -> None:
    with pytest.raises(OptionError, match="no model 'unet4d'"):
        TrainingOptions(model="unet4d")


def test_targets() -> None:
    assert targets_of("classes", ORGANS, {"both": ("liver", "spleen")}).channels == 3
    alone = targets_of("regions", ORGANS, {})
    assert (alone.channels, alone.exclusive) == (2, False)
    assert [channel.paint for channel in alone.overlapping] == [1, 2]
    both = targets_of("regions", ORGANS, {"both": ("liver", "spleen")})
    assert both.channel_names == ("both", "spleen")
