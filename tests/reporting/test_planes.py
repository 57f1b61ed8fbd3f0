"""Planes: upright for every order of the array, in true proportions, where the organs are."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from medprep.errors import GeometryError, LabelError
from medprep.geometry import Geometry
from medprep.reporting.planes import acquired, planes_of, to_grey, view_of

WINDOW = (0.0, 255.0)
SHAPE, SPACING = (5, 7, 9), (4.0, 2.0, 1.0)
"""From head to foot, from front to back, from right to left."""
TOWARDS = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float64)
"""Columns: unit vectors of these three directions in LPS."""


def patient() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Bright to the head, the front and the right; one organ."""
    picture = np.zeros(SHAPE, np.uint8)
    picture[0] += 100
    picture[:, 0] += 50
    picture[:, :, 0] += 25
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 2:5, 4:8] = 1
    return picture, labels


ORDERS = [
    (order, flips) for order in permutations(range(3)) for flips in product((1, -1), repeat=3)
]


def stored(
    order: tuple[int, ...], flips: tuple[int, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Geometry]:
    """The same patient with array axes in another order."""
    steps = tuple(slice(None, None, flip) for flip in flips)
    picture, labels = (np.ascontiguousarray(a[steps].transpose(order)) for a in patient())
    direction = (TOWARDS * np.array(flips))[:, order]
    spacing = [SPACING[axis] for axis in order]
    return picture, labels, Geometry.from_parts(picture.shape, spacing, (0, 0, 0), direction)


@pytest.mark.parametrize(("order", "flips"), ORDERS)
def test_upright_whatever_the_order(order: tuple[int, ...], flips: tuple[int, ...]) -> None:
    axial, coronal, sagittal = planes_of(*stored(order, flips), WINDOW)
    assert [one.name for one in (axial, coronal, sagittal)] == ["axial", "coronal", "sagittal"]
    assert axial.ends == ("A", "P", "R", "L")
    assert coronal.ends == ("S", "I", "R", "L")
    assert sagittal.ends == ("S", "I", "A", "P")
    picture, labels = patient()
    middle = (1 if flips[0] > 0 else 2, 3, 5 if flips[2] > 0 else 6)
    assert np.array_equal(axial.grey, picture[middle[0]])
    assert np.array_equal(coronal.grey, picture[:, 3])
    assert np.array_equal(sagittal.grey, picture[:, :, middle[2]])
    assert np.array_equal(axial.labels, labels[1])
    assert axial.spacing_mm == (2.0, 1.0)
    assert coronal.spacing_mm == (4.0, 1.0)
    assert sagittal.spacing_mm == (4.0, 2.0)
    assert axial.size_mm == (14.0, 9.0)


def test_place_names_the_plane_of_the_array() -> None:
    picture, labels, geometry = stored((2, 0, 1), (1, 1, 1))
    axial, coronal, sagittal = planes_of(picture, labels, geometry, WINDOW)
    assert axial.place == "row 2 of 5"
    assert coronal.place == "column 4 of 7"
    assert sagittal.place == "slice 6 of 9"
    assert acquired([axial, coronal, sagittal]) is sagittal


def test_most_organs_first_then_the_middle() -> None:
    labels = np.zeros((9, 8, 8), np.uint8)
    labels[0:7, 1:4, 1:4] = 1
    labels[6:8, 5:7, 5:7] = 2
    axial = planes_of(labels, labels, None, WINDOW)[0]
    assert axial.place == "slice 7 of 9"
    assert set(np.unique(axial.labels)) == {0, 1, 2}


def test_a_tip_of_an_organ_does_not_count() -> None:
    labels = np.zeros((9, 8, 8), np.uint8)
    labels[0:7, 1:4, 1:4] = 1
    labels[8, 4:8, 4:8] = 2
    labels[6, 7, 7] = 2
    assert planes_of(labels, labels, None, WINDOW)[0].place != "slice 7 of 9"


def test_without_labels_the_middle_of_the_volume() -> None:
    nothing = np.zeros((9, 8, 7), np.uint8)
    places = [one.place for one in planes_of(nothing, nothing, None, WINDOW)]
    assert places == ["slice 5 of 9", "row 5 of 8", "column 4 of 7"]


def test_without_a_grid_no_sides() -> None:
    picture, labels = patient()
    for one in planes_of(picture, labels, None, WINDOW):
        assert (one.name, one.ends, one.spacing_mm) == ("", ("", "", "", ""), (1.0, 1.0))


def test_one_slice_is_one_plane() -> None:
    labels = np.ones((1, 4, 5), np.uint8)
    (only,) = planes_of(labels, labels, None, WINDOW)
    assert only.place == "slice 1 of 1"
    assert acquired(planes_of(labels[:, :1], labels[:, :1], None, WINDOW)) is None


@pytest.mark.parametrize("degrees", [0.0, 8.0, 40.0])
def test_oblique_grids_are_told(degrees: float) -> None:
    turn = np.deg2rad(degrees)
    direction = np.array(
        [[0, 0, 1], [-np.sin(turn), np.cos(turn), 0], [np.cos(turn), np.sin(turn), 0]]
    )
    view = view_of(Geometry.from_parts(SHAPE, SPACING, (0, 0, 0), direction))
    assert view.oblique_degrees == pytest.approx(degrees, abs=1e-5)
    assert (view.axes, view.reverse) == ((0, 1, 2), (True, False, False))


@given(arrays.arrays(np.float32, 20, elements=st.floats(width=32)))
def test_window_clips_whatever_comes(values: NDArray[np.float32]) -> None:
    grey = to_grey(values, (-100.0, 300.0))
    assert grey.dtype == np.uint8
    assert (grey[values <= -100] == 0).all()
    assert (grey[values >= 300] == 255).all()
    assert (grey[np.isnan(values)] == 0).all()


def test_what_does_not_fit_is_refused() -> None:
    labels = np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(LabelError, match=r"shape \(2, 3, 4\) do not lie on a picture of shape"):
        planes_of(labels[0], labels, None, WINDOW)
    with pytest.raises(GeometryError, match="is not on a grid"):
        planes_of(labels, labels, Geometry.from_parts(SHAPE, SPACING), WINDOW)
    with pytest.raises(LabelError, match=r"the window is 1.0 to 1.0"):
        planes_of(labels, labels, None, (1.0, 1.0))
