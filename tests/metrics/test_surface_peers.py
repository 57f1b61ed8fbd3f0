"""The presets give the numbers of the programs they are named after."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from surface_masks import Masks, ellipsoids, masks

from medprep.metrics.definitions import DEFINITIONS, SURFACE
from medprep.metrics.surface import surface_metrics

pytestmark = pytest.mark.filterwarnings("ignore")
many = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
Found = dict[str, Any]


def ours(case: Masks, name: str) -> dict[str, float | None]:
    found = surface_metrics(
        case.reference,
        case.predicted,
        [1],
        np.diag(case.spacing),
        DEFINITIONS[name],
        {1: case.tolerance},
        SURFACE,
    )
    return found[1]


def surface_distance(case: Masks) -> Found:
    """By google-deepmind/surface-distance."""
    peer = pytest.importorskip("surface_distance")
    both = peer.compute_surface_distances(case.reference, case.predicted, case.spacing)
    averages = peer.compute_average_surface_distance(both)
    return {
        "hd_mm": peer.compute_robust_hausdorff(both, 100),
        "hd95_mm": peer.compute_robust_hausdorff(both, 95),
        "assd_mm": np.mean(averages),
        "masd_mm": np.mean(averages),
        "nsd": peer.compute_surface_dice_at_tolerance(both, case.tolerance),
    }


def monai(case: Masks) -> Found:
    """By MONAI."""
    metrics = pytest.importorskip("monai.metrics")
    torch = pytest.importorskip("torch")
    ours, theirs = (
        torch.from_numpy(mask[None, None].astype(np.float32))
        for mask in (case.reference, case.predicted)
    )
    options = {"include_background": True, "spacing": list(case.spacing)}
    there = metrics.compute_average_surface_distance(theirs, ours, **options)
    back = metrics.compute_average_surface_distance(ours, theirs, **options)
    return {
        "hd_mm": metrics.compute_hausdorff_distance(theirs, ours, **options).item(),
        "hd95_mm": metrics.compute_hausdorff_distance(
            theirs, ours, percentile=95, **options
        ).item(),
        "assd_mm": metrics.compute_average_surface_distance(
            theirs, ours, symmetric=True, **options
        ).item(),
        "masd_mm": (there + back).item() / 2,
        "nsd": metrics.compute_surface_dice(
            theirs, ours, class_thresholds=[case.tolerance], **options
        ).item(),
    }


def medpy(case: Masks) -> Found:
    """By MedPy."""
    binary = pytest.importorskip("medpy.metric.binary")
    ours, theirs, spacing = case.reference, case.predicted, case.spacing
    return {
        "hd_mm": binary.hd(theirs, ours, spacing),
        "hd95_mm": binary.hd95(theirs, ours, spacing),
        "assd_mm": binary.assd(theirs, ours, spacing),
        "masd_mm": (binary.asd(theirs, ours, spacing) + binary.asd(ours, theirs, spacing)) / 2,
    }


PEERS: dict[str, tuple[Callable[[Masks], Found], float]] = {
    "surface-distance": (surface_distance, 1e-9),
    "monai": (monai, 1e-5),
    "medpy": (medpy, 1e-9),
}


@pytest.mark.parametrize("name", PEERS)
@many
@given(case=masks())
def test_equals_the_program(name: str, case: Masks) -> None:
    by_peer, rel = PEERS[name]
    wanted = by_peer(case)
    found = ours(case, name)
    assert {key for key, value in found.items() if value is not None} == set(wanted)
    for key, value in wanted.items():
        assert found[key] == pytest.approx(value, rel=rel, abs=1e-12), key


def drawn(seed: int) -> Masks:
    """Two random masks that nearly agree."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 8, 3))
    spacings = (1.0, 1.0, 1.0), (3.0, 0.7, 0.7), (5.0, 5.0, 5.0), (2.5, 1.3, 0.7)
    reference = rng.random(shape) < rng.uniform(0.1, 0.9)
    predicted = reference ^ (rng.random(shape) < 0.1)
    reference[0, 0, 0] = predicted[-1, -1, -1] = True
    return Masks(reference, predicted, spacings[seed % 4], 2.0)


@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("monai", 97),  # the rank of the percentile falls just short in float32
        ("monai", 806),
        ("surface-distance", 4989),  # exactly 95% of the area is reached at a point
    ],
)
def test_equals_the_program_where_a_percentile_hangs_on_the_last_bit(name: str, seed: int) -> None:
    by_peer, rel = PEERS[name]
    found = ours(drawn(seed), name)["hd95_mm"]
    assert found == pytest.approx(by_peer(drawn(seed))["hd95_mm"], rel=rel)


@pytest.mark.parametrize("name", PEERS)
def test_equals_the_program_on_two_ellipsoids(name: str) -> None:
    by_peer, rel = PEERS[name]
    found = ours(ellipsoids(), name)
    for key, value in by_peer(ellipsoids()).items():
        assert found[key] == pytest.approx(value, rel=rel), key


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("which", ["neither", "reference only", "prediction only"])
def test_what_is_no_number_elsewhere_is_none_or_the_worst_here(name: str, which: str) -> None:
    full = ellipsoids()
    blank = np.zeros_like(full.reference)
    case = full._replace(
        reference=full.reference if which == "reference only" else blank,
        predicted=full.predicted if which == "prediction only" else blank,
    )
    by_peer, _ = PEERS[name]
    wanted: Found = {}
    # MedPy refuses; surface-distance 0.1 asks numpy for Inf, which numpy 2 no longer has.
    with contextlib.suppress(RuntimeError, AttributeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = by_peer(case)
    found = ours(case, name)
    extent = np.array(blank.shape) - (0 if name == "surface-distance" else 1)
    worst = math.hypot(*(extent * case.spacing))
    for key in DEFINITIONS[name].offers:
        if which == "neither":
            assert found[key] is None
        else:
            assert found[key] == (0 if key == "nsd" else pytest.approx(worst))
        value = wanted.get(key, math.nan)
        if math.isfinite(value):
            assert found[key] == value  # an NSD of 0
            assert key == "nsd"
