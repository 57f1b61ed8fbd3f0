"""Make pictures for the measure of the leak gate: changed copies, and crowds of like ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.leaks import Fingerprint, fingerprint
from medprep.leaks.thumbnails import as_grey
from medprep.opencv import load_cv2

Picture = NDArray[Any]


def changed(picture: Picture, what: str, rng: np.random.Generator) -> Picture:
    """Change a picture by chance: a window, or flip, turn, zoom and move, or these and gamma."""
    cv2 = load_cv2()
    grey = as_grey(picture).astype(np.float32)
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    rows, columns = grey.shape
    window = what == "window of 85% at a random place"
    degrees = 0.0 if window else rng.uniform(-10, 10)
    zoom = 1 / 0.85 if window else float(np.exp(rng.uniform(np.log(0.85), np.log(1.18))))
    room = (zoom - 1) / 2 if window else 0.03
    change = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, zoom)
    change[:, 2] += rng.uniform(-room, room, 2) * (columns, rows)
    flip = rng.integers(2, size=2) * 2 - 1
    moved = cv2.warpAffine(
        np.ascontiguousarray(grey[:: flip[0], :: flip[1]]), change, (columns, rows)
    )
    if what.endswith("gamma and noise"):
        moved = np.clip(moved, 0, 1) ** np.exp(rng.uniform(-0.4, 0.4))
        moved = moved + rng.normal(0, 0.02, moved.shape)
    return np.rint(np.clip(moved, 0, 1) * 4095).astype(np.uint16)


def made_up(count: int, rng: np.random.Generator, sources: list[Picture]) -> list[Fingerprint]:
    """Mix two real thumbnails into one, warped at random: alike anatomy, no two the same."""
    cv2 = load_cv2()
    found = []
    for _ in range(count):
        one, two = (sources[int(n)] for n in rng.integers(len(sources), size=2))
        bends = cv2.resize(rng.normal(0, 3, (4, 4, 2)).astype(np.float32), (64, 64),
                           interpolation=cv2.INTER_CUBIC)  # fmt: skip
        grid = np.stack(np.meshgrid(np.arange(64), np.arange(64)), axis=-1).astype(np.float32)
        mixed = cv2.remap(one, grid + bends, None, cv2.INTER_LINEAR) * np.float32(0.6)
        found.append(fingerprint([mixed + np.float32(0.4) * two]))
    return found
