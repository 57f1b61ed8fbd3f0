"""Options that cannot be used are refused at once."""

from __future__ import annotations

from typing import Any

import pytest

from medprep.errors import OptionError
from medprep.training.options import TrainingOptions


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"lr": -1.0},
        {"steps": 5, "epochs": 2},
        {"seed": -1},
        {"minutes": 0.0},
        {"recipe": "best"},
        {"target": "voxels"},
        {"loss": "l2"},
        {"patch": (32, 0)},
        {"memory": -1.0},
        {"spacing": (1.0, 0.0, 1.0)},
        {"normalise": "pet"},
        {"workers": -1},
        {"precision": "fp8"},
        {"accumulate": 0},
        {"patience": 0},
    ],
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        TrainingOptions(**wrong)
