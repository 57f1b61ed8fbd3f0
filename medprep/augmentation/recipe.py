"""Say how often and how far cases are augmented, and draw plans from it.

A `Recipe` holds a probability and a range for every step; `draw` turns it and a generator into a
`medprep.augmentation.steps.Plan`. The recipes that have a name are data, in ``recipes.toml``
beside this file; `read_recipe` reads recipes of one's own in the same form.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from medprep.augmentation import drawing
from medprep.augmentation.steps import AXES, Axis, Plan
from medprep.errors import OptionError
from medprep.files import parse_toml
from medprep.option_files import option_toml

RECIPE = "the recipe"
"""What a file of one is in messages."""


@dataclass(frozen=True)
class Step:
    """How often a step happens, and the bounds its value is drawn from.

    Parameters
    ----------
    probability
        From 0 (never) to 1 (always).
    low, high
        Bounds of the value.
    """

    probability: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How often and how far; what is not given never happens.

    Values are drawn evenly; factors of brightness, contrast and gamma whose bounds hold 1 as often
    below it as above. Slices move within their plane, and so do volumes whose slices lie more than
    three times as far apart as their pixels.

    Parameters
    ----------
    flip
        Probability of a flip along each axis of ``flip_axes`` along which one is allowed.
    flip_axes
        The patient's axes.
    rotate_degrees
        Within the slice.
    rotate_long_degrees
        Largest angle within slices whose sides differ by more than a factor of 1.5; None for the
        same as others.
    rotate_3d_degrees
        Largest angle about each of the three axes of a volume; None turns it within slices only.
    whole_degrees
        Whether angles are whole degrees.
    zoom
        Above 1 the object becomes larger, along all axes alike.
    shear_degrees
        Of each plane.
    translate_share
        Along each axis, as a share of the grid's extent.
    elastic_amplitude_mm
        Standard deviation of the displacements.
    elastic_spacing_mm
        Distance of the points that are displaced.
    crop_side
        Share of each side that stays and fills the grid again.
    noise_sd, brightness, contrast, low_resolution, bias
        As in `medprep.augmentation.steps.Intensity`.
    blur_voxels
        Sigma in voxels of the finest axis.
    gamma, gamma_inverted
        Of the picture, and of the inverted one; where both are drawn, the latter happens.

    Raises
    ------
    OptionError
        If a value is outside its bounds.
    """

    flip: float = 0.0
    flip_axes: tuple[Axis, ...] = AXES
    rotate_degrees: Step = Step(0, 0, 0)
    rotate_long_degrees: float | None = None
    rotate_3d_degrees: float | None = None
    whole_degrees: bool = False
    zoom: Step = Step(0, 1, 1)
    shear_degrees: Step = Step(0, 0, 0)
    translate_share: Step = Step(0, 0, 0)
    elastic_amplitude_mm: Step = Step(0, 0, 0)
    elastic_spacing_mm: float = 30.0
    crop_side: Step = Step(0, 1, 1)
    noise_sd: Step = Step(0, 0, 0)
    blur_voxels: Step = Step(0, 0, 0)
    brightness: Step = Step(0, 1, 1)
    contrast: Step = Step(0, 1, 1)
    low_resolution: Step = Step(0, 1, 1)
    gamma: Step = Step(0, 1, 1)
    gamma_inverted: Step = Step(0, 1, 1)
    bias: Step = Step(0, 0, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "flip_axes", tuple(self.flip_axes))
        _within("flip", self.flip, 0, 1)
        if not all(axis in AXES for axis in self.flip_axes):
            raise OptionError(f"flip_axes is {self.flip_axes}; wanted are {', '.join(AXES)}")
        for name, (least, most) in _BOUNDS.items():
            step: Step = getattr(self, name)
            _within(f"the probability of {name}", step.probability, 0, 1)
            _within(f"the low end of {name}", step.low, least, most)
            _within(f"the high end of {name}", step.high, step.low, most)
        _within("elastic_spacing_mm", self.elastic_spacing_mm, 1, 1000)
        angles = [self.rotate_degrees.low, self.rotate_degrees.high]
        angles += [self.shear_degrees.low, self.shear_degrees.high]
        for name in ("rotate_long_degrees", "rotate_3d_degrees"):
            if getattr(self, name) is not None:
                _within(name, getattr(self, name), 0, 180)
                angles.append(getattr(self, name))
        if self.whole_degrees and any(angle != round(angle) for angle in angles):
            raise OptionError(f"whole_degrees is set, but a bound of an angle is not: {angles}")

    @classmethod
    def preset(cls, name: str) -> Recipe:
        """Give a recipe of `PRESETS` by its name.

        Raises
        ------
        OptionError
            If there is none of that name.
        """
        if name not in PRESETS:
            raise OptionError(
                f"no recipe '{name}'; there are {', '.join(PRESETS)}, or give a file .toml"
            )
        return PRESETS[name]


def _within(called: str, value: object, least: float, most: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most:  # type: ignore[operator]
        raise OptionError(f"{called} is {value}; wanted is a number from {least:g} to {most:g}")


_BOUNDS: Mapping[str, tuple[float, float]] = {
    "rotate_degrees": (-180, 180), "zoom": (0.1, 10), "shear_degrees": (-45, 45),
    "translate_share": (-1, 1), "elastic_amplitude_mm": (0, 100), "crop_side": (0.1, 1),
    "noise_sd": (0, 10), "blur_voxels": (0, 100), "brightness": (0, 10), "contrast": (0, 10),
    "low_resolution": (0.05, 1), "gamma": (0.05, 20), "gamma_inverted": (0.05, 20), "bias": (0, 5),
}  # fmt: skip
"""The steps that have a range, and the widest one that each may have."""


def named_recipe(name: str) -> Recipe:
    """Give the recipe of a preset, or of a TOML file.

    Parameters
    ----------
    name
        A name of `PRESETS`, the path of a file that ends in ``.toml``, or what `held_toml` made of
        that.

    Raises
    ------
    OptionError
        If there is no such recipe or file, or the file holds none.
    """
    own = option_toml(name, RECIPE)
    if own is not None:
        return read_recipe(own[1], own[0])
    return Recipe.preset(name)


def read_recipe(content: str, called: str) -> Recipe:
    """Read a recipe from TOML.

    Keys are the fields of `Recipe`; a step is ``zoom = {probability = 0.2, range = [0.7, 1.4]}``.
    ``start = "nnunet"`` begins with a preset instead of nothing; a step given replaces all of the
    preset's.

    Parameters
    ----------
    content
        The text.
    called
        What a message calls it.

    Raises
    ------
    OptionError
        If it is no recipe, or a value is outside its bounds.
    """
    found = parse_toml(content, called)
    start = found.pop("start", "none")
    names = [one.name for one in fields(Recipe)]
    for key in found:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"wanted are start, {', '.join(names)}"
            raise OptionError(f"{called} holds '{key}'; {hint}")
    try:
        values = {key: _value(key, value) for key, value in found.items()}
        return replace(Recipe.preset(str(start)), **values)
    except OptionError as error:
        raise OptionError(f"{called}: {error.message}") from error


def _value(key: str, value: Any) -> Any:
    """Turn what TOML holds into a field of a recipe."""
    if key in _BOUNDS:
        span = value.get("range") if isinstance(value, dict) else None
        if not isinstance(span, list) or len(span) != 2 or set(value) != {"probability", "range"}:
            raise OptionError(
                f"{key} is {value}; wanted is {{probability = 0.2, range = [low, high]}}"
            )
        return Step(value["probability"], *span)
    wanted = {"whole_degrees": bool, "flip_axes": list}.get(key)
    if wanted is not None and not isinstance(value, wanted):
        form = "true or false" if wanted is bool else "a list such as ['LR']"
        raise OptionError(f"{key} is {value}; wanted is {form}")
    return value


def _presets() -> dict[str, Recipe]:
    found = tomllib.loads(Path(__file__).with_name("recipes.toml").read_text("utf-8"))
    return {
        name: Recipe(**{key: _value(key, value) for key, value in one.items()})
        for name, one in found.items()
    }


PRESETS: Mapping[str, Recipe] = MappingProxyType(_presets())
"""Recipes by name; the source of each one's numbers stands in ``recipes.toml``."""


def generator_of(
    seed: int, case: str, copy: int, slice_number: int | None = None
) -> np.random.Generator:
    """Give the generator of one copy of a case, or of one of its slices.

    The same in every process and on every machine, whatever was drawn before.
    """
    # Python's own hash() differs from process to process.
    text = json.dumps([seed, case, copy, slice_number])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()))


def draw(
    recipe: Recipe,
    generator: np.random.Generator,
    *,
    shape: Sequence[int],
    spacing_mm: Sequence[float],
    flips: tuple[Axis, ...],
    dimensions: Literal[2, 3],
) -> Plan:
    """Draw what happens to a copy.

    Each step has random numbers of its own: another probability or range of one step changes
    nothing of any other.

    Parameters
    ----------
    shape, spacing_mm
        Of rows and columns, or of slices, rows and columns; of the latter, a slice takes the last
        two.
    flips
        The patient's axes along which the array may be flipped: of a slice, those in its plane;
        not ``LR`` where a mirrored organ would bear a wrong name.
    dimensions
        2 for a slice, 3 for a volume.

    Raises
    ------
    OptionError
        If shape or spacing have too few axes.
    """
    return drawing.draw_plan(recipe, generator, shape, spacing_mm, flips, dimensions)
