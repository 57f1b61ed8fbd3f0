"""Grey values to 8 or 16 bits and back, with the numbers that say how."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import OptionError

_PERCENTILES = (0.5, 99.5)
_LARGEST_SAMPLE = 400_000
"""Percentiles of more voxels than this come from every n-th voxel; they move by less than a grey
level and take a tenth of the time."""

_THRESHOLD = 2.0**-10
"""A header's window of width 1 has no width (PS3.3 C.11.2.1.2.1): what is above its one value is
white, all else black. This little is put between its ends, so that what divides by it may."""


@dataclass(frozen=True)
class Window:
    """The grey values that become 0 and 1: ``low`` and ``high``, and how they were chosen."""

    low: float
    high: float
    how: str


@dataclass(frozen=True)
class Scale16:
    """How stored 16-bit numbers turn back into values: ``stored * slope + intercept``."""

    slope: float
    intercept: float

    @property
    def lossless(self) -> bool:
        """Whole numbers come back exactly."""
        return self.slope == 1.0


def parse_window(text: str) -> tuple[str, tuple[float, ...]]:
    """Read ``auto``, ``dicom``, ``percentile:LOW,HIGH`` or ``LOW,HIGH``.

    Raises
    ------
    OptionError
        If it is none of these, or low is not below high.
    """
    kind, _, numbers = text.partition(":")
    if text in ("auto", "dicom"):
        return text, ()
    try:
        pair = tuple(float(one) for one in (numbers if kind == "percentile" else text).split(","))
    except ValueError:
        pair = ()
    inside = kind != "percentile" or (pair and min(pair) >= 0 and max(pair) <= 100)
    finite = all(map(math.isfinite, pair))
    if len(pair) != 2 or not finite or not pair[0] < pair[1] or not inside:
        raise OptionError(
            f"--window is '{text}'; wanted is auto, dicom, percentile:0.5,99.5 or LOW,HIGH in grey "
            "values with LOW below HIGH"
        )
    return ("percentile" if kind == "percentile" else "given"), pair


def choose_window(
    values: NDArray[Any], text: str, modality: str, header: tuple[float, float] | None
) -> Window:
    """Choose one window for a whole volume, so that its slices stay comparable.

    Parameters
    ----------
    values
        The volume, of any shape.
    text
        As `parse_window` reads it. ``auto`` is the header's window for CT (its numbers mean
        something there), percentiles for everything else and where the header has none.
    modality
        DICOM modality.
    header
        The source's own window, or None.
    """
    kind, numbers = parse_window(text)
    if kind == "given":
        return Window(numbers[0], numbers[1], "given")
    if header is not None and (kind == "dicom" or (kind == "auto" and modality == "CT")):
        low, high = header
        return Window(low, high if high > low else low + _THRESHOLD, "dicom")
    low_high = numbers or _PERCENTILES
    flat = _finite(values)
    step = max(1, flat.size // _LARGEST_SAMPLE)
    while math.gcd(step, flat.size) > 1:  # else only some columns would be looked at
        step += 1
    low, high = (float(one) for one in np.percentile(flat[::step], low_high))
    how = f"percentile:{low_high[0]:g},{low_high[1]:g}"
    if low == high:  # a nearly constant picture: its extremes, or one step
        low, high = float(flat.min()), float(flat.max())
        high = high if high > low else low + 1
        how = "extremes"
    return Window(low, high, how)


def to_8bit(values: NDArray[Any], window: Window) -> NDArray[np.uint8]:
    """Map a window to 0-255, rounding to nearest and clipping what lies outside; NaN is 0."""
    scaled = (values.astype(np.float32) - window.low) * (255.0 / (window.high - window.low))
    return np.asarray(_clipped(scaled, 255), np.uint8)


def choose_scale(values: NDArray[Any]) -> Scale16:
    """Find the 16-bit scale of a volume: exact where its whole numbers span at most 65535."""
    finite = _finite(values)
    low, high = float(finite.min()), float(finite.max())
    if values.dtype.kind in "iu" and high - low <= 65535:
        return Scale16(1.0, min(low, 0.0) if high <= 65535 else low)
    return Scale16((high - low) / 65535 or 1.0, low)


def to_16bit(values: NDArray[Any], scale: Scale16) -> NDArray[np.uint16]:
    """Store values as 16-bit numbers; NaN is 0."""
    stored = (values.astype(np.float64) - scale.intercept) / scale.slope
    return np.asarray(_clipped(stored, 65535), np.uint16)


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    """Give all values in one row without NaN and infinity; 0 where nothing is left."""
    flat = values.reshape(-1)
    if flat.dtype.kind != "f":
        return flat
    kept = flat[np.isfinite(flat)]
    return kept if kept.size else np.zeros(1, flat.dtype)


def _clipped(scaled: NDArray[Any], highest: int) -> NDArray[Any]:
    scaled[np.isnan(scaled)] = 0
    return np.asarray(np.rint(np.clip(scaled, 0, highest)))
