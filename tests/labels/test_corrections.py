"""Masks that lie wrong are put right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import LabelError, OptionError
from medprep.labels.corrections import Correction

MASK = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_each_correction_moves_one_axis() -> None:
    assert np.array_equal(Correction(order="reversed").apply(MASK), MASK[::-1])
    assert np.array_equal(Correction(flip=("x",)).apply(MASK), MASK[:, :, ::-1])
    assert np.array_equal(Correction(flip=("y",)).apply(MASK), MASK[:, ::-1])
    assert np.array_equal(Correction(transpose=True).apply(MASK), MASK.swapaxes(1, 2))
    assert Correction().apply(MASK) is MASK and str(Correction()) == ""


@given(st.booleans(), st.sampled_from([(), ("x",), ("y",), ("x", "y")]), st.booleans())
def test_the_order_is_the_one_stated(reverse: bool, flip: tuple, transpose: bool) -> None:
    wanted = MASK.swapaxes(1, 2) if transpose else MASK
    wanted = wanted[:, :, ::-1] if "x" in flip else wanted
    wanted = wanted[:, ::-1] if "y" in flip else wanted
    wanted = wanted[::-1] if reverse else wanted
    correction = Correction("reversed" if reverse else "given", flip, transpose)
    assert np.array_equal(correction.apply(MASK), wanted)


def test_what_cannot_be() -> None:
    with pytest.raises(OptionError, match="--mask-order is 'back'"):
        Correction(order="back")  # type: ignore[arg-type]
    for flip in (("z",), ("x", "x")):
        with pytest.raises(OptionError, match="--mask-flip is"):
            Correction(flip=flip)  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="3 and 4"):
        Correction(transpose=True).apply(np.zeros((1, 3, 4), np.uint8))
    assert str(Correction("reversed", ("x",), True)) == (
        "--mask-transpose --mask-flip x --mask-order reversed"
    )
