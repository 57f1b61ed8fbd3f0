"""Overlap by volume and by slice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medprep.metrics.overlap import Overlap

NAMES = {1: "liver", 2: "spleen", 3: "kidney"}
SHAPE = (3, 4, 5)

label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]), SHAPE, elements=st.integers(0, 3)
)


def one_voxel(label: int, place: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[place] = label
    return mask


def test_the_ellipsoids_of_the_challenges_metrics() -> None:
    z, y, x = np.ogrid[:20, :32, :28]
    a = ((z - 9) / 6) ** 2 + ((y - 15) / 10) ** 2 + ((x - 13) / 8) ** 2 <= 1
    b = ((z - 10) / 6) ** 2 + ((y - 16) / 9) ** 2 + ((x - 12) / 9) ** 2 <= 1
    b[2, 2, 2] = True
    found = Overlap(int(a.sum()), int(b.sum()), int((a & b).sum()))
    assert found.dice == pytest.approx(0.8120754716981132, abs=1e-12)


@given(label_maps, label_maps)
def test_dice_is_symmetric_and_one_with_itself(
    reference: np.ndarray, predicted: np.ndarray
) -> None:
    for label in NAMES:
        ours, theirs = reference == label, predicted == label
        counts = int(ours.sum()), int(theirs.sum()), int((ours & theirs).sum())
        forth, back = Overlap(*counts), Overlap(counts[1], counts[0], counts[2])
        assert forth.dice == back.dice
        assert Overlap(counts[0], counts[0], counts[0]).dice in (1.0, None)


def test_each_metric_by_hand() -> None:
    found = Overlap(8, 6, 3)
    assert found.dice == pytest.approx(6 / 14)
    assert found.iou == pytest.approx(3 / 11)
    assert found.precision == pytest.approx(3 / 6)
    assert found.recall == pytest.approx(3 / 8)
    assert found.volume_similarity == pytest.approx(1 - 2 / 14)
    assert found.volume_difference_percent == pytest.approx(-25)
    assert found.absolute_volume_difference_percent == pytest.approx(25)
    assert found.volume_difference_ml(0.5) == pytest.approx(-1)
    assert found.absolute_volume_difference_ml(0.5) == pytest.approx(1)


SHARES = ("dice", "iou", "precision", "recall", "volume_similarity")
PERCENT = ("volume_difference_percent", "absolute_volume_difference_percent")


@pytest.mark.parametrize(
    ("counts", "shares", "percent", "ml"),
    [
        ((4, 0, 0), [0.0, 0.0, None, 0.0, 0.0], [-100.0, 100.0], [-2.0, 2.0]),
        ((0, 4, 0), [0.0, 0.0, 0.0, None, 0.0], [None, None], [2.0, 2.0]),
        ((0, 0, 0), [None] * 5, [None, None], [None, None]),
        ((4, 4, 4), [1.0] * 5, [0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_what_empty_masks_give(
    counts: tuple[int, int, int],
    shares: list[float | None],
    percent: list[float | None],
    ml: list[float | None],
) -> None:
    found = Overlap(*counts)
    assert [getattr(found, name) for name in SHARES] == shares
    assert [getattr(found, name) for name in PERCENT] == percent
    lengths = [found.volume_difference_ml(0.5), found.absolute_volume_difference_ml(0.5)]
    assert lengths == ml
