"""Where a case's organs lie, and a part of their grey values, both small enough to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLACES = 4096
"""Voxels of an organ in a volume that a patch may be laid around."""
GREYS = 50_000
"""Voxels of a case that its grey values are taken from, evenly spread over its organs."""


def places_of(labels: NDArray[np.uint8]) -> dict[int, NDArray[np.int64]]:
    """Give up to `PLACES` voxels of each organ as flat indices, evenly taken from all of it."""
    flat = labels.ravel()
    marked = np.flatnonzero(flat)
    found = {}
    for label in np.flatnonzero(np.bincount(flat[marked])).tolist():
        voxels = marked[flat[marked] == label]
        found[label] = spread(voxels, PLACES)
    return found


def greys_of(
    labels: NDArray[np.uint8], pictures: Sequence[NDArray[Any]]
) -> tuple[NDArray[Any], ...]:
    """Give up to `GREYS` grey values of each channel inside the organs, or anywhere without any."""
    flat = labels.reshape(-1)
    voxels = np.flatnonzero(flat)
    take = spread(voxels if len(voxels) else np.arange(len(flat)), GREYS)
    return tuple(picture.reshape(-1)[take] for picture in pictures)


def spread(values: NDArray[Any], most: int) -> NDArray[Any]:
    """Give no more than so many values, evenly taken from all."""
    take = np.linspace(0, len(values) - 1, min(most, len(values))).round()
    return values[take.astype(np.int64)]
