"""Distances between two sets of grid points, in mm, on any grid.

Nearest points come from a k-d tree, whose cost follows the surfaces and not the box around them,
so that a stray blob far away costs nothing; only where large surfaces lie far apart is the box
transformed instead. The distance itself is then taken from the whole steps between the two
points: it does not depend on where in the volume they lie, and a distance of exactly the
tolerance stays exactly that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medprep.errors import GeometryError

RIGHT_ANGLE = 1e-5
"""Axes whose cosine is below this are taken to be at right angles: float noise of headers."""

Distances = NDArray[np.float64]
Points = NDArray[np.int64]
"""(n, 3) grid points."""

_NEAR_STEPS = 16
"""A tree finds what lies within so many of the smallest steps in next to no time."""

_DENSE = 40
"""Far away it looks at a good part of the points; a box's voxel costs as much as about so many."""


@dataclass(frozen=True, eq=False)
class Axes:
    """The steps of a grid in mm.

    Parameters
    ----------
    matrix
        (3, 3): column ``j`` is the step along array axis ``j``; diagonal where ``right``.
    right
        Whether the axes are at right angles. How they are turned changes no distance.
    """

    matrix: NDArray[np.float64]
    right: bool

    @classmethod
    def of(cls, axes_mm: ArrayLike) -> Self:
        """Make it of a grid's steps.

        Parameters
        ----------
        axes_mm
            (3, 3), column ``j`` is the step in mm along array axis ``j``.

        Raises
        ------
        GeometryError
            If they are no three finite, independent steps.
        """
        matrix = np.array(axes_mm, np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or not np.linalg.det(matrix):
            raise GeometryError("a grid's axes are a 3x3 matrix of finite, independent columns")
        steps = np.linalg.norm(matrix, axis=0)
        cosines = (matrix.T @ matrix) / np.outer(steps, steps) - np.eye(3)
        if np.abs(cosines).max() < RIGHT_ANGLE:
            return cls(np.diag(steps), True)
        return cls(matrix, False)

    def places_mm(self, points: Points) -> NDArray[np.float64]:
        """Give the places of (n, 3) grid points."""
        if self.right:
            return points * self.matrix.diagonal()
        return np.asarray(points @ self.matrix.T, np.float64)

    def lengths_mm(self, steps: Points) -> Distances:
        """Give the lengths of (n, 3) whole steps."""
        one, two, three = self.places_mm(steps).T
        return np.asarray(np.sqrt(one * one + two * two + three * three), np.float64)


def diagonal_mm(shape: Sequence[int], axes: Axes) -> float:
    """Give the largest distance between two points of a grid."""
    signs = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])
    return float(axes.lengths_mm(signs * (np.array(shape) - 1)).max())


def surface_distances(
    first: NDArray[np.int64], second: NDArray[np.int64], shape: tuple[int, int, int], axes: Axes
) -> tuple[Distances, Distances]:
    """Give each point's distance to the nearest of the other set, both ways.

    Parameters
    ----------
    first, second
        Flat indices into ``shape``, ascending, none twice, at least one each.
    shape
        Of the grid of points.
    axes
        Its steps.

    Returns
    -------
    tuple of arrays
        In mm, in the order of ``first`` and of ``second``.
    """
    place = np.minimum(np.searchsorted(second, first), len(second) - 1)
    alone = second[place] != first
    other_alone = np.ones(len(second), bool)
    other_alone[place[~alone]] = False
    ours, theirs = _points(first, shape), _points(second, shape)
    return _nearest(ours, theirs, alone, axes), _nearest(theirs, ours, other_alone, axes)


def _points(index: NDArray[np.int64], shape: tuple[int, int, int]) -> Points:
    return np.stack(np.unravel_index(index, shape), axis=1)


def _nearest(ours: Points, theirs: Points, alone: NDArray[np.bool_], axes: Axes) -> Distances:
    """Distances of our points to theirs; only those that are ``alone`` are not 0."""
    distances = np.zeros(len(ours))
    if alone.any():
        asked = ours[alone]
        distances[alone] = axes.lengths_mm(asked - _closest(asked, theirs, axes))
    return distances


def _closest(asked: Points, points: Points, axes: Axes) -> Points:
    """Give the closest of the points to each asked one."""
    from scipy.spatial import cKDTree

    # Asked only once, so neither balanced nor compact.
    tree = cKDTree(axes.places_mm(points), leafsize=32, balanced_tree=False, compact_nodes=False)
    near_mm = _NEAR_STEPS * np.linalg.norm(axes.matrix, axis=0).min()
    places = axes.places_mm(asked)
    _, found = tree.query(places, distance_upper_bound=near_mm)
    far = found == len(points)  # what a tree gives where nothing is that near
    dense = axes.right and _dense(asked[far], points)
    if far.any() and not dense:
        _, found[far] = tree.query(places[far])
    closest: Points = points[np.where(found < len(points), found, 0)]
    if dense:
        closest[far] = _closest_in_box(asked[far], points, axes)
    return closest


def _dense(asked: Points, points: Points) -> bool:
    """Whether a transform of the whole box is less work than asking the tree."""
    if not len(asked):
        return False
    low, high = _bounds(asked, points)
    return len(asked) * len(points) > _DENSE * float(np.prod((high - low + 1).astype(float)))


def _closest_in_box(asked: Points, points: Points, axes: Axes) -> Points:
    """Give the same by a transform of the box that holds all of them."""
    from scipy.ndimage import distance_transform_edt

    low, high = _bounds(asked, points)
    away = np.ones(high - low + 1, bool)
    away[tuple((points - low).T)] = False
    closest = distance_transform_edt(
        away, axes.matrix.diagonal(), return_distances=False, return_indices=True
    )
    found: Points = closest[(slice(None), *(asked - low).T)].T.astype(np.int64)
    return found + low


def _bounds(*sets: Points) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    low = np.min([points.min(axis=0) for points in sets], axis=0)
    high = np.max([points.max(axis=0) for points in sets], axis=0)
    return low, high
