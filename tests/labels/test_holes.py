"""Filling holes."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.labels.holes import Holes, fill_holes

label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]),
    arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=7),
    elements=st.sampled_from([0, 1, 1, 1, 1, 2]),
    fill=st.sampled_from([0, 1]),
)


def filled(labels: np.ndarray, holes: Holes) -> np.ndarray:
    result = labels.copy()
    counts = fill_holes(result, holes)
    assert counts == {
        label: n for label in (1, 2) if (n := np.count_nonzero((result == label) & (labels == 0)))
    }
    return result


@pytest.mark.parametrize("holes", get_args(Holes))
@given(labels=label_maps)
def test_holes_of_one_label_equal_scipys(holes: Holes, labels: np.ndarray) -> None:
    labels = labels & labels.dtype.type(1)
    if holes == "3d":
        expected = ndimage.binary_fill_holes(labels)
    elif holes == "2d":
        expected = np.stack([ndimage.binary_fill_holes(plane) for plane in labels])
    else:
        expected = labels
    assert np.array_equal(filled(labels, holes), expected)


@pytest.mark.parametrize("holes", get_args(Holes))
@given(labels=label_maps)
def test_filling_twice_changes_nothing_more(holes: Holes, labels: np.ndarray) -> None:
    once = filled(labels, holes)
    assert np.array_equal(filled(once, holes), once)
    assert np.array_equal(once[labels != 0], labels[labels != 0])


@given(label_maps)
def test_slice_by_slice_fills_whatever_is_filled_in_3d(labels: np.ndarray) -> None:
    whole = filled(labels, "3d")
    assert np.array_equal(filled(labels, "2d")[whole != labels], whole[whole != labels])


def test_a_tunnel_through_the_slices_is_a_hole_of_each_slice_only() -> None:
    labels = np.zeros((3, 5, 5), np.uint8)
    labels[:, 1:4, 1:4] = 2
    labels[:, 2, 2] = 0
    assert np.array_equal(filled(labels, "3d"), labels)
    assert (filled(labels, "2d")[:, 2, 2] == 2).all()


@pytest.mark.parametrize("holes", ["2d", "3d"])
def test_a_gap_between_two_organs_stays(holes: Holes) -> None:
    labels = np.ones((3, 3, 5), np.uint8)
    labels[:, :, 3:] = 2
    labels[1, 1, 2] = 0
    assert np.array_equal(filled(labels, holes), labels)
