"""The one transform of a plan: where the points of a result come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.augmentation.spatial import index_matrix, index_rows, matrix_of, shift_whole
from medprep.augmentation.steps import Plan, Spatial
from medprep.errors import OptionError
from medprep.geometry import Geometry

CUBE = Geometry.from_parts((9, 9, 9), (1, 1, 1))
FLAT = Geometry.from_parts((5, 20, 30), (4.0, 0.8, 1.3), (10, -20, 30))
SLANTED = np.linalg.qr(np.array([[0.1, 0.2, 1.0], [-0.1, 1.0, 0.1], [1.0, 0.1, -0.2]]))[0]

degrees = st.floats(-180, 180)
factors = st.floats(0.5, 2)
shares = st.floats(0.3, 1)
places = st.floats(0, 1)


def goes_to(plan: Plan, geometry: Geometry, voxel: tuple[float, float, float]) -> list[float]:
    """Where a voxel of the source is seen in the result."""
    forward = np.linalg.inv(index_matrix(plan, geometry))
    return [round(float(n), 9) for n in (forward @ (*voxel, 1.0))[:3]]


@pytest.mark.parametrize(
    ("spatial", "voxel", "moved"),
    [
        (Spatial(), (1, 2, 3), (1, 2, 3)),
        (Spatial(rotate_degrees=(90, 0, 0)), (4, 6, 4), (4, 4, 6)),
        (Spatial(rotate_degrees=(0, 90, 0)), (4, 4, 6), (6, 4, 4)),
        (Spatial(rotate_degrees=(0, 0, 90)), (6, 4, 4), (4, 6, 4)),
        (Spatial(rotate_degrees=(90, 90, 0)), (4, 6, 4), (6, 4, 4)),
        (Spatial(zoom=(2, 1, 1)), (5, 5, 5), (6, 5, 5)),
        (Spatial(shear_degrees=(45, 0, 0)), (4, 6, 4), (4, 6, 6)),
        (Spatial(shear_degrees=(0, 45, 0)), (4, 4, 6), (6, 4, 6)),
        (Spatial(shear_degrees=(0, 0, 45)), (6, 4, 4), (6, 6, 4)),
        (Spatial(translate_mm=(1, 2, 3)), (0, 0, 0), (1, 2, 3)),
        (Spatial(flip=("LR",)), (1, 2, 3), (1, 2, 5)),
        (Spatial(flip=("AP", "IS")), (1, 2, 3), (7, 6, 3)),
        (Spatial(flip=("LR",), rotate_degrees=(90, 0, 0)), (4, 4, 6), (4, 6, 4)),
        (Spatial(zoom=(1, 2, 1), rotate_degrees=(90, 0, 0)), (4, 5, 4), (4, 4, 6)),
        (Spatial(shear_degrees=(45, 0, 0), rotate_degrees=(90, 0, 0)), (4, 5, 4), (4, 3, 5)),
    ],
)
def test_each_step_moves_a_voxel_as_it_is_described(
    spatial: Spatial, voxel: tuple[int, int, int], moved: tuple[int, int, int]
) -> None:
    assert goes_to(Plan(spatial), CUBE, voxel) == list(moved)


def test_rotations_turn_millimetres_not_voxels() -> None:
    geometry = Geometry.from_parts((11, 11, 11), (4, 2, 1))
    assert goes_to(Plan(Spatial(rotate_degrees=(90, 0, 0))), geometry, (5, 6, 5)) == [5, 5, 7]
    assert goes_to(Plan(Spatial(rotate_degrees=(0, 90, 0))), geometry, (5, 5, 9)) == [6, 5, 5]
    assert goes_to(Plan(Spatial(translate_mm=(4, 4, 4))), geometry, (0, 0, 0)) == [1, 2, 4]


def test_a_crop_fills_the_grid_with_what_stays() -> None:
    geometry = Geometry.from_parts((10, 20, 40), (1, 1, 1))
    plan = Plan(crop=(0.5, 0.5, 0.25), crop_at=(0.0, 1.0, 0.5))
    # Outer borders of voxels lie half a voxel outside their centres.
    assert goes_to(plan, geometry, (-0.5, 9.5, 14.5)) == [-0.5, -0.5, -0.5]
    assert goes_to(plan, geometry, (4.5, 19.5, 24.5)) == [9.5, 19.5, 39.5]


def test_a_rotation_keeps_distances_in_the_patient() -> None:
    geometry = Geometry.from_parts((5, 20, 30), (4.0, 0.8, 1.3), (10, -20, 30), SLANTED)
    matrix = matrix_of(Plan(Spatial(rotate_degrees=(20, -35, 50))), geometry)
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)
    centre = geometry.affine @ (2, 9.5, 14.5, 1)
    np.testing.assert_allclose(matrix @ centre, centre, atol=1e-9)


def test_a_flip_mirrors_the_patients_axis_whatever_the_grid() -> None:
    for direction in (
        ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
        ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),
        ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    ):
        geometry = Geometry.from_parts((4, 6, 8), (1, 2, 3), (5, 6, 7), direction)
        matrix = matrix_of(Plan(Spatial(flip=("LR",))), geometry)
        np.testing.assert_allclose(np.diag(matrix)[:3], (-1, 1, 1), atol=1e-12)


@given(degrees, factors, factors, st.floats(-40, 40), places, shares, shares, places, places,
       st.sets(st.sampled_from(["LR", "AP"])))  # fmt: skip
def test_a_slice_moves_as_the_slice_of_its_volume(
    turn: float, zoom_r: float, zoom_c: float, lean: float, step: float,
    crop_r: float, crop_c: float, at_r: float, at_c: float, flip: set[str],
) -> None:  # fmt: skip
    spatial = Spatial(
        tuple(flip), (turn, 0, 0), (1, zoom_r, zoom_c), (lean, 0, 0), (0, step * 9, -step * 7)
    )
    plan = Plan(spatial, crop=(1, crop_r, crop_c), crop_at=(0.5, at_r, at_c))
    rows = index_rows(plan, FLAT.shape[1:], FLAT.spacing_mm[1:], FLAT.orientation[1:])
    whole = index_matrix(plan, FLAT)
    np.testing.assert_allclose(rows, whole[1:3, 1:], rtol=1e-9, atol=1e-9)


def test_voxels_on_voxels_are_copied() -> None:
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    (moved,) = shift_whole([array], [99], [[-1, 0, 2], [0, 1, 1]]) or []
    assert moved.tolist() == [[9, 10, 11, 99], [5, 6, 7, 99], [1, 2, 3, 99]]
    (away,) = shift_whole([array], [99], [[1, 0, 7], [0, 1, 0]]) or []
    assert (away == 99).all()
    square = array[:, :3]
    (turned,) = shift_whole([square], [99], [[0, 1, 0], [-1, 0, 2]]) or []
    assert turned.flags.c_contiguous
    for row in range(3):
        for column in range(3):
            assert turned[row, column] == square[column, 2 - row]


def test_what_is_between_voxels_is_not_copied() -> None:
    array = np.zeros((3, 4), np.uint8)
    for rows in (
        [[1, 0, 0.5], [0, 1, 0]],
        [[1, 0.01, 0], [0, 1, 0]],
        [[2, 0, 0], [0, 1, 0]],
        [[1, 0, 0], [1, 0, 0]],
        [[0, 0, 0], [0, 1, 0]],
    ):
        assert shift_whole([array], [0], rows) is None


def test_what_a_grid_cannot_do_is_refused() -> None:
    flip = Plan(Spatial(flip=("IS",)))
    with pytest.raises(OptionError, match="a flip along IS of an array whose axes run to PL"):
        index_rows(flip, (4, 4), (1, 1), "PL")
    for crop in ((1, 0, 1), (1, 1.5, 1), (math.nan, 1, 1)):
        with pytest.raises(OptionError, match="a crop leaves"):
            index_matrix(Plan(crop=crop), CUBE)
