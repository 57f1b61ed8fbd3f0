"""Counting label maps: every layout, every width, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.errors import GeometryError, LabelError
from medprep.metrics.confusion import confusion_matrix, slice_confusions

TYPES = (np.bool_, np.uint8, np.uint16, np.int16, np.int64, np.dtype(">i2"), np.dtype(">u4"))


def slow(reference: np.ndarray, predicted: np.ndarray, labels: list[int]) -> list[list[int]]:
    """Give the matrix by one look at each pair."""
    every = [0, *labels]
    return [
        [int(np.count_nonzero((reference == one) & (predicted == other))) for other in every]
        for one in every
    ]


@st.composite
def layouts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Two maps of one shape, each of some type and order in memory; and the highest label."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=4)))
    n_labels = draw(st.sampled_from([1, 3, 7, 8, 20]))
    seed = draw(st.integers(0, 2**16))
    generator = np.random.default_rng(seed)
    maps = []
    for _ in range(2):
        dtype = draw(st.sampled_from(TYPES))
        most = 1 if dtype is np.bool_ else n_labels
        array = generator.integers(0, most + 1, shape).astype(dtype)
        array[generator.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.98, 1.0]))] = 0
        order = draw(st.permutations(range(len(shape))))
        array = np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))
        if draw(st.booleans()):
            array = array[::-1].copy()[::-1]
        maps.append(array)
    return maps[0], maps[1], n_labels


@settings(max_examples=200)
@given(layouts())
def test_counts_equal_one_look_at_each_pair(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    reference, predicted, n_labels = case
    labels = list(range(1, n_labels + 1))
    found = confusion_matrix(reference, predicted, n_labels)
    assert found.dtype == np.int64
    assert found.tolist() == slow(reference, predicted, labels)


@settings(max_examples=100)
@given(layouts().filter(lambda case: case[0].ndim > 1))
def test_slices_are_counted_one_by_one(case: tuple[np.ndarray, np.ndarray, int]) -> None:
    reference, predicted, n_labels = case
    labels = list(range(1, n_labels + 1))
    found = [one.tolist() for one in slice_confusions(reference, predicted, labels)]
    assert found == [
        slow(one, other, labels) for one, other in zip(reference, predicted, strict=True)
    ]


def test_labels_with_gaps_have_places_in_their_order() -> None:
    reference = np.array([[0, 2, 700, 700, 2]], np.uint16)
    predicted = np.array([[0, 2, 700, 2, 0]], np.int64)
    (matrix,) = slice_confusions(reference, predicted, [2, 700])
    assert matrix.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_more_slices_than_are_copied_at_once() -> None:
    generator = np.random.default_rng(1)
    reference, predicted = generator.integers(0, 4, (2, 3, 5, 150), np.uint8)
    maps = [np.ascontiguousarray(one).transpose(2, 0, 1) for one in (reference, predicted)]
    total = sum(slice_confusions(*maps, [1, 2, 3]))
    assert np.array_equal(total, confusion_matrix(reference, predicted, 3))


def test_no_voxel_gives_counts_of_nothing() -> None:
    for shape in ((0, 4, 4), (4, 0, 3), (0,)):
        none = np.zeros(shape, np.uint8)
        assert confusion_matrix(none, none, 2).tolist() == [[0] * 3] * 3


def test_inputs_are_left_as_they_are() -> None:
    reference = np.ones((2, 4, 4), np.uint8)
    reference.setflags(write=False)
    assert confusion_matrix(reference, reference, 1).tolist() == [[0, 0], [0, 32]]


def test_other_shapes_are_refused() -> None:
    with pytest.raises(GeometryError, match=r"\(2, 3, 4\) and \(2, 4, 3\)"):
        confusion_matrix(np.zeros((2, 3, 4), np.uint8), np.zeros((2, 4, 3), np.uint8), 1)
    with pytest.raises(GeometryError, match="different grids"):
        confusion_matrix(np.zeros((), np.uint8), np.zeros((), np.uint8), 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64])
def test_a_label_beyond_is_named_with_its_voxels_and_its_map(dtype: type) -> None:
    one, other = np.zeros((2, 3, 4, 4), dtype)
    one[0, 0, 0], other[2, 1, :3] = 1, 4
    wanted = "4 in 3 voxels; wanted are 0 \\(background\\) to 3"
    with pytest.raises(LabelError, match=f"the prediction holds the label {wanted}"):
        confusion_matrix(one, other, 3)
    with pytest.raises(LabelError, match=f"the reference holds the label {wanted}"):
        confusion_matrix(other, one, 3)


def test_negative_and_many_strange_labels_are_told_shortly() -> None:
    one = np.zeros((1, 4, 4), np.int16)
    one[0, 0, 0] = -1
    with pytest.raises(LabelError, match="the reference holds the label -1 in 1 voxel; "):
        confusion_matrix(one, np.zeros_like(one), 3)
    many = np.arange(16, dtype=np.int16).reshape(1, 4, 4)
    with pytest.raises(LabelError, match=r"4 in 1 voxel, 5 in .*8 in 1 voxel and 7 more labels"):
        confusion_matrix(many, many, 3)


def test_a_label_between_two_known_ones_is_refused() -> None:
    one = np.full((1, 2, 2), 2, np.uint8)
    with pytest.raises(LabelError, match=r"label 2 in 4 voxels; wanted are 0 \(background\), 1, 3"):
        list(slice_confusions(one, one, [1, 3]))
    huge = np.full((1, 2, 2), 2**40, np.int64)
    with pytest.raises(LabelError, match=f"label {2**40} in 4 voxels"):
        list(slice_confusions(huge, huge, [1, 3]))


def test_what_are_no_whole_numbers_is_refused() -> None:
    whole, broken = np.zeros((1, 2, 2), np.uint8), np.full((1, 2, 2), np.nan)
    with pytest.raises(LabelError, match="a prediction holds whole numbers, not float64"):
        confusion_matrix(whole, broken, 3)
    with pytest.raises(LabelError, match="a reference holds whole numbers, not float64"):
        confusion_matrix(broken, whole, 3)
