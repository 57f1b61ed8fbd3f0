"""Augmentation while a net is trained: a plan for each slice or patch that is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.engines import allowed_flips
from medprep.augmentation.intensity import recolour
from medprep.augmentation.native2d import move_slice
from medprep.augmentation.native3d import move_volume
from medprep.augmentation.recipe import Recipe, draw, generator_of
from medprep.augmentation.spatial import index_matrix
from medprep.augmentation.steps import Plan, Spatial
from medprep.geometry import Geometry

_FARTHEST = 2.0
"""Of a volume no more is read around a patch than this many times its sides; what a plan would
fetch from farther off is shown as the outside."""
_ELASTIC_REACH = 3.0
"""Standard deviations of an elastic deformation that are read around a patch."""

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]
Moved = tuple[list[Floats], Labels]


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
    """What is drawn for a slice or patch whenever it is shown.

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

    def slice_shown(
        self,
        pictures: Sequence[Floats],
        labels: Labels,
        grid: SliceGrid,
        generator: np.random.Generator,
    ) -> Moved:
        """Draw a plan for a slice and apply it.

        Parameters
        ----------
        pictures
            Channels, ``[row, column]``, as the net is to see them.
        labels
            Of the same shape.
        grid
            Of both.
        generator
            Where chance comes from; see `generator_at`.
        """
        plan = draw(
            self.recipe,
            generator,
            shape=(1, *labels.shape),
            spacing_mm=grid.spacing_mm,
            flips=allowed_flips(grid.orientation, self.mirror is not None),
            dimensions=2,
        )
        spacing, mirror = grid.spacing_mm[1:], self.mirror or {}
        moved = [
            move_slice(picture, labels, plan, spacing, grid.orientation, mirror)
            for picture in pictures
        ]
        return _recoloured([picture for picture, _ in moved], plan, spacing), moved[0][1]

    def patch_shown(
        self,
        read: Callable[[tuple[int, ...], tuple[int, ...]], Moved],
        shape: tuple[int, int, int],
        geometry: Geometry,
        generator: np.random.Generator,
    ) -> Moved:
        """Draw a plan for a patch of a volume and apply it to as much as it needs.

        Parameters
        ----------
        read
            Gives channels and labels from a first voxel, relative to the patch's own (so it may
            be below 0), in a shape.
        shape
            Of the patch.
        geometry
            Of the volume as the net sees it: its spacing and directions count.
        generator
            As `slice_shown`.
        """
        plan = draw(
            self.recipe,
            generator,
            shape=shape,
            spacing_mm=geometry.spacing_mm,
            flips=allowed_flips(geometry.orientation, self.mirror is not None),
            dimensions=3,
        )
        margin = _margin(plan, _grid(shape, geometry))
        before = -margin[0], -margin[1], -margin[2]
        whole = tuple(side + 2 * more for side, more in zip(shape, margin, strict=True))
        pictures, labels = read(before, whole)
        if plan.spatial != Spatial() or plan.crop is not None:
            around = _grid(whole, geometry)
            pictures, labels = move_volume(pictures, labels, plan, around, self.mirror or {})
        inner = tuple(slice(more, more + side) for more, side in zip(margin, shape, strict=True))
        shown = [np.ascontiguousarray(picture[inner]) for picture in pictures]
        return _recoloured(shown, plan, geometry.spacing_mm), labels[inner]


def generator_at(seed: int, step: int, place: int) -> np.random.Generator:
    """Give the chance of one place in one step's batch.

    Seed, step and place decide it alone, so that a resumed training sees the same pictures.
    """
    return generator_of(seed, "a training's batch", step, place)


def _recoloured(pictures: list[Floats], plan: Plan, spacing_mm: Sequence[float]) -> list[Floats]:
    if not plan.recolours:
        return pictures
    # Each channel has noise and a bias field of its own, everything else in common.
    intensity = plan.intensity
    return [
        recolour(
            picture,
            replace(
                intensity,
                noise_seed=intensity.noise_seed + channel,
                bias_seed=intensity.bias_seed + channel,
            ),
            spacing_mm,
        )
        for channel, picture in enumerate(pictures)
    ]


def _grid(shape: Sequence[int], geometry: Geometry) -> Geometry:
    return Geometry.from_parts(shape, geometry.spacing_mm, direction=geometry.direction)


def _margin(plan: Plan, grid: Geometry) -> tuple[int, int, int]:
    """Give how many voxels around a patch, on both sides alike, its voxels come from."""
    if plan.spatial == Spatial() and plan.crop is None:
        return 0, 0, 0
    half = (np.asarray(grid.shape) - 1) / 2
    corners = np.array(list(product(*((0, side - 1) for side in grid.shape))), float)
    matrix = index_matrix(plan, grid)
    reach = np.abs(corners @ matrix[:3, :3].T + matrix[:3, 3] - half).max(0)
    if plan.spatial.elastic is not None:
        reach += _ELASTIC_REACH * plan.spatial.elastic.amplitude_mm / np.asarray(grid.spacing_mm)
    most = np.asarray(grid.shape) * (_FARTHEST - 1) / 2
    needed = np.clip(np.ceil(reach - half - 1e-6), 0, np.floor(most)).astype(int).tolist()
    return needed[0], needed[1], needed[2]
