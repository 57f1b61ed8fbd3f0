"""Small nets and volumes to mark organs in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from prompt_bodies import BALL_MM, TINY, ellipsoid

from medprep.geometry import Geometry
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.volume import Volume


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """So small nets are quickest, whatever else the machine does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def net() -> SamMed3d:
    """A tiny net with random weights."""
    torch.manual_seed(0)
    return SamMed3d(SamMed3dConfig(**TINY)).eval()


@pytest.fixture
def volume() -> Volume:
    """A bright ball in noise, 60 x 51 x 19.5 mm on an uneven grid; its middle is `BALL_MM`."""
    geometry = Geometry.from_parts((20, 34, 26), (3.0, 1.5, 0.75), (-40.0, -50.0, -60.0))
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 30, geometry.shape)
    grey = 100 + 100 * ellipsoid(geometry, BALL_MM, (9.0, 9.0, 9.0)) + noise
    return Volume(grey.clip(0).astype(np.int16), geometry)
