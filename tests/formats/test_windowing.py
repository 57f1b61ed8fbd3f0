"""Grey values to 8 and 16 bits and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medprep.errors import OptionError
from medprep.formats.windowing import (
    Window,
    choose_scale,
    choose_window,
    parse_window,
    to_8bit,
    to_16bit,
)

kinds = st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.float32])
volumes = kinds.flatmap(lambda kind: arrays.arrays(kind, (2, 3, 4)))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("auto", ("auto", ())),
        ("dicom", ("dicom", ())),
        ("-160,240", ("given", (-160.0, 240.0))),
        ("percentile:1,99.5", ("percentile", (1.0, 99.5))),
    ],
)
def test_windows_as_people_write_them(text: str, meant: tuple) -> None:
    assert parse_window(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "", "liver", "1", "1,2,3", "5,5", "9,1", "a,b", "nan,5", "-inf,5", "1,inf",
        "percentile:1", "percentile:-1,50", "percentile:0,101", "percentile", "width:1,2",
    ],
)  # fmt: skip
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="--window is"):
        parse_window(text)


def test_the_headers_window_serves_ct_or_who_asks() -> None:
    values = np.arange(1000, dtype=np.int16)
    assert choose_window(values, "auto", "CT", (-100, 200)) == Window(-100, 200, "dicom")
    assert choose_window(values, "auto", "MR", (-100, 200)).how == "percentile:0.5,99.5"
    assert choose_window(values, "dicom", "MR", (-100, 200)) == Window(-100, 200, "dicom")
    assert choose_window(values, "dicom", "MR", None).how == "percentile:0.5,99.5"
    assert choose_window(values, "5,9", "CT", (-100, 200)) == Window(5, 9, "given")
    assert choose_window(values, "percentile:0,100", "CT", (0, 1)) == Window(
        0, 999, "percentile:0,100"
    )


@pytest.mark.parametrize("centre", [0, 40, -1000, 60000])
def test_a_headers_window_of_width_1_is_a_threshold(centre: int) -> None:
    """PS3.3 C.11.2.1.2.1: up to centre - 0.5 is black, above is white."""
    values = np.array([centre - 70, centre - 1, centre, centre + 1, centre + 70], np.int32)
    window = choose_window(values, "dicom", "CT", (centre - 0.5, centre - 0.5))
    assert window.how == "dicom" and window.low == centre - 0.5 < window.high
    assert to_8bit(values, window).tolist() == [0, 0, 255, 255, 255]
    assert to_8bit(np.array([centre - 0.5]), window).tolist() == [0]


def test_a_bright_pixel_does_not_set_the_window() -> None:
    values = np.tile(np.arange(1000, dtype=np.int16), 10)
    values[17] = 30000
    window = choose_window(values, "auto", "MR", None)
    assert window.low == pytest.approx(5, abs=1)
    assert window.high == pytest.approx(994, abs=1)


@pytest.mark.parametrize(("value", "high"), [(0, 1), (7, 8)])
def test_a_constant_picture_gets_one_step(value: int, high: int) -> None:
    assert choose_window(np.full((2, 2, 2), value), "auto", "", None) == Window(
        value, high, "extremes"
    )


def test_a_nearly_constant_picture_gets_its_extremes() -> None:
    values = np.zeros(10_000, np.int16)
    values[5] = 40
    assert choose_window(values, "auto", "", None) == Window(0, 40, "extremes")


def test_a_large_volume_is_looked_at_everywhere() -> None:
    # A sample of every 64th voxel would see the first column only.
    values = np.zeros((2_000_000, 64), np.uint8)
    values[:, 1:] = np.arange(63, dtype=np.uint8) + 100
    window = choose_window(values, "percentile:10,90", "", None)
    assert (window.low, window.high) == tuple(np.percentile(values[:1000], (10, 90)))


def test_nan_and_infinity_are_no_grey_values() -> None:
    values = np.array([[np.nan, 0, 1, 2, 3, np.inf, -np.inf]], np.float32)
    assert choose_window(values, "percentile:0,100", "", None) == Window(0, 3, "percentile:0,100")
    assert to_8bit(values, Window(0, 3, "")).tolist() == [[0, 0, 85, 170, 255, 255, 0]]
    scale = choose_scale(values)
    assert to_16bit(values, scale).tolist() == [[0, 0, 21845, 43690, 65535, 65535, 0]]
    nothing = np.full(3, np.nan)
    assert choose_window(nothing, "auto", "", None).high == 1
    assert to_16bit(nothing, choose_scale(nothing)).tolist() == [0, 0, 0]


def test_8_bits_round_to_nearest_and_clip() -> None:
    values = np.array([-5, 0, 1, 2, 3, 254, 255, 256, 400], np.int16)
    assert to_8bit(values, Window(0, 255, "")).tolist() == [0, 0, 1, 2, 3, 254, 255, 255, 255]
    assert to_8bit(values, Window(0, 510, "")).tolist() == [0, 0, 0, 1, 2, 127, 128, 128, 200]


@given(volumes)
def test_16_bits_are_exact_where_they_say_so(values: np.ndarray) -> None:
    scale = choose_scale(values)
    stored = to_16bit(values, scale)
    assert stored.dtype == np.uint16
    back = stored * scale.slope + scale.intercept
    if values.dtype.kind in "iu" and int(values.max()) - int(values.min()) <= 65535:
        assert scale.lossless
        assert np.array_equal(back, values)
    elif np.isfinite(values).all():
        allowed = 0.5 * scale.slope + 1e-6 * float(np.abs(values.astype(np.float64)).max())
        assert np.abs(back - values.astype(np.float64)).max() <= allowed


@pytest.mark.parametrize(
    ("low", "high", "intercept"),
    [
        (0, 65535, 0),
        (5, 300, 0),
        (-1024, 3071, -1024),
        (-32768, 32767, -32768),
        (70000, 80000, 7e4),
    ],
)
def test_whole_numbers_keep_their_value_where_they_can(
    low: int, high: int, intercept: float
) -> None:
    scale = choose_scale(np.array([low, high], np.int32))
    assert (scale.slope, scale.intercept) == (1, intercept)
