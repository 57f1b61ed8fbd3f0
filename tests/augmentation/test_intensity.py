"""Values changed by a plan."""

from __future__ import annotations

import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.augmentation.intensity import is_anisotropic, recolour
from medprep.augmentation.steps import Intensity, Plan
from medprep.errors import FormatError, OptionError

TYPES = (np.uint8, np.uint16, np.int16, np.float32)
ALONE = (
    Intensity(noise_sd=0.2, noise_seed=3),
    Intensity(blur_mm=1.5),
    Intensity(brightness=0.8),
    Intensity(contrast=0.7),
    Intensity(low_resolution=0.5),
    Intensity(gamma=0.7),
    Intensity(gamma=1.4, gamma_inverted=True),
    Intensity(bias=0.4, bias_seed=5),
)
SPACING = (2.0, 1.0, 1.0)

intensities = st.builds(
    Intensity,
    noise_sd=st.none() | st.floats(0, 3),
    noise_seed=st.integers(0, 2**32 - 1),
    blur_mm=st.none() | st.floats(0, 5),
    brightness=st.none() | st.floats(0, 3),
    contrast=st.none() | st.floats(0, 3),
    low_resolution=st.none() | st.floats(0.05, 1),
    gamma=st.none() | st.floats(0.1, 10),
    gamma_inverted=st.booleans(),
    bias=st.none() | st.floats(0, 3),
    bias_seed=st.integers(0, 2**32 - 1),
)
pictures = st.sampled_from(TYPES).flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        arrays.array_shapes(min_dims=2, max_dims=3, max_side=9),
        elements=st.floats(-(2.0**100), 2.0**100, width=32) if dtype == np.float32 else None,
    )
)


def smooth(shape: tuple[int, ...], dtype: type = np.uint16, most: float = 60000) -> np.ndarray:
    values = np.random.default_rng(1).standard_normal(shape)
    values = ndimage.gaussian_filter(values, 2)
    values -= values.min()
    return (values / values.max() * most).astype(dtype)


@given(pictures, intensities)
def test_type_shape_and_range_are_kept(picture: np.ndarray, intensity: Intensity) -> None:
    before = picture.copy()
    done = recolour(picture, intensity, SPACING[-picture.ndim :])
    assert (done.dtype, done.shape) == (picture.dtype, picture.shape)
    assert done.min() >= picture.min()
    assert done.max() <= picture.max()
    assert np.array_equal(before, picture)


@given(pictures, st.integers(0, 99), st.booleans())
def test_a_plan_of_nothing_changes_nothing(picture: np.ndarray, seed: int, inverted: bool) -> None:
    nothing = Intensity(noise_seed=seed, bias_seed=seed, gamma_inverted=inverted)
    done = recolour(picture, nothing, SPACING[-picture.ndim :])
    assert np.array_equal(done, picture)
    assert not np.shares_memory(done, picture)


@pytest.mark.parametrize("intensity", [Intensity(brightness=1), Intensity(low_resolution=1)])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_all_65536_values_go_through_and_come_back(intensity: Intensity, dtype: type) -> None:
    picture = np.arange(65536, dtype=np.uint16).view(dtype).reshape(256, 256)
    assert np.array_equal(recolour(picture, intensity, (1, 1)), picture)


@pytest.mark.parametrize("intensity", ALONE)
@pytest.mark.parametrize("shape", [(40, 50), (12, 40, 50)])
def test_every_step_changes_something_and_replays_to_the_same_bytes(
    intensity: Intensity, shape: tuple[int, ...]
) -> None:
    picture = smooth(shape)
    done = recolour(picture, intensity, SPACING[-len(shape) :])
    stored = Plan.from_dict(Plan(intensity=intensity).to_dict()).intensity
    assert np.abs(done.astype(float) - picture).mean() > 100
    assert recolour(picture, stored, SPACING[-len(shape) :]).tobytes() == done.tobytes()
    # Another layout in memory is no other picture.
    turned = np.asfortranarray(picture)
    assert np.array_equal(recolour(turned, intensity, SPACING[-len(shape) :]), done)


@pytest.mark.parametrize("intensity", ALONE)
def test_two_regions_of_16_bits_stay_16_bits(intensity: Intensity) -> None:
    picture = np.full((64, 64), 1000, np.uint16)
    picture[:, 32:] = 50000
    done = recolour(picture, intensity, (1, 1))
    left, right = np.median(done[:, :24]), np.median(done[:, 40:])
    assert 1000 <= left < 20000
    assert 30000 < right <= 50000
    if intensity.blur_mm or intensity.low_resolution:
        assert set(done[:, :24].ravel().tolist()) == {1000}
        assert set(done[:, 40:].ravel().tolist()) == {50000}


@given(st.sampled_from(ALONE), st.sampled_from(TYPES))
def test_equal_values_stay(intensity: Intensity, dtype: type) -> None:
    picture = np.full((5, 6), 77, dtype)
    assert np.array_equal(recolour(picture, intensity, (1, 1)), picture)


def test_noise_has_the_asked_deviation_and_its_own_seed() -> None:
    picture = smooth((200, 200), np.float32, 1000)
    picture[0, :2] = -20000, 20000
    done = recolour(picture, Intensity(noise_sd=0.1, noise_seed=1), (1, 1))
    assert (done - picture).std() == pytest.approx(0.1 * picture.std(), rel=0.03)
    assert abs((done - picture).mean()) < 0.01 * picture.std()
    other = recolour(picture, Intensity(noise_sd=0.1, noise_seed=2), (1, 1))
    assert abs(np.corrcoef((done - picture).ravel(), (other - picture).ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.5, 1.0, 0.7)])
def test_blur_is_a_gaussian_in_millimetres(spacing: tuple[float, float, float]) -> None:
    picture = smooth((16, 32, 40), np.float32, 1)
    done = recolour(picture, Intensity(blur_mm=1.3), spacing)
    wanted = ndimage.gaussian_filter(picture, [1.3 / step for step in spacing])
    assert np.abs(done - wanted).max() < 1e-4
    flat = recolour(picture[3], Intensity(blur_mm=1.3), spacing[1:])
    wanted = ndimage.gaussian_filter(picture[3], [1.3 / step for step in spacing[1:]])
    assert np.abs(flat - wanted).max() < 1e-4


def test_brightness_and_contrast_are_factors() -> None:
    picture = np.array([[100, 200], [300, 500]], np.uint16)
    done = recolour(picture, Intensity(brightness=0.5), (1, 1))
    assert done.tolist() == [[100, 150], [200, 300]]
    done = recolour(picture, Intensity(brightness=1.5), (1, 1))
    assert done.tolist() == [[100, 250], [400, 500]]
    done = recolour(picture, Intensity(contrast=0.5), (1, 1))
    assert done.tolist() == [[188, 238], [288, 388]]


def test_low_resolution_is_coarse_but_moves_nothing() -> None:
    rows, columns = np.ogrid[:96, :96]
    disc = np.exp(-(((rows - 50) / 12) ** 2 + ((columns - 41) / 9) ** 2)).astype(np.float32)
    for factor in (0.3, 0.45, 0.6, 0.8):
        done = recolour(disc, Intensity(low_resolution=factor), (1, 1))
        shift = np.subtract(ndimage.center_of_mass(done), ndimage.center_of_mass(disc))
        assert np.abs(shift).max() < 0.6
    noise = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    done = recolour(noise, Intensity(low_resolution=0.5), (1, 1))
    assert np.abs(np.diff(done)).mean() < 0.7 * np.abs(np.diff(noise)).mean()


def test_low_resolution_goes_across_slices_only_where_these_are_close() -> None:
    picture = smooth((12, 32, 32), np.float32, 1)
    picture[5] = 0
    kept = recolour(picture, Intensity(low_resolution=0.5), (3.5, 1, 1))
    mixed = recolour(picture, Intensity(low_resolution=0.5), (2.5, 1, 1))
    assert (kept[5] == 0).all()
    assert np.abs(kept - picture).mean() > 0.01
    assert (mixed[5] != 0).mean() > 0.5


@pytest.mark.parametrize(("gamma", "inverted"), [(0.7, False), (1.5, False), (1.5, True)])
def test_gamma_bends_values_and_keeps_mean_and_deviation(gamma: float, inverted: bool) -> None:
    picture = smooth((64, 64), np.float32, 1)
    done = recolour(picture, Intensity(gamma=gamma, gamma_inverted=inverted), (1, 1))
    bent = 1 - (1 - picture) ** gamma if inverted else picture**gamma
    wanted = (bent - bent.mean()) / bent.std() * picture.std() + picture.mean()
    assert np.abs(done - wanted.clip(0, 1)).max() < 1e-4
    assert np.abs(done - picture).max() > 0.02


def test_a_bias_field_is_smooth_and_as_strong_as_asked() -> None:
    for shape in ((60, 80), (10, 60, 80)):
        # One pixel at each end of the range leaves room above and below all others.
        picture = np.full(shape, 0.3, np.float32)
        picture.flat[:2] = 0, 1
        done = recolour(picture, Intensity(bias=0.5, bias_seed=4), (1,) * len(shape))
        field = np.log(np.maximum(done, 1e-9) / 0.3)
        field.flat[:2] = field.flat[2]
        assert np.abs(field).max() == pytest.approx(0.5, rel=1e-3)
        assert max(np.abs(np.diff(field, axis=axis)).max() for axis in (-1, -2)) < 0.2
        assert field.std() > 0.02
        fourth = np.diff(field[..., 30, 10:70], 4)
        assert np.abs(fourth).max() < 1e-4
        other = recolour(picture, Intensity(bias=0.5, bias_seed=5), (1,) * len(shape))
        assert not np.allclose(other, done, atol=0.01)


def test_slices_that_lie_far_apart_make_a_stack() -> None:
    assert is_anisotropic((3.1, 1, 1))
    assert not is_anisotropic((3.0, 1, 1))
    assert not is_anisotropic((1, 1, 4))
    assert not is_anisotropic((4, 1))


def digest_of(number: int) -> str:
    everything = Intensity(0.1, number, 0.8, 1.1, 0.9, 0.7, 1.2, False, 0.3, number)
    done = recolour(smooth((8, 30, 40)), everything, SPACING)
    return hashlib.sha256(done.tobytes()).hexdigest()


def test_other_processes_give_the_same_bytes() -> None:
    here = [digest_of(number) for number in range(4)]
    assert len(set(here)) == 4
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        assert list(pool.map(digest_of, range(4))) == here


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((4, 4)), "of float64"),
        (np.zeros((4, 4), np.int32), "of int32"),
        (np.zeros(4, np.uint8), "2 axes"),
        (np.zeros((0, 4), np.uint8), r"\(0, 4\)"),
        (np.full((4, 4), np.nan, np.float32), "no finite numbers"),
        (np.array([[-3e38, 3e38]], np.float32), "too far apart"),
    ],
)
def test_other_pictures_are_refused(picture: np.ndarray, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        recolour(picture, Intensity(brightness=0.5), (1, 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("noise_sd", -0.1),
        ("blur_mm", -1.0),
        ("brightness", float("nan")),
        ("contrast", float("inf")),
        ("low_resolution", 0.0),
        ("low_resolution", 1.1),
        ("gamma", 0.0),
        ("bias", -1.0),
    ],
)
def test_values_that_mean_nothing_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=f"{name} is {value}"):
        recolour(np.eye(4, dtype=np.uint8), Intensity(**{name: value}), (1, 1))


def test_a_spacing_of_other_axes_is_refused() -> None:
    for spacing in ((1, 1, 1), (0, 1)):
        with pytest.raises(OptionError, match="wanted are 2 steps above 0"):
            recolour(np.eye(4, dtype=np.uint8), Intensity(), spacing)
