"""Surface metrics by hand and by brute force: grids of every kind, empties, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from surface_masks import Masks, masks

from medprep.errors import GeometryError, LabelError, OptionError
from medprep.metrics import distances
from medprep.metrics.borders import Surfaces, foreground_box
from medprep.metrics.definitions import DEFINITIONS, SURFACE
from medprep.metrics.surface import failed_values, surface_metrics

MEDPREP = DEFINITIONS["medprep"]
OBLIQUE, _ = np.linalg.qr(np.array([[1.0, 2, 3], [0, 1, 4], [5, 6, 0]]))
SHEAR = np.array([[1.0, 0.4, -0.3], [0, 1.0, 0.5], [0, 0, 1.0]])


def measure(
    reference: Any, predicted: Any, axes: Any = None, name: str = "medprep", tolerance: float = 2.0
) -> dict[str, float | None]:
    found = surface_metrics(
        np.asarray(reference),
        np.asarray(predicted),
        [1],
        np.eye(3) if axes is None else axes,
        DEFINITIONS[name],
        {1: tolerance},
        SURFACE,
    )
    return found[1]


def close(values: dict[str, float | None], rel: float = 1e-12) -> Any:
    """What equals values up to float noise, None where they are None."""
    return {
        key: None if value is None else pytest.approx(value, rel=rel, abs=1e-12)
        for key, value in values.items()
    }


def by_hand(case: Masks, axes: np.ndarray) -> dict[str, float | None]:
    """The default definition from the table of all distances."""
    box = (slice(None),) * 3
    places = [
        np.argwhere(mask)[np.isin(np.flatnonzero(mask), Surfaces(mask, box, MEDPREP).of(1).places)]
        for mask in (case.reference, case.predicted)
    ]
    table = cdist(places[0] @ axes.T, places[1] @ axes.T)
    there, back = table.min(axis=1), table.min(axis=0)
    both = np.concatenate([there, back])
    return {
        "hd_mm": both.max(),
        "hd95_mm": max(np.percentile(there, 95), np.percentile(back, 95)),
        "assd_mm": both.mean(),
        "masd_mm": (there.mean() + back.mean()) / 2,
        "nsd": (both <= case.tolerance + 1e-9).mean(),
        "mssd_mm": None,
    }


@given(case=masks(), turn=st.sampled_from(["as it is", "oblique", "sheared"]))
def test_equals_brute_force_on_every_grid(case: Masks, turn: str) -> None:
    axes = np.diag(case.spacing)
    if turn != "as it is":
        axes = (OBLIQUE if turn == "oblique" else SHEAR) @ axes
    found = measure(case.reference, case.predicted, axes, tolerance=case.tolerance)
    assert found == close(by_hand(case, axes), rel=1e-9)


@given(case=masks(), name=st.sampled_from(sorted(DEFINITIONS)))
def test_exchanging_the_two_changes_nothing(case: Masks, name: str) -> None:
    axes = np.diag(case.spacing)
    one = measure(case.reference, case.predicted, axes, name, case.tolerance)
    other = measure(case.predicted, case.reference, axes, name, case.tolerance)
    assert one == close(other)


@given(case=masks(), name=st.sampled_from(sorted(DEFINITIONS)))
def test_what_lies_around_or_beside_changes_nothing(case: Masks, name: str) -> None:
    def among_others(mask: np.ndarray) -> np.ndarray:
        wide = np.pad(mask.astype(np.uint16) * 7, ((2, 3), (1, 1), (4, 2)))
        wide[0, 0, 0] = 300
        return wide

    axes, definition = np.diag(case.spacing), DEFINITIONS[name]
    plain = [np.pad(mask, 1) for mask in (case.reference, case.predicted)]
    found = surface_metrics(
        among_others(case.reference),
        among_others(case.predicted),
        [300, 7],
        axes,
        definition,
        {7: case.tolerance, 300: 0.0},
        SURFACE,
    )
    assert found[7] == measure(*plain, axes, name, case.tolerance)
    assert found[300]["hd_mm"] == 0


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_equal_masks_are_0_mm_apart(name: str) -> None:
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1:3, 2:5, 3:] = 1
    found = {key: value for key, value in measure(mask, mask, name=name).items() if value}
    assert found in ({}, {"nsd": 1.0})


@pytest.mark.parametrize("name", ["chaos-code", "chaos-document"])
def test_masks_that_fill_the_volume_are_equal_though_without_a_border(name: str) -> None:
    full, part = np.ones((3, 4, 5), bool), np.zeros((3, 4, 5), bool)
    part[1, 1, 1] = True
    assert measure(full, full, name=name)["assd_mm"] == 0
    assert measure(full, part, name=name)["assd_mm"] == pytest.approx(math.sqrt(4 + 9 + 16))


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_empties(name: str) -> None:
    blank, some = np.zeros((3, 4, 5), np.uint8), np.zeros((3, 4, 5), np.uint8)
    some[1, 1, 1] = 1
    axes = np.diag([5.0, 2.0, 1.0])
    assert set(measure(blank, blank, axes, name).values()) == {None}
    worst = failed_values(blank.shape, axes, DEFINITIONS[name], SURFACE)
    outer = (3, 4, 5) if name == "surface-distance" else (2, 3, 4)
    diagonal = math.hypot(5.0 * outer[0], 2.0 * outer[1], 1.0 * outer[2])
    for key, value in worst.items():
        offered = key in DEFINITIONS[name].offers
        assert value == ((0.0 if key == "nsd" else pytest.approx(diagonal)) if offered else None)
    assert measure(some, blank, axes, name) == worst
    assert measure(blank, some, axes, name) == worst


@pytest.mark.parametrize("seed", range(8))
def test_the_diagonal_of_a_sheared_volume_is_its_longest(seed: int) -> None:
    axes = np.random.default_rng(seed).normal(size=(3, 3))
    corners = np.array(list(np.ndindex(2, 2, 2))) * (10, 7, 8) @ axes.T
    worst = failed_values((11, 8, 9), axes, MEDPREP, ["hd_mm"])["hd_mm"]
    assert worst == pytest.approx(cdist(corners, corners).max())


def test_a_distance_of_the_tolerance_is_within_it_wherever_it_lies() -> None:
    for start in range(20):
        one, other = np.zeros((2, 1, 1, 40), np.uint8)
        one[0, 0, start] = other[0, 0, start + 3] = 1
        for name in ("medprep", "surface-distance", "monai"):
            assert measure(one, other, np.eye(3) * 0.7, name, 2.1)["nsd"] == 1
        # Three steps of 0.1 are 0.30000000000000004: the package compares to the last bit.
        tight = {
            name: measure(one, other, np.eye(3) * 0.1, name, 0.3)["nsd"]
            for name in ("medprep", "monai", "surface-distance")
        }
        assert tight == {"medprep": 1, "monai": 1, "surface-distance": 0.5}


@settings(max_examples=40)
@given(case=masks("random/ball/one voxel"), name=st.sampled_from(["medprep", "surface-distance"]))
def test_far_surfaces_give_the_same_by_tree_and_by_box(case: Masks, name: str) -> None:
    apart = np.zeros((case.reference.shape[0], 30, 60), bool)
    one, other = apart.copy(), apart
    rows, columns = case.reference.shape[1:]
    one[:, :rows, :columns] = case.reference
    other[:, -rows:, -columns:] = case.predicted
    axes = np.diag(case.spacing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "_NEAR_STEPS", 2)
        patch.setattr(distances, "_DENSE", 0)
        boxed = measure(one, other, axes, name)
        patch.setattr(distances, "_closest_in_box", None)
        patch.setattr(distances, "_DENSE", math.inf)
        assert measure(one, other, axes, name) == close(boxed)


def test_headers_noise_is_no_shear() -> None:
    assert distances.Axes.of(OBLIQUE + 1e-7).right
    tilted = np.array([[3.0, 0, 0], [math.tan(math.radians(0.1)), 1, 0], [0, 0, 1]])
    assert not distances.Axes.of(tilted).right


def test_only_what_is_asked_for_is_given() -> None:
    mask = np.ones((2, 2, 2), np.uint8)
    found = surface_metrics(mask, mask, [1, 2], np.eye(3), MEDPREP, {}, ["dice", "hd_mm"])
    assert found == {1: {"hd_mm": 0.0}, 2: {"hd_mm": None}}
    assert surface_metrics(mask, mask, [1], np.eye(3), MEDPREP, {}, ["dice"]) == {1: {}}
    assert foreground_box(mask) == (slice(0, 2),) * 3


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"predicted": np.zeros((2, 3, 5), np.uint8)}, GeometryError, r"\(2, 3, 5\)"),
        ({"reference": np.zeros((2, 3, 4))}, LabelError, "float64"),
        ({"labels": [0]}, LabelError, "label 0"),
        ({"axes_mm": np.zeros((3, 3))}, GeometryError, "independent"),
        ({"tolerance_mm": {}}, OptionError, "label 1 has no tolerance"),
        ({"tolerance_mm": {1: math.nan}}, OptionError, "nan mm"),
    ],
)
def test_refuses(change: dict[str, Any], error: type[Exception], says: str) -> None:
    blank = np.zeros((2, 3, 4), np.uint8)
    right: dict[str, Any] = {
        "reference": blank,
        "predicted": blank,
        "labels": [1],
        "axes_mm": np.eye(3),
        "definition": MEDPREP,
        "tolerance_mm": {1: 1.0},
        "wanted": ["nsd"],
    }
    assert surface_metrics(**right) == {1: {"nsd": None}}
    with pytest.raises(error, match=says):
        surface_metrics(**(right | change))
