"""Where slices lie: their directions, their heights along the normal, who shares a place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.records import Plane, SliceHeader

SAME_DIRECTION = 1e-3
SAME_SPACING_MM = 1e-3
SAME_PLACE_MM = 1e-2
_SAME_PLACE_PIXELS = 0.1


def axes(plane: Plane) -> NDArray[np.float64]:
    """Give the axes (slice, row, column) as columns, orthonormal to the last digit."""
    given = np.column_stack([plane.column_direction, plane.row_direction])
    left, _, right = np.linalg.svd(given, full_matrices=False)  # headers carry three to six digits
    column, row = (left @ right).T
    return np.column_stack([np.cross(row, column), column, row])


def alike(one: Plane, other: Plane) -> bool:
    """Tell whether size, direction and spacing are the same but for float noise."""
    if (one.rows, one.columns) != (other.rows, other.columns):
        return False
    mine, theirs = (
        (*plane.row_direction, *plane.column_direction, *plane.spacing_mm) for plane in (one, other)
    )
    apart = np.abs(np.subtract(mine, theirs))
    return bool(apart[:6].max() <= SAME_DIRECTION and apart[6:].max() <= SAME_SPACING_MM)


def heights_mm(slices: Sequence[SliceHeader]) -> NDArray[np.float64]:
    """Give how far each slice lies along the normal ``row x column`` of the first."""
    positions = np.array([one.position_mm for one in slices], np.float64)
    return np.asarray(positions @ axes(slices[0].plane)[:, 0])


def same_place_mm(plane: Plane) -> float:
    """Give how near two slices must be to show one place; of a microscope's slices, nearer."""
    return min(SAME_PLACE_MM, _SAME_PLACE_PIXELS * min(plane.spacing_mm))


def places(slices: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """Put slices of one place together; places in ascending height."""
    heights = heights_mm(slices)
    order = np.argsort(heights, kind="stable")
    allowed = same_place_mm(slices[0].plane)
    found = [[slices[order[0]]]]
    for before, index in pairwise(order):
        if heights[index] - heights[before] <= allowed:
            found[-1].append(slices[index])
        else:
            found.append([slices[index]])
    return found


def crowd(slices: Sequence[SliceHeader]) -> int:
    """Give how many slices the most crowded place has."""
    return 1 if len(slices) == 1 else max(map(len, places(slices)))


def steps_mm(slices: Sequence[SliceHeader]) -> NDArray[np.float64]:
    """Give the distances between neighbouring places."""
    return np.asarray(np.diff(heights_mm([place[0] for place in places(slices)])))
