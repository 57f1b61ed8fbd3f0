"""Scores of a whole case: every metric, every state, the CHAOS challenge's points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.errors import GeometryError, LabelError, OptionError
from medprep.geometry import Geometry
from medprep.metrics.catalogue import CHAOS, METRICS
from medprep.metrics.chaos import chaos_points
from medprep.metrics.definitions import DEFINITIONS
from medprep.metrics.evaluation import LabelScore
from medprep.metrics.scores import score_case

NAMES = {1: "liver", 2: "spleen"}
GENERAL = tuple(name for name, one in METRICS.items() if one.family != "chaos")
OVERLAP = tuple(name for name, one in METRICS.items() if one.family in ("overlap", "volume"))
SHAPE = (4, 6, 8)
GRID = Geometry.from_parts(SHAPE, (3.0, 0.5, 2.0))
DIAGONAL = math.hypot(3 * 3.0, 5 * 0.5, 7 * 2.0)


def block(label: int, *, start: int = 1) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3, 1:4, start : start + 3] = label
    return mask


def score(
    reference: np.ndarray,
    predicted: np.ndarray | None,
    *,
    names: dict[int, str] = NAMES,
    metrics: tuple[str, ...] = GENERAL,
    definition: str = "medprep",
    geometry: Geometry = GRID,
    regions: dict[str, tuple[str, ...]] | None = None,
) -> list[LabelScore]:
    return score_case(
        reference,
        predicted,
        names,
        geometry,
        metrics=metrics,
        definition=DEFINITIONS[definition],
        tolerance_mm=dict.fromkeys([*names.values(), *(regions or {})], 1.0),
        regions=regions,
    )


def ellipsoids() -> tuple[np.ndarray, np.ndarray]:
    z, y, x = np.ogrid[:20, :32, :28]
    a = ((z - 9) / 6) ** 2 + ((y - 15) / 10) ** 2 + ((x - 13) / 8) ** 2 <= 1
    b = ((z - 10) / 6) ** 2 + ((y - 16) / 9) ** 2 + ((x - 12) / 9) ** 2 <= 1
    b[2, 2, 2] = True
    return a, b


def test_the_ellipsoids_of_the_challenge() -> None:
    grid = Geometry.from_parts((20, 32, 28), (3, 0.7, 0.7))
    (found,) = score(
        *ellipsoids(), names={1: "liver"}, metrics=CHAOS, definition="chaos-code", geometry=grid
    )
    dice, ravd, assd, mssd = (
        0.8120754716981132, 0.1508295625942685, 1.0750946475159127, 10.346496991735897,
    )  # fmt: skip
    points = [100 * dice, 100 - 20 * ravd, 100 - 20 / 3 * assd, 100 - 5 / 3 * mssd]
    wanted = [dice, ravd, assd, mssd, *points, sum(points) / 4]
    assert [found.values[name] for name in CHAOS] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("values", "points"),
    [
        ((0.8, 5.0, 15.0, 60.0), [80.0, 0.0, 0.0, 0.0, 20.0]),
        ((0.799, 5.1, 15.1, 60.1), [0.0] * 5),
        ((1.0, 0.0, 0.0, 0.0), [100.0] * 5),
        ((0.9, 2.0, 3.0, 12.0), [90.0, 60.0, 80.0, 80.0, 77.5]),
        ((None, 2.0, 3.0, 12.0), [None, 60.0, 80.0, 80.0, None]),
    ],
)
def test_the_challenges_points(
    values: tuple[float | None, ...], points: list[float | None]
) -> None:
    names = ("dice", "ravd_percent", "assd_mm", "mssd_mm")
    found = chaos_points(dict(zip(names, values, strict=True)))
    assert list(found.values()) == [one if one is None else pytest.approx(one) for one in points]


def test_metrics_come_in_their_order_and_only_those_asked_for() -> None:
    liver, _ = score(block(1), block(1, start=2), metrics=("hd_mm", "iou", "dice"))
    assert tuple(liver.values) == ("dice", "iou", "hd_mm")
    (chaos, _) = score(block(1), block(1), metrics=("chaos_score",), definition="chaos-code")
    assert dict(chaos.values) == {"chaos_score": 100.0}


def test_a_moved_block_by_hand() -> None:
    liver, spleen = score(block(1), block(1, start=2))
    assert (liver.label, liver.organ, liver.region, liver.state) == (1, "liver", False, "both")
    assert (liver.reference_voxels, liver.predicted_voxels, liver.intersection) == (18, 18, 12)
    assert liver.voxel_ml == pytest.approx(0.003)
    assert liver.values["dice"] == pytest.approx(24 / 36)
    assert liver.values["volume_difference_ml"] == 0.0
    assert liver.values["hd_mm"] == pytest.approx(2.0)
    assert liver.slice_dice == pytest.approx((None, 24 / 36, 24 / 36, None))
    assert spleen.state == "neither"
    assert set(spleen.values.values()) == {None}
    assert spleen.slice_dice == (None,) * 4


def test_volumes_are_in_millilitres() -> None:
    liver, _ = score(block(1), np.where(block(1, start=2)[..., ::-1] | block(1), 1, 0))
    extra = liver.predicted_voxels - 18
    assert extra > 0
    assert liver.values["volume_difference_ml"] == pytest.approx(extra * 0.003)
    assert liver.values["volume_difference_percent"] == pytest.approx(100 * extra / 18)


def test_an_organ_in_one_map_only() -> None:
    liver, spleen = score(block(1), block(2))
    assert (liver.state, spleen.state) == ("reference only", "prediction only")
    ml = 18 * 0.003
    for found, precision, recall, volume, percent in (
        (liver, None, 0.0, -ml, -100.0),
        (spleen, 0.0, None, ml, None),
    ):
        assert found.values["dice"] == found.values["iou"] == found.values["nsd"] == 0.0
        assert found.values["volume_similarity"] == 0.0
        assert found.values["precision"] == precision
        assert found.values["recall"] == recall
        assert found.values["volume_difference_ml"] == pytest.approx(volume)
        assert found.values["volume_difference_percent"] == percent
        for name in ("hd_mm", "hd95_mm", "assd_mm", "masd_mm"):
            assert found.values[name] == pytest.approx(DIAGONAL)
        assert set(found.slice_dice) == {None, 0.0}


def test_a_missing_prediction_is_a_failure_of_every_organ() -> None:
    liver, spleen = score(block(1), None)
    assert (liver.state, spleen.state) == ("missing", "missing")
    (in_one, _) = score(block(1), block(0))
    assert liver.values == in_one.values
    for name in ("dice", "iou", "recall", "volume_similarity", "nsd"):
        assert spleen.values[name] == 0.0
    assert spleen.values["hd95_mm"] == pytest.approx(DIAGONAL)
    # Without a voxel in the reference nobody knows a difference; 0 would be the best there is.
    for name in ("precision", "volume_difference_ml", "volume_difference_percent"):
        assert spleen.values[name] is None
    assert (spleen.reference_voxels, spleen.predicted_voxels) == (0, 0)


def test_the_challenge_and_a_missing_prediction_of_what_is_not_there() -> None:
    _, spleen = score(block(1), None, metrics=CHAOS, definition="chaos-code")
    assert (spleen.state, spleen.values["ravd_percent"]) == ("missing", 100.0)
    assert spleen.values["chaos_ravd_score"] == spleen.values["chaos_dice_score"] == 0.0


@pytest.mark.parametrize("predicted", [None, block(0)])
def test_the_challenge_gives_the_worst_to_an_empty_prediction(
    predicted: np.ndarray | None,
) -> None:
    liver, _ = score(block(1), predicted, metrics=CHAOS, definition="chaos-code")
    assert liver.values["dice"] == 0.0
    assert liver.values["ravd_percent"] == 100.0
    assert liver.values["assd_mm"] == liver.values["mssd_mm"] == pytest.approx(DIAGONAL)
    assert liver.values["chaos_dice_score"] == liver.values["chaos_ravd_score"] == 0.0
    assert liver.values["chaos_assd_score"] == 0.0


def test_the_challenge_and_an_organ_that_should_not_be_there() -> None:
    _, spleen = score(block(1), block(2), metrics=CHAOS, definition="chaos-document")
    assert spleen.values["ravd_percent"] == 100.0
    assert spleen.values["dice"] == 0.0
    nothing, _ = score(block(2), block(2), metrics=CHAOS, definition="chaos-document")
    assert set(nothing.values.values()) == {None}


def test_a_region_is_one_mask() -> None:
    reference = block(1) | block(2, start=4)
    predicted = block(2) | block(1, start=4)
    regions = {"both": ("liver", "spleen"), "liver again": ("liver",)}
    liver, _, both, again = score(reference, predicted, regions=regions)
    assert liver.values["dice"] == 0.0
    assert (both.label, both.organ, both.region, both.state) == (0, "both", True, "both")
    assert both.intersection == both.reference_voxels == 36
    assert both.values["dice"] == both.values["nsd"] == 1.0
    assert both.values["hd_mm"] == 0.0
    assert both.slice_dice == (None, 1.0, 1.0, None)
    assert again.values == liver.values
    assert again.slice_dice == liver.slice_dice


def test_labels_may_have_gaps_and_come_in_any_order() -> None:
    names = {700: "tumour", 3: "liver"}
    reference, predicted = block(1).astype(np.uint16) * 700, block(1).astype(np.int64) * 3
    liver, tumour = score(reference, predicted, names=names)
    assert (liver.label, liver.state) == (3, "prediction only")
    assert (tumour.label, tumour.organ, tumour.state) == (700, "tumour", "reference only")


@settings(max_examples=50)
@given(st.integers(0, 2**16))
def test_all_definitions_score_any_maps(seed: int) -> None:
    generator = np.random.default_rng(seed)
    reference, predicted = generator.integers(0, 3, (2, *SHAPE), np.uint8)
    for name, definition in DEFINITIONS.items():
        metrics = CHAOS if name.startswith("chaos") else GENERAL
        for one in score(reference, predicted, metrics=metrics, definition=name):
            assert one.values["dice"] == pytest.approx(
                2 * one.intersection / (one.reference_voxels + one.predicted_voxels)
            )
            for value, ours, theirs in zip(
                one.slice_dice, reference == one.label, predicted == one.label, strict=True
            ):
                both = np.count_nonzero(ours) + np.count_nonzero(theirs)
                assert value == (2 * np.count_nonzero(ours & theirs) / both if both else None)
            for key in metrics:
                lacks = METRICS[key].family == "surface" and key not in definition.offers
                assert (one.values[key] is None) == lacks


def test_an_oblique_grid_measures_in_millimetres() -> None:
    turn = np.deg2rad(30)
    direction = [
        [0, -np.sin(turn), np.cos(turn)],
        [0, np.cos(turn), np.sin(turn)],
        [1, 0, 0],
    ]
    oblique = Geometry.from_parts(SHAPE, (3.0, 0.5, 2.0), direction=direction)
    pair = block(1), block(1, start=2)
    for plain, turned in zip(score(*pair), score(*pair, geometry=oblique), strict=True):
        for name, value in plain.values.items():
            assert turned.values[name] == (value if value is None else pytest.approx(value))


def test_another_shape_than_the_grids_is_refused() -> None:
    other = np.zeros((6, 4, 8), np.uint8)
    with pytest.raises(GeometryError, match=r"the prediction has \(6, 4, 8\) voxels"):
        score(block(1), other)
    with pytest.raises(GeometryError, match=r"the reference has \(6, 4, 8\) voxels"):
        score(other, None)


def test_labels_without_a_name_and_broken_maps_are_refused() -> None:
    with pytest.raises(LabelError, match="the prediction holds the label 2 in 18 voxels"):
        score(block(1), block(2), names={1: "liver", 3: "spleen"})
    with pytest.raises(LabelError, match="the reference holds the label 7 in 18 voxels"):
        score(block(7), None)
    with pytest.raises(LabelError, match="a prediction holds whole numbers, not float64"):
        score(block(1), np.full(SHAPE, np.nan))
    with pytest.raises(LabelError, match=r"label 0 \(air\)"):
        score(block(1), block(1), names={0: "air", 1: "liver"})


def test_demands_that_cannot_be_met_are_refused() -> None:
    with pytest.raises(OptionError, match="no metric 'dize'"):
        score(block(1), block(1), metrics=("dize",))
    with pytest.raises(OptionError, match="ravd_percent is the CHAOS challenge's"):
        score(block(1), block(1), metrics=("dice", "ravd_percent"))
    with pytest.raises(OptionError, match="region all is made of gall"):
        score(block(1), block(1), regions={"all": ("liver", "gall")})
    with pytest.raises(OptionError, match="spleen has no tolerance"):
        score_case(
            block(1), block(1), NAMES, GRID, metrics=("nsd",),
            definition=DEFINITIONS["medprep"], tolerance_mm={"liver": 1.0},
        )  # fmt: skip
    # What is not asked for needs no tolerance.
    found = score_case(
        block(1), block(1), NAMES, GRID, metrics=OVERLAP,
        definition=DEFINITIONS["medprep"], tolerance_mm={},
    )  # fmt: skip
    assert found[0].values["dice"] == 1.0
