"""Figures: the same bytes for the same numbers, and pixels where they belong."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.reporting.data import LogRow
from medprep.reporting.figures import training_curve, triple

COLOURS = ((0, 0, 0), (250, 10, 20), (30, 240, 50))
LOG = tuple(LogRow(n, 1 / n, n / 20 if n % 5 == 0 else None) for n in range(1, 21))


def chunks(png: bytes) -> list[bytes]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    names, place = [], 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        names.append(png[place + 4 : place + 8])
        place += 12 + length
    return names


def pixels(png: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_equal_numbers_give_equal_bytes_without_names_or_dates() -> None:
    first = training_curve(LOG)
    assert first == training_curve(LOG)
    assert set(chunks(first)) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_settings_of_the_user_change_nothing_and_stay() -> None:
    import matplotlib

    plain = training_curve(LOG)
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30}):
        assert training_curve(LOG) == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_curve_shows_the_numbers() -> None:
    other = (*LOG[:-1], LogRow(20, 0.9, 1.0))
    assert training_curve(LOG) != training_curve(other)


def test_curve_without_validation_has_one_panel() -> None:
    alone = tuple(LogRow(row.step, row.loss, None) for row in LOG)
    assert pixels(training_curve(alone)).shape[0] < pixels(training_curve(LOG)).shape[0]


def test_curve_of_nothing_is_empty_axes() -> None:
    assert chunks(training_curve(()))[0] == b"IHDR"


SLICES = st.tuples(st.integers(1, 8), st.integers(1, 8)).flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.uint8, shape),
        arrays.arrays(np.uint16, shape, elements=st.integers(0, 2)),
        arrays.arrays(np.uint8, shape, elements=st.integers(0, 2)),
    )
)


@given(SLICES)
def test_triple_tints_labels_and_nothing_else(
    planes: tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint8]],
) -> None:
    picture, reference, predicted = planes
    columns = picture.shape[1]
    shown = triple(picture, reference, predicted, COLOURS)
    assert shown.shape == (picture.shape[0], 3 * columns, 3)
    assert shown.dtype == np.uint8
    grey = np.repeat(picture[..., None], 3, axis=2)
    assert np.array_equal(shown[:, :columns], grey)
    for place, labels in ((1, reference), (2, predicted)):
        panel = shown[:, place * columns : (place + 1) * columns]
        assert np.array_equal(panel[labels == 0], grey[labels == 0])
        for label in (1, 2):
            mixed = 0.55 * grey[labels == label] + 0.45 * np.array(COLOURS[label])
            assert np.abs(panel[labels == label] - mixed).max(initial=0) <= 0.51


def test_triple_without_reference_has_two_panels() -> None:
    picture = np.zeros((2, 3), np.uint8)
    assert triple(picture, None, picture, COLOURS).shape == (2, 6, 3)


def test_labels_that_do_not_fit_are_refused() -> None:
    picture = np.zeros((4, 4), np.uint8)
    with pytest.raises(LabelError, match="label 3 has no colour"):
        triple(picture, np.full((4, 4), 3), picture, COLOURS)
    with pytest.raises(LabelError, match=r"shape \(4, 5\)"):
        triple(picture, None, np.zeros((4, 5), np.uint8), COLOURS)
    with pytest.raises(LabelError, match="label 3 has no colour"):
        triple(picture, None, np.full((4, 4), 3), COLOURS)
    with pytest.raises(LabelError, match="wanted are two axes"):
        triple(picture, np.zeros((1, 4, 4), np.uint8), picture, COLOURS)
