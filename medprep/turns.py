"""A grid whose axes run in another order or direction: turned exactly, no voxel interpolated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry

_AXES = ("slices", "rows", "columns")
_RAS = ("RL", "AP", "SI")


@dataclass(frozen=True)
class Turn:
    """How the axes of one grid become those of another.

    Parameters
    ----------
    order
        For each axis of the new array the axis of the old one.
    flipped
        The new axes that run the other way.
    """

    order: tuple[int, int, int]
    flipped: tuple[int, ...]

    @classmethod
    def between(cls, own: Geometry, grid: Geometry) -> Self | None:
        """Find the turn that leads nearest to a grid; None where steps or directions differ."""
        steps = np.linalg.inv(grid.affine[:3, :3]) @ own.affine[:3, :3]
        nearest = np.rint(steps)
        sizes = np.abs(nearest)
        if not ((sizes.sum(axis=0) == 1).all() and (sizes.sum(axis=1) == 1).all()):
            return None
        order = sizes.argmax(axis=1)
        flipped = tuple(new for new in range(3) if nearest[new, order[new]] < 0)
        return cls((int(order[0]), int(order[1]), int(order[2])), flipped)

    @classmethod
    def to_ras(cls, own: Geometry) -> Self:
        """Find the turn after which the axes lead nearest to right, front and head."""
        letters = own.orientation
        order = [next(axis for axis in range(3) if letters[axis] in pair) for pair in _RAS]
        flipped = tuple(new for new in range(3) if letters[order[new]] != _RAS[new][0])
        return cls((order[0], order[1], order[2]), flipped)

    @property
    def said(self) -> str:
        """What happens, in words; empty where nothing does."""
        moved = [f"its {_AXES[old]} are the {_AXES[new]}" for new, old in enumerate(self.order)]
        ways = [
            one for one, old, new in zip(moved, self.order, range(3), strict=True) if old != new
        ]
        ways += [f"{_AXES[axis]} run the other way" for axis in self.flipped]
        return ", ".join(ways)

    def array(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn an array; a view, not a copy."""
        return np.flip(array.transpose(self.order), self.flipped)

    def geometry(self, own: Geometry) -> Geometry:
        """Turn a grid."""
        shape = [own.shape[axis] for axis in self.order]
        affine = own.affine.copy()
        affine[:3, :3] = own.affine[:3, list(self.order)]
        for axis in self.flipped:
            affine[:3, 3] += affine[:3, axis] * (shape[axis] - 1)
            affine[:3, axis] *= -1
        return Geometry((shape[0], shape[1], shape[2]), affine)
