"""The grid of a volume as a value of its own.

Array axes are ``[slice, row, column]``. World coordinates are LPS millimetres (x to the patient's
left, y to posterior, z to superior), as in DICOM PS3.3 C.7.6.2.1.1 and ITK.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medprep.errors import GeometryError

SAME_GRID_MM = 0.05
"""Corners of equal grids may differ by this much: float noise of headers, far below a voxel."""

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where each voxel of an array lies in the patient.

    Parameters
    ----------
    shape
        Number of slices, rows and columns; each at least 1.
    affine
        4x4, maps ``[slice, row, column, 1]`` to ``[x, y, z, 1]`` in LPS millimetres.

    Raises
    ------
    GeometryError
        If the shape is not three positive numbers, or the affine is not finite and invertible.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(f"a volume has three axes of at least one voxel, not {self.shape}")
        affine = np.array(self.affine, dtype=np.float64) + 0.0  # no -0: equal grids hash equally
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError("an affine is a 4x4 matrix of finite numbers")
        if not np.array_equal(affine[3], (0, 0, 0, 1)) or np.linalg.det(affine[:3, :3]) == 0:
            raise GeometryError("an affine is invertible and ends with the row 0 0 0 1")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Geometry):
            return NotImplemented
        return self.shape == other.shape and np.array_equal(self.affine, other.affine)

    def __hash__(self) -> int:
        return hash((self.shape, self.affine.tobytes()))

    @classmethod
    def from_parts(
        cls,
        shape: Sequence[int],
        spacing_mm: Sequence[float],
        origin_mm: Sequence[float] = (0.0, 0.0, 0.0),
        direction: ArrayLike = ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    ) -> Geometry:
        """Build a grid from spacing, origin and direction.

        Parameters
        ----------
        shape
            Slices, rows, columns.
        spacing_mm
            Distance between slices, rows and columns.
        origin_mm
            LPS position of the centre of voxel ``[0, 0, 0]``.
        direction
            3x3; column ``i`` is the unit vector along array axis ``i``. The default is a plain
            axial stack: slices to superior, rows to posterior, columns to the left.

        Raises
        ------
        GeometryError
            If a spacing is not above 0, or as the class has it.
        """
        if not all(step > 0 for step in spacing_mm):
            raise GeometryError(f"spacing is {tuple(spacing_mm)} mm; wanted is above 0")
        affine = np.eye(4)
        affine[:3, :3] = np.asarray(direction, np.float64) * np.asarray(spacing_mm, np.float64)
        affine[:3, 3] = origin_mm
        return cls((int(shape[0]), int(shape[1]), int(shape[2])), affine)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Geometry:
        """Read what `to_dict` gave."""
        try:
            return cls(tuple(record["shape"]), np.asarray(record["affine_lps_mm"], np.float64))
        except (KeyError, TypeError, ValueError) as error:
            raise GeometryError(f"no grid in this record: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Give the grid as plain lists for JSON; nothing is lost."""
        return {"shape": list(self.shape), "affine_lps_mm": self.affine.tolist()}

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring slices, rows and columns."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @property
    def origin_mm(self) -> tuple[float, float, float]:
        """LPS position of the centre of voxel ``[0, 0, 0]``."""
        x, y, z = self.affine[:3, 3]
        return float(x), float(y), float(z)

    @property
    def direction(self) -> NDArray[np.float64]:
        """3x3; column ``i`` is the unit vector along array axis ``i``."""
        return np.asarray(self.affine[:3, :3] / np.asarray(self.spacing_mm), np.float64)

    @property
    def orientation(self) -> str:
        """Three letters of R L A P I S: where each array axis points, nearest axis taken."""
        remaining = np.abs(self.direction)
        letters = ["", "", ""]
        for _ in range(3):
            world, axis = np.unravel_index(int(remaining.argmax()), (3, 3))
            letters[axis] = _LETTERS[world][int(self.affine[world, axis] > 0)]
            remaining[world, :] = -1
            remaining[:, axis] = -1
        return "".join(letters)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    @property
    def corners_mm(self) -> NDArray[np.float64]:
        """(8, 3) LPS positions of the outer corner voxels' centres."""
        index = np.array(list(product(*((0, n - 1) for n in self.shape))), np.float64)
        return np.asarray(index @ self.affine[:3, :3].T + self.affine[:3, 3], np.float64)

    def distance_mm(self, other: Geometry) -> float:
        """Give the largest distance between matching corners of two grids of equal shape."""
        return float(np.linalg.norm(self.corners_mm - other.corners_mm, axis=1).max())

    def allclose(self, other: Geometry, atol_mm: float = SAME_GRID_MM) -> bool:
        """Tell whether shapes are equal and all eight corners agree within ``atol_mm``."""
        return self.shape == other.shape and self.distance_mm(other) <= atol_mm

    def require_same(self, other: Geometry, atol_mm: float = SAME_GRID_MM) -> None:
        """Refuse another grid.

        Raises
        ------
        GeometryError
            If shapes differ or a corner lies more than ``atol_mm`` apart.
        """
        if self.shape != other.shape:
            raise GeometryError(
                f"grids differ: {self.shape} and {other.shape} voxels; put both on one"
            )
        apart = self.distance_mm(other)
        if apart > atol_mm:
            raise GeometryError(f"grids differ: corners are {apart:.3g} mm apart; put both on one")
