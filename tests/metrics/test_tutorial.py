"""The tutorial's own number, by hand, and what others call Dice beside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import GeometryError, LabelError
from medprep.metrics.tutorial import (
    hard_slice_dice,
    logit_picture,
    soft_slice_dice,
    tutorial_dice,
    volume_dice,
)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Give four slices: grey beside white, empty, empty but for one grey pixel, equal."""
    reference, predicted = np.zeros((2, 4, 2, 3), np.uint8)
    reference[0, 0], predicted[0, 0] = 255, 127
    predicted[2, 1, 1] = 1
    reference[3, 1], predicted[3, 1] = 255, 255
    return reference, predicted


def test_logits_are_clipped_and_rounded_to_grey_levels() -> None:
    logits = np.array([-3.0, 0.0, 0.001, 0.002, 0.5, 0.999, 1.0, 40.0, np.inf, -np.inf, np.nan])
    found = logit_picture(logits)
    assert found.tolist() == [0, 0, 0, 1, 128, 255, 255, 255, 255, 0, 0]
    assert found.dtype == np.uint8


def test_slices_by_hand() -> None:
    soft = 2 * 3 * (127 / 255) / (3 + 3 * 127 / 255)
    found = soft_slice_dice(*pictures())
    assert found == [round(soft, 3), 1.0, 0.0, 1.0]
    assert found[0] == 0.665
    assert tutorial_dice(*pictures()) == pytest.approx((0.665 + 1 + 0 + 1) / 4, abs=1e-15)


def test_masks_of_the_same_pictures() -> None:
    assert hard_slice_dice(*pictures()) == [0.0, None, None, 1.0]
    assert volume_dice(*pictures()) == pytest.approx(2 * 3 / (6 + 3))
    assert hard_slice_dice(*pictures(), threshold=127) == [1.0, None, None, 1.0]
    assert hard_slice_dice(*pictures(), threshold=1) == [1.0, None, 0.0, 1.0]


def test_the_middle_level_belongs_to_the_mask() -> None:
    at, below = np.full((1, 1, 1), 128, np.uint8), np.full((1, 1, 1), 127, np.uint8)
    assert volume_dice(at, at) == 1.0
    assert volume_dice(below, below) is None


def test_a_soft_edge_does_not_even_agree_with_itself() -> None:
    grey = np.full((1, 2, 2), 128, np.uint8)
    assert tutorial_dice(grey, grey) == round(128 / 255, 3)


@given(st.integers(0, 2**16))
def test_on_black_and_white_it_is_the_rounded_dice_of_masks(seed: int) -> None:
    generator = np.random.default_rng(seed)
    maps = (generator.random((2, 5, 3, 4)) < generator.random((2, 5, 1, 1))).astype(np.uint8) * 255
    hard = hard_slice_dice(*maps)
    assert soft_slice_dice(*maps) == pytest.approx(
        [1.0 if one is None else one for one in hard], abs=0.0005 + 1e-9
    )


def test_no_slice_has_no_number() -> None:
    none = np.zeros((0, 4, 4), np.uint8)
    assert tutorial_dice(none, none) is None
    assert volume_dice(none, none) is None
    assert hard_slice_dice(none, none) == []


def test_other_shapes_and_other_numbers_are_refused() -> None:
    one = np.zeros((2, 3, 3), np.uint8)
    for call in (soft_slice_dice, tutorial_dice, hard_slice_dice, volume_dice):
        with pytest.raises(GeometryError, match=r"not \(2, 3, 3\) and \(3, 3\)"):
            call(one, one[0])
        with pytest.raises(LabelError, match="those of the prediction float32"):
            call(one, one.astype(np.float32))
