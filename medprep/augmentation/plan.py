"""Draw what shall happen to a slice: a plan is data that can be stored, shown and replayed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from medprep.errors import FormatError, OptionError

LARGEST_DEGREES = 25
"""Beyond it Augmentor's inner crop no longer lies inside the turned picture."""

SMALLEST_CROP = 0.1
"""Augmentor crops to no smaller a share of a side."""

_SEEDS = 1 << 32


@dataclass(frozen=True)
class TutorialOptions:
    """How often and how far slices are turned, mirrored and cropped.

    Parameters
    ----------
    rotate_probability, flip_probability, crop_probability
        From 0 (never) to 1 (always).
    max_degrees
        A rotation turns by a whole number of degrees up to this, to either side.
    crop_side
        Share of each side that a crop leaves before it is enlarged again.

    Raises
    ------
    OptionError
        If a value is outside its bounds.
    """

    rotate_probability: float = 0.8
    max_degrees: int = 10
    flip_probability: float = 0.5
    crop_probability: float = 0.3
    crop_side: float = 0.85

    def __post_init__(self) -> None:
        for name in ("rotate_probability", "flip_probability", "crop_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} lies from 0 to 1, not {getattr(self, name)}")
        _check_reach(self.max_degrees, self.crop_side)


@dataclass(frozen=True)
class Plan2D:
    """What happens to one slice, in this order.

    Parameters
    ----------
    rotate_seed
        Seed of the rotation, from which its whole degrees follow; None for no rotation.
    flip
        Whether columns are reversed.
    crop_seed
        Seed of the crop, from which its place follows; None for no crop.
    max_degrees, crop_side
        As in `TutorialOptions`: with them a plan replays alone.
    """

    rotate_seed: int | None
    flip: bool
    crop_seed: int | None
    max_degrees: int
    crop_side: float

    def __post_init__(self) -> None:
        _check_reach(self.max_degrees, self.crop_side)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises
        ------
        FormatError
            If the record is no plan.
        OptionError
            If a value is outside its bounds.
        """
        try:
            return cls(**record)
        except TypeError as error:
            raise FormatError(f"no plan of an augmentation in this record: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain values for JSON; nothing is lost."""
        return asdict(self)


def draw_plan(
    options: TutorialOptions,
    seed: int,
    case: str,
    copy: int,
    slice_index: int,
    flip_allowed: bool,
) -> Plan2D:
    """Draw the plan of one slice of one copy of a case.

    The same arguments give the same plan in every process and on every machine, whatever was
    drawn before, and each option changes its own step only.

    Parameters
    ----------
    flip_allowed
        False where a mirrored organ would bear a wrong name (`medprep.organs.mirror_partners`).
    """
    generator = _generator(seed, case, copy, slice_index)
    rotate, flip, crop = generator.random(3)
    rotate_seed, crop_seed = (int(n) for n in generator.integers(0, _SEEDS, 2))
    return Plan2D(
        rotate_seed=rotate_seed if rotate < options.rotate_probability else None,
        flip=bool(flip < options.flip_probability) and flip_allowed,
        crop_seed=crop_seed if crop < options.crop_probability else None,
        max_degrees=options.max_degrees,
        crop_side=options.crop_side,
    )


def _check_reach(max_degrees: int, crop_side: float) -> None:
    if not 0 <= max_degrees <= LARGEST_DEGREES or not isinstance(max_degrees, int):
        raise OptionError(
            f"max_degrees is a whole number from 0 to {LARGEST_DEGREES}, not {max_degrees}"
        )
    if not SMALLEST_CROP <= crop_side < 1:
        raise OptionError(f"crop_side lies from {SMALLEST_CROP} to below 1, not {crop_side}")


def _generator(seed: int, case: str, copy: int, slice_index: int) -> np.random.Generator:
    # Python's own hash() differs from process to process.
    text = json.dumps([seed, case, copy, slice_index])
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()))
