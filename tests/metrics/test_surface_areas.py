"""Areas of the surface in a window, derived, beside surface-distance, and on sheared grids."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_surfels import FILE, triangles

from medprep.metrics.areas import surfel_areas
from medprep.metrics.distances import Axes

SHEARED = np.array([[2.0, 0.3, 0.0], [0.1, 0.7, 0.2], [-0.4, 0.0, 0.9]])


def test_the_table_is_that_of_marching_cubes() -> None:
    table = json.loads(FILE.read_text())
    assert len(table) == 256
    assert [sorted(one) for one in table] == [sorted(triangles(code)) for code in range(256)]


@settings(max_examples=25)
@given(st.tuples(*[st.floats(0.1, 10)] * 3))
def test_areas_equal_those_of_surface_distance_to_the_last_bit(
    spacing: tuple[float, float, float],
) -> None:
    tables = pytest.importorskip("surface_distance.lookup_tables")
    theirs = tables.create_table_neighbour_code_to_surface_area(spacing)
    assert surfel_areas(Axes(np.diag(spacing), True)).tolist() == theirs.tolist()


@pytest.mark.parametrize("code", [1, 7, 27, 29, 30, 46, 105, 129, 254])
def test_areas_on_a_sheared_grid_are_those_of_the_moved_triangles(code: int) -> None:
    from skimage.measure import marching_cubes

    fewer = code if code.bit_count() <= 4 else 255 - code
    bits = np.array([fewer >> (7 - place) & 1 for place in range(8)], float)
    corners, faces, _, _ = marching_cubes(bits.reshape(2, 2, 2), 0.5, method="lorensen")
    a, b, c = np.moveaxis((corners.astype(float) @ SHEARED.T)[faces], 1, 0)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert surfel_areas(Axes.of(SHEARED))[code] == pytest.approx(area, rel=1e-6)


def test_no_surface_where_all_or_nothing_is_inside() -> None:
    areas = surfel_areas(Axes.of(np.eye(3)))
    assert areas[0] == areas[255] == 0
    assert areas[1:255].min() > 0
    assert areas.tolist() == areas[::-1].tolist()
