"""What the report takes from scores: which numbers, in which order."""

from __future__ import annotations

from statistics import fmean

import pytest
from made_scores import evaluation, label

from medprep.metrics.catalogue import METRICS
from medprep.reporting.agreement import agreements
from medprep.reporting.scores import (
    Counts,
    counts_of,
    drawn_metrics,
    headline_of,
    main_metrics,
    otherwise_of,
    to_show,
    worst_first,
    written,
)

MIXED = evaluation(
    {
        "p1-a": [label("liver", 0.9), label("spleen", 0.7), label("both", 0.8, region=True)],
        "p1-b": [label("liver", 0.7), label("spleen", None, state="neither")],
        "p2-a": [label("liver", 0.0, state="missing"), label("spleen", 0.0, state="missing")],
        "p3-a": [label("liver", 0.4), label("spleen", 0.0, state="reference only")],
        "p4-a": [label("liver", 0.0, state="missing"), label("spleen", 0.0, state="missing")],
    },
    extra=("p9-a",),
    failed={"p4-a": "grids differ"},
)


def test_counts_tell_missing_from_failed_and_leave_regions_out() -> None:
    assert counts_of(MIXED) == Counts(4, 5, neither=1, one_only=1, missing=1, extra=1, failed=1)


def test_headline_is_the_mean_of_patients_means_over_organs() -> None:
    found = headline_of(MIXED)
    assert found is not None
    # p1: liver (0.9 + 0.7) / 2, spleen 0.7; p2 and p4 nothing; p3: 0.4 and 0.
    assert found.short.mean == pytest.approx(fmean([0.75, 0.0, 0.2, 0.0]))
    assert found.short.n == 4
    assert [row.organ for row in found.organs] == ["liver", "spleen"]
    assert [(row.neither, row.missing) for row in found.organs] == [(0, 2), (1, 2)]


def test_headline_of_nothing_scored_is_none() -> None:
    assert headline_of(evaluation({"p1-a": [label("liver", None, state="neither")]})) is None
    assert headline_of(evaluation({})) is None


def test_worst_first_has_missing_at_the_top_and_what_is_not_scored_at_the_end() -> None:
    order = [(case.case, one.organ) for case, one in worst_first(MIXED)]
    assert order == [
        ("p2-a", "liver"), ("p2-a", "spleen"), ("p4-a", "liver"), ("p4-a", "spleen"),
        ("p3-a", "spleen"), ("p3-a", "liver"), ("p1-a", "spleen"), ("p1-b", "liver"),
        ("p1-a", "both"), ("p1-a", "liver"), ("p1-b", "spleen"),
    ]  # fmt: skip


def test_large_distances_are_worst() -> None:
    lengths = evaluation(
        {f"p{n}-a": [label("liver", None, hd95_mm=float(n))] for n in (2, 9, 4)},
        metrics=("hd95_mm",),
    )
    assert [case.case for case, _ in worst_first(lengths)] == ["p9-a", "p4-a", "p2-a"]


def test_cases_to_show_have_a_prediction_and_come_once_with_their_worst_organ() -> None:
    assert [(case.case, one.organ) for case, one in to_show(MIXED, 9)] == [
        ("p3-a", "spleen"), ("p1-a", "spleen"), ("p1-b", "liver"),
    ]  # fmt: skip
    assert len(to_show(MIXED, 1)) == 1


def test_other_conventions_of_dice() -> None:
    one = evaluation(
        {
            "p1-a": [label("liver", 0.9, voxels=(100, 100, 90), slices=(None, 0.8, 1.0))],
            "p2-a": [label("liver", 0.5, voxels=(20, 20, 10), slices=(0.5, None, None))],
        }
    )
    (row,) = otherwise_of(one)
    assert row.by_patient == pytest.approx(0.7)
    assert row.pooled == pytest.approx(2 * 100 / 240)
    assert row.slices_empty_one == pytest.approx(fmean([2.8 / 3, 2.5 / 3]))
    assert row.slices_empty_left_out == pytest.approx(fmean([0.9, 0.5]))


def test_without_a_dice_there_are_no_other_conventions() -> None:
    lengths = evaluation({"p1-a": [label("liver", None)]}, metrics=("hd95_mm",))
    assert otherwise_of(lengths) == []
    assert [one.name for one in drawn_metrics(lengths)] == ["hd95_mm"]


def test_unusual_metrics_are_shown_where_they_are_all_there_is() -> None:
    odd = evaluation({"p1-a": [label("liver", None)]}, metrics=("iou", "recall"))
    assert [one.name for one in drawn_metrics(odd)] == ["iou"]
    assert [one.name for one in main_metrics(odd)] == ["iou", "recall"]


def test_volumes_agree_by_patient() -> None:
    one = evaluation(
        {
            "p1-a": [label("liver", 0.9, voxels=(1000, 1200, 900))],
            "p1-b": [label("liver", 0.9, voxels=(2000, 2200, 900))],
            "p2-a": [label("liver", 0.0, voxels=(1000, 0, 0), state="reference only")],
            "p3-a": [label("liver", 0.0, voxels=(1000, 0, 0), state="missing")],
            "p4-a": [label("liver", None, voxels=(0, 0, 0), state="neither")],
        }
    )
    (found,) = agreements(one)
    assert found.volumes_ml == {"p1": (15.0, 17.0), "p2": (10.0, 0.0)}
    assert found.mean_ml == pytest.approx(-4.0)
    assert found.low_ml == pytest.approx(-4 - 1.96 * 72**0.5)
    assert found.high_ml == pytest.approx(-4 + 1.96 * 72**0.5)


def test_one_patient_has_a_difference_but_no_limits() -> None:
    (found,) = agreements(evaluation({"p1-a": [label("liver", 0.9)]}))
    assert (found.mean_ml, found.low_ml, found.high_ml) == (-1.0, None, None)


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (0.91236, "dice", "0.9124"),
        (12.345, "hd95_mm", "12.35"),
        (-1234.5, "volume_difference_ml", "-1,234.50"),
        (87.654, "chaos_score", "87.65"),
        (None, "dice", "–"),
    ],
)
def test_values_are_written_by_their_kind(value: float | None, name: str, text: str) -> None:
    assert written(value, METRICS[name]) == text
