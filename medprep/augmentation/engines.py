"""One interface to all that a plan can be applied with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from numpy.typing import NDArray

from medprep.augmentation.recipe import Recipe
from medprep.augmentation.steps import AXIS_OF, Axis, Plan
from medprep.errors import OptionError
from medprep.geometry import Geometry

Engine = Literal["augmentor", "native"]
ENGINES: tuple[Engine, ...] = get_args(Engine)

_LONGEST = 2
"""Of slices longer than this, compared with their width, Augmentor's turns may leave nothing."""


def apply_to_slice(
    engine: Engine,
    picture: NDArray[Any],
    labels: NDArray[Any],
    plan: Plan,
    spacing_mm: tuple[float, float],
    orientation: str,
    mirror: Mapping[int, int],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Move a slice and its labels, then change the picture's values.

    Parameters
    ----------
    engine
        ``native`` can do all of a plan; ``augmentor`` what
        `medprep.augmentation.augmentor2d` names.
    picture
        ``[row, column]``, uint8, uint16 or float32, with ``native`` int16 too; finite.
    labels
        Same shape, uint8.
    spacing_mm, orientation
        Of rows and columns: distance, and a letter each of where they run.
    mirror
        Labels that a flip across left and right exchanges.

    Returns
    -------
    picture, labels : ndarray
        Same shapes and types.
    """
    # Each engine is imported where it is used: OpenCV and Augmentor take a while to come.
    if engine == "augmentor":
        from medprep.augmentation.augmentor2d import apply_plan

        return apply_plan(picture, labels, plan, spacing_mm, orientation, mirror)  # recolours too
    from medprep.augmentation.intensity import recolour
    from medprep.augmentation.native2d import move_slice

    picture, labels = move_slice(picture, labels, plan, spacing_mm, orientation, mirror)
    if plan.recolours:
        picture = recolour(picture, plan.intensity, spacing_mm)
    return picture, labels


def apply_to_volume(
    picture: NDArray[Any],
    labels: NDArray[Any],
    plan: Plan,
    geometry: Geometry,
    mirror: Mapping[int, int],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Move a volume and its labels on their grid, then change the picture's values.

    Parameters
    ----------
    picture
        ``[slice, row, column]``, uint8, uint16, int16 or float32; finite.
    labels
        Same shape, uint8.
    geometry
        The grid of both, and of the result.
    mirror
        Labels that a flip across left and right exchanges.
    """
    from medprep.augmentation.intensity import recolour
    from medprep.augmentation.native3d import move_volume

    (picture,), labels = move_volume([picture], labels, plan, geometry, mirror)
    if plan.recolours:
        picture = recolour(picture, plan.intensity, geometry.spacing_mm)
    return picture, labels


def fitting_engine(recipe: Recipe, shape: Sequence[int], spacing_mm: Sequence[float]) -> Engine:
    """Give ``augmentor`` where it can do all that a recipe may draw for such slices, else native.

    Parameters
    ----------
    shape, spacing_mm
        Of a volume; its slices are augmented one by one.
    """
    from medprep.augmentation.augmentor2d import SMALLEST_SIDE, SQUARE, require_expressible

    try:
        require_expressible(recipe)
    except OptionError:
        return "native"
    short, long = sorted(shape[1:])
    square = math.isclose(*spacing_mm[1:], rel_tol=SQUARE)
    fits = short >= SMALLEST_SIDE and long <= _LONGEST * short
    return "augmentor" if square and fits else "native"


def allowed_flips(orientation: str, sides: bool) -> tuple[Axis, ...]:
    """Give the patient's axes along which an array may be flipped.

    Parameters
    ----------
    orientation
        A letter for each array axis: where it runs.
    sides
        Whether left and right may be exchanged.
    """
    return tuple(AXIS_OF[letter] for letter in orientation if sides or AXIS_OF[letter] != "LR")


def across(recipe: Recipe, orientation: str) -> bool:
    """Tell whether a recipe would exchange left and right in an array that lies so."""
    wanted = recipe.flip > 0 and "LR" in recipe.flip_axes
    return wanted and "LR" in allowed_flips(orientation, sides=True)
