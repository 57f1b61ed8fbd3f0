"""A prediction onto its reference's grid: as it lies, turned, or, where allowed, resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError
from medprep.geometry import SAME_GRID_MM, Geometry
from medprep.turns import Turn

_TIE = 1e-6
"""Added before rounding: halves, and float noise about them, always go the same way."""


def onto(
    array: NDArray[Any], own: Geometry, grid: Geometry, *, resample: bool
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Bring a prediction onto the reference's grid.

    Parameters
    ----------
    array
        ``[slice, row, column]`` labels.
    own
        Their grid.
    grid
        The reference's.
    resample
        Allow nearest neighbours where the grids differ.

    Returns
    -------
    ndarray
        Of the grid's shape. Axes in another order or direction are turned exactly.
    tuple of str
        What was done; empty where nothing had to be.

    Raises
    ------
    GeometryError
        If the grids differ and ``resample`` is not allowed: says by how many millimetres.
    """
    turn = Turn.between(own, grid)
    if turn is not None:
        turned = turn.geometry(own)
        if turned.allclose(grid):
            notes = (f"the prediction was turned: {turn.said}",) if turn.said else ()
            return np.ascontiguousarray(turn.array(array)), notes
        own, array = turned, turn.array(array)
    if resample:
        return _nearest(array, own, grid)
    raise GeometryError(
        f"the grids differ: {_differ(own, grid)} (wanted is within {SAME_GRID_MM:g} mm). Write the "
        "prediction on the reference's grid, or let --resample put it there by nearest neighbours"
    )


def _differ(own: Geometry, grid: Geometry) -> str:
    """Say how a prediction's grid, turned as far as it can be, differs from the reference's."""
    if own.shape == grid.shape:
        return f"corners lie {own.distance_mm(grid):.3g} mm apart"
    ours, theirs = own.corners_mm, grid.corners_mm
    ends = np.abs([ours.min(0) - theirs.min(0), ours.max(0) - theirs.max(0)]).max()
    return (
        f"the prediction has {_size(own)}, the reference {_size(grid)}, and what they cover ends "
        f"up to {ends:.3g} mm apart"
    )


def _size(grid: Geometry) -> str:
    shape = " x ".join(str(n) for n in grid.shape)
    return f"{shape} voxels of {' x '.join(f'{step:.4g}' for step in grid.spacing_mm)} mm"


def _nearest(
    array: NDArray[Any], own: Geometry, grid: Geometry
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Take for each voxel of the grid the nearest one; 0 where there is none."""
    result = np.zeros(grid.shape, array.dtype)
    to_own = np.linalg.inv(own.affine) @ grid.affine
    rows, columns = np.indices(grid.shape[1:], sparse=True)
    for number in range(grid.shape[0]):
        at, inside = [], np.ones(grid.shape[1:], np.bool_)
        for axis, size in enumerate(own.shape):
            step = to_own[axis]
            place = step[0] * number + step[1] * rows + step[2] * columns + step[3]
            nearest = np.floor(place + (0.5 + _TIE)).astype(np.int64)
            inside &= (nearest >= 0) & (nearest < size)
            at.append(nearest)
        result[number][inside] = array[tuple(index[inside] for index in at)]
    notes = [
        f"the prediction was put from {_size(own)} onto the reference's {_size(grid)} by nearest "
        "neighbours (--resample)"
    ]
    if lost := _outside(array, own, grid):
        notes.append(f"{lost} labelled voxels of the prediction lie outside the reference's grid")
    return result, tuple(notes)


def _outside(array: NDArray[Any], own: Geometry, grid: Geometry) -> int:
    """Count the labelled voxels whose centres no voxel of the grid holds."""
    to_grid = np.linalg.inv(grid.affine) @ own.affine
    limits = np.array(grid.shape) - 0.5 + _TIE
    lost = 0
    for number, plane in enumerate(array):
        rows, columns = np.nonzero(plane)
        index = np.stack([np.full(len(rows), number), rows, columns], axis=1)
        places = index @ to_grid[:3, :3].T + to_grid[:3, 3]
        lost += int(((places < -0.5 - _TIE) | (places > limits)).any(axis=1).sum())
    return lost
