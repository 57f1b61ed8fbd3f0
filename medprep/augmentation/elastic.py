"""Grow the displacements of an elastic deformation from few points, by cubic B-splines.

The B-spline's coefficients are what is drawn, as in the free-form deformations of Rueckert et al.
1999 (doi:10.1109/42.796284). Between points neighbours are averaged, so a voxel moves by about
0.7 of the amplitude for each axis of the grid: 0.7 x 0.7 of it in a slice, a third in a volume.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medprep.augmentation.steps import Elastic
from medprep.errors import OptionError


class Displacements:
    """The displacements of a grid's voxels, given slice by slice.

    Parameters
    ----------
    elastic
        What was drawn.
    shape
        Voxels along each of the ``n`` axes, two or three.
    spacing_mm
        Their distances.
    onto
        ``n`` x ``n``: turns a displacement in millimetres into what `plane` shall give.

    Raises
    ------
    OptionError
        If the points lie closer than voxels, or the amplitude is below 0.
    """

    def __init__(
        self, elastic: Elastic, shape: Sequence[int], spacing_mm: Sequence[float], onto: ArrayLike
    ) -> None:
        if not elastic.spacing_mm >= min(spacing_mm) or not 0 <= elastic.amplitude_mm < np.inf:
            raise OptionError(
                f"an elastic deformation of {elastic.amplitude_mm} mm by points "
                f"{elastic.spacing_mm} mm apart; wanted are 0 mm or more, and points at least "
                f"as far apart as voxels ({min(spacing_mm):.3g} mm)"
            )
        splines = [
            _spline(size, step / elastic.spacing_mm)
            for size, step in zip(shape, spacing_mm, strict=True)
        ]
        points = [int(first[-1]) + 4 for first, _ in splines]
        generator = np.random.default_rng(elastic.seed)
        drawn = generator.normal(0.0, elastic.amplitude_mm, (len(shape), *points))
        # Turning and up-sampling may change places, and there are few points to turn.
        turned = np.asarray(onto, np.float64) @ drawn.reshape(len(shape), -1)
        field = turned.reshape(drawn.shape).astype(np.float32)
        for axis in (-1, -2):
            first, weights = splines[axis]
            weights = weights.reshape(4, -1, *(1,) * (-1 - axis))
            field = _sum([field.take(first + tap, axis) for tap in range(4)], weights)
        self._field = np.moveaxis(field, 1, 0) if len(shape) == 3 else field[None]
        self._across = splines[0]

    def plane(self, index: int = 0) -> NDArray[np.float32]:
        """Give a slice's displacements, ``[axis, row, column]``."""
        if len(self._field) == 1:
            return np.asarray(self._field[0])
        first, weights = self._across
        start = first[index]
        return _sum(list(self._field[start : start + 4]), weights[:, index])


def _sum(parts: list[NDArray[np.float32]], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    total: NDArray[np.float32] = parts[0] * weights[0]
    part = np.empty_like(total)
    for one, weight in zip(parts[1:], weights[1:], strict=True):
        total += np.multiply(one, weight, out=part)
    return total


def _spline(size: int, step: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Give the first of four points that each voxel draws from, and the (4, voxel) weights.

    The uniform cubic B-spline: the second of the four lies at or before the voxel.
    """
    place = np.arange(size) * step
    first = np.floor(place).astype(np.intp)
    t = place - first
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    )
    return first, (weights / 6).astype(np.float32)
