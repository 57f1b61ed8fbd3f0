"""Lay a volume's slices side by side in one flat picture, so that OpenCV can sample volumes.

OpenCV interpolates in two dimensions. Its ``remap`` on such a picture gives the value within a
slice for any voxel of any slice; the third dimension is a weighted sum of a few of those.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError

_LONGEST = 32766
"""OpenCV samples pictures with sides shorter than 32767."""

Plane = NDArray[np.float32]


class Atlas:
    """Where the slices of a volume lie in a flat picture: one below another, in strips.

    Around each slice, and before the first and after the last, lies as much of the outside as an
    interpolation reaches.

    Parameters
    ----------
    shape
        Slices, rows and columns.
    taps
        How many neighbouring slices are summed: 1 (nearest), 2 (linear) or 4 (cubic). A strip
        begins again with the last slices of the one before, so that they always lie in one strip.

    Raises
    ------
    GeometryError
        If the slices do not fit into one picture.
    """

    def __init__(self, shape: tuple[int, int, int], taps: int) -> None:
        slices, rows, columns = shape
        self._margin = max(1, taps // 2)
        self._overlap = taps - 1
        self.height, self._width = rows + self._margin, columns + self._margin
        self._count = slices + 2 * self._margin
        self._down = min(self._count, _LONGEST // self.height - self._overlap)
        self._strips = math.ceil(self._count / self._down) if self._down > 0 else 0
        if not 0 < self._strips * self._width <= _LONGEST:
            raise GeometryError(
                f"a volume of {shape} voxels is too large to be moved in three dimensions; "
                "crop it or make its voxels larger"
            )

    def lay(self, volume: NDArray[Any], fill: float, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Give the flat picture of a volume, outside of which is ``fill``."""
        _, rows, columns = volume.shape
        down = self._down + self._overlap
        flat = np.full((down, self.height, self._strips, self._width), fill, dtype)
        for strip in range(self._strips):
            start = strip * self._down - self._margin
            first, last = max(start, 0), min(start + down, len(volume))
            flat[first - start : last - start, :rows, strip, :columns] = volume[first:last]
        return flat.reshape(down * self.height, self._strips * self._width)

    def places(self, index: Plane, row: Plane, column: Plane) -> tuple[Plane, Plane]:
        """Give rows and columns in the flat picture.

        The slices that follow the first lie ``height`` rows farther down each.

        Parameters
        ----------
        index
            The first slice that is summed, counted from the margin's last: the volume's first
            slice is 1, and of four taps the first is at 0. Whole, from 0 to the number of slices
            and one.
        row, column
            Where in the slices, at most one voxel outside.
        """
        if self._strips > 1:
            strip = np.floor(index / np.float32(self._down))
            index = index - strip * np.float32(self._down)
            column = column + strip * np.float32(self._width)
        place = index * np.float32(self.height)
        place += row
        return place, column
