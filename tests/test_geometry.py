"""The grid of a volume."""

from __future__ import annotations

import json
from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import GeometryError
from medprep.geometry import SAME_GRID_MM, Geometry

SHAPE = (3, 4, 5)
RAS = np.diag([-1.0, -1, 1, 1])

lengths = st.floats(0.05, 20, allow_nan=False)
places = st.floats(-500, 500, allow_nan=False)


@st.composite
def rotations(draw: st.DrawFn) -> np.ndarray:
    """Any proper or improper rotation, from a random matrix."""
    drawn = np.random.default_rng(draw(st.integers(0, 2**32))).normal(size=(3, 3))
    return np.linalg.qr(drawn)[0]


@st.composite
def grids(draw: st.DrawFn) -> Geometry:
    shape = draw(st.tuples(*[st.integers(1, 9)] * 3))
    spacing = draw(st.tuples(lengths, lengths, lengths))
    origin = draw(st.tuples(places, places, places))
    return Geometry.from_parts(shape, spacing, origin, draw(rotations()))


def shifted(grid: Geometry, by_mm: float) -> Geometry:
    affine = grid.affine.copy()
    affine[0, 3] += by_mm
    return Geometry(grid.shape, affine)


def test_a_plain_axial_stack() -> None:
    grid = Geometry.from_parts(SHAPE, (5, 0.7, 0.8), (1, 2, 3))
    assert grid.spacing_mm == (5, 0.7, 0.8)
    assert grid.origin_mm == (1, 2, 3)
    assert grid.orientation == "SPL"
    assert grid.voxel_ml == pytest.approx(5 * 0.7 * 0.8 / 1000)
    # One slice up is +z, one row down is +y (posterior), one column right is +x (left).
    assert (grid.affine @ [1, 2, 3, 1])[:3] == pytest.approx([1 + 3 * 0.8, 2 + 2 * 0.7, 3 + 5])


@given(grids(), rotations())
def test_parts_come_back(grid: Geometry, direction: np.ndarray) -> None:
    again = Geometry.from_parts(grid.shape, grid.spacing_mm, grid.origin_mm, grid.direction)
    assert again.allclose(grid, 1e-6)
    assert np.allclose(np.linalg.norm(grid.direction, axis=0), 1)
    assert grid.voxel_ml == pytest.approx(np.prod(grid.spacing_mm) / 1000)


@given(grids())
def test_a_record_loses_nothing(grid: Geometry) -> None:
    again = Geometry.from_dict(json.loads(json.dumps(grid.to_dict())))
    assert again == grid
    assert hash(again) == hash(grid)


def test_equal_grids_hash_equally_whatever_the_sign_of_zero() -> None:
    one = Geometry(SHAPE, np.diag([1.0, 1, 1, 1]))
    other = Geometry(SHAPE, np.where(np.eye(4) == 0, -0.0, 1.0) * [[1], [1], [1], [1]])
    assert one == other
    assert len({one, other}) == 1


@pytest.mark.parametrize(
    ("order", "signs"), list(product(permutations(range(3)), product((1, -1), repeat=3)))
)
def test_orientation_is_what_nibabel_says(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    direction = np.zeros((3, 3))
    direction[order, range(3)] = signs
    tilted = direction @ np.linalg.qr(np.eye(3) + 0.1 * np.arange(9).reshape(3, 3) / 9)[0] * -1
    for one in (direction, tilted):
        grid = Geometry.from_parts(SHAPE, (1, 2, 3), direction=one)
        assert tuple(grid.orientation) == nibabel.aff2axcodes(RAS @ grid.affine)


@given(grids())
def test_corners_are_the_outer_voxels_centres(grid: Geometry) -> None:
    voxels = [(*index, 1) for index in product(*((0, n - 1) for n in grid.shape))]
    assert np.allclose(grid.corners_mm, (grid.affine @ np.transpose(voxels))[:3].T)


def test_distance_counts_the_far_corner() -> None:
    grid = Geometry.from_parts((11, 11, 11), (1, 1, 1))
    wider = Geometry.from_parts((11, 11, 11), (1, 1, 1.01))
    assert grid.distance_mm(wider) == pytest.approx(0.1)
    assert grid.distance_mm(wider) == wider.distance_mm(grid)


def test_equal_within_the_tolerance_only() -> None:
    grid = Geometry.from_parts(SHAPE, (1, 1, 1))
    assert grid.allclose(shifted(grid, SAME_GRID_MM * 0.99))
    assert not grid.allclose(shifted(grid, SAME_GRID_MM * 1.01))
    grid.require_same(shifted(grid, 0.04))
    with pytest.raises(GeometryError, match=r"0\.06 mm apart"):
        grid.require_same(shifted(grid, 0.06))
    grid.require_same(shifted(grid, 0.06), atol_mm=0.1)
    with pytest.raises(GeometryError, match=r"\(3, 4, 5\) and \(3, 4, 6\)"):
        grid.require_same(Geometry.from_parts((3, 4, 6), (1, 1, 1)))
    assert not grid.allclose(Geometry.from_parts((3, 4, 6), (1, 1, 1)), 1e9)


def test_nothing_in_it_can_be_changed() -> None:
    affine = np.eye(4)
    grid = Geometry(SHAPE, affine)
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 2
    affine[0, 0] = 9
    assert grid.affine[0, 0] == 1


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((3, 4), np.eye(4)),
        ((3, 4, 0), np.eye(4)),
        (SHAPE, np.eye(3)),
        (SHAPE, np.diag([1.0, 1, 0, 1])),
        (SHAPE, np.diag([1.0, 1, 1, 2])),
        (SHAPE, np.diag([np.nan, 1, 1, 1])),
        (SHAPE, np.diag([np.inf, 1, 1, 1])),
    ],
)
def test_impossible_grids_are_refused(shape: tuple[int, int, int], affine: np.ndarray) -> None:
    with pytest.raises(GeometryError):
        Geometry(shape, affine)


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, -1, 1), (1, 1, float("nan"))])
def test_spacing_is_above_zero(spacing: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError, match="above 0"):
        Geometry.from_parts(SHAPE, spacing)


@pytest.mark.parametrize("record", [{}, {"shape": [1, 2, 3]}, {"shape": 1, "affine_lps_mm": "x"}])
def test_a_record_without_a_grid_is_refused(record: dict) -> None:
    with pytest.raises(GeometryError, match="no grid"):
        Geometry.from_dict(record)
