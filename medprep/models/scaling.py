"""Grey values to the numbers a net sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from medprep.errors import CheckpointError, FormatError, OptionError

Kind = Literal["window", "z-score"]
Window = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """What is done to each grey value: ``(value - shift) / unit``, then kept within bounds.

    Parameters
    ----------
    shift, unit
        In the picture's own unit; ``unit`` is above 0.
    least, most
        Bounds of the result.
    """

    shift: float
    unit: float
    least: float = -np.inf
    most: float = np.inf

    def apply(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Give float32 of the same shape, new."""
        scaled = values.astype(np.float32)
        scaled -= np.float32(self.shift)
        scaled /= np.float32(self.unit)
        if np.isfinite((self.least, self.most)).any():
            np.clip(scaled, np.float32(self.least), np.float32(self.most), out=scaled)
        return scaled

    def for_numbers(self, slope: float, intercept: float) -> Scale:
        """Give the scale of stored numbers that become grey values as ``n * slope + intercept``."""
        return Scale((self.shift - intercept) / slope, self.unit / slope, self.least, self.most)


@dataclass(frozen=True)
class Scaling:
    """How a channel's grey values are scaled.

    Parameters
    ----------
    kind
        ``window``: ``low`` becomes 0 and ``high`` 1, what lies outside is clipped. ``z-score``:
        clipped to ``low`` and ``high`` if there are any, less the mean, in standard deviations.
    low, high
        Grey values. None: of a window, each volume's own; of a z-score, nothing is clipped.
    mean, sd
        Of a z-score; None takes those of all voxels of each volume.

    Raises
    ------
    OptionError
        If they do not go together.
    """

    kind: Kind
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    sd: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise OptionError(f"scaling is '{self.kind}'; wanted is {' or '.join(get_args(Kind))}")
        for one, other in (("low", "high"), ("mean", "sd")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise OptionError(f"a scaling with one of {one} and {other}; wanted are both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise OptionError(f"a scaling from {self.low} to {self.high}; wanted is low < high")
        if self.sd is not None and (self.kind == "window" or not self.sd > 0):
            raise OptionError(
                f"a {self.kind} with a standard deviation of {self.sd}; wanted is one above 0, "
                "and none with a window"
            )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises
        ------
        CheckpointError
            If it is no scaling.
        """
        try:
            return cls(**record)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"no scaling in this record: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values for JSON."""
        return asdict(self)

    def settle(self, picture: NDArray[Any], window: Window | None = None) -> Scale:
        """Give the scale of one volume.

        Parameters
        ----------
        picture
            All of it: any shape, finite.
        window
            Its own, where the scaling has none.

        Raises
        ------
        OptionError
            If a window is wanted and there is none.
        FormatError
            If the picture holds what is no finite number.
        """
        if self.kind == "window":
            low, high = (self.low, self.high) if window is None or self.low is not None else window
            if low is None or high is None:
                raise OptionError(
                    "the net was trained with a window of each volume, and none is given here; "
                    "wanted are two grey values, low and high"
                )
            return Scale(low, high - low if high > low else 1.0, 0.0, 1.0)
        mean, sd = self.mean, self.sd
        if mean is None or sd is None:
            mean, sd = _moments(picture, self.low, self.high)
        if self.low is None or self.high is None:
            return Scale(mean, sd)
        return Scale(mean, sd, (self.low - mean) / sd, (self.high - mean) / sd)


def _moments(picture: NDArray[Any], low: float | None, high: float | None) -> tuple[float, float]:
    """Give mean and standard deviation, in float64 plane by plane; 1 where all is equal."""
    planes = picture.reshape(-1, *picture.shape[-2:]) if picture.ndim > 1 else picture[None]

    def values(plane: NDArray[Any]) -> NDArray[np.float64]:
        return np.clip(plane.astype(np.float64), low, high)

    mean = sum(float(values(plane).sum()) for plane in planes) / max(1, picture.size)
    if not np.isfinite(mean):
        raise FormatError("a picture holds values that are no finite numbers")
    squares = sum(float(np.square(values(plane) - mean).sum()) for plane in planes)
    sd = float(np.sqrt(squares / max(1, picture.size)))
    return mean, sd if sd > 0 else 1.0
