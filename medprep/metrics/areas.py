"""Area of the surface in a 2x2x2 window of voxels, by marching cubes.

A window's neighbour code has a bit for each voxel inside, the first voxel's highest. The surface
between its voxels is that of marching cubes (Lorensen and Cline 1987, doi:10.1145/37402.37422)
with every cut halfway; ``surfels.json`` holds the triangles' area vectors, in eighths of a voxel's
face, and ``tests/helpers/make_surfels.py`` derives it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medprep.metrics.distances import Axes


def surfel_areas(axes: Axes) -> NDArray[np.float64]:
    """Give the area in mm2 of the surface in a window of each of the 256 neighbour codes."""
    areas = np.zeros(256)
    for code, vectors in _scaled(axes):
        # One by one and in this order: the last bit decides which point a percentile falls on.
        for vector in vectors:
            areas[code] += np.linalg.norm(vector)
    return areas


def _scaled(axes: Axes) -> list[tuple[int, NDArray[np.float64]]]:
    """Area vectors of each code in mm2, on any grid."""
    table = [(code, np.array(one) / 8) for code, one in enumerate(_triangles()) if one]
    if axes.right:
        steps = axes.matrix.diagonal()
        return [(code, one * steps[[1, 0, 0]] * steps[[2, 2, 1]]) for code, one in table]
    # An area vector goes with the cofactors of what maps the grid to mm.
    one, two, three = axes.matrix.T
    sides = np.stack([np.cross(two, three), np.cross(three, one), np.cross(one, two)])
    return [(code, vectors @ sides) for code, vectors in table]


@cache
def _triangles() -> list[list[list[int]]]:
    text = (Path(__file__).parent / "surfels.json").read_text("utf-8")
    table: list[list[list[int]]] = json.loads(text)
    return table
