"""The inputs of the golden case of official inference: whole numbers only, the same everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 32
CASES = {
    # Ties of nearest neighbours; truncation of whole numbers; the cube cut and padded.
    "fine": ((40, 70, 64), (0.75, 0.75, 0.75), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), np.int16),
    # Axes in another order and direction, thick slices, the organ at the edge.
    "turned": ((24, 40, 30), (3.0, 1.25, 0.9), ((0, -1, 0), (0, 0, 1), (-1, 0, 0)), np.float32),
}
ORIGIN_MM = (-31.5, 12.25, -100.0)


def picture(name: str) -> NDArray[np.generic]:
    """Give grey values ``[slice, row, column]`` of both signs."""
    shape, _, _, kind = CASES[name]
    z, y, x = np.indices(shape)
    return ((z * z * 7 + y * 13 + x * x * 3 + z * y * x) % 401 - 100).astype(kind)


def mask(name: str) -> NDArray[np.uint8]:
    """Give an uneven body near an edge."""
    shape, _, _, _ = CASES[name]
    z, y, x = np.indices(shape)
    body = (z - 9) ** 2 * 2 + (y - 25) ** 2 + (x - 14) ** 2 < 150
    return (body | ((z < 4) & (y > 20) & (x < 9))).astype(np.uint8)


def predictions(reference: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Give masks that are wrong in several ways: nothing, moved, all, exact."""
    moved = [np.roll(reference, step, axis) for axis, step in ((1, 2), (2, -3), (0, 5))]
    return [np.zeros_like(reference), *moved, np.ones_like(reference), reference]
