"""How a cut phantom looks in MR or CT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medprep.sources.phantom_anatomy import TISSUES, Floats, Sections

Contrast = Literal["t1in", "t1out", "t2", "ct"]


@dataclass(frozen=True)
class Look:
    """A tissue's MR signals (fat in phase is about 1), CT value in HU, and roughness as a share."""

    t1in: float
    t1out: float
    t2: float
    ct: float
    rough: float


LOOKS: dict[str, Look] = {
    "air": Look(0.0, 0.0, 0.0, -1000, 0.0),
    "fat": Look(0.95, 0.82, 0.17, -100, 0.06),
    "muscle": Look(0.51, 0.50, 0.33, 70, 0.12),
    "liver": Look(0.53, 0.47, 0.36, 105, 0.05),
    "vessel": Look(0.42, 0.40, 0.50, 150, 0.05),
    "spleen": Look(0.47, 0.47, 0.58, 115, 0.05),
    "kidney": Look(0.50, 0.50, 0.64, 165, 0.08),
    "sinus": Look(0.66, 0.55, 0.50, 20, 0.15),
    "bowel": Look(0.51, 0.46, 0.40, 60, 0.30),
    "stomach": Look(0.47, 0.45, 0.42, 45, 0.22),
    "pancreas": Look(0.56, 0.51, 0.38, 90, 0.16),
    "blood": Look(0.38, 0.37, 0.42, 150, 0.08),
    "bile": Look(0.28, 0.28, 0.95, 8, 0.03),
    "bone": Look(0.64, 0.50, 0.33, 240, 0.15),
    "fluid": Look(0.20, 0.20, 1.00, 5, 0.03),
    "lung": Look(0.05, 0.05, 0.04, -850, 0.30),
}
"""Liver, muscle, pancreas, kidney and bowel are alike on purpose: no grey level is the liver's."""


def paint(sections: Sections, contrast: Contrast, rng: np.random.Generator) -> Floats:
    """Give the picture of a cut: ``[slice, row, column]``, float64.

    MR is a signal (fat in phase about 1, air exactly 0) under a smooth bias field with Rician
    noise; CT is in HU with Gaussian noise. Each call draws the tissues' brightness anew.
    """
    rough = np.array([LOOKS[name].rough for name in TISSUES])[sections.tissue]
    grain = _smooth(rng.normal(size=rough.shape), 1.3)
    grain *= rough / grain.std()
    levels = np.array([getattr(LOOKS[name], contrast) for name in TISSUES])
    if contrast == "ct":
        solid = levels > -500
        values = (levels + rng.normal(0, 6, levels.size) * solid)[sections.tissue]
        soft = _smooth(values + 60 * grain * solid[sections.tissue], 0.5)
        return soft + rng.normal(0, 14, soft.shape)
    signal = (levels * np.exp(rng.normal(0, 0.05, levels.size)))[sections.tissue] * (1 + grain)
    if contrast == "t1out":
        # Where fat and water share a voxel their echoes cancel: the black line out of phase.
        fat = _smooth((sections.tissue == TISSUES.index("fat")).astype(np.float64), 0.6)
        signal *= 1 - 2 * fat * (1 - fat)
    signal = _smooth(signal, 0.55) * _bias(signal.shape, rng)
    real, imaginary = rng.normal(0, 0.028, (2, *signal.shape))
    # Scanners blank the air around the body.
    inside = sections.tissue != TISSUES.index("air")
    return np.asarray(inside * np.hypot(signal + real, imaginary), np.float64)


def _smooth(values: Floats, sigma: float) -> Floats:
    """Blur within the slices."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, (0, sigma, sigma)), np.float64)


def _bias(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    slope = rng.normal(0, (0.05, 0.10, 0.10))
    bend = rng.uniform(0.05, 0.2)
    field = slope[0] * z + slope[1] * y + slope[2] * x + bend * (x**2 + y**2 - 0.5)
    return np.asarray(np.exp(field), np.float64)
