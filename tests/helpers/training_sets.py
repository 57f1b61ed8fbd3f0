"""Small cases to train on: discs in slices, balls in volumes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.models.checkpoint import read_tensors
from medprep.training.dataset import TrainingCase, read_labels, read_picture
from medprep.training.shards import Shard, write_labels, write_picture
from medprep.volume import LabelMap, Volume

ORGANS = {1: "shell", 2: "core"}


def make_ball(folder: Path, name: str, *, size: int = 20, modality: str = "MR") -> TrainingCase:
    """A ball with a brighter core, somewhere in a noisy volume."""
    chance = np.random.default_rng(abs(int.from_bytes(name.encode(), "big")) % 2**32)
    shape = (size, size + 2, size - 1)
    places = (
        np.indices(shape) - (np.array(shape) / 2 + chance.uniform(-2, 2, 3))[:, None, None, None]
    )
    away = np.sqrt((places**2).sum(0))
    labels = ((away < size / 3).astype(np.uint8) + (away < size / 6)).astype(np.uint8)
    picture = (chance.normal(100, 20, shape) + 150 * labels).astype(np.int16)
    grid = Geometry.from_parts(shape, (1.0, 1.0, 1.0))
    case = ball_in(folder, name, modality)
    nifti.write(case.images[0], Volume(picture, grid))
    nifti.write(case.labels, LabelMap(labels, grid, ORGANS))
    return case


def in_shards(case: TrainingCase, folder: Path) -> TrainingCase:
    """Give the same case in shards, its NIfTI files out of reach."""
    labels = read_labels(case.labels, case.case)
    pictures = [read_picture(path, case.case).array for path in case.images]
    folder.mkdir(exist_ok=True)
    files = [folder / f"{case.case}-{number}.bricks" for number in range(len(pictures))]
    told = [write_picture(path, array) for path, array in zip(files, pictures, strict=True)]
    paths = folder / f"{case.case}-labels.bricks", folder / f"{case.case}-marks.npz"
    marked = write_labels(*paths, labels.array, pictures, labels.geometry)
    # As they come back from a database.
    told, marked = json.loads(json.dumps([told, marked]))
    shard = Shard.of(files, *paths, told, marked)
    gone = tuple(path.with_name("gone") for path in case.images)
    return replace(case, image=gone, labels=case.labels.with_name("gone"), shard=shard)


def ball_in(folder: Path, name: str, modality: str = "MR") -> TrainingCase:
    """Give a ball that was made."""
    return TrainingCase(
        name, folder / f"{name}.nii.gz", folder / f"{name}-l.nii.gz", (0.0, 500.0), modality
    )


def weights_of(path: Path) -> str:
    """Give a digest of all tensors in a file."""
    found = hashlib.sha256()
    tensors, _ = read_tensors(path)
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].numpy().tobytes())
    return found.hexdigest()
