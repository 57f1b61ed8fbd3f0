"""How trained nets are asked; knows no torch, so that a command line is quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from medprep.errors import OptionError

Axis = Literal["slices", "rows", "columns"]
AXES: tuple[Axis, ...] = get_args(Axis)
"""Of an array, in order."""


@dataclass(frozen=True)
class PredictorOptions:
    """How a `Predictor` predicts.

    Parameters
    ----------
    device
        ``cpu``, ``cuda``, ``mps`` or ``auto``.
    overlap
        Of the windows of a net for volumes, as a share of their sides.
    mirror
        Axes of the array along which it looks at mirror images too; wanted is that it was trained
        with flips along them.

    Raises
    ------
    OptionError
        If an axis or overlap cannot be.
    """

    device: str = "auto"
    overlap: float = 0.5
    mirror: tuple[Axis, ...] = ()

    def __post_init__(self) -> None:
        for axis in self.mirror:
            if axis not in AXES:
                raise OptionError(f"--mirror is '{axis}'; wanted is one of {', '.join(AXES)}")
        if not 0 <= self.overlap < 1:
            raise OptionError(f"--overlap is {self.overlap}; wanted is from 0 to below 1")
