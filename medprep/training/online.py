"""Augmentation while a net is trained: a plan for each slice that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.engines import allowed_flips, apply_to_slice
from medprep.augmentation.recipe import Recipe, draw, generator_of
from medprep.augmentation.spatial import PICTURE_TYPES
from medprep.geometry import Geometry


@dataclass(frozen=True)
class SliceGrid:
    """How a slice lies in the patient.

    Parameters
    ----------
    spacing_mm
        Distance between slices, rows and columns.
    orientation
        Two letters: where its rows and its columns run.
    """

    spacing_mm: tuple[float, float, float]
    orientation: str

    @classmethod
    def of(cls, geometry: Geometry) -> SliceGrid:
        """Give the grid of a volume's slices."""
        return cls(geometry.spacing_mm, geometry.orientation[1:])


@dataclass(frozen=True)
class Online:
    """What is drawn for a slice whenever it is shown.

    Parameters
    ----------
    recipe
        Chances and ranges of every step.
    called
        How the recipe is called.
    mirror
        Labels that a flip across left and right exchanges; None forbids these flips.
    """

    recipe: Recipe
    called: str
    mirror: Mapping[int, int] | None

    def apply(
        self,
        picture: NDArray[Any],
        labels: NDArray[np.uint8],
        grid: SliceGrid,
        generator: np.random.Generator,
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Draw a plan and apply it.

        Parameters
        ----------
        picture, labels
            ``[row, column]`` as stored, before any window; a type that no engine takes becomes
            float32.
        grid
            Of both.
        generator
            Where chance comes from; see `generator_at`.
        """
        if picture.dtype not in PICTURE_TYPES:
            picture = picture.astype(np.float32)
        plan = draw(
            self.recipe,
            generator,
            shape=(1, *picture.shape),
            spacing_mm=grid.spacing_mm,
            flips=allowed_flips(grid.orientation, self.mirror is not None),
            dimensions=2,
        )
        return apply_to_slice(
            "native", picture, labels, plan, grid.spacing_mm[1:], grid.orientation,
            self.mirror or {},
        )  # fmt: skip


def generator_at(seed: int, step: int, place: int) -> np.random.Generator:
    """Give the chance of one place in one step's batch.

    Seed, step and place decide it alone, so that a resumed training sees the same slices.
    """
    return generator_of(seed, "a training's batch", step, place)
