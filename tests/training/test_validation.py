"""Validation scores on a case's own grid."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.models.preparation import Preparation
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets
from medprep.training.cache import Store
from medprep.training.dataset import TrainingCase
from medprep.training.validation import Validation
from medprep.volume import LabelMap, Volume

CPU = torch.device("cpu")
ORGANS = {1: "box", 2: "nowhere"}


class Bright(nn.Module):
    """Calls the first organ what is brighter than a half."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([0.5 - x, x - 0.5, torch.full_like(x, -9.0)], 1)


@pytest.fixture
def case(tmp_path: Path) -> TrainingCase:
    labels = np.zeros((12, 16, 20), np.uint8)
    labels[2:8, 4:12, 4:16] = 1
    picture = labels.astype(np.int16) * 100
    picture[0] = 100  # a slice that is taken for the organ
    grid = Geometry.from_parts(labels.shape, (2.0, 1.0, 1.0))
    nifti.write(tmp_path / "i.nii.gz", Volume(picture, grid))
    nifti.write(tmp_path / "l.nii.gz", LabelMap(labels, grid, ORGANS))
    return TrainingCase("a", tmp_path / "i.nii.gz", tmp_path / "l.nii.gz", (0.0, 100.0))


@pytest.mark.parametrize("patch", [(16, 16), (8, 8, 8)])
def test_dice_by_hand(patch: tuple[int, ...], case: TrainingCase) -> None:
    dimensions: Literal[2, 3] = 2 if len(patch) == 2 else 3
    preparation = Preparation(
        dimensions,
        (Scaling("window"),),
        None,
        patch,
        Targets(ORGANS),
    )
    watched = Validation([case], preparation, Store())
    inside, wrong = 6 * 8 * 12, 16 * 20
    expected = 2 * inside / (2 * inside + wrong)
    assert watched.mean_dice(Bright(), preparation, CPU) == pytest.approx(expected)
    assert watched.voxels() == 12 * 16 * 20


def test_on_a_coarser_grid_the_score_is_of_the_own_one(case: TrainingCase) -> None:
    preparation = Preparation(3, (Scaling("window"),), (2.0, 2.0, 2.0), (8, 8, 8), Targets(ORGANS))
    watched = Validation([case], preparation, Store())
    assert watched.voxels() == 12 * 8 * 10
    inside, wrong = 6 * 8 * 12, 16 * 20
    score = watched.mean_dice(Bright(), preparation, CPU)
    assert score == pytest.approx(2 * inside / (2 * inside + wrong), abs=0.02)


def test_regions_are_scored_as_regions(case: TrainingCase) -> None:
    targets = Targets({1: "core", 2: "rim"}, {"whole": ("rim", "core")})
    preparation = Preparation(2, (Scaling("window"),), None, (16, 16), targets)

    class Whole(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x - 0.5, torch.full_like(x, -9.0)], 1)

    watched = Validation([case], preparation, Store())
    inside, wrong = 6 * 8 * 12, 16 * 20
    # Painted as rim, it is the whole; the core is not found.
    expected = (2 * inside / (2 * inside + wrong) + 0) / 2
    assert watched.mean_dice(Whole(), preparation, CPU) == pytest.approx(expected)


def test_without_an_organ_nothing_is_better_than_another(case: TrainingCase) -> None:
    """Else a wrong organ would be a Dice of 0, and better than none, which is right."""
    labels = nifti.read_label_map(case.labels)
    none = LabelMap(np.zeros_like(labels.array), labels.geometry, ORGANS)
    nifti.write(case.labels, none)
    preparation = Preparation(2, (Scaling("window"),), None, (16, 16), Targets(ORGANS))
    watched = Validation([case], preparation, Store())
    assert watched.mean_dice(Bright(), preparation, CPU) is None
    assert watched.voxels() == 12 * 16 * 20


def test_nobody() -> None:
    preparation = Preparation(2, (Scaling("window"),), None, (16, 16), Targets(ORGANS))
    assert Validation([], preparation, Store()).mean_dice(Bright(), preparation, CPU) is None
