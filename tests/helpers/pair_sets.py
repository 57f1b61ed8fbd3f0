"""Small data sets of NIfTI pairs whose organs show in the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.volume import LabelMap, Volume

SHAPE = (12, 48, 48)
GRID = Geometry.from_parts(SHAPE, (3.0, 1.0, 1.0))
"""Columns to the patient's left, rows to posterior."""

ORGANS = {
    "liver": (63, (6, 18, 14), (4, 10, 8), 140),
    "right_kidney": (126, (5, 36, 12), (3, 5, 5), 220),
    "left_kidney": (189, (6, 35, 37), (3, 5, 5), 210),
    "spleen": (252, (7, 16, 38), (3, 8, 5), 180),
}
"""Grey level, centre, radii in voxels, and intensity in the picture."""


def draw(seed: int) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Give a picture and its mask in the grey levels of CHAOS; organs lie a little elsewhere."""
    rng = np.random.default_rng(seed)
    picture = 40 + 10 * rng.standard_normal(SHAPE)
    mask = np.zeros(SHAPE, np.uint8)
    place = np.moveaxis(np.indices(SHAPE), 0, -1)
    for level, centre, radii, intensity in ORGANS.values():
        moved = np.array(centre) + rng.uniform(-1, 1, 3) * (0.5, 2, 2)
        inside = (((place - moved) / radii) ** 2).sum(axis=-1) <= 1
        mask[inside & (mask == 0)] = level
        picture[mask == level] += intensity - 40
    return picture.round().astype(np.int16), mask


def write_pair(
    root: Path, case: str, picture: NDArray, mask: NDArray, grid: Geometry = GRID
) -> None:
    """Write one picture and its mask as a pair of files."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    nifti.write(root / "images" / f"{case}.nii.gz", Volume(picture, grid, "MR"))
    nifti.write(root / "labels" / f"{case}.nii.gz", LabelMap(mask, grid))


def write_set(root: Path, count: int = 3, **changed: NDArray) -> Mapping[str, NDArray[np.uint8]]:
    """Write ``case_1`` to ``case_<count>``; ``changed`` masks replace those of their case.

    Returns
    -------
    dict
        Case to its true mask.
    """
    truth = {}
    for seed in range(1, count + 1):
        picture, mask = draw(seed)
        truth[f"case_{seed}"] = mask
        write_pair(root, f"case_{seed}", picture, changed.get(f"case_{seed}", mask))
    return truth
