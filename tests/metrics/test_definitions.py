"""What the definitions are, and how far they differ on one case."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from surface_masks import ellipsoids

from medprep.metrics.catalogue import METRICS
from medprep.metrics.definitions import DEFINITIONS, SURFACE
from medprep.metrics.surface import surface_metrics

PAGE = Path(__file__).parents[2] / "docs" / "metrics-definitions.md"
COLUMNS = ("hd_mm", "hd95_mm", "assd_mm", "masd_mm", "nsd")


def assd(one: np.ndarray, other: np.ndarray, spacing: tuple[float, ...], name: str) -> str:
    definition, axes = DEFINITIONS[name], np.diag(spacing)
    found = surface_metrics(one, other, [1], axes, definition, {}, ["assd_mm"])[1]
    return f"{found['assd_mm']:.3f} mm"


def ball(radius: float) -> np.ndarray:
    z, y, x = np.ogrid[:64, :64, :64]
    return (z - 32.2) ** 2 + (y - 32.3) ** 2 + (x - 32.1) ** 2 <= radius**2


def disc(radius: float) -> np.ndarray:
    y, x = np.ogrid[:64, :64]
    mask = np.zeros((7, 64, 64), bool)
    mask[2:5] = (y - 31.7) ** 2 + (x - 32.2) ** 2 <= radius**2
    return mask


def row(name: str) -> str:
    """A definition's numbers as the page has them."""
    case = ellipsoids()
    found = surface_metrics(
        case.reference,
        case.predicted,
        [1],
        np.diag(case.spacing),
        DEFINITIONS[name],
        {1: case.tolerance},
        SURFACE,
    )[1]
    cells = ("-" if found[key] is None else f"{found[key]:.4f}" for key in COLUMNS)
    return f"| `{name}` | {' | '.join(cells)} |"


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_page_has_the_numbers_of_the_ellipsoids(name: str) -> None:
    assert row(name) in PAGE.read_text("utf-8")


def test_the_page_has_what_voxel_centres_and_windows_cost() -> None:
    said = {
        name: [
            assd(disc(20), disc(22), (5, 1, 1), name),
            assd(ball(16), ball(18), (1, 1, 1), name),
        ]
        for name in ("medprep", "surface-distance")
    }
    assert said == {
        "medprep": ["0.214 mm", "1.921 mm"],
        "surface-distance": ["0.657 mm", "1.604 mm"],
    }
    text = " ".join(PAGE.read_text("utf-8").split())
    assert all(number in text for pair in said.values() for number in pair)


def test_one_way_sees_what_both_together_hide() -> None:
    one, other = np.zeros((2, 12, 12, 40), bool)
    one[2:10, 2:10, 2:10] = other[2:10, 2:10, 2:10] = True
    one[5, 5, 10:38] = True
    found = {
        name: surface_metrics(one, other, [1], np.eye(3), DEFINITIONS[name], {}, ["hd95_mm"])
        for name in ("medprep", "medpy")
    }
    assert found == {
        "medprep": {1: {"hd95_mm": pytest.approx(11.9)}},
        "medpy": {1: {"hd95_mm": 0.0}},
    }
    assert "gives 11.9 mm and `medpy` 0 mm" in " ".join(PAGE.read_text("utf-8").split())


def test_names_and_lines() -> None:
    assert list(DEFINITIONS) == [
        "medprep", "chaos-code", "chaos-document", "surface-distance", "monai", "medpy",
    ]  # fmt: skip
    for name, one in DEFINITIONS.items():
        assert one.name == name
        assert one.offers <= set(SURFACE) <= set(METRICS)
        assert "\n" not in one.says


def test_the_challenge_alone_has_its_metric() -> None:
    chaos = {name for name, one in DEFINITIONS.items() if "mssd_mm" in one.offers}
    assert chaos == {"chaos-code", "chaos-document"}


def test_a_definition_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFINITIONS["medprep"].edge = False  # type: ignore[misc]
