from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.errors import GeometryError
from medprep.evaluations.grids import onto
from medprep.geometry import Geometry
from medprep.turns import Turn

RNG = np.random.default_rng(0)
ARRAY = RNG.integers(0, 5, (3, 4, 5)).astype(np.uint8)
OBLIQUE = np.linalg.qr(np.array([[1, 0.2, 0.1], [-0.3, 1, 0.2], [0.1, -0.1, 1.0]]))[0]
GRID = Geometry.from_parts((3, 4, 5), (3.0, 1.5, 0.7), (10, -20, 30), OBLIQUE)
TURNS = [
    Turn(order, flipped)
    for order in permutations(range(3))
    for flipped in [tuple(i for i in range(3) if signs[i]) for signs in product((0, 1), repeat=3)]
]


def moved(grid: Geometry, by_mm: tuple[float, float, float]) -> Geometry:
    affine = grid.affine.copy()
    affine[:3, 3] += by_mm
    return Geometry(grid.shape, affine)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_any_of_48_orientations_is_turned_back_exactly(turn):
    array, own = turn.array(ARRAY), turn.geometry(GRID)
    result, notes = onto(array, own, GRID, resample=False)
    assert result.shape == ARRAY.shape and (result == ARRAY).all()
    assert bool(notes) == (turn != Turn((0, 1, 2), ()))


def test_each_voxel_of_a_turned_grid_lies_where_it_lay():
    turn = Turn((2, 0, 1), (0, 2))
    own = turn.geometry(GRID)
    marked = np.zeros(GRID.shape)
    marked[1, 3, 0] = 1
    index = np.argwhere(turn.array(marked))[0]
    assert np.allclose(own.affine @ [*index, 1], GRID.affine @ [1, 3, 0, 1])


def test_the_note_says_what_was_turned():
    turn = Turn((0, 2, 1), (0,))
    _, notes = onto(turn.array(ARRAY), turn.geometry(GRID), GRID, resample=False)
    assert notes == (
        "the prediction was turned: its columns are the rows, its rows are the columns, "
        "slices run the other way",
    )


def test_float_noise_is_no_difference():
    result, notes = onto(ARRAY, moved(GRID, (0.02, 0.02, 0)), GRID, resample=False)
    assert (result == ARRAY).all() and notes == ()


def test_another_grid_is_refused_with_its_millimetres():
    with pytest.raises(GeometryError, match=r"corners lie 0\.5 mm apart .*0\.05 mm.*--resample"):
        onto(ARRAY, moved(GRID, (0.3, 0.4, 0)), GRID, resample=False)
    flipped = Turn((0, 1, 2), (1,))
    with pytest.raises(GeometryError, match=r"corners lie 0\.5 mm apart"):
        onto(ARRAY, flipped.geometry(moved(GRID, (0.3, 0.4, 0))), GRID, resample=False)


def test_another_shape_is_refused_with_both_and_how_far_they_reach():
    plain = Geometry.from_parts((3, 4, 5), (2, 1, 1))
    larger = Geometry.from_parts((3, 4, 9), (2, 1, 1))
    with pytest.raises(
        GeometryError,
        match=r"prediction has 3 x 4 x 9 voxels of 2 x 1 x 1 mm, the reference 3 x 4 x 5 .* 4 mm",
    ):
        onto(np.zeros((3, 4, 9), np.uint8), larger, plain, resample=False)


def test_resampling_takes_the_nearest_and_says_so():
    fine = Geometry.from_parts((6, 8, 10), (1.5, 0.75, 0.35), GRID.origin_mm, OBLIQUE)
    doubled = ARRAY.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    centred = fine.affine.copy()
    centred[:3, 3] -= centred[:3, :3].sum(axis=1) / 2
    result, notes = onto(doubled, Geometry(fine.shape, centred), GRID, resample=True)
    assert (result == ARRAY).all()
    assert len(notes) == 1 and "nearest neighbours (--resample)" in notes[0]


def test_what_lies_outside_is_background_and_counted():
    aside = Geometry.from_parts((3, 4, 5), (2, 1, 1), (2, 0, 0))
    plain = Geometry.from_parts((3, 4, 5), (2, 1, 1))
    array = np.ones((3, 4, 5), np.uint8)
    result, notes = onto(array, aside, plain, resample=True)
    assert not result[..., :2].any() and result[..., 2:].all()
    assert notes[1] == "24 labelled voxels of the prediction lie outside the reference's grid"


def test_resampling_is_not_done_where_turning_is_enough():
    turn = Turn((1, 0, 2), (2,))
    result, notes = onto(turn.array(ARRAY), turn.geometry(GRID), GRID, resample=True)
    assert (result == ARRAY).all() and "turned" in notes[0]


@settings(max_examples=40)
@given(st.tuples(*[st.floats(0.4, 3)] * 3), st.tuples(*[st.floats(-4, 4)] * 3), st.integers(0, 47))
def test_resampling_agrees_with_a_search_of_all_voxels(spacing, origin, turned):
    own = TURNS[turned].geometry(Geometry.from_parts((3, 4, 5), spacing, origin, OBLIQUE))
    grid = Geometry.from_parts((4, 3, 5), (1.7, 1.1, 0.9))
    array = TURNS[turned].array(ARRAY)
    result, _ = onto(array, own, grid, resample=True)
    inverse = np.linalg.inv(own.affine)
    for index in np.ndindex(grid.shape):
        place = (inverse @ grid.affine @ [*index, 1])[:3]
        if np.abs(place - np.floor(place) - 0.5).min() < 1e-3:
            continue  # between two voxels
        near = np.rint(place).astype(int)
        inside = ((near >= 0) & (near < array.shape)).all()
        assert result[index] == (array[tuple(near)] if inside else 0)
