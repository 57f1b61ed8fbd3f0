"""The cleaning rules: which there are, and sets of them by name.

Their order and what each does stand in ``docs/cleaning.md``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from medprep.errors import OptionError
from medprep.labels.holes import Holes

Preset = Literal["default", "sam-med3d"]
"""Sets of rules by name."""


@dataclass(frozen=True)
class Rules:
    """Which rules there are; each is off as it stands here.

    Parameters
    ----------
    min_case_ml, min_case_side_mm
        Drop every mask of a case whose picture has less volume, or a shorter side.
    split_pairs
        Give the two organs of a pair, masked as one, a label each.
    smooth_radius
        Majority smoothing with a cube of ``2 * smooth_radius + 1`` voxels; 0 smooths nothing.
    keep
        How many of the largest pieces of each organ stay; None keeps all.
    keep_of
        The same for single organs, as (name, count); None keeps all of one.
    min_piece_ml
        Drop pieces below this volume.
    fill_holes
        ``"3d"``, ``"2d"`` (slice by slice), or ``"none"``.
    min_ml
        Drop an organ's mask below this volume.
    min_side_mm
        Drop an organ's mask whose bounding box has a side below this.
    max_background_percent
        Drop an organ's mask if what is not of it exceeds this part of the volume.

    Raises
    ------
    OptionError
        If a value is out of its range.
    """

    min_case_ml: float = 0.0
    min_case_side_mm: float = 0.0
    split_pairs: bool = False
    smooth_radius: int = 0
    keep: int | None = None
    keep_of: tuple[tuple[str, int | None], ...] = ()
    min_piece_ml: float = 0.0
    fill_holes: Holes = "none"
    min_ml: float = 0.0
    min_side_mm: float = 0.0
    max_background_percent: float = 100.0

    def __post_init__(self) -> None:
        own = tuple((str(n), None if k is None else int(k)) for n, k in self.keep_of)
        object.__setattr__(self, "keep_of", own)
        if self.smooth_radius < 0:
            raise OptionError(
                f"the radius of smoothing is 0 voxels or more, not {self.smooth_radius}"
            )
        for count in (self.keep, *(count for _, count in self.keep_of)):
            if count is not None and count < 1:
                raise OptionError(f"1 piece of an organ or more is kept, not {count}")
        for what, least in (
            ("volume of a case", self.min_case_ml),
            ("side of a case", self.min_case_side_mm),
            ("volume of a piece", self.min_piece_ml),
            ("volume of a mask", self.min_ml),
            ("side of a mask", self.min_side_mm),
        ):
            if not (math.isfinite(least) and least >= 0):
                raise OptionError(f"the smallest {what} kept is 0 or more, not {least}")
        if self.fill_holes not in get_args(Holes):
            raise OptionError(
                f"holes are filled as {', '.join(get_args(Holes))}, not '{self.fill_holes}'"
            )
        if not 0 <= self.max_background_percent <= 100:
            raise OptionError(
                "background is at most 0 to 100 percent of a volume, not "
                f"{self.max_background_percent}"
            )

    @property
    def drops_masks(self) -> bool:
        """Whether a rule may drop an organ's mask whole."""
        least = (self.min_case_ml, self.min_case_side_mm, self.min_ml, self.min_side_mm)
        return any(least) or self.max_background_percent < 100

    @classmethod
    def preset(cls, name: Preset) -> Rules:
        """Give a set of rules by name.

        ``"default"`` keeps each organ's largest piece, drops pieces under 0.05 ml and fills holes
        in 3D. ``"sam-med3d"`` is the cleaning of the SAM-Med3D paper (arXiv 2310.15161, section
        3.2).

        Raises
        ------
        OptionError
            If there is none of that name.
        """
        if name == "default":
            return cls(keep=1, min_piece_ml=0.05, fill_holes="3d")
        if name == "sam-med3d":
            return cls(
                min_case_ml=1, min_case_side_mm=15, split_pairs=True, keep=5,
                max_background_percent=99,
            )  # fmt: skip
        raise OptionError(f"no rules '{name}'; there are {', '.join(get_args(Preset))}")
