"""Dice by volume and by slice, beside other programs."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medprep.errors import GeometryError, LabelError
from medprep.metrics.overlap import (
    OverlapRow,
    SliceMean,
    Summary,
    dice,
    label_counts,
    overlap_rows,
    slice_mean_dice,
    summarise,
)

NAMES = {1: "liver", 2: "spleen", 3: "kidney"}
SHAPE = (3, 4, 5)

label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]), SHAPE, elements=st.integers(0, 3)
)


def one_voxel(label: int, place: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[place] = label
    return mask


def pairs() -> list[tuple[np.ndarray, np.ndarray]]:
    """Random, one-voxel, empty and full maps."""
    generator = np.random.default_rng(0)
    empty = np.zeros(SHAPE, np.uint8)
    return [
        *((generator.integers(0, 4, SHAPE, np.uint8), generator.integers(0, 4, SHAPE, np.uint8))
          for _ in range(5)),
        (one_voxel(1, (0, 0, 0)), one_voxel(1, (0, 0, 0))),
        (one_voxel(1, (0, 0, 0)), one_voxel(1, (2, 3, 4))),
        (one_voxel(1, (0, 0, 0)), empty),
        (empty, one_voxel(2, (1, 1, 1))),
        (empty, empty),
        (np.full(SHAPE, 3, np.uint8), np.full(SHAPE, 3, np.uint8)),
    ]  # fmt: skip


def test_the_ellipsoids_of_the_challenges_metrics() -> None:
    z, y, x = np.ogrid[:20, :32, :28]
    a = ((z - 9) / 6) ** 2 + ((y - 15) / 10) ** 2 + ((x - 13) / 8) ** 2 <= 1
    b = ((z - 10) / 6) ** 2 + ((y - 16) / 9) ** 2 + ((x - 12) / 9) ** 2 <= 1
    b[2, 2, 2] = True
    (row,) = overlap_rows(a.astype(np.uint8), b.astype(np.uint8), {1: "liver"})
    assert row.dice == pytest.approx(0.8120754716981132, abs=1e-12)


@settings(deadline=None)
@given(label_maps, label_maps)
def test_counts_equal_one_look_at_each_label(reference: np.ndarray, predicted: np.ndarray) -> None:
    counts = label_counts(reference, predicted, 3)
    for label in range(4):
        ours, theirs = reference == label, predicted == label
        assert counts.reference[label] == np.count_nonzero(ours)
        assert counts.predicted[label] == np.count_nonzero(theirs)
        assert counts.intersection[label] == np.count_nonzero(ours & theirs)


@settings(deadline=None)
@given(label_maps, label_maps)
def test_dice_is_symmetric_and_one_with_itself(
    reference: np.ndarray, predicted: np.ndarray
) -> None:
    forth = overlap_rows(reference, predicted, NAMES)
    back = overlap_rows(predicted, reference, NAMES)
    assert [row.dice for row in forth] == [row.dice for row in back]
    assert {row.dice for row in overlap_rows(reference, reference, NAMES)} <= {1.0, None}
    for empty in ("one", "skip"):
        assert slice_mean_dice(reference, predicted, 1, empty) == slice_mean_dice(
            predicted, reference, 1, empty
        )


@pytest.mark.parametrize(("reference", "predicted"), pairs())
def test_dice_equals_simpleitk(reference: np.ndarray, predicted: np.ndarray) -> None:
    sitk = pytest.importorskip("SimpleITK")
    for row in overlap_rows(reference, predicted, NAMES):
        measures = sitk.LabelOverlapMeasuresImageFilter()
        measures.Execute(
            *(
                sitk.GetImageFromArray((array == row.label).astype(np.uint8))
                for array in (reference, predicted)
            )
        )
        if row.reference_voxels + row.predicted_voxels == 0:
            assert row.dice is None
        else:
            assert row.dice == pytest.approx(measures.GetDiceCoefficient(), abs=1e-12)


def test_dice_equals_monai() -> None:
    pytest.importorskip("monai")
    import torch
    from monai.metrics import compute_dice

    for reference, predicted in pairs():
        one_hot = (
            torch.from_numpy(np.stack([array == label for label in range(4)])[None])
            for array in (predicted, reference)
        )
        theirs = compute_dice(*one_hot, include_background=False, ignore_empty=False)[0].tolist()
        for row, value in zip(overlap_rows(reference, predicted, NAMES), theirs, strict=True):
            # Asked not to leave it out, MONAI gives 1 where both are empty.
            assert (1.0 if row.dice is None else row.dice) == pytest.approx(value, abs=1e-6)


def test_a_label_in_neither_is_not_scored_and_in_one_is_zero() -> None:
    rows = overlap_rows(one_voxel(1, (0, 0, 0)), one_voxel(2, (0, 0, 0)), NAMES)
    assert rows == [
        OverlapRow(1, "liver", 1, 0, 0, 0.0),
        OverlapRow(2, "spleen", 0, 1, 0, 0.0),
        OverlapRow(3, "kidney", 0, 0, 0, None),
    ]


def test_dice_from_counts() -> None:
    assert dice(4, 2, 1) == pytest.approx(1 / 3)
    assert dice(0, 3, 0) == 0.0
    assert dice(0, 0, 0) is None


def slices() -> tuple[np.ndarray, np.ndarray]:
    """Give four slices: half right, missed, empty in both, right; label 2 must not matter."""
    reference, predicted = np.zeros((2, 4, 2, 2), np.uint8)
    reference[0, 0], predicted[0, :, 0] = 1, 1
    reference[1, 0, 0] = 1
    predicted[1, 1, 1] = 2
    reference[2, 0, 0] = 2
    reference[3], predicted[3] = 1, 1
    return reference, predicted


def test_the_mean_over_slices_names_what_empty_slices_do() -> None:
    reference, predicted = slices()
    assert slice_mean_dice(reference, predicted, 1, "one") == SliceMean((0.5 + 0 + 1 + 1) / 4, 1)
    assert slice_mean_dice(reference, predicted, 1, "skip") == SliceMean(0.5, 1)


def test_only_empty_slices_leave_nothing_to_score() -> None:
    reference, predicted = slices()
    assert slice_mean_dice(reference, predicted, 3, "one") == SliceMean(1.0, 4)
    assert slice_mean_dice(reference, predicted, 3, "skip") == SliceMean(None, 4)


def test_other_grids_are_refused() -> None:
    one, other = np.zeros((2, 3, 4), np.uint8), np.zeros((2, 4, 3), np.uint8)
    for call in (
        lambda: label_counts(one, other, 1),
        lambda: overlap_rows(one, other, NAMES),
        lambda: slice_mean_dice(one, other, 1, "one"),
    ):
        with pytest.raises(GeometryError, match=r"\(2, 3, 4\) and \(2, 4, 3\)"):
            call()


def test_a_label_outside_the_table_is_refused() -> None:
    one, other = one_voxel(1, (0, 0, 0)), one_voxel(4, (0, 0, 0))
    with pytest.raises(LabelError, match="the prediction holds the label 4"):
        label_counts(one, other, 3)
    with pytest.raises(LabelError, match="the reference holds the label 4"):
        label_counts(other, one, 3)
    with pytest.raises(LabelError, match="the prediction holds the label -1"):
        label_counts(one, -one.astype(np.int16), 3)
    with pytest.raises(LabelError, match="a prediction holds whole numbers, not float32"):
        label_counts(one, one.astype(np.float32), 3)


def test_no_voxel_gives_counts_of_nothing() -> None:
    none = np.zeros((0, 4, 4), np.uint8)
    assert label_counts(none, none, 2).reference.tolist() == [0, 0, 0]
    assert slice_mean_dice(none, none, 1, "one") == SliceMean(None, 0)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_a_summary_is_that_of_the_standard_library(values: list[float]) -> None:
    found = summarise(values)
    assert found.mean == pytest.approx(statistics.fmean(values), abs=1e-12)
    assert found.sd == pytest.approx(statistics.stdev(values), abs=1e-12)
    assert found.median == pytest.approx(statistics.median(values), abs=1e-12)
    assert found.n == len(values)


def test_a_summary_of_one_has_no_spread_and_of_none_nothing() -> None:
    assert summarise([0.5]) == Summary(0.5, None, 0.5, 1)
    assert summarise([]) == Summary(None, None, None, 0)
