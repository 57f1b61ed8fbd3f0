"""Windowed attention without padding gives what padded windows give, gradients too."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import Tensor

from medprep.errors import OptionError
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.models.sam_med3d.attention import WindowAttention

HEADS, CHANNELS = 2, 12
GRIDS = {
    "one padded window": ((4, 4, 4), 7),
    "one padded window of the released sizes": ((8, 8, 8), 14),
    "several, the last padded": ((4, 4, 4), 3),
    "several, none padded": ((4, 4, 4), 2),
    "one, not padded": ((4, 4, 4), 4),
    "many, the last padded": ((5, 5, 5), 2),
    "padded along the first axis": ((2, 3, 3), 3),
    "padded along the second axis": ((3, 2, 3), 3),
    "padded along the third axis": ((3, 3, 2), 3),
    "sides that differ": ((3, 5, 4), 4),
    "one token": ((1, 1, 1), 3),
}


def _made(window: int) -> WindowAttention:
    torch.manual_seed(4)
    attention = WindowAttention(CHANNELS, HEADS, window)
    for value in attention.parameters():
        torch.nn.init.normal_(value, std=0.5)
    return attention


@pytest.mark.parametrize("case", GRIDS)
def test_outputs_are_those_of_padded_windows(case: str, plain: ModuleType) -> None:
    grid, window = GRIDS[case]
    attention = _made(window).double()
    x = torch.randn(2, *grid, CHANNELS, dtype=torch.float64)
    with torch.inference_mode():
        unlike = attention(x) - plain.PlainAttention(attention)(x)
    assert unlike.abs().max() < 1e-12


@pytest.mark.parametrize("case", [case for case in GRIDS if "released" not in case])
def test_gradients_are_those_of_padded_windows(case: str, plain: ModuleType) -> None:
    grid, window = GRIDS[case]
    attention = _made(window).double()
    x = torch.randn(2, *grid, CHANNELS, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, *grid, CHANNELS, dtype=torch.float64)
    wanted = [x, *attention.parameters()]
    ours, theirs = (
        torch.autograd.grad((module(x) * weights).sum(), wanted)
        for module in (attention, plain.PlainAttention(attention))
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.isfinite().all()
        assert torch.allclose(mine, other, rtol=1e-9, atol=1e-10)


def test_large_logits_do_not_overflow(plain: ModuleType) -> None:
    attention = _made(3)
    with torch.no_grad():
        attention.rel_pos_h.mul_(200)
        x = torch.randn(1, 4, 4, 4, CHANNELS)
        seen = attention(x)
        wanted = plain.PlainAttention(attention)(x)
    assert seen.isfinite().all()
    assert torch.allclose(seen, wanted, atol=1e-3)


def test_the_padding_matters() -> None:
    """A window over the real tokens alone is another function: padded keys take part."""
    padded, bare = _made(5), WindowAttention(CHANNELS, HEADS, 4)
    values = padded.state_dict()
    near = {name: x[1:-1] if "rel_pos" in name else x for name, x in values.items()}
    bare.load_state_dict(near)
    with torch.no_grad():
        x = torch.randn(1, 4, 4, 4, CHANNELS)
        assert (padded(x) - bare(x)).abs().max() > 0.01


def test_half_precision_runs() -> None:
    attention = _made(3)
    x = torch.randn(1, 4, 4, 4, CHANNELS)
    with torch.no_grad():
        exact = attention(x)
        with torch.autocast("cpu", torch.bfloat16):
            coarse = attention(x)
    assert (coarse - exact).abs().max() < 0.05 * exact.abs().max()


def _loss(net: SamMed3d) -> Tensor:
    torch.manual_seed(5)
    embedding = net.image_encoder(torch.randn(2, 1, 64, 64, 64))
    places = torch.randint(0, 64, (2, 2, 3)).float()
    mask, total = torch.zeros(2, 1, 16, 16, 16), torch.zeros(())
    for labels in (torch.tensor([[1, 0], [1, 1]]), None):
        points = None if labels is None else (places, labels)
        sparse, dense = net.prompt_encoder(points=points, masks=mask)
        given = (embedding, net.prompt_encoder.get_dense_pe(), sparse, dense)
        mask, quality = net.mask_decoder(*given, multimask_output=False)
        several, _ = net.mask_decoder(*given, multimask_output=True)
        total = total + net.enlarge(mask).square().mean() + quality.sum() + several.mean()
    return total


def test_a_step_of_training_learns_the_same(net: SamMed3d, plain: ModuleType) -> None:
    ours = dict(zip(dict(net.named_parameters()), _gradients(net), strict=True))
    plain.make_plain(net.image_encoder)
    theirs = _gradients(net)
    # No mask is never said here: low-resolution masks always are.
    untouched = [name for name, gradient in ours.items() if gradient is None]
    assert untouched == ["prompt_encoder.no_mask_embed.weight"]
    # Registration differs by one wrapper, the order does not.
    for (name, mine), other in zip(ours.items(), theirs, strict=True):
        if mine is not None:
            assert other is not None
            assert mine.isfinite().all(), name
            assert (mine - other).abs().max() <= 1e-4 * max(1.0, other.abs().max()), name
            assert mine.abs().max() > 0, name


def _gradients(net: SamMed3d) -> list[Tensor | None]:
    values = list(net.parameters())
    return list(torch.autograd.grad(_loss(net), values, allow_unused=True))


def test_every_volume_of_a_batch_is_by_itself(net: SamMed3d) -> None:
    volumes = torch.randn(2, 1, 64, 64, 64)
    with torch.inference_mode():
        both = net.image_encoder(volumes)
        apart = torch.cat([net.image_encoder(one[None]) for one in volumes])
    assert torch.allclose(both, apart, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 64, 64, 32), (1, 2, 64, 64, 64), (1, 64, 64, 64)])
def test_volumes_of_another_shape_are_refused(net: SamMed3d, shape: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="64, 64, 64"):
        net.image_encoder(torch.zeros(shape))


def test_windows_larger_than_the_grid_keep_the_released_tables() -> None:
    with torch.device("meta"):
        blocks = SamMed3d(SamMed3dConfig()).image_encoder.blocks
    sides = [block.attn.window for block in blocks]
    assert sides == [14, 14, 8] * 4
