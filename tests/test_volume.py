"""Arrays on their grid."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from medprep.errors import GeometryError, LabelError
from medprep.geometry import Geometry
from medprep.volume import LabelMap, Volume, compact

GRID = Geometry.from_parts((2, 3, 4), (1, 1, 1))


def test_labels_lie_on_their_pictures_grid() -> None:
    picture = Volume(np.zeros((2, 3, 4), np.int16), GRID, "MR")
    labels = picture.label(np.ones((2, 3, 4), np.uint8), {1: "liver"})
    assert labels.geometry is GRID
    assert dict(labels.names) == {1: "liver"}


@pytest.mark.parametrize("kind", [Volume, LabelMap])
def test_an_array_off_its_grid_is_refused(kind: type) -> None:
    with pytest.raises(GeometryError, match=r"\(2, 4, 3\).*\(2, 3, 4\)"):
        kind(np.zeros((2, 4, 3), np.uint8), GRID)


@pytest.mark.parametrize("dtype", [bool, np.int16, np.float32, np.int64])
def test_labels_of_another_type_are_refused(dtype: type) -> None:
    with pytest.raises(LabelError, match=np.dtype(dtype).name):
        LabelMap(np.zeros((2, 3, 4), dtype), GRID)


def test_names_cannot_be_changed() -> None:
    names = {1: "liver"}
    labels = LabelMap(np.zeros((2, 3, 4), np.uint8), GRID, names)
    names[1] = "spleen"
    assert labels.names[1] == "liver"
    with pytest.raises(TypeError):
        labels.names[2] = "spleen"  # type: ignore[index]


def test_both_go_to_other_processes() -> None:
    labels = LabelMap(np.eye(3, 4, dtype=np.uint8)[None].repeat(2, 0), GRID, {1: "liver"})
    again = pickle.loads(pickle.dumps(labels))
    assert np.array_equal(again.array, labels.array)
    assert again.geometry == GRID
    assert again.names == labels.names
    assert pickle.loads(pickle.dumps(Volume(labels.array, GRID, "CT"))).modality == "CT"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([-1024, 3071], np.int16),
        ([0, 32768], np.uint16),
        ([0, 65535], np.uint16),
        ([-1, 32768], np.float32),
        ([0, 65536], np.float32),
        ([-5.0, 7.0], np.int16),
        ([0.5, 1.0], np.float32),
        ([np.nan, 1.0], np.float32),
        ([np.inf, 1.0], np.float32),
    ],
)
def test_the_smallest_type_that_holds_all(values: list[float], kind: type) -> None:
    stored = compact(np.array(values))
    assert stored.dtype == kind
    assert np.array_equal(stored, np.array(values), equal_nan=True)
