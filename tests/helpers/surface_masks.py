"""Pairs of masks for the surface metrics: random, one voxel, at the edge, anisotropic, empty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

SPACINGS = (0.7, 0.75, 1.0, 1.3, 2.5, 3.0, 5.0)


class Masks(NamedTuple):
    reference: np.ndarray
    predicted: np.ndarray
    spacing: tuple[float, float, float]
    tolerance: float


def _mask(rng: np.random.Generator, kind: str, shape: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    place = tuple(int(rng.integers(n)) for n in shape)
    if kind == "one voxel":
        mask[place] = True
    elif kind == "random":
        mask = rng.random(shape) < rng.uniform(0.05, 0.95)
        mask[place] = True
    elif kind == "box at the edge":
        mask[tuple(slice(0, at + 1) for at in place)] = True
    elif kind == "ball":
        grid = np.ogrid[tuple(slice(n) for n in shape)]
        radius = rng.uniform(1, 4)
        mask = sum((axis - at) ** 2 for axis, at in zip(grid, place, strict=True)) <= radius**2
    elif kind == "full":
        mask[:] = True
    return mask


@st.composite
def masks(draw: st.DrawFn, kinds: str = "one voxel/random/box at the edge/ball/full") -> Masks:
    """Two masks of one shape that are not empty, a spacing and a tolerance."""
    shape = tuple(draw(st.tuples(*[st.integers(1, 9)] * 3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    first, second = (draw(st.sampled_from(kinds.split("/"))) for _ in range(2))
    reference = _mask(rng, first, shape)
    predicted = _mask(rng, second, shape)
    if draw(st.booleans()):  # a prediction that is nearly right
        predicted = reference ^ (predicted & (rng.random(shape) < 0.2))
        predicted[tuple(int(rng.integers(n)) for n in shape)] = True
    spacing = draw(st.tuples(*[st.sampled_from(SPACINGS)] * 3))
    return Masks(reference, predicted, spacing, draw(st.sampled_from((0.0, 0.7, 2.0, 2.1, 3.5, 5))))


def ellipsoids() -> Masks:
    """The made-up case of the CHAOS metrics: nothing in it needs data."""
    z, y, x = np.mgrid[:20, :32, :28]
    first = ((z - 9) / 6) ** 2 + ((y - 15) / 10) ** 2 + ((x - 13) / 8) ** 2 <= 1
    second = ((z - 10) / 6) ** 2 + ((y - 16) / 9) ** 2 + ((x - 12) / 9) ** 2 <= 1
    second[2, 2, 2] = True
    return Masks(first, second, (3.0, 0.7, 0.7), 2.0)
