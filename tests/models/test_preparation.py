"""The own grid is left alone, another one is reached and left again, nothing is lost."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_slices import prepare

from medprep.errors import CheckpointError, FormatError, GeometryError, OptionError
from medprep.models.preparation import Preparation
from medprep.models.resampling import resample, resample_labels, shape_at
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets

ORGANS = Targets({1: "liver", 2: "spleen"})
CHANCE = np.random.default_rng(0)
PICTURE = CHANCE.integers(-200, 900, (5, 12, 10)).astype(np.int16)
ONE_MM = (1.0, 1.0, 1.0)


def made(
    *scalings: Scaling, spacing: tuple[float, float, float] | None = None, dimensions: int = 3
) -> Preparation:
    patch = (8, 16, 16)[-dimensions:]
    chosen = scalings or (Scaling("z-score"),)
    return Preparation(dimensions, chosen, spacing, patch, ORGANS)  # type: ignore[arg-type]


def test_the_own_grid_is_untouched() -> None:
    seen = made(Scaling("window", 0.0, 1.0)).to_net([(PICTURE > 0).astype(np.int16)], (5, 1, 1))
    assert seen.dtype == np.float32
    assert np.array_equal(seen[0], PICTURE > 0)
    labels = CHANCE.integers(0, 3, PICTURE.shape).astype(np.uint8)
    assert np.array_equal(made().labels_to_net(labels, (5, 1, 1)), labels)
    assert np.array_equal(made().to_grid(labels, labels.shape), labels)


def test_a_window_is_what_it_always_was() -> None:
    window = (-37.5, 611.0)
    own = made(Scaling("window")).to_net([PICTURE], ONE_MM, [window])
    assert own[0].tobytes() == prepare(PICTURE, window).tobytes()
    given_one = made(Scaling("window", *window)).to_net([PICTURE], ONE_MM, [(0, 1)])
    assert given_one.tobytes() == own.tobytes()
    with pytest.raises(OptionError, match="a window of each volume, and none is given"):
        made(Scaling("window")).to_net([PICTURE], ONE_MM)


def test_z_scores() -> None:
    values = PICTURE.astype(np.float64)
    own = made().to_net([PICTURE], ONE_MM)[0]
    assert np.allclose(own, (values - values.mean()) / values.std(), atol=1e-5)
    known = made(Scaling("z-score", -100.0, 300.0, 50.0, 20.0)).to_net([PICTURE], ONE_MM)[0]
    assert np.allclose(known, (values.clip(-100, 300) - 50) / 20, atol=1e-5)
    clipped = made(Scaling("z-score", -100.0, 300.0)).to_net([PICTURE], ONE_MM)[0]
    inside = values.clip(-100, 300)
    assert np.allclose(clipped, (inside - inside.mean()) / inside.std(), atol=1e-5)
    flat = made().to_net([np.full((2, 3, 4), 7, np.uint8)], ONE_MM)
    assert not flat.any()


def test_channels_are_scaled_each_by_its_own() -> None:
    both = made(Scaling("window", 0.0, 100.0), Scaling("z-score"))
    seen = both.to_net([PICTURE, 3 * PICTURE], ONE_MM)
    assert seen.shape == (2, *PICTURE.shape)
    assert np.array_equal(seen[0], prepare(PICTURE, (0, 100)))
    assert seen[1].mean() == pytest.approx(0, abs=1e-4)
    with pytest.raises(OptionError, match="1 channels; the net takes 2"):
        both.to_net([PICTURE], ONE_MM)
    with pytest.raises(GeometryError, match="wanted is one grid"):
        both.to_net([PICTURE, PICTURE[1:]], ONE_MM)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_picture_that_is_not_finite_is_refused(bad: float) -> None:
    picture = PICTURE.astype(np.float32)
    picture[1, 2, 3] = bad
    with pytest.raises(FormatError, match="no finite numbers"):
        made().to_net([picture], ONE_MM)
    known = made(Scaling("z-score", mean=0.0, sd=1.0))
    with pytest.raises(FormatError, match="no finite numbers"):
        known.to_net([picture], ONE_MM)


@given(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[st.floats(0.3, 4)] * 3),
    st.tuples(*[st.floats(0.3, 4)] * 3),
)
def test_another_grid_and_back(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    wanted: tuple[float, float, float],
) -> None:
    chance = np.random.default_rng(1)
    picture = chance.normal(size=shape).astype(np.float32)
    labels = chance.integers(0, 3, shape).astype(np.uint8)
    there = made(Scaling("window", -9.0, 9.0), spacing=wanted)
    seen = there.to_net([picture], spacing)
    assert seen.shape[1:] == there.shape_in_net(shape, spacing)
    scaled = (picture + 9) / 18
    assert scaled.min() - 1e-6 <= seen.min() <= seen.max() <= scaled.max() + 1e-6
    moved = there.labels_to_net(labels, spacing)
    assert moved.shape == seen.shape[1:]
    assert set(np.unique(moved)) <= set(np.unique(labels))
    back = there.to_grid(moved, shape)
    assert back.shape == shape
    finer = all(after >= before for before, after in zip(shape, moved.shape, strict=True))
    assert not finer or np.array_equal(back, labels), "through a finer grid nothing is lost"


def test_slices_stay_where_they_are() -> None:
    flat = made(spacing=(1.0, 0.5, 2.0), dimensions=2)
    assert flat.shape_in_net((5, 12, 10), (7.0, 1.0, 1.0)) == (5, 24, 5)
    whole = made(spacing=(1.0, 0.5, 2.0))
    assert whole.shape_in_net((5, 12, 10), (7.0, 1.0, 1.0)) == (35, 24, 5)
    assert shape_at((1, 2, 2), ONE_MM, (90, 90, 90)) == (1, 1, 1)


def test_lines_stay_lines_and_what_is_too_fine_becomes_grey() -> None:
    ramp = np.arange(8, dtype=np.float32) * np.ones((2, 3, 1), np.float32)
    finer = resample(ramp, (2, 3, 16))[0, 0]
    assert np.allclose(finer[3:-3], np.arange(3, 13) / 2 - 0.25, atol=1e-5)
    assert finer.min() == finer[0] >= 0
    assert finer.max() == finer[-1] <= 7
    long = np.arange(24, dtype=np.float32) * np.ones((2, 3, 1), np.float32)
    coarser = resample(long, (2, 3, 12))[0, 0]
    assert np.allclose(coarser[2:-2], np.arange(2, 10) * 2 + 0.5, atol=1e-5)
    stripes = np.tile(np.float32([0, 1]), (2, 3, 8))
    for few in (4, 5, 6):
        assert np.ptp(resample(stripes, (2, 3, few))[0, 0]) < 0.2
    even = np.full((3, 4, 5), 0.3, np.float32)
    assert np.allclose(resample(even, (7, 2, 9)), 0.3)


def test_beyond_its_ends_a_picture_goes_on() -> None:
    picture = CHANCE.normal(size=(3, 4, 10)).astype(np.float32)
    longer = np.pad(picture, [(0, 0), (0, 0), (10, 10)], mode="edge")
    for times in (0.5, 0.6, 2):
        many, more = round(10 * times), round(30 * times)
        inner = resample(longer, (3, 4, more))[..., (more - many) // 2 :][..., :many]
        assert np.allclose(resample(picture, (3, 4, many)), inner, atol=1e-6)


def test_smooth_pictures_come_back_from_another_grid() -> None:
    places = np.meshgrid(*(np.arange(n) for n in (20, 30, 25)), indexing="ij")
    smooth = np.sin(places[0] / 3) + np.cos(places[1] / 4) * np.sin(places[2] / 5)
    smooth = smooth.astype(np.float32)
    for shape in ((27, 41, 33), (17, 25, 20)):
        back = resample(resample(smooth, shape), smooth.shape)
        assert np.abs(back - smooth)[3:-3, 3:-3, 3:-3].max() < 0.03


def test_axes_do_not_depend_on_each_other() -> None:
    picture = CHANCE.normal(size=(6, 5, 7)).astype(np.float32)
    whole = resample(picture, (4, 9, 3))
    for axis in range(3):
        first = [6, 5, 7]
        first[axis] = (4, 9, 3)[axis]
        assert np.allclose(resample(resample(picture, first), (4, 9, 3)), whole, atol=0.1)
    labels = np.array([1, 0, 2, 2], np.uint8).reshape(1, 1, 4)
    assert resample_labels(labels, (1, 1, 8)).ravel().tolist() == [1, 1, 0, 0, 2, 2, 2, 2]
    assert resample_labels(labels, (1, 1, 2)).ravel().tolist() == [0, 2]


def test_small_volumes_are_continued() -> None:
    picture = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    padded = made().padded(picture)
    assert padded.shape == (1, 8, 16, 16)
    assert np.array_equal(padded[:, :2, :3, :4], picture)
    assert padded[0, -1, -1, -1] == 23
    large = np.zeros((1, 9, 20, 20), np.float32)
    assert made().padded(large) is large
    assert made(dimensions=2).padded(picture).shape == (1, 2, 16, 16)


def test_a_record_gives_the_same() -> None:
    regions = Targets({1: "a", 2: "b"}, {"both": ("a", "b")})
    scalings = (Scaling("window"), Scaling("z-score", 0.1, 7.0, 0.3, 1 / 3))
    one = Preparation(3, scalings, (0.7, 1.1, 1 / 3), (8, 8, 8), regions)
    record = json.loads(json.dumps({"preparation": one.to_dict()}))
    assert Preparation.from_record(record) == one
    with pytest.raises(CheckpointError, match="no preparation"):
        Preparation.from_dict({"dimensions": 3})


def test_an_old_record_means_slices_through_each_volumes_window() -> None:
    old = {"organs": {"1": "liver", "2": "spleen"}, "resolved": {"patch": [64, 80]}}
    read = Preparation.from_record(old)
    assert read == Preparation(2, (Scaling("window"),), None, (64, 80), ORGANS)
    with pytest.raises(CheckpointError, match="no organs"):
        Preparation.from_record({})


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "zscore"},
        {"kind": "window", "low": 1.0},
        {"kind": "window", "low": 1.0, "high": 1.0},
        {"kind": "z-score", "mean": 1.0},
        {"kind": "z-score", "mean": 1.0, "sd": 0.0},
        {"kind": "window", "mean": 1.0, "sd": 1.0},
    ],
)
def test_scalings_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        Scaling(**wrong)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError):
        Scaling.from_dict(wrong)


def test_preparations_that_cannot_be() -> None:
    for dimensions, scalings, spacing, patch in (
        (4, (Scaling("window"),), None, (8, 8, 8, 8)),
        (3, (), None, (8, 8, 8)),
        (3, (Scaling("window"),), None, (8, 8)),
        (2, (Scaling("window"),), (1.0, 0.0, 1.0), (8, 8)),
    ):
        with pytest.raises(OptionError):
            Preparation(dimensions, scalings, spacing, patch, ORGANS)  # type: ignore[arg-type]
