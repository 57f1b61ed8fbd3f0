"""Borders of all labels in one pass, beside morphology label by label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.metrics.borders import Surfaces, foreground_box, points_shape
from medprep.metrics.definitions import DEFINITIONS

label_maps = arrays.arrays(
    st.sampled_from([np.uint8, np.uint16]),
    st.tuples(*[st.integers(1, 7)] * 3),
    elements=st.sampled_from([0, 0, 1, 2, 200]),
    fill=st.sampled_from([0, 1]),
)


def in_volume(labels: np.ndarray, label: int, name: str) -> np.ndarray:
    """A label's border as a mask of the volume."""
    definition = DEFINITIONS[name]
    box = foreground_box(labels)
    found = np.zeros(labels.shape, bool)
    inner = np.zeros(points_shape(box, definition), bool)
    inner.ravel()[Surfaces(labels, box, definition).of(label).places] = True
    found[box] = inner
    return found


@pytest.mark.parametrize(
    ("name", "connectivity", "beyond"),
    [("medprep", 1, 0), ("chaos-code", 1, 1), ("chaos-document", 3, 1)],
)
@given(labels=label_maps)
def test_voxel_borders_are_what_an_erosion_removes(
    labels: np.ndarray, name: str, connectivity: int, beyond: int
) -> None:
    cross = ndimage.generate_binary_structure(3, connectivity)
    for label in (1, 2, 200):
        mask = labels == label
        inner = ndimage.binary_erosion(mask, cross, border_value=beyond)
        assert np.array_equal(in_volume(labels, label, name), mask & ~inner)


@given(labels=label_maps)
def test_windows_have_the_codes_of_their_eight_voxels(labels: np.ndarray) -> None:
    definition = DEFINITIONS["surface-distance"]
    box = foreground_box(labels)
    shape = points_shape(box, definition)
    surfaces = Surfaces(labels, box, definition)
    inner = labels[box]
    for label in (1, 2, 200):
        padded = np.pad(inner == label, 1)
        wanted = np.zeros(shape, int)
        for bit, place in enumerate(np.ndindex(2, 2, 2)):
            part = tuple(slice(at, at + n) for at, n in zip(place, shape, strict=True))
            wanted += padded[part].astype(int) << (7 - bit)
        mixed = np.flatnonzero((wanted > 0) & (wanted < 255)) if inner.size else np.zeros(0, int)
        found = surfaces.of(label)
        assert found.places.tolist() == mixed.tolist()
        assert found.codes is not None
        assert found.codes.tolist() == wanted.ravel()[mixed].tolist()


def test_the_box_has_one_voxel_more_where_the_volume_does() -> None:
    one, other = np.zeros((2, 5, 6, 7), np.uint8)
    one[0, 2, 3] = 1
    other[1, 3, 6] = 9
    assert foreground_box(one, other) == (slice(0, 3), slice(1, 5), slice(2, 7))


def test_without_foreground_there_is_no_surface() -> None:
    blank = np.zeros((3, 4, 5), np.uint8)
    box = foreground_box(blank)
    for name in ("medprep", "chaos-document", "surface-distance"):
        assert not len(Surfaces(blank, box, DEFINITIONS[name]).of(1).places)


def test_an_organ_that_touches_another_has_its_border_there() -> None:
    labels = np.full((3, 3, 4), 1, np.uint8)
    labels[..., 2:] = 2
    border = in_volume(labels, 1, "chaos-code")
    assert border[..., 1].all()
    assert not border[..., [0, 2, 3]].any()
