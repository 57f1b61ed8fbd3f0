"""Masks that overlap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medprep.errors import LabelError
from medprep.labels.regions import find_mixtures, merge_masks, number_mixtures


def box(*bounds: int) -> np.ndarray:
    mask = np.zeros((2, 8, 8), bool)
    mask[:, bounds[0] : bounds[1], bounds[2] : bounds[3]] = True
    return mask


def test_a_tumour_inside_a_liver() -> None:
    masks = {"liver": box(0, 6, 0, 6), "tumour": box(2, 4, 2, 4), "spleen": box(6, 8, 6, 8)}
    found = find_mixtures(masks)
    assert found == {("liver",): 64, ("liver", "tumour"): 8, ("spleen",): 8}
    scheme = number_mixtures(found, list(masks))
    assert scheme.names == {1: "liver", 2: "tumour", 3: "spleen"}
    assert scheme.regions == {"whole_liver": ("liver", "tumour")}
    labels = merge_masks(masks, scheme)
    assert np.array_equal(labels == 2, masks["tumour"])
    assert np.array_equal((labels == 1) | (labels == 2), masks["liver"])


def test_a_vessel_half_inside_a_liver_loses_nothing() -> None:
    masks = {"liver": box(0, 6, 0, 6), "vessel": box(2, 3, 0, 8)}
    scheme = number_mixtures(find_mixtures(masks), list(masks))
    assert scheme.names == {1: "liver", 2: "vessel", 3: "liver+vessel"}
    assert scheme.regions == {
        "whole_liver": ("liver", "liver+vessel"), "whole_vessel": ("vessel", "liver+vessel"),
    }  # fmt: skip


def test_two_names_of_one_mask() -> None:
    masks = {"a": box(0, 2, 0, 2), "b": box(0, 2, 0, 2)}
    scheme = number_mixtures(find_mixtures(masks), list(masks))
    assert scheme.names == {1: "a+b"}
    assert scheme.regions == {"a": ("a+b",), "b": ("a+b",)}


def test_labels_are_the_same_in_every_case_of_a_set() -> None:
    """In one patient the vessel leaves the liver, in the other it does not."""
    inside = {"liver": box(0, 6, 0, 6), "vessel": box(2, 3, 0, 4)}
    through = {"liver": box(0, 6, 0, 6), "vessel": box(2, 3, 0, 8)}
    found = {*find_mixtures(inside), *find_mixtures(through)}
    scheme = number_mixtures(found, ["liver", "vessel"])
    assert scheme.names == {1: "liver", 2: "vessel", 3: "liver+vessel"}
    assert set(np.unique(merge_masks(inside, scheme))) == {0, 1, 3}


def test_bad_masks() -> None:
    assert find_mixtures({}) == {}
    with pytest.raises(LabelError, match="2 masks of shapes"):
        find_mixtures({"a": box(0, 1, 0, 1), "b": np.zeros((1, 2, 2), bool)})
    with pytest.raises(LabelError, match="65 masks"):
        find_mixtures({f"m{n}": box(0, 1, 0, 1) for n in range(65)})
    with pytest.raises(LabelError, match="256 ways"):
        number_mixtures([(f"m{n}",) for n in range(256)], [f"m{n}" for n in range(256)])


@given(st.lists(arrays.arrays(bool, (1, 3, 4)), min_size=1, max_size=5))
def test_every_mask_comes_back(given_masks: list[np.ndarray]) -> None:
    masks = {f"m{n}": mask for n, mask in enumerate(given_masks)}
    scheme = number_mixtures(find_mixtures(masks), list(masks))
    labels = merge_masks(masks, scheme)
    value_of = {name: value for value, name in scheme.names.items()}
    assert sorted(scheme.names) == list(range(1, len(scheme.names) + 1))
    for name, mask in masks.items():
        parts = scheme.regions.get(f"whole_{name}") or scheme.regions.get(name) or (name,)
        values = [value_of[part] for part in parts if part in value_of]
        assert np.array_equal(np.isin(labels, values), mask)
