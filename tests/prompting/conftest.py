"""A scan, labels on it, and weights of a tiny net."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from prompt_bodies import TINY, ellipsoid

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.models.checkpoint import write_tensors
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.volume import LabelMap, Volume

GRID = Geometry.from_parts((16, 30, 26), (3.0, 1.5, 1.5), (-40.0, -50.0, -60.0))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """So small nets are quickest, whatever else the machine does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Two bright balls in noise, and ``labels.nii.gz`` of them with the values 2 and 5."""
    one = ellipsoid(GRID, (-28.0, -35.0, -40.0), (8, 8, 8))
    other = ellipsoid(GRID, (-12.0, -20.0, -30.0), (6, 6, 6))
    noise = np.random.default_rng(0).normal(0, 20, GRID.shape)
    grey = (100 + 100 * (one | other) + noise).clip(1).astype(np.int16)
    nifti.write(tmp_path / "scan.nii.gz", Volume(grey, GRID))
    labels = (2 * one + 5 * other).astype(np.uint8)
    nifti.write(tmp_path / "labels.nii.gz", LabelMap(labels, GRID))
    return tmp_path / "scan.nii.gz"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Of a tiny net, random."""
    torch.manual_seed(0)
    net = SamMed3d(SamMed3dConfig(**TINY))
    record = {"model": "sam-med3d", "config": asdict(net.config)}
    write_tensors(tmp_path / "sam.safetensors", net.state_dict(), record)
    return tmp_path / "sam.safetensors"
