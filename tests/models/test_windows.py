"""Windows are MONAI's, memory is bounded, and neither bound nor batch changes a label."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_slices import predict_slices
from torch import Tensor, nn

from medprep.errors import OptionError
from medprep.models import blending, build
from medprep.models.blending import blend, importance, slide, window_starts
from medprep.models.preparation import Preparation
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets
from medprep.models.windows import Manner, Seen, predict_together, predict_volume

CPU = torch.device("cpu")
ORGANS = Targets({1: "liver", 2: "spleen"})


def net_of(channels: int, classes: int, *, seed: int = 0, name: str = "unet3d") -> nn.Module:
    """A net that gives every class somewhere."""
    torch.manual_seed(seed)
    net = build(name, in_channels=channels, out_channels=classes, width=2).eval()
    with torch.no_grad():
        logits = net(torch.randn(1, channels, *(16,) * (3 if name == "unet3d" else 2)))
        net.head.bias -= logits.mean((0, *range(2, logits.ndim)))
    return net


def prepared(
    patch: tuple[int, ...], targets: Targets = ORGANS, *, channels: int = 1
) -> Preparation:
    dimensions = len(patch)
    return Preparation(dimensions, (Scaling("z-score"),) * channels, None, patch, targets)  # type: ignore[arg-type]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "patch", "overlap"),
    [
        ((33, 41, 29), (16, 16, 16), 0.5),
        ((17, 50, 23), (8, 24, 16), 0.25),
        ((16, 16, 16), (16, 16, 16), 0.5),
        ((9, 40, 20), (16, 24, 32), 0.5),
        ((5, 6, 7), (16, 8, 8), 0.6),
        ((21, 19, 30), (8, 8, 8), 0.0),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_are_those_of_monai(
    shape: tuple[int, ...], patch: tuple[int, ...], overlap: float, channels: int
) -> None:
    inferers = pytest.importorskip("monai.inferers")
    net = net_of(channels, 4)
    picture = torch.from_numpy(noise(channels, *shape))
    theirs = inferers.SlidingWindowInferer(patch, 2, overlap, mode="gaussian")
    with torch.inference_mode():
        wanted = theirs(picture[None], net)[0]
    found = blend(net, picture, patch, overlap=overlap)
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) <= 1e-5


@settings(max_examples=60)
@given(st.integers(1, 90), st.integers(0, 60), st.floats(0, 0.99))
def test_windows_reach_everything_and_step_evenly(side: int, more: int, overlap: float) -> None:
    size = side + more
    starts = window_starts(size, side, overlap)
    reached = {place for start in starts for place in range(start, start + side)}
    assert reached == set(range(size))
    assert starts[-1] + side == size
    steps = np.diff(starts)
    assert (steps[:-1] == max(1, int(side * (1 - overlap)))).all()
    assert (steps > 0).all()


def test_a_window_weighs_most_amid() -> None:
    weights = importance((9, 5, 7))
    assert float(weights[4, 2, 3]) == float(weights.max()) == 1
    assert float(weights.min()) == pytest.approx(1e-3)
    assert torch.equal(weights, weights.flip(0, 1, 2))


class Recording(nn.Module):
    """Answers with the voxel itself, and knows how much it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, ...]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.batches.append(tuple(x.shape))
        return torch.cat([x, -x, 2 * x], 1)


@pytest.mark.parametrize("logit_bytes", [1, 20_000, 40_000, 1 << 30])
def test_memory_is_bounded_and_labels_stay(
    logit_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = noise(1, 25, 37, 30)
    preparation = prepared((8, 16, 16))
    net = net_of(1, 3)
    whole = ORGANS.decode(blend(net, torch.from_numpy(array), preparation.patch).numpy())
    held: list[int] = []

    def weigh(sums: Tensor, weighed: Tensor, *others: object) -> None:
        held.append(4 * (sums.numel() + weighed.numel()))
        add(sums, weighed, *others)  # type: ignore[arg-type]

    add = blending._add
    monkeypatch.setattr(blending, "_add", weigh)
    manner = Manner(logit_bytes=logit_bytes)
    found = predict_together([Seen(net, array, preparation)], CPU, manner)
    assert np.array_equal(found, whole)
    one_row = 4 * 4 * 8 * 30
    assert max(held) <= max(logit_bytes, one_row)
    assert held[0] < 4 * 4 * array.size or logit_bytes == 1 << 30


def test_planes_come_once_and_in_order() -> None:
    array = torch.from_numpy(noise(1, 23, 9, 11))
    for overlap in (0.0, 0.3, 0.5, 0.8):
        plain = torch.contiguous_format
        planes = slide(Recording(), plain, array, (7, 4, 5), CPU, overlap, 3, (2, 6))
        found = torch.cat([some.clone() for some in planes], 1)
        assert torch.allclose(found[0], array[0, :, 2:6], atol=1e-6)
        assert torch.allclose(found[2], 2 * array[0, :, 2:6], atol=1e-6)


def test_windows_go_through_the_net_together() -> None:
    net, array = Recording(), noise(1, 8, 20, 20)
    predict_volume(net, array, prepared((8, 8, 8)), CPU, batch=5)
    assert [shape[0] for shape in net.batches] == [5, 5, 5, 1]
    assert {shape[1:] for shape in net.batches} == {(1, 8, 8, 8)}


def test_a_volume_below_the_patch_is_continued_as_in_training() -> None:
    array, preparation = noise(1, 5, 20, 9), prepared((8, 16, 16))
    net = net_of(1, 3)
    padded = preparation.padded(array)
    wanted = ORGANS.decode(blend(net, torch.from_numpy(padded), preparation.patch).numpy())
    found = predict_volume(net, array, preparation, CPU)
    assert np.array_equal(found, wanted[:5, :20, :9])


def test_slices_as_they_always_were() -> None:
    net = net_of(1, 3, name="unet2d")
    array = np.random.default_rng(0).integers(0, 900, (7, 41, 30)).astype(np.int16)
    preparation = Preparation(2, (Scaling("window"),), None, (256, 256), ORGANS)
    seen = preparation.to_net([array], (3, 1, 1), [(100.0, 700.0)])
    wanted = predict_slices(net, array, (100.0, 700.0), CPU)
    assert np.array_equal(predict_volume(net, seen, preparation, CPU), wanted)
    assert np.array_equal(predict_volume(net, seen, preparation, CPU, batch=2), wanted)
    assert len(np.unique(wanted)) > 1


def test_slices_of_several_channels() -> None:
    net = net_of(2, 3, name="unet2d")
    array = noise(2, 5, 32, 16)
    found = predict_volume(net, array, prepared((32, 16), channels=2), CPU, batch=3)
    with torch.inference_mode():
        wanted = net(torch.from_numpy(array).transpose(0, 1)).argmax(1)
    assert np.array_equal(found, wanted.numpy())


def test_an_ensemble_is_the_mean_of_probabilities() -> None:
    array = noise(1, 20, 24, 24)
    patches = ((8, 16, 16), (12, 24, 8))
    nets = [net_of(1, 3, seed=seed) for seed in (1, 2)]
    seen = [Seen(net, array, prepared(patch)) for net, patch in zip(nets, patches, strict=True)]
    single = [
        blend(net, torch.from_numpy(array), patch).softmax(0)
        for net, patch in zip(nets, patches, strict=True)
    ]
    wanted = ORGANS.decode(((single[0] + single[1]) / 2).numpy())
    for logit_bytes in (1, 1 << 30):
        found = predict_together(seen, CPU, Manner(logit_bytes=logit_bytes))
        assert np.array_equal(found, wanted)
    alone = [predict_volume(one.net, array, one.preparation, CPU) for one in seen]
    assert not any(np.array_equal(wanted, one) for one in alone)


def test_an_ensemble_of_slices_and_volumes() -> None:
    flat = net_of(1, 3, name="unet2d")
    solid, array = net_of(1, 3), noise(1, 9, 24, 24)
    seen = [Seen(flat, array, prepared((24, 24))), Seen(solid, array, prepared((8, 8, 8)))]
    with torch.inference_mode():
        planes = flat(torch.from_numpy(array).transpose(0, 1)).transpose(0, 1).softmax(0)
    windows = blend(solid, torch.from_numpy(array), (8, 8, 8)).softmax(0)
    wanted = ORGANS.decode((planes + windows).numpy())
    for logit_bytes in (1, 1 << 30):
        found = predict_together(seen, CPU, Manner(logit_bytes=logit_bytes))
        assert np.array_equal(found, wanted)


def test_an_ensemble_of_regions() -> None:
    targets = Targets({1: "liver", 2: "tumour"}, {"whole": ("liver", "tumour")})
    array, patch = noise(1, 8, 16, 16), (8, 16, 16)
    nets = [net_of(1, 2, seed=seed) for seed in (4, 5)]
    seen = [Seen(net, array, prepared(patch, targets)) for net in nets]
    logits = [blend(net, torch.from_numpy(array), patch) for net in nets]
    wanted = targets.decode((logits[0].sigmoid() + logits[1].sigmoid() - 1).numpy())
    assert np.array_equal(predict_together(seen, CPU, Manner()), wanted)
    twice = predict_together([seen[0], seen[0]], CPU, Manner())
    assert np.array_equal(twice, predict_volume(nets[0], array, seen[0].preparation, CPU))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"overlap": 1.0}, "overlap is 1.0"),
        ({"overlap": -0.1}, "from 0 to below 1"),
        ({"mirror_axes": (3,)}, "some of 0, 1 and 2"),
        ({"mirror_axes": (1, 1)}, "some of 0, 1 and 2"),
        ({"batch": 0}, "a batch of 0"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        predict_volume(Recording(), noise(1, 8, 8, 8), prepared((8, 8, 8)), CPU, **options)  # type: ignore[arg-type]
