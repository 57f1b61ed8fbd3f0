"""Draw the numbers of a plan: each step from random numbers of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from medprep.augmentation.intensity import is_anisotropic
from medprep.augmentation.spatial import Row
from medprep.augmentation.steps import AXES, Axis, Elastic, Intensity, Plan, Spatial
from medprep.errors import OptionError

if TYPE_CHECKING:
    from medprep.augmentation.recipe import Recipe, Step

ORDER = (
    "rotate_degrees", "flip", "zoom", "shear_degrees", "translate_share", "elastic_amplitude_mm",
    "crop_side", "noise_sd", "blur_voxels", "brightness", "contrast", "low_resolution", "gamma",
    "gamma_inverted", "bias",
)  # fmt: skip
"""Each step's place among the random numbers; a new step comes last, so that no other changes."""

_NUMBERS = 8
"""Random numbers that a step owns, needed or not; the first decides whether it happens."""

_LONG = 1.5
_SEEDS = 1 << 32


class _Chance:
    """The random numbers of one plan, by step."""

    def __init__(self, recipe: Recipe, generator: np.random.Generator) -> None:
        rows = generator.random((len(ORDER), _NUMBERS)).tolist()
        self.numbers: dict[str, list[float]] = dict(zip(ORDER, rows, strict=True))
        self.recipe = recipe

    def happens(self, name: str) -> bool:
        step: Step = getattr(self.recipe, name)
        return self.numbers[name][0] < step.probability

    def value(self, name: str, number: int = 1) -> float:
        """Give a value between the step's bounds."""
        step: Step = getattr(self.recipe, name)
        return _between(step.low, step.high, self.numbers[name][number])

    def factor(self, name: str) -> float | None:
        """Give a factor, below 1 as often as above where the bounds hold 1; None for no step."""
        if not self.happens(name):
            return None
        step: Step = getattr(self.recipe, name)
        _, share, side, *_ = self.numbers[name]
        low, high = step.low, step.high
        if low < 1 < high:
            low, high = (low, 1.0) if side < 0.5 else (1.0, high)
        return _between(low, high, share)

    def maybe(self, name: str) -> float | None:
        """Give a value; None for no step."""
        return self.value(name) if self.happens(name) else None

    def seed(self, name: str) -> int:
        return int(self.numbers[name][-1] * _SEEDS) if self.happens(name) else 0


def draw_plan(
    recipe: Recipe,
    generator: np.random.Generator,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    flips: tuple[Axis, ...],
    dimensions: Literal[2, 3],
) -> Plan:
    """Draw a plan, as `medprep.augmentation.recipe.draw` has it."""
    sides, spacing = tuple(shape)[-dimensions:], tuple(spacing_mm)[-dimensions:]
    if len(sides) != dimensions or len(spacing) != dimensions:
        raise OptionError(
            f"shape {tuple(shape)} and spacing {tuple(spacing_mm)} mm; "
            f"wanted are {dimensions} axes of each"
        )
    chance = _Chance(recipe, generator)
    flat = dimensions == 2 or is_anisotropic(spacing)
    extent_mm = [n * step for n, step in zip(sides, spacing, strict=True)]
    spatial = Spatial(
        flip=_flips(chance, flips),
        rotate_degrees=_rotation(chance, sides, flat),
        zoom=_zoom(chance, flat),
        shear_degrees=_shear(chance, flat),
        translate_mm=_translation(chance, extent_mm, flat),
        elastic=_elastic(chance),
    )
    crop, crop_at = _crop(chance, flat)
    return Plan(spatial, _intensity(chance, min(spacing)), crop, crop_at)


def _between(low: float, high: float, share: float) -> float:
    return low + share * (high - low)


def _flips(chance: _Chance, allowed: tuple[Axis, ...]) -> tuple[Axis, ...]:
    recipe = chance.recipe
    return tuple(
        axis
        for axis, number in zip(AXES, chance.numbers["flip"], strict=False)
        if number < recipe.flip and axis in allowed and axis in recipe.flip_axes
    )


def _rotation(chance: _Chance, sides: tuple[int, ...], flat: bool) -> Row:
    recipe, step = chance.recipe, chance.recipe.rotate_degrees
    if not chance.happens("rotate_degrees"):
        return 0.0, 0.0, 0.0
    bounds = (step.low, step.high)
    if not flat and recipe.rotate_3d_degrees is not None:
        bounds = (-recipe.rotate_3d_degrees, recipe.rotate_3d_degrees)
        first, second, third = (
            _angle(chance, "rotate_degrees", bounds, number) for number in (1, 2, 3)
        )
        return first, second, third
    largest = recipe.rotate_long_degrees
    if largest is not None and max(sides[-2:]) > _LONG * min(sides[-2:]):
        bounds = (max(step.low, -largest), min(step.high, largest))
    return _angle(chance, "rotate_degrees", bounds, 1), 0.0, 0.0


def _angle(chance: _Chance, name: str, bounds: tuple[float, float], number: int) -> float:
    share = chance.numbers[name][number]
    if not chance.recipe.whole_degrees:
        return _between(*bounds, share)
    return bounds[0] + float(math.floor(share * (bounds[1] - bounds[0] + 1)))


def _zoom(chance: _Chance, flat: bool) -> Row:
    zoom = chance.maybe("zoom")
    if zoom is None:
        return 1.0, 1.0, 1.0
    return 1.0 if flat else zoom, zoom, zoom


def _shear(chance: _Chance, flat: bool) -> Row:
    if not chance.happens("shear_degrees"):
        return 0.0, 0.0, 0.0
    step = chance.recipe.shear_degrees
    first, second, third = (
        _angle(chance, "shear_degrees", (step.low, step.high), number) for number in (1, 2, 3)
    )
    return (first, 0.0, 0.0) if flat else (first, second, third)


def _translation(chance: _Chance, extent_mm: list[float], flat: bool) -> Row:
    if not chance.happens("translate_share"):
        return 0.0, 0.0, 0.0
    rows, columns = (
        chance.value("translate_share", number) * extent_mm[-number] for number in (2, 1)
    )
    slices = 0.0 if flat else chance.value("translate_share", 3) * extent_mm[0]
    return slices, rows, columns


def _elastic(chance: _Chance) -> Elastic | None:
    amplitude_mm = chance.maybe("elastic_amplitude_mm")
    if amplitude_mm is None:
        return None
    seed = chance.seed("elastic_amplitude_mm")
    return Elastic(seed, chance.recipe.elastic_spacing_mm, amplitude_mm)


def _crop(chance: _Chance, flat: bool) -> tuple[Row | None, Row]:
    if not chance.happens("crop_side"):
        return None, (0.5, 0.5, 0.5)
    side = chance.value("crop_side")
    _, _, slices, rows, columns, *_ = chance.numbers["crop_side"]
    return (1.0 if flat else side, side, side), (0.5 if flat else slices, rows, columns)


def _intensity(chance: _Chance, finest_mm: float) -> Intensity:
    blur, inverted = chance.maybe("blur_voxels"), chance.factor("gamma_inverted")
    return Intensity(
        noise_sd=chance.maybe("noise_sd"),
        noise_seed=chance.seed("noise_sd"),
        blur_mm=None if blur is None else blur * finest_mm,
        brightness=chance.factor("brightness"),
        contrast=chance.factor("contrast"),
        low_resolution=chance.maybe("low_resolution"),
        gamma=chance.factor("gamma") if inverted is None else inverted,
        gamma_inverted=inverted is not None,
        bias=chance.maybe("bias"),
        bias_seed=chance.seed("bias"),
    )
