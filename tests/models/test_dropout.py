"""Dropout of single elements: its share, its scale, its gradient, its layout in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from medprep.models.dropout import Dropout

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def pictures(layout: torch.memory_format, *channels: int) -> list[Tensor]:
    return [(torch.rand(2, n, 32, 48) + 1).to(memory_format=layout) for n in channels]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [(3,), (3, 5)])
def test_what_is_left_is_scaled_and_the_rest_is_0(
    layout: torch.memory_format, channels: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    parts = pictures(layout, *channels)
    whole = torch.cat(parts, 1)
    out = Dropout(0.25)(*parts)
    left = out != 0
    assert torch.allclose(out[left], whole[left] / 0.75)
    assert abs(left.float().mean().item() - 0.75) < 4 * (0.25 * 0.75 / left.numel()) ** 0.5
    assert out.is_contiguous(memory_format=layout)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    left = (Dropout(0.5)(torch.ones(4, 4, 64, 64)) != 0).float() - 0.5
    flat = left.flatten()
    for lag in (1, 2, 3, 4, 64, 4096):
        assert abs((flat[lag:] * flat[:-lag]).mean().item()) < 4 * 0.25 / len(flat) ** 0.5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradient_is_that_of_what_is_left(layout: torch.memory_format) -> None:
    first, second = (part.requires_grad_() for part in pictures(layout, 2, 3))
    out = Dropout(0.4)(first, second)
    weights = torch.rand_like(out)
    (out * weights).sum().backward()
    scale = torch.where(out != 0, weights / (1 - round(0.4 * 65536) / 65536), 0)
    assert first.grad is not None and second.grad is not None
    assert torch.allclose(torch.cat([first.grad, second.grad], 1), scale)


def test_a_part_that_learns_nothing_stops_no_gradient() -> None:
    first, second = pictures(torch.contiguous_format, 2, 3)
    out = Dropout(0.4)(first, second.requires_grad_())
    out.sum().backward()
    assert first.grad is None and second.grad is not None


def test_seed_repeats_it() -> None:
    picture = torch.rand(1, 3, 7, 9)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(Dropout(0.2)(picture))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_nothing_is_dropped_in_eval_mode_or_without_a_share(share: float) -> None:
    first, second = pictures(torch.contiguous_format, 2, 3)
    dropout = Dropout(share)
    if share:
        dropout.eval()
    assert torch.equal(dropout(first), first)
    assert torch.equal(dropout(first, second), torch.cat([first, second], 1))


def test_a_view_that_is_not_dense_is_taken() -> None:
    torch.manual_seed(0)
    picture = (torch.rand(2, 8, 10, 10) + 1)[:, ::2, 1:9]
    out = Dropout(0.5)(picture)
    assert torch.allclose(out[out != 0], 2 * picture[out != 0])


def test_another_device_takes_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def torchs(picture: Tensor, p: float, training: bool) -> Tensor:
        asked.append(p)
        return picture

    monkeypatch.setattr(functional, "dropout", torchs)
    Dropout(0.3)(torch.zeros(1, 2, 4, 4, device="meta"))
    assert asked == [0.3]
