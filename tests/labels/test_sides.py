"""Left and right of the patient."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import LabelError
from medprep.geometry import Geometry
from medprep.labels.sides import check_sides, split_pair

SHAPE = (12, 20, 30)
AXIAL = Geometry.from_parts(SHAPE, (3.0, 1.0, 1.0))
"""Columns to the patient's left."""


def kidneys(*, touching: bool = False) -> np.ndarray:
    """Two blobs of label 2 either side of the middle, and specks of the right one."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:9, 8:14, 4:9] = 2
    labels[4:8, 7:13, 20:26] = 2
    labels[10, 5, 7] = 2
    if touching:
        labels[5, 10, 4:26] = 2
    return labels


def test_pieces_go_to_the_side_they_lie_on() -> None:
    parted, how = split_pair(kidneys(), AXIAL, 2, left=5, right=2)
    assert how == "by its two largest pieces"
    assert set(np.unique(parted[:, :, :15])) == {0, 2}, "low columns are the patient's right"
    assert set(np.unique(parted[:, :, 15:])) == {0, 5}
    assert np.array_equal(parted != 0, kidneys() != 0)


def test_two_that_touch_are_cut_in_the_middle() -> None:
    parted, how = split_pair(kidneys(touching=True), AXIAL, 2, left=5, right=2)
    assert "cut there" in how
    assert parted[5, 10, 5] == 2 and parted[5, 10, 24] == 5
    assert (parted[5, 10, 4:15] == 2).all() and (parted[5, 10, 15:26] == 5).all()


@pytest.mark.parametrize(
    ("columns", "label", "side"), [((4, 9), 2, "right"), ((20, 26), 5, "left")]
)
def test_a_single_organ_gets_the_side_it_lies_on(
    columns: tuple[int, int], label: int, side: str
) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[3:9, 8:14, slice(*columns)] = 2
    parted, how = split_pair(labels, AXIAL, 2, left=5, right=2)
    assert side in how
    assert set(np.unique(parted)) == {0, label}


def test_two_pieces_of_one_organ_above_each_other_stay_together() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:4, 8:14, 4:9] = 2
    labels[6:9, 8:14, 5:9] = 2
    parted, _ = split_pair(labels, AXIAL, 2, left=5, right=2)
    assert set(np.unique(parted)) == {0, 2}


def test_nothing_to_part() -> None:
    labels = np.ones(SHAPE, np.uint8)
    parted, how = split_pair(labels, AXIAL, 2, left=5, right=2)
    assert np.array_equal(parted, labels) and how == ""
    with pytest.raises(LabelError, match="do not fit"):
        split_pair(labels, AXIAL, 1, left=300, right=1)


@given(
    st.sampled_from(list(permutations(range(3)))), st.sampled_from(list(product((1, -1), repeat=3)))
)
def test_the_side_is_the_patients_not_the_arrays(
    order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """However the axes of the array run, the voxels called left are the same in the patient."""
    expected, _ = split_pair(kidneys(), AXIAL, 2, left=5, right=2)
    moved, wanted, affine = kidneys(), expected, AXIAL.affine.copy()
    for axis, sign in enumerate(signs):
        if sign < 0:
            moved, wanted = np.flip(moved, axis), np.flip(wanted, axis)
            affine[:3, 3] += affine[:3, axis] * (SHAPE[axis] - 1)
            affine[:3, axis] *= -1
    moved, wanted = moved.transpose(order), wanted.transpose(order)
    affine[:, :3] = affine[:, list(order)]
    grid = Geometry(moved.shape, affine)
    parted, _ = split_pair(moved, grid, 2, left=5, right=2)
    assert np.array_equal(parted, wanted)


NAMES = {1: "right_kidney", 2: "left_kidney"}


def test_names_on_the_wrong_sides_are_found() -> None:
    parted, _ = split_pair(kidneys(), AXIAL, 2, left=2, right=1)
    assert check_sides(parted, AXIAL, NAMES) == []
    (finding,) = check_sides(parted, AXIAL, {1: "left_kidney", 2: "right_kidney"})
    assert (finding.right, finding.left) == ("right_kidney", "left_kidney")
    assert finding.apart_mm == pytest.approx(16.0, abs=1.0)
    assert "names are exchanged" in str(finding)
    for names in ("kidney_left", "kidney_right"), ("kidney_l", "kidney_r"), ("lkidney", "rkidney"):
        assert len(check_sides(parted, AXIAL, dict(enumerate(names, 1)))) == 1, names
        assert check_sides(parted, AXIAL, dict(enumerate(reversed(names), 1))) == []


def test_a_mirrored_grid_is_found() -> None:
    parted, _ = split_pair(kidneys(), AXIAL, 2, left=2, right=1)
    mirrored = AXIAL.affine.copy()
    mirrored[0] *= -1
    assert len(check_sides(parted, Geometry(SHAPE, mirrored), NAMES)) == 1


def test_sides_that_cannot_be_told_give_no_alarm() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:4, 4:8, 10:14] = 1
    assert check_sides(labels, AXIAL, NAMES) == [], "one of the pair is missing"
    labels[6:8, 4:8, 9:12] = 2
    assert check_sides(labels, AXIAL, NAMES) == [], "both in the middle"
    assert check_sides(labels, AXIAL, {1: "kidney_right", 2: "kidney_left"}) == []
