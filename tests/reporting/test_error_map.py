"""The error map: where it looks, and what its colours say."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.geometry import Geometry
from medprep.reporting.data import ERROR_COLOURS, ErrorMap
from medprep.reporting.error_map import error_map

SHAPE = (20, 40, 30)
GRID = Geometry.from_parts(SHAPE, (4, 2, 2), (0, 0, 0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
WINDOW = (0.0, 100.0)


def cube(*places: tuple[int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(*one) for one in places)] = True
    return mask


ORGAN = cube((6, 14), (10, 24), (8, 20))
BLOB = cube((2, 5), (30, 37), (22, 28))
BLACK = np.zeros(SHAPE, np.int16)


def pixels(png: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def shown(found: ErrorMap) -> set[str]:
    """Tell which colours are in any of the planes (on a black picture)."""
    names = set()
    shares = dict(zip(ERROR_COLOURS, (0.3, 0.65, 0.65), strict=True))
    for plane in found.planes:
        seen = pixels(plane.png).reshape(-1, 3).astype(int)
        for name, colour in ERROR_COLOURS.items():
            wanted = np.array(colour) * shares[name]
            if (np.abs(seen - wanted).max(axis=1) <= 1).sum() > 20:
                names.add(name)
    return names


def titles(found: ErrorMap) -> list[str]:
    return [plane.title for plane in found.planes]


def test_planes_go_through_the_middle_of_the_thickest_error() -> None:
    found = error_map(BLACK, ORGAN, ORGAN | BLOB, GRID, WINDOW)
    assert titles(found) == [
        "axial, slice 4 of 20", "coronal, row 34 of 40", "sagittal, column 25 of 30",
    ]  # fmt: skip
    assert found.slice_number == 4
    assert shown(found) == {"extra"}


def test_a_thick_error_beats_a_larger_thin_one() -> None:
    rim = cube((6, 14), (9, 10), (8, 20))  # one row thick and larger than the blob
    assert rim.sum() > cube((3, 5), (32, 36), (23, 26)).sum()
    found = error_map(BLACK, ORGAN | rim, ORGAN | cube((2, 5), (32, 36), (23, 27)), GRID, WINDOW)
    assert titles(found)[0] == "axial, slice 4 of 20"


def test_of_a_slab_the_middle_is_shown() -> None:
    slab = cube((6, 14), (9, 10), (8, 20))
    assert titles(error_map(BLACK, ORGAN | slab, ORGAN, GRID, WINDOW)) == [
        "axial, slice 10 of 20", "coronal, row 10 of 40", "sagittal, column 14 of 30",
    ]  # fmt: skip


def test_colours_tell_found_missed_and_extra() -> None:
    moved = np.roll(ORGAN, 4, axis=1)
    assert shown(error_map(BLACK, ORGAN, moved, GRID, WINDOW)) == {"found", "missed", "extra"}
    assert shown(error_map(BLACK, ORGAN, np.zeros(SHAPE, bool), GRID, WINDOW)) == {"missed"}
    assert shown(error_map(BLACK, np.zeros(SHAPE, bool), ORGAN, GRID, WINDOW)) == {"extra"}


def test_equal_masks_show_what_they_share() -> None:
    found = error_map(BLACK, ORGAN, ORGAN, GRID, WINDOW)
    assert shown(found) == {"found"}
    assert 7 <= found.slice_number <= 14


def test_equal_input_gives_equal_bytes() -> None:
    picture = np.random.default_rng(0).integers(0, 100, SHAPE, np.int16)
    moved = np.roll(ORGAN, 3, axis=2)
    assert error_map(picture, ORGAN, moved, GRID, WINDOW) == error_map(
        picture, ORGAN, moved, GRID, WINDOW
    )


def test_planes_are_in_one_scale_of_millimetres() -> None:
    found = error_map(BLACK, ORGAN, np.roll(ORGAN, 4, axis=1), GRID, WINDOW)
    scales = [pixels(plane.png).shape[1] / plane.width_mm for plane in found.planes]
    assert max(scales) == pytest.approx(min(scales), rel=0.02)
    assert sum(pixels(plane.png).shape[1] for plane in found.planes) <= 1003


def test_only_the_surroundings_of_a_small_organ_are_shown() -> None:
    wide = (4, 400, 400)
    grid = Geometry.from_parts(wide, (4, 1, 1), (0, 0, 0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    mask = np.zeros(wide, bool)
    mask[1:3, 195:205, 295:305] = True
    found = error_map(np.zeros(wide, np.int16), mask, np.roll(mask, 2, axis=1), grid, WINDOW)
    assert found.planes[0].width_mm == pytest.approx(110, abs=2)
    assert found.planes[0].title.endswith("of 4")


def test_without_a_grid_voxels_are_cubes_and_sides_have_no_name() -> None:
    found = error_map(BLACK, ORGAN, np.roll(ORGAN, 4, axis=1), None, WINDOW)
    assert titles(found)[0].startswith("slice ")


def test_one_slice_has_one_plane() -> None:
    mask = np.zeros((1, 20, 20), bool)
    mask[0, 5:9, 5:9] = True
    found = error_map(np.zeros(mask.shape), mask, np.roll(mask, 1, axis=1), None, WINDOW)
    assert titles(found) == ["slice 1 of 1"]


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(LabelError, match="do not lie on a picture"):
        error_map(BLACK[:-1], ORGAN, ORGAN, GRID, WINDOW)
