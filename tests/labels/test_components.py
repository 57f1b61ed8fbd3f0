"""Cleaning of label maps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.errors import LabelError, OptionError
from medprep.labels.components import CleaningOptions, CleaningRow, clean_labels

NAMES = {1: "liver", 2: "spleen", 3: "kidney"}
KEEP_ALL = CleaningOptions(largest=False, min_volume_ml=0, fill_holes=False)

label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]),
    arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=7),
    elements=st.sampled_from([0, 0, 1, 1, 1, 2, 3]),
    fill=st.sampled_from([0, 1]),
)
all_options = st.builds(
    CleaningOptions,
    largest=st.booleans(),
    min_volume_ml=st.sampled_from([0.0, 0.002, 0.003, 0.01]),
    fill_holes=st.booleans(),
)


def clean_slowly(labels: np.ndarray, voxel_ml: float, options: CleaningOptions) -> np.ndarray:
    """Say the same label by label with scipy, which numbers pieces by their first voxel."""
    result = np.zeros_like(labels)
    for label in NAMES:
        pieces, count = ndimage.label(labels == label, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        keep = sizes >= round(options.min_volume_ml / voxel_ml)
        if options.largest and count:
            keep &= np.arange(count) == sizes.argmax()
        result[np.isin(pieces, np.flatnonzero(keep) + 1)] = label
    return fill_slowly(result) if options.fill_holes else result


def fill_slowly(labels: np.ndarray) -> np.ndarray:
    result = labels.copy()
    holes, count = ndimage.label(labels == 0)
    for number in range(1, count + 1):
        hole = holes == number
        inner = np.zeros_like(hole)
        inner[1:-1, 1:-1, 1:-1] = hole[1:-1, 1:-1, 1:-1]
        walls = set(labels[ndimage.binary_dilation(hole) & ~hole].tolist())
        if np.array_equal(inner, hole) and len(walls) == 1:
            result[hole] = walls.pop()
    return result


@settings(max_examples=300, deadline=None)
@given(label_maps, all_options)
def test_cleaning_equals_scipy_label_by_label(labels: np.ndarray, options: CleaningOptions) -> None:
    cleaned, _ = clean_labels(labels, 0.001, options, NAMES)
    assert cleaned.dtype == labels.dtype
    assert np.array_equal(cleaned, clean_slowly(labels, 0.001, options))


@settings(deadline=None)
@given(label_maps, all_options)
def test_every_voxel_is_accounted_for(labels: np.ndarray, options: CleaningOptions) -> None:
    before = labels.copy()
    cleaned, rows = clean_labels(labels, 0.001, options, NAMES)
    assert np.array_equal(labels, before)
    assert [row.label for row in rows] == list(NAMES)
    for row in rows:
        assert row.before == np.count_nonzero(labels == row.label)
        assert row.after == np.count_nonzero(cleaned == row.label)
        assert row.removed == np.count_nonzero((labels == row.label) & (cleaned != row.label))
        assert row.before - row.removed + row.filled == row.after
        assert row.components == ndimage.label(labels == row.label, np.ones((3, 3, 3)))[1]
        assert 0 <= row.removed_components <= row.components


@settings(deadline=None)
@given(label_maps, all_options)
def test_cleaning_twice_changes_nothing_more(labels: np.ndarray, options: CleaningOptions) -> None:
    once, _ = clean_labels(labels, 0.001, options, NAMES)
    twice, rows = clean_labels(once, 0.001, options, NAMES)
    assert np.array_equal(once, twice)
    assert {(row.removed, row.filled) for row in rows} == {(0, 0)}


@settings(deadline=None)
@given(label_maps, all_options)
def test_no_organ_that_stays_becomes_another(labels: np.ndarray, options: CleaningOptions) -> None:
    kept, _ = clean_labels(labels, 0.001, replace(options, fill_holes=False), NAMES)
    cleaned, _ = clean_labels(labels, 0.001, options, NAMES)
    assert set(labels[kept != 0] == kept[kept != 0]) <= {True}
    assert np.array_equal(cleaned[kept != 0], kept[kept != 0])


def test_of_equal_pieces_the_first_in_c_order_stays() -> None:
    labels = np.zeros((3, 3, 5), np.uint8)
    labels[0, 2, 4] = labels[0, 2, 3] = 1
    labels[2, 0, 0] = labels[2, 0, 1] = 1
    cleaned, rows = clean_labels(np.asfortranarray(labels), None, CleaningOptions(), NAMES)
    assert np.argwhere(cleaned).tolist() == [[0, 2, 3], [0, 2, 4]]
    assert rows[0] == CleaningRow(1, "liver", 2, 4, 1, 2, 0, 2)


def test_pieces_that_touch_by_a_corner_are_one() -> None:
    labels = np.zeros((2, 2, 2), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = 2
    cleaned, _ = clean_labels(labels, None, CleaningOptions(), NAMES)
    assert np.array_equal(cleaned, labels)


def test_a_piece_of_exactly_the_smallest_volume_stays() -> None:
    labels = np.zeros((1, 60, 3), np.uint8)
    labels[0, :50, 0] = 1
    labels[0, :49, 2] = 2
    for voxel_ml in (0.001, 0.05 / 50):
        cleaned, _ = clean_labels(labels, voxel_ml, CleaningOptions(), NAMES)
        assert (np.count_nonzero(cleaned == 1), np.count_nonzero(cleaned == 2)) == (50, 0)


def test_without_spacing_no_piece_is_too_small() -> None:
    labels = np.zeros((1, 2, 2), np.uint8)
    labels[0, 0, 0] = 1
    cleaned, _ = clean_labels(labels, None, CleaningOptions(min_volume_ml=99), NAMES)
    assert np.array_equal(cleaned, labels)
    assert not clean_labels(labels, 0.001, CleaningOptions(), NAMES)[0].any()


def test_holes_of_one_organ_equal_scipys() -> None:
    generator = np.random.default_rng(0)
    labels = (generator.random((9, 12, 10)) < 0.8).astype(np.uint8)
    cleaned, rows = clean_labels(labels, None, CleaningOptions(largest=False), NAMES)
    assert np.array_equal(cleaned, ndimage.binary_fill_holes(labels))
    assert rows[0].filled > 0


def shell(size: int) -> np.ndarray:
    labels = np.zeros((size, size, size), np.uint8)
    labels[1:-1, 1:-1, 1:-1] = 1
    labels[2:-2, 2:-2, 2:-2] = 0
    return labels


def test_a_hole_is_filled_around_an_organ_that_stays() -> None:
    labels = shell(9)
    labels[3:6, 3:6, 3:6] = 2
    labels[4, 4, 4] = 0
    cleaned, rows = clean_labels(labels, None, CleaningOptions(), NAMES)
    assert cleaned[4, 4, 4] == 2
    # The gap between the two organs lies against both.
    assert cleaned[2, 2, 2] == 0
    assert [row.filled for row in rows] == [0, 1, 0]


def test_a_speck_in_a_hole_goes_before_the_hole_is_filled() -> None:
    labels = shell(9)
    labels[4, 4, 4] = 2
    cleaned, rows = clean_labels(labels, 0.001, CleaningOptions(min_volume_ml=0.002), NAMES)
    assert (cleaned[2:7, 2:7, 2:7] == 1).all()
    assert (rows[0].filled, rows[1].removed) == (125, 1)


def test_a_cavity_open_to_the_volumes_border_is_no_hole() -> None:
    labels = shell(7)[1:-1, 1:-1, 1:-1]
    labels[0, 2, 2] = 0
    cleaned, _ = clean_labels(labels, None, CleaningOptions(), NAMES)
    assert np.array_equal(cleaned, labels)


@pytest.mark.parametrize("shape", [(0, 4, 4), (1, 1, 1), (2, 3, 4)])
def test_nothing_and_everything(shape: tuple[int, int, int]) -> None:
    for value in (0, 3):
        labels = np.full(shape, value, np.uint16)
        cleaned, rows = clean_labels(labels, None, CleaningOptions(), NAMES)
        assert np.array_equal(cleaned, labels)
        assert rows[2].after == np.count_nonzero(labels)


def test_steps_can_be_turned_off() -> None:
    labels = shell(7)
    labels[0, 0, 0] = 2
    labels[6, 6, 6] = 2
    assert np.array_equal(clean_labels(labels, 0.001, KEEP_ALL, NAMES)[0], labels)


def test_a_label_without_a_name_and_a_wrong_type_are_refused() -> None:
    with pytest.raises(LabelError, match=r"labels \[7\] have no name"):
        clean_labels(np.full((1, 2, 2), 7, np.uint8), None, KEEP_ALL, NAMES)
    with pytest.raises(LabelError, match="3 axes of int64"):
        clean_labels(np.zeros((1, 2, 2), np.int64), None, KEEP_ALL, NAMES)


@pytest.mark.parametrize("volume", [-0.1, float("nan"), float("inf")])
def test_impossible_volumes_are_refused(volume: float) -> None:
    with pytest.raises(OptionError, match=str(volume)):
        CleaningOptions(min_volume_ml=volume)
