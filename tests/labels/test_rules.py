"""The cleaning rules and their account."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.errors import LabelError, OptionError
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.labels.audit import AuditRow, lost_organs
from medprep.labels.cleaning import apply_rules, judge
from medprep.labels.rules import Rules

NAMES = {1: "liver", 2: "spleen", 3: "kidneys", 4: "right_kidney", 5: "left_kidney"}
CUBES = np.ones((3, 3, 3))

label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]),
    arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=7),
    elements=st.sampled_from([0, 0, 1, 1, 1, 2, 3]),
    fill=st.sampled_from([0, 1]),
)
all_rules = st.builds(
    Rules,
    min_case_ml=st.sampled_from([0.0, 0.0, 0.02]),
    min_case_side_mm=st.sampled_from([0.0, 0.0, 2.0]),
    split_pairs=st.booleans(),
    keep=st.sampled_from([None, 1, 2, 5]),
    keep_of=st.sampled_from([(), (("spleen", 2),)]),
    min_piece_ml=st.sampled_from([0.0, 0.002, 0.003]),
    fill_holes=st.sampled_from(["none", "2d", "3d"]),
    min_ml=st.sampled_from([0.0, 0.005, 0.02]),
    min_side_mm=st.sampled_from([0.0, 2.0, 3.0]),
    max_background_percent=st.sampled_from([100.0, 99.0, 80.0]),
)


def grid(labels: np.ndarray, *spacing_mm: float) -> Geometry:
    return Geometry.from_parts(labels.shape, spacing_mm or (1, 1, 1))


def halves(labels: np.ndarray) -> tuple[np.ndarray, str]:
    """Part the kidneys in the middle of the columns."""
    parted = labels.copy()
    middle = labels.shape[2] // 2
    for label, part in ((4, parted[..., :middle]), (5, parted[..., middle:])):
        part[part == 3] = label
    return parted, "in the middle"


def clean(labels: np.ndarray, rules: Rules) -> tuple[np.ndarray, list[AuditRow]]:
    return apply_rules(labels, grid(labels), NAMES, rules, halves)


@settings(max_examples=300)
@given(label_maps, all_rules, st.sampled_from([0, 1, 2]))
def test_every_voxel_is_accounted_for(labels: np.ndarray, rules: Rules, radius: int) -> None:
    before = labels.copy()
    cleaned, rows = clean(labels, replace(rules, smooth_radius=radius))
    assert np.array_equal(labels, before)
    assert cleaned.dtype == labels.dtype
    chains = defaultdict(list)
    for row in rows:
        assert row.name == NAMES[row.label]
        assert row.before - row.removed + row.added == row.after
        assert 0 <= row.removed <= row.before
        assert row.before_ml == pytest.approx(row.before * 0.001)
        assert row.after_ml == pytest.approx(row.after * 0.001)
        assert row.dropped == (row.before > 0 == row.after and row.rule != "split")
        chains[row.label].append(row)
    assert list(chains) == list(NAMES)
    for label, chain in chains.items():
        assert chain[0].before == np.count_nonzero(labels == label)
        assert chain[-1].after == np.count_nonzero(cleaned == label)
        assert all(one.after == other.before for one, other in pairwise(chain))
    # Of the input, each voxel is kept or removed; what was added was none of the organ's.
    if not radius and not rules.split_pairs:
        for label, chain in chains.items():
            kept = np.count_nonzero((labels == label) & (cleaned == label))
            added = np.count_nonzero((labels != label) & (cleaned == label))
            removed = np.count_nonzero((labels == label) & (cleaned != label))
            assert kept + removed == chain[0].before
            assert sum(row.added for row in chain) - sum(row.removed for row in chain) == (
                added - removed
            )


@settings(max_examples=400)
@given(label_maps, all_rules)
def test_cleaning_twice_changes_nothing_more(labels: np.ndarray, rules: Rules) -> None:
    once, _ = clean(labels, rules)
    twice, rows = clean(once, rules)
    assert np.array_equal(once, twice)
    assert {(row.removed, row.added, row.dropped) for row in rows} == {(0, 0, False)}


@settings(max_examples=200)
@given(label_maps, all_rules)
def test_what_stays_keeps_to_every_rule(labels: np.ndarray, rules: Rules) -> None:
    cleaned, _ = clean(labels, rules)
    for label in np.unique(cleaned[cleaned != 0]).tolist():
        mask = cleaned == label
        sides = [np.ptp(axis) + 1 for axis in np.nonzero(mask)]
        numbers, count = ndimage.label(mask, CUBES)
        keep = dict(rules.keep_of).get(NAMES[label], rules.keep)
        assert keep is None or count <= keep
        assert np.bincount(numbers.ravel())[1:].min() >= round(rules.min_piece_ml * 1000)
        assert np.count_nonzero(mask) >= round(rules.min_ml * 1000)
        assert min(sides) >= rules.min_side_mm
        assert 100 * np.count_nonzero(~mask) <= rules.max_background_percent * mask.size
        assert not (rules.split_pairs and label == 3)


@settings(max_examples=200)
@given(label_maps, st.integers(1, 4), st.sampled_from([0.0, 0.002]))
def test_pieces_equal_scipys_label_by_label(labels: np.ndarray, keep: int, least: float) -> None:
    expected = np.zeros_like(labels)
    for label in NAMES:
        numbers, count = ndimage.label(labels == label, CUBES)
        size = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
        # By size, then by the first voxel: scipy numbers pieces by it.
        best = sorted(range(count), key=lambda n: (-size[n], n))[:keep]
        wanted = [n + 1 for n in best if size[n] >= round(least * 1000)]
        expected[np.isin(numbers, wanted)] = label
    cleaned, _ = clean(labels, Rules(keep=keep, min_piece_ml=least))
    assert np.array_equal(cleaned, expected)


@given(label_maps, all_rules)
def test_judging_tells_what_cleaning_does(labels: np.ndarray, rules: Rules) -> None:
    assert judge(labels, grid(labels), NAMES, rules, halves) == clean(labels, rules)[1]


PHANTOM = {n: f"organ_{n}" for n in range(1, 7)} | {7: "kidneys", 8: "right", 9: "left"}


def phantom() -> tuple[np.ndarray, Geometry]:
    """A volume of 1,000,000 voxels of 2 x 1 x 1 mm with masks at and beyond each bound."""
    labels = np.zeros((50, 100, 200), np.uint8)
    labels[10:20, 0:50, 0:20] = 1
    labels[10, 0, 0:4] = 0
    labels[30, 98, 0:18:3] = 1  # of six specks four stay: 10,000 voxels, background is 99%
    labels[10:20, 0:50, 30:50] = 2
    labels[10, 0, 30] = 0  # one voxel less
    labels[30:38, 0:15, 0:15] = 3  # sides of 16, 15 and 15 mm
    labels[30:38, 20:34, 0:20] = 4  # 14 mm
    labels[40:48, 50:65, 50] = labels[40:48, 50, 50:65] = 5  # 0.464 ml in a box like that of 3
    labels[10:20, 50:100, 60:80] = labels[10:20, 50:100, 120:140] = 7
    labels[10, 99, 139] = 0
    return labels, grid(labels, 2, 1, 1)


def sides(labels: np.ndarray) -> tuple[np.ndarray, str]:
    column = np.arange(labels.shape[2])
    return np.where(labels == 7, np.where(column < 100, 8, 9), labels).astype(np.uint8), "halves"


def verdicts(rows: list[AuditRow]) -> dict[int, str]:
    dropped = {row.label: row.rule for row in rows if row.dropped}
    return {label: dropped.get(label, "stays") for label in sorted({row.label for row in rows})}


def test_each_violation_gets_its_verdict() -> None:
    labels, geometry = phantom()
    rules = replace(Rules.preset("sam-med3d"), min_ml=1, min_side_mm=15)
    cleaned, rows = apply_rules(labels, geometry, PHANTOM, rules, sides)
    assert verdicts(rows) == dict.fromkeys(PHANTOM, "stays") | {
        2: "background",
        3: "background",
        4: "min-side",
        5: "min-volume",
        9: "background",
    }
    assert rows[0] == AuditRow(
        1, "organ_1", "keep", 10002, 2, 0, 10000, 20.004, 20.0, False, "7 pieces, at most 5 stay"
    )
    assert rows[1].reason == "20 ml, at least 1 ml stay"
    assert rows[2].reason == "42 x 99 x 20 mm, at least 15 mm stay"
    assert rows[3].reason == "background 99.0000%, up to 99% stay"
    (empty,) = (row for row in rows if row.label == 6)
    assert empty == AuditRow(6, "organ_6", "none", 0, 0, 0, 0, 0, 0, False, "no voxel")
    (parted,) = (row for row in rows if row.label == 7)
    assert parted == AuditRow(7, "kidneys", "split", 19999, 19999, 0, 0, 39.998, 0, False, "halves")
    stay = np.where(sides(labels)[0] == 8, 8, labels == 1).astype(np.uint8)
    stay[30, 98, 12:] = 0
    assert np.array_equal(cleaned, stay)


@pytest.mark.parametrize(
    ("field", "dropped"),
    [
        ("min_ml", {5: "min-volume"}),
        ("min_side_mm", {4: "min-side"}),
        ("max_background_percent", dict.fromkeys((2, 3, 4, 5), "background")),
    ],
)
def test_each_rule_alone_drops_what_it_forbids(field: str, dropped: dict[int, str]) -> None:
    labels, geometry = phantom()
    limits = {"min_ml": 1, "min_side_mm": 15, "max_background_percent": 99}
    only = Rules(**{field: limits[field]})
    expected = dict.fromkeys(PHANTOM, "stays") | dropped
    assert verdicts(judge(labels, geometry, PHANTOM, only)) == expected


@pytest.mark.parametrize(("voxels", "stays"), [(1000, True), (999, False)])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.7, 0.7, 1 / 0.49), (3, 1 / 3, 1)])
def test_exactly_one_millilitre_stays(
    voxels: int, stays: bool, spacing: tuple[float, float, float]
) -> None:
    labels = np.zeros((10, 10, 12), np.uint8)
    mask = np.zeros(1000, bool)
    mask[:voxels] = True
    labels[..., 1:11] = mask.reshape(10, 10, 10)
    cleaned, rows = apply_rules(labels, grid(labels, *spacing), NAMES, Rules(min_ml=1))
    assert cleaned.any() == stays
    assert verdicts(rows)[1] == ("stays" if stays else "min-volume")
    pieces = apply_rules(labels, grid(labels, *spacing), NAMES, Rules(min_piece_ml=1))[0]
    assert pieces.any() == stays


@pytest.mark.parametrize(
    ("shape", "spacing", "stays"),
    [
        ((15, 15, 15), (1, 1, 1), True),
        ((14, 15, 15), (1, 1, 1), False),
        ((15, 14, 15), (1, 1, 1), False),
        ((15, 15, 14), (1, 1, 1), False),
        ((5, 50, 150), (3, 0.3, 0.1), True),
        ((4, 50, 150), (3, 0.3, 0.1), False),
        ((5, 49, 150), (3, 0.3, 0.1), False),
        ((5, 50, 149), (3, 0.3, 0.1), False),
    ],
)
def test_a_side_of_exactly_15_mm_stays(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], stays: bool
) -> None:
    labels = np.zeros([n + 2 for n in shape], np.uint8)
    # Two voxels at opposite corners: the box counts, not the voxels.
    labels[1, 1, 1] = labels[shape] = 2
    rules = Rules(min_side_mm=15)
    assert apply_rules(labels, grid(labels, *spacing), NAMES, rules)[0].any() == stays


@pytest.mark.parametrize(
    ("shape", "spacing", "said"),
    [
        ((10, 10, 10), (1.5, 1.5, 1.5), ""),
        ((15, 15, 15), (1, 1, 1), ""),
        ((14, 20, 20), (1, 1, 1), "the picture has 14 x 20 x 20 mm, at least 15 mm stay"),
        ((20, 20, 20), (1, 1, 0.7), "the picture has 20 x 20 x 14 mm, at least 15 mm stay"),
        ((10, 10, 9), (1, 1, 1), "the picture has 0.9 ml, at least 1 ml stay"),
    ],
)
def test_a_case_is_judged_by_its_picture(
    shape: tuple[int, int, int], spacing: tuple[float, float, float], said: str
) -> None:
    """The paper's first step: by metadata, whatever the masks are; exactly 15 mm stay."""
    labels = np.ones(shape, np.uint8)
    labels[0] = 2
    cleaned, rows = apply_rules(
        labels, grid(labels, *spacing), {1: "liver", 2: "spleen"}, Rules.preset("sam-med3d"),
        lambda given: (given, ""),
    )  # fmt: skip
    assert cleaned.any() == (not said)
    assert [row.reason for row in rows if row.rule == "case"] == ([said, said] if said else [])
    assert sum(row.removed for row in rows) == (labels.size if said else 0)
    unknown = Rules(min_case_ml=1000, min_case_side_mm=1000)
    assert apply_rules(labels, None, {1: "liver", 2: "spleen"}, unknown)[0].any()


@pytest.mark.parametrize(
    ("percent", "voxels", "stays"),
    [(99.0, 10, True), (99.0, 9, False), (99.9, 1, True), (98.9, 11, True), (98.9, 10, False)],
)
def test_background_of_exactly_the_limit_stays(percent: float, voxels: int, stays: bool) -> None:
    labels = np.zeros((10, 10, 10), np.uint8)
    labels.reshape(-1)[:voxels] = 2
    cleaned, _ = clean(labels, Rules(max_background_percent=percent))
    assert cleaned.any() == stays


def test_five_pieces_stay_and_of_equal_ones_the_first() -> None:
    labels = np.zeros((1, 3, 40), np.uint8)
    for start, length in ((0, 1), (3, 2), (6, 1), (9, 3), (13, 1), (16, 1), (19, 2)):
        labels[0, 1, start : start + length] = 1
    labels[0, 1, 30] = 2
    cleaned, rows = clean(labels, Rules(keep=5))
    assert np.flatnonzero(cleaned[0, 1] == 1).tolist() == [0, 3, 4, 6, 9, 10, 11, 19, 20]
    assert (rows[0].rule, rows[0].removed, rows[0].reason) == (
        "keep",
        2,
        "7 pieces, at most 5 stay",
    )
    assert (cleaned[0, 1, 30], rows[1].removed) == (2, 0)


def test_one_organ_may_keep_more_pieces_than_the_others() -> None:
    labels = np.array([[[1, 0, 1, 0, 3, 0, 3, 0, 3]]], np.uint8)
    cleaned, _ = clean(labels, Rules(keep=1, keep_of=(("kidneys", 2),)))
    assert cleaned.tolist() == [[[1, 0, 0, 0, 3, 0, 3, 0, 0]]]


def test_pairs_are_parted_before_they_are_judged() -> None:
    labels = np.zeros((10, 10, 20), np.uint8)
    labels[:, :, 0:2] = labels[:, :, 19] = 3
    rules = Rules(split_pairs=True, keep=1, max_background_percent=92.5)
    cleaned, rows = clean(labels, rules)
    assert verdicts(rows) == {n: "background" if n == 5 else "stays" for n in NAMES}
    assert np.array_equal(cleaned == 4, np.broadcast_to(np.arange(20) < 2, labels.shape))
    parted = [
        (row.label, row.removed, row.added, row.reason) for row in rows if row.rule == "split"
    ]
    how = "in the middle"
    assert parted == [(3, 300, 0, how), (4, 0, 200, how), (5, 0, 100, how)]


def test_a_hole_that_a_dropped_organ_leaves_is_filled() -> None:
    labels = np.zeros((7, 7, 7), np.uint8)
    labels[1:6, 1:6, 1:6] = 1
    labels[3, 3, 3] = 2
    cleaned, rows = clean(labels, Rules(fill_holes="3d", min_ml=0.002))
    assert cleaned[3, 3, 3] == 1
    liver = [(row.rule, row.added) for row in rows if row.label == 1]
    assert liver == [("holes", 0), ("min-volume", 0), ("holes", 1)]
    assert verdicts(rows)[2] == "min-volume"


def test_what_was_filled_goes_with_the_mask() -> None:
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[1:4, 1:4, 1:4] = 1
    labels[2, 2, 2] = 0
    cleaned, rows = clean(labels, Rules(fill_holes="3d", min_side_mm=4))
    assert not cleaned.any()
    assert [(row.added, row.removed) for row in rows if row.label == 1] == [(1, 0), (0, 27)]


def test_what_smoothing_moves_between_organs_is_told_of_both() -> None:
    labels = np.ones((3, 3, 3), np.uint8)
    labels[1, 1, 1] = 2
    cleaned, rows = clean(labels, Rules(smooth_radius=1))
    assert (cleaned == 1).all()
    moved = [(row.label, row.removed, row.added, row.dropped) for row in rows[:2]]
    assert moved == [(1, 0, 1, False), (2, 1, 0, True)]
    assert rows[0].reason == "radius 1"


def test_without_spacing_nothing_is_too_small() -> None:
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[1, 1, 1] = 1
    rules = Rules(min_piece_ml=9, min_ml=9, min_side_mm=9, max_background_percent=97)
    cleaned, rows = apply_rules(labels, None, NAMES, rules)
    assert cleaned[1, 1, 1] == 1
    assert [row.rule for row in rows[:4]] == ["min-piece", "min-volume", "min-side", "background"]
    assert {row.reason for row in rows[:3]} == {"not judged: the spacing is unknown"}
    assert {row.after_ml for row in rows} == {None}
    with_spacing, _ = apply_rules(labels, grid(labels), NAMES, rules)
    assert not with_spacing.any()


def test_default_rules_are_those_of_clean_without_options() -> None:
    assert Rules.preset("default") == Rules(keep=1, min_piece_ml=0.05, fill_holes="3d")
    paper = Rules.preset("sam-med3d")
    assert (paper.keep, paper.min_case_ml, paper.min_case_side_mm) == (5, 1, 15)
    assert (paper.min_ml, paper.min_side_mm) == (0, 0)
    assert (paper.max_background_percent, paper.split_pairs) == (99, True)


def test_no_rules_change_nothing() -> None:
    labels = np.array([[[1, 0, 1]]], np.uint8)
    cleaned, rows = clean(labels, Rules())
    assert np.array_equal(cleaned, labels)
    assert [(row.rule, row.reason) for row in rows] == [("none", "no rule")] + [
        ("none", "no voxel")
    ] * 4


def test_organs_whose_every_mask_is_dropped() -> None:
    small = np.array([[[1, 0, 2, 2]]], np.uint8)
    large = np.array([[[1, 0, 3, 2]]], np.uint8)
    rules = Rules(min_piece_ml=0.002)
    cases = [clean(one, rules)[1] for one in (small, large)]
    # The spleen stays in one case; the left kidney is nowhere, so nothing of it is lost.
    assert lost_organs(cases) == ("liver", "kidneys")
    assert lost_organs([]) == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"smooth_radius": -1}, "0 voxels or more, not -1"),
        ({"keep": 0}, "1 piece of an organ or more is kept, not 0"),
        ({"keep_of": (("liver", 0),)}, "1 piece of an organ or more is kept, not 0"),
        ({"min_piece_ml": -1.0}, "smallest volume of a piece kept is 0 or more, not -1"),
        ({"min_ml": float("nan")}, "smallest volume of a mask kept is 0 or more, not nan"),
        ({"min_side_mm": float("inf")}, "smallest side of a mask kept is 0 or more, not inf"),
        ({"fill_holes": "4d"}, "none, 2d, 3d, not '4d'"),
        ({"max_background_percent": 101.0}, "0 to 100 percent of a volume, not 101"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Rules(**options)  # type: ignore[arg-type]


def test_refusals() -> None:
    labels = np.full((1, 1, 2), 7, np.uint8)
    with pytest.raises(LabelError, match=r"labels \[7\] have no name"):
        clean(labels, Rules())
    with pytest.raises(LabelError, match=r"labels \[9\] have no name"):
        apply_rules(
            np.ones((1, 1, 1), np.uint8), None, NAMES, Rules(split_pairs=True),
            lambda found: (found * np.uint8(9), ""),
        )  # fmt: skip
    with pytest.raises(LabelError, match="not 2 axes of uint8"):
        apply_rules(np.zeros((2, 2), np.uint8), None, NAMES, Rules())
    with pytest.raises(OptionError, match="nothing is given that splits"):
        apply_rules(labels, None, {7: "kidneys"}, Rules(split_pairs=True))
    with pytest.raises(OptionError, match=r"no organ \['pancreas'\]"):
        clean(np.zeros((1, 1, 1), np.uint8), Rules(keep_of=(("pancreas", 1),)))
    with pytest.raises(OptionError, match="no rules 'best'; there are default, sam-med3d"):
        Rules.preset("best")  # type: ignore[arg-type]


@pytest.mark.realdata
def test_99_percent_drop_nearly_all_kidneys(real_data: Path) -> None:
    organs = {1: "liver", 2: "right_kidney", 3: "left_kidney", 4: "spleen"}
    rules = replace(Rules.preset("sam-med3d"), split_pairs=False)
    dropped = defaultdict(list)
    files = sorted((real_data / "chaos_mr_t2_nifti").glob("label_*.nii.gz"))
    for file in files:
        case = nifti.read_label_map(file)
        cleaned, rows = apply_rules(case.array, case.geometry, organs, rules)
        for row in rows:
            if row.dropped:
                dropped[row.name].append(row.rule)
        again, _ = apply_rules(cleaned, case.geometry, organs, rules)
        assert np.array_equal(again, cleaned)
    assert len(files) == 10
    assert "liver" not in dropped
    for kidney in ("right_kidney", "left_kidney"):
        assert len(dropped[kidney]) >= 8
        assert set(dropped[kidney]) == {"background"}
