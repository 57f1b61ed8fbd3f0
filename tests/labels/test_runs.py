"""Runs of labels and the pieces they make."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.labels import runs as module
from medprep.labels.runs import Touch, find_pieces, find_runs

STRUCTURES = {
    "26": np.ones((3, 3, 3)),
    "6": ndimage.generate_binary_structure(3, 1),
    "slice": np.array([np.zeros((3, 3)), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.zeros((3, 3))]),
}
label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]),
    arrays.array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=6),
    elements=st.sampled_from([0, 0, 1, 1, 2, 3]),
)


@given(label_maps, st.integers(1, 40))
def test_runs_are_the_label_map(labels: np.ndarray, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        runs = find_runs(labels)
        again = np.full(labels.size, 9)
        for part, voxels in runs.voxels():
            again[voxels] = np.repeat(runs.label[part], runs.length[part])
    assert np.array_equal(again.reshape(labels.shape), labels)
    assert (np.diff(runs.start) > 0).all()
    # Longest ones: two runs of a label that follow each other lie in different rows.
    follow = (runs.label[1:] == runs.label[:-1]) & (np.diff(runs.start) == runs.length[:-1])
    assert (runs.start[1:][follow] % max(1, labels.shape[2]) == 0).all()


@pytest.mark.parametrize("dense", [0, 64, 10**6])
@pytest.mark.parametrize("touch", get_args(Touch))
@settings(max_examples=150)
@given(labels=label_maps, background=st.booleans())
def test_pieces_equal_scipys(
    touch: Touch, dense: int, labels: np.ndarray, background: bool
) -> None:
    runs = find_runs(labels)
    runs = runs.select((runs.label == 0) == background)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_DENSE", dense)
        pieces = find_pieces(labels, runs, touch)
    expected = []
    for label in [0] if background else [1, 2, 3]:
        numbers, count = ndimage.label(labels == label, STRUCTURES[touch])
        for number in range(1, count + 1):
            voxels = np.flatnonzero(numbers == number)
            expected.append((int(voxels[0]), voxels.size, label))
    first = [int(runs.start[pieces.of_run == n].min()) for n in range(pieces.size.size)]
    assert list(zip(first, pieces.size, pieces.label, strict=True)) == sorted(expected)


@pytest.mark.parametrize("touch", get_args(Touch))
def test_a_spiral_is_one_piece(touch: Touch) -> None:
    labels = np.zeros((1, 41, 41), np.uint8)
    low, high = 0, 40
    for step in range(10):
        labels[0, low, low - 2 * (step > 0) : high + 1] = 1
        labels[0, low : high + 1, high] = 1
        labels[0, high, low : high + 1] = 1
        labels[0, low + 2 : high + 1, low] = 1
        low, high = low + 2, high - 2
    runs = find_runs(labels)
    runs = runs.select(runs.label == 1)
    assert find_pieces(labels, runs, touch).size.tolist() == [np.count_nonzero(labels)]
