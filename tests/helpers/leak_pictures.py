"""Made-up pictures of a body with organs, and changes of them, for tests of the leak gate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from medprep.leaks import Fingerprint, Leak, find_leaks, fingerprint


def body(seed: int, side: int = 128) -> NDArray[np.uint16]:
    """A bright oval with blobs and texture of its own on black; 0 to about 1000."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    oval = (rows / 0.34) ** 2 + (columns / 0.42) ** 2 < 1
    coarse = gaussian_filter(rng.normal(size=(side, side)), side / 16)
    fine = gaussian_filter(rng.normal(size=(side, side)), side / 64)
    inner = 500 + 150 * coarse / coarse.std() + 60 * fine / fine.std()
    return np.where(oval, np.clip(inner, 50, 1000), 0).astype(np.uint16)


def moved(
    picture: NDArray[np.uint16], degrees: float = 0, zoom: float = 1, right: float = 0
) -> NDArray[np.uint16]:
    """Turned counter-clockwise and magnified about the middle, then moved by parts of its side."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = (np.array(picture.shape) - 1) / 2
    # In [row, column]: what is seen at p was at turn.T @ (p - middle - shift) / zoom + middle.
    back = np.array([[turn[0, 0], turn[0, 1]], [turn[1, 0], turn[1, 1]]]) / zoom
    shift = np.array([0, right * picture.shape[1]])
    offset = middle - back @ (middle + shift)
    return affine_transform(picture.astype(np.float32), back, offset, order=1).astype(np.uint16)


def leaks_between(one: NDArray[np.generic], other: NDArray[np.generic]) -> list[Leak]:
    """Leaks between two cases of one slice each in two folds."""
    prints: dict[str, Fingerprint] = {"a": fingerprint([one]), "b": fingerprint([other])}
    return find_leaks(prints, {"a": "train", "b": "val"})
