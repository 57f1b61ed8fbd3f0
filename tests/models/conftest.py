"""Weights and inputs of the golden cases."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="session")
def fill() -> ModuleType:
    """The maker of the golden weights: numpy alone, seeded by the original's names."""
    spec = importlib.util.spec_from_file_location("fill", GOLDEN / "fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def key_file(name: str) -> dict[str, Any]:
    """Names and shapes of an original's tensors."""
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.keys.json").read_text())
    return found


@pytest.fixture(scope="session")
def original_weights(fill: ModuleType) -> Callable[[str], dict[str, Tensor]]:
    """Give an original's state_dict, filled by its names."""

    def make(name: str) -> dict[str, Tensor]:
        return {
            one["key"]: torch.from_numpy(
                np.asarray(fill.fill_tensor(one["key"], one["shape"], "int" in one["dtype"]))
            )
            for one in key_file(name)["tensors"]
        }

    return make


@pytest.fixture(scope="session")
def original_shapes() -> Callable[[str], dict[str, Any]]:
    """Give the key file of an original."""
    return key_file
