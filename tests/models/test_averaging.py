"""Nets on grids of their own: linearly onto the first one's, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import interpolate

from medprep.models import averaging, build
from medprep.models.averaging import Places, on_grid, rows_under
from medprep.models.blending import blend
from medprep.models.preparation import Preparation
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets
from medprep.models.windows import Manner, Seen, predict_together

CPU = torch.device("cpu")
ORGANS = Targets({1: "liver", 2: "spleen"})
REGIONS = Targets({1: "liver", 2: "tumour"}, {"whole": ("liver", "tumour")})
SHAPES = ((10, 30, 24), (12, 26, 24), (7, 41, 33))
"""Of a volume on three grids."""


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def volume(seed: int, shape: tuple[int, ...], targets: Targets, *, flat: bool = False) -> Seen:
    """What a small net, that gives every class somewhere, sees on a grid."""
    torch.manual_seed(seed)
    name, patch = ("unet2d", (32, 48)) if flat else ("unet3d", (8, 16, 16))
    net = build(name, in_channels=1, out_channels=targets.channels, width=2).eval()
    with torch.no_grad():
        logits = net(torch.randn(1, 1, *(16,) * len(patch)))
        net.head.bias -= logits.mean((0, *range(2, logits.ndim)))
    prepared = Preparation(len(patch), (Scaling("z-score"),), None, patch, targets)  # type: ignore[arg-type]
    return Seen(net, noise(1, *shape, seed=seed), prepared)


def whole(one: Seen, targets: Targets) -> Tensor:
    """Give the probabilities of a whole volume at once, on its own grid."""
    if one.preparation.dimensions == 2:
        with torch.inference_mode():
            logits = one.net(torch.from_numpy(one.array).transpose(0, 1)).transpose(0, 1)
    else:
        padded = torch.from_numpy(one.preparation.padded(one.array))
        logits = blend(one.net, padded, one.preparation.patch)
        logits = logits[:, : one.shape[0], : one.shape[1], : one.shape[2]]
    return logits.softmax(0) if targets.exclusive else logits.sigmoid()


def onto(found: Tensor, shape: tuple[int, ...]) -> Tensor:
    return interpolate(found[None], shape, mode="trilinear", align_corners=False)[0]


def assert_labels(found: np.ndarray, mean: Tensor, targets: Targets) -> None:
    """Hold labels against mean probabilities, but for voxels where two are the same by rounding."""
    wanted = targets.decode((mean if targets.exclusive else mean - 0.5).numpy())
    if targets.exclusive:
        best = mean.sort(0, descending=True).values
        clear = (best[0] - best[1]) > 2e-6
    else:
        clear = ((mean - 0.5).abs() > 2e-6).all(0)
    assert clear.float().mean() > 0.99
    assert np.array_equal(found[clear.numpy()], wanted[clear.numpy()])
    assert len(np.unique(found)) == 3


@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(1, 40), st.integers(1, 40))
def test_places_are_those_of_torch(data: st.DataObject, few: int, many: int) -> None:
    first = data.draw(st.integers(0, many - 1))
    last = data.draw(st.integers(first + 1, many))
    values = torch.from_numpy(noise(2, few))
    wanted = interpolate(values[None], many, mode="linear", align_corners=False)[0]
    places = Places.of((first, last), many, few)
    begin, end = places.reach
    assert 0 <= begin < end <= few
    found = places.within(values[:, begin:end], 1)
    assert torch.allclose(found, wanted[:, first:last], atol=1e-5)
    if few == many:
        assert (begin, end) == (first, last)
        assert torch.equal(found, values[:, first:last])


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("chunk", [1, 3, 10])
def test_planes_come_one_after_the_other(shape: tuple[int, int, int], chunk: int) -> None:
    own = SHAPES[0]
    values = torch.from_numpy(noise(3, *own))
    rows = (5, 17)
    above = slice(*rows_under(rows, own, shape))
    planes = on_grid(iter(values[:, :, above].split(chunk, 1)), own, shape, rows)
    found = list(planes)
    assert {one.shape[1] for one in found} == {1}
    wanted = onto(values, shape)[:, :, slice(*rows)]
    assert torch.allclose(torch.cat(found, 1), wanted, atol=1e-5)


@pytest.mark.parametrize("targets", [ORGANS, REGIONS])
@pytest.mark.parametrize("first", range(3))
def test_an_ensemble_decides_on_the_first_ones_grid(targets: Targets, first: int) -> None:
    order = [*SHAPES[first:], *SHAPES[:first]]
    seen = [volume(seed, shape, targets) for seed, shape in enumerate(order)]
    mean = torch.stack([onto(whole(one, targets), order[0]) for one in seen]).mean(0)
    for logit_bytes in (1, 20_000, 1 << 30):
        found = predict_together(seen, CPU, Manner(logit_bytes=logit_bytes))
        assert found.shape == order[0]
        assert_labels(found, mean, targets)
    alone = predict_together(seen[:1], CPU, Manner())
    assert not np.array_equal(alone, found)


def test_slices_and_volumes_on_grids_of_their_own() -> None:
    flat = volume(0, (10, 32, 48), ORGANS, flat=True)
    solid = volume(1, SHAPES[2], ORGANS)
    for seen in ([flat, solid], [solid, flat]):
        shape = seen[0].shape
        mean = torch.stack([onto(whole(one, ORGANS), shape) for one in seen]).mean(0)
        for logit_bytes in (20_000, 1 << 30):
            found = predict_together(seen, CPU, Manner(logit_bytes=logit_bytes))
            assert_labels(found, mean, ORGANS)


def test_on_one_grid_nothing_is_interpolated(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*others: object) -> Iterator[Tensor]:
        raise AssertionError

    monkeypatch.setattr("medprep.models.windows.on_grid", never)
    seen = [volume(seed, SHAPES[0], ORGANS) for seed in (1, 2)]
    assert predict_together(seen, CPU, Manner()).shape == SHAPES[0]
    monkeypatch.undo()
    assert averaging.rows_under((3, 9), SHAPES[0], SHAPES[0]) == (3, 9)


def test_little_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a net on another grid: what its windows give at a time, and one plane."""
    held: list[int] = []
    cat = torch.cat

    def weigh(tensors: list[Tensor], axis: int) -> Tensor:
        joined = cat(tensors, axis)
        held.append(joined.shape[1])
        return joined

    monkeypatch.setattr(averaging.torch, "cat", weigh)
    own, shape = (40, 9, 8), (90, 12, 10)
    planes = iter(torch.from_numpy(noise(2, *own)).split(4, 1))
    assert sum(one.shape[1] for one in on_grid(planes, own, shape, (0, 12))) == 90
    assert max(held) == 5
