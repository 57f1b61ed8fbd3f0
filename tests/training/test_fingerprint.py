"""The rules by which a training fold becomes a preparation."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from medprep.errors import OptionError, TrainingError
from medprep.geometry import Geometry
from medprep.models.preparation import Preparation
from medprep.models.resampling import shape_at
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets
from medprep.training.cache import Stored
from medprep.training.dataset import Decoded
from medprep.training.fingerprint import Fingerprint, _coarser, fit_batch, fit_patch
from medprep.training.greys import Greys
from medprep.training.online import SliceGrid

ORGANS = Targets({1: "liver"})


def case(
    shape: tuple[int, int, int] = (8, 20, 20),
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    *,
    modality: str = "MR",
    own: bool = True,
    organ: bool = True,
    seed: int = 0,
    channels: int = 1,
) -> Decoded:
    chance = np.random.default_rng(seed)
    labels = (chance.random(shape) > 0.5).astype(np.uint8) * organ
    picture = np.where(labels, chance.normal(100, 10, shape), -1000).astype(np.float32)
    grid = Geometry.from_parts(shape, spacing)
    pictures = tuple(Stored(picture * (n + 1)) for n in range(channels))
    return Decoded(
        f"c{seed}", own, pictures, Stored(labels), SliceGrid.of(grid), grid, (), modality
    )


def test_greys_are_those_inside_the_organs() -> None:
    found = Fingerprint.of([case(seed=1, channels=2), case(seed=2, channels=2)])
    one, two = found.greys
    assert one.mean == pytest.approx(100, abs=1)
    assert one.sd == pytest.approx(10, abs=1)
    assert 65 < one.low < 80 < 120 < one.high < 135
    assert two.mean == pytest.approx(2 * one.mean)


def test_a_case_without_organs_says_nothing_of_their_greys() -> None:
    alone = Fingerprint.of([case(seed=1)])
    for cases in ([case(seed=1), case(organ=False, seed=2)], [case(organ=False), case(seed=1)]):
        beside = Fingerprint.of(cases)
        assert beside.greys == alone.greys
        assert len(beside.shapes) == 2
    none = Fingerprint.of([case(organ=False)])
    assert none.greys[0].mean == -1000
    with pytest.raises(TrainingError, match="c2 has 2 channels, others 1"):
        Fingerprint.of([case(organ=False), case(seed=2, channels=2)])


def test_many_voxels_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medprep.training.marks.GREYS", 500)
    assert Fingerprint.of([case()]).greys[0].mean == pytest.approx(100, abs=2)


def test_of_many_cases_fewer_voxels_are_taken_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def concatenated(parts: list[np.ndarray]) -> np.ndarray:
        taken.extend(map(len, parts))
        return np.hstack(parts)

    monkeypatch.setattr("medprep.training.greys._MOST", 600)
    monkeypatch.setattr(np, "concatenate", concatenated)
    many = Fingerprint.of([case(seed=n) for n in range(3)])
    assert max(taken) == 200
    assert many.greys[0].mean == pytest.approx(100, abs=3)


def test_copies_say_nothing() -> None:
    alone = Fingerprint.of([case(seed=1)])
    beside = Fingerprint.of([case(seed=1), case((9, 9, 9), (5.0, 5.0, 5.0), own=False, seed=3)])
    assert alone == beside
    with pytest.raises(TrainingError, match="no case to learn from"):
        Fingerprint.of([case(own=False)])
    with pytest.raises(TrainingError, match="c2 has 2 channels, others 1"):
        Fingerprint.of([case(), case(seed=2, channels=2)])


def test_modality_decides_unless_it_is_said() -> None:
    ct = Fingerprint.of([case(modality="CT")])
    (scaling,) = ct.scalings()
    grey = ct.greys[0]
    assert scaling == Scaling("z-score", grey.low, grey.high, grey.mean, grey.sd)
    assert ct.scalings("mr") == (Scaling("z-score"),)
    assert ct.scalings("window") == (Scaling("window"),)
    for other in (["MR"], ["CT", "MR"], [""]):
        mixed = Fingerprint.of([case(modality=one, seed=n) for n, one in enumerate(other)])
        assert mixed.scalings() == (Scaling("z-score"),)
    with pytest.raises(OptionError, match="--normalise is 'pet'; wanted is window, ct, mr"):
        ct.scalings("pet")  # type: ignore[arg-type]


def test_spacing_is_the_median_where_cases_differ() -> None:
    def spacing(*steps: float, dimensions: int = 3) -> object:
        cases = [case(spacing=(step, 1.0, 1.0), seed=n) for n, step in enumerate(steps)]
        return Fingerprint.of(cases).target_spacing(dimensions)  # type: ignore[arg-type]

    assert spacing(2.0, 2.08, 2.04) is None, "within 5% they are one"
    assert spacing(2.0, 2.0, 3.0, 4.0, 9.0) == (3.0, 1.0, 1.0)
    assert spacing(2.0, 4.0, dimensions=2) is None


def test_a_preparation_follows() -> None:
    cases = [case((30 + n, 50, 35), seed=n) for n in range(5)]
    found = Fingerprint.of(cases)
    volumes, batch = found.preparation(3, ORGANS, 8)
    assert volumes.patch == (32, 48, 32)
    assert batch == 5
    assert volumes.spacing_mm is None
    assert volumes.targets == ORGANS
    slices, batch = found.preparation(2, ORGANS, 16)
    assert slices.patch == (64, 48), "slices are covered whole"
    assert batch == 8
    coarse, _ = found.preparation(3, ORGANS, 8, spacing_mm=(2.0, 2.0, 2.0))
    assert coarse.patch == (16, 24, 16)
    assert coarse.spacing_mm == (2.0, 2.0, 2.0)
    asked, batch = found.preparation(3, ORGANS, 8, patch=(8, 8, 8), normalise="window")
    assert (asked.patch, asked.scalings, batch) == ((8, 8, 8), (Scaling("window"),), 8)
    json.dumps(found.to_dict())


def test_a_patch_that_would_show_little_of_a_volume_is_shown_larger_voxels() -> None:
    """The rule by which nnU-Net plans its low resolution, where neither grid nor patch is said."""
    many, step = (36, 256, 256), (7.7, 1.25, 1.25)
    found = Fingerprint((step,) * 3, (many,) * 3, ("MR",), (Greys(0.0, 1.0, 0.5, 0.1),))

    def prepared(**given: Any) -> Preparation:
        return found.preparation(3, ORGANS, 8, voxels=120_000, **given)[0]

    fine, coarse = prepared(), prepared(least_share=0.25)
    assert fine.spacing_mm is None
    assert coarse.spacing_mm is not None
    covered = np.prod(coarse.patch) / np.prod(shape_at(many, step, coarse.spacing_mm))
    assert 0.25 <= covered < 0.3
    assert np.prod(fine.patch) / np.prod(many) < 0.03
    slices, rows, columns = coarse.spacing_mm
    assert rows == columns
    assert 1.25 < rows < slices < 1.1 * 7.7, "what is fine gives way first"
    assert prepared(least_share=0.25, spacing_mm=step).spacing_mm == step
    assert prepared(least_share=0.25, patch=(8, 8, 8)).spacing_mm is None
    small = Fingerprint.of([case((36, 50, 35))]).preparation(3, ORGANS, 8, least_share=0.25)[0]
    assert small.spacing_mm is None, "a patch that shows it whole needs no larger voxels"


@pytest.mark.parametrize("step", [0.0004, 0.005, 0.016])
def test_the_finest_voxels_become_larger_too(step: float) -> None:
    """Rounded to micrometres they would stay as they are."""
    coarse = (step,) * 3
    for _ in range(100):
        larger = _coarser(coarse)
        assert larger > coarse
        coarse = larger
    assert _coarser((0.016, 0.1, 0.1))[0] > 0.016
    assert _coarser((7.7, 1.25, 1.25)) == (7.7, 1.288, 1.288)


def test_patches_fit_into_memory() -> None:
    assert fit_patch((256, 256), (1, 1), 16, 4 << 16) == (256, 256)
    assert fit_patch((512, 100), (1, 1), 16, 4 << 16) == (256, 112)
    assert fit_patch((5, 5, 5), (1, 1, 1), 16, 1) == (16, 16, 16), "never below the multiple"
    for voxels in (20_000, 300_000, 2_000_000):
        patch = fit_patch((36, 256, 256), (7.7, 1.25, 1.25), 8, voxels)
        assert 2 * np.prod(patch) <= voxels
        assert all(side % 8 == 0 for side in patch)
        assert fit_batch(patch, voxels) >= 2
    assert fit_patch((64, 64, 64), (4.0, 1.0, 1.0), 16, 2 * 48 * 64 * 64)[0] == 48
