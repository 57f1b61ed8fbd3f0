"""The small golden case and the plain arithmetic."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig

TESTS = Path(__file__).parents[2]
SMALL: dict[str, Any] = {
    "image_size": 64,
    "embed_dim": 48,
    "depth": 4,
    "heads": 3,
    "window": 3,
    "global_blocks": (1, 3),
    "prompt_dim": 48,
    "iou_hidden": 32,
}


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small() -> SamMed3dConfig:
    """The small golden case's sizes."""
    return SamMed3dConfig(**SMALL)


@pytest.fixture(scope="session")
def fill() -> ModuleType:
    """The maker of the golden weights: numpy alone, seeded by the original's names."""
    return _load(TESTS / "golden" / "fill.py")


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """The plain arithmetic of padded windows, kept beside the benchmark."""
    path = TESTS.parent / "benchmarks" / "plain_sam.py"
    if not path.is_file():
        pytest.skip("benchmarks are not part of the source archive")
    return _load(path)


@pytest.fixture
def net(small: SamMed3dConfig, fill: ModuleType) -> SamMed3d:
    """The small net with the golden weights, loaded by the released names."""
    made = SamMed3d(small).eval()
    tensors = json.loads((TESTS / "golden" / "sam3d_small.keys.json").read_text())["tensors"]
    values = {one["key"]: fill.fill_tensor(one["key"], one["shape"]) for one in tensors}
    made.load_state_dict({name: torch.from_numpy(np.array(v)) for name, v in values.items()})
    return made
