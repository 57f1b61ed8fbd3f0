"""Majority smoothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medprep.errors import LabelError, OptionError
from medprep.labels import smoothing
from medprep.labels.smoothing import smooth_labels

label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]),
    arrays.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=7),
    elements=st.sampled_from([0, 0, 1, 1, 1, 2, 255]),
    fill=st.sampled_from([0, 1]),
)


def majority(labels: np.ndarray, radius: int) -> np.ndarray:
    """Say what the most frequent label around each voxel is, one by one."""
    result = labels.copy()
    for place in np.ndindex(labels.shape):
        cube = labels[tuple(slice(max(0, n - radius), n + radius + 1) for n in place)]
        values, counts = np.unique(cube, return_counts=True)
        if (counts == counts.max()).sum() == 1:
            result[place] = values[counts.argmax()]
    return result


@settings(max_examples=100)
@given(label_maps, st.integers(1, 3), st.integers(1, 10**6))
def test_smoothing_is_one_pass_over_all_voxels(labels: np.ndarray, radius: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(smoothing, "_BLOCK", block)
        smooth = smooth_labels(labels, radius)
    assert smooth.dtype == labels.dtype
    assert np.array_equal(smooth, majority(labels, radius))


def test_bumps_and_dents_vanish_from_a_flat_border() -> None:
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[:5] = 2
    rough = labels.copy()
    rough[5, 4, 4] = rough[2, 2, 2] = 1
    rough[4, 2, 6] = 0
    before = rough.copy()
    assert np.array_equal(smooth_labels(rough, 1), labels)
    assert np.array_equal(rough, before)


def test_what_lies_beyond_the_border_does_not_count() -> None:
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[:2] = 1
    # A voxel of the corner sees eight voxels, all of its own label.
    for radius in (1, 3):
        assert smooth_labels(labels, radius)[0, 0, 0] == 1


def test_a_tie_keeps_the_voxel() -> None:
    labels = np.array([[[1, 1, 2, 2]]], np.uint8)
    assert np.array_equal(smooth_labels(labels, 3), labels)
    assert smooth_labels(np.array([[[1, 0, 2]]], np.uint8), 1).tolist() == [[[1, 0, 2]]]


def test_radius_0_changes_nothing() -> None:
    labels = np.eye(3, dtype=np.uint8)[None]
    smooth = smooth_labels(labels, 0)
    assert np.array_equal(smooth, labels)
    assert smooth is not labels


def test_refusals() -> None:
    with pytest.raises(OptionError, match="0 voxels or more, not -1"):
        smooth_labels(np.zeros((1, 1, 1), np.uint8), -1)
    with pytest.raises(LabelError, match="not 3 axes of float64"):
        smooth_labels(np.zeros((1, 1, 1)), 1)
