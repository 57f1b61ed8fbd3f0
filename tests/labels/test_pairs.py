"""Pairs in one label: names and numbers."""

from __future__ import annotations

import numpy as np

from medprep.geometry import Geometry
from medprep.labels.pairs import Pair, part, renumber, with_parts, with_sides

GRID = Geometry.from_parts((4, 8, 20), (1.0, 1.0, 1.0))
NAMES = {1: "liver", 2: "kidneys", 3: "spleen"}
KIDNEYS = Pair.of("kidneys")


def labels() -> np.ndarray:
    found = np.zeros(GRID.shape, np.uint8)
    found[1:3, 1:4, 2:5] = 2
    found[1:3, 1:4, 14:17] = 2
    found[1:3, 5:7, 2:8] = 1
    found[1:3, 5:7, 12:18] = 3
    return found


def test_names() -> None:
    assert Pair("kidneys", "right_kidney", "left_kidney") == KIDNEYS
    assert Pair.of("lung").left == "left_lung"
    assert Pair.of("hippocampus").right == "right_hippocampus"
    assert with_sides(NAMES, [KIDNEYS]) == {**NAMES, 4: "right_kidney", 5: "left_kidney"}


def test_the_two_take_the_place_of_both() -> None:
    parted, how = part(labels(), GRID, NAMES, [KIDNEYS])
    assert how == "kidneys parted by its two largest pieces"
    assert set(np.unique(parted)) == {0, 1, 3, 4, 5}
    numbered, names = renumber(parted, NAMES, [KIDNEYS])
    assert names == {1: "liver", 2: "right_kidney", 3: "left_kidney", 4: "spleen"}
    assert (numbered[1:3, 1:4, 2:5] == 2).all() and (numbered[1:3, 1:4, 14:17] == 3).all()
    assert np.array_equal(numbered == 4, labels() == 3)
    assert np.array_equal(numbered == 1, labels() == 1)
    assert numbered.dtype == np.uint8


def test_no_pair_changes_nothing() -> None:
    parted, how = part(labels(), GRID, NAMES, [])
    assert how == "" and np.array_equal(parted, labels())
    numbered, names = renumber(parted, NAMES, [])
    assert names == NAMES and np.array_equal(numbered, labels())


def test_regions_follow() -> None:
    regions = {"abdomen": ("liver", "kidneys"), "left": ("spleen",)}
    assert with_parts(regions, [KIDNEYS]) == {
        "abdomen": ["liver", "right_kidney", "left_kidney"],
        "left": ["spleen"],
        "kidneys": ["right_kidney", "left_kidney"],
    }
    assert with_parts({}, []) == {}
