"""Grey levels of masks into labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from medprep.errors import LabelError, UnmappedError
from medprep.formats import png
from medprep.labels.ranges import extract_labels, require_one_level, threshold_binary
from medprep.organs import CHAOS_CT, CHAOS_MR, Organ, OrganTable

LIVER = OrganTable((CHAOS_MR.get("liver"),))
WIDE = OrganTable((Organ("a", ((1, 40), (200, 255))), Organ("b", ((300, 65535),))))


def looked_up(grey: np.ndarray, table: OrganTable) -> np.ndarray:
    """Say the same with a table of all 65536 levels."""
    levels = np.zeros(65536, np.uint8)
    for value, organ in enumerate(table.organs, start=1):
        for low, high in organ.ranges:
            levels[low : high + 1] = value
    return levels[grey]


def test_official_levels_become_labels_in_order() -> None:
    grey = np.array([[[0, 63, 126], [189, 252, 0]]], np.uint8)
    labels, counts = extract_labels(grey, CHAOS_MR, CHAOS_MR, "error")
    assert labels.tolist() == [[[0, 1, 2], [3, 4, 0]]]
    assert labels.dtype == np.uint8
    assert counts.organs == {"liver": 1, "right_kidney": 1, "left_kidney": 1, "spleen": 1}
    assert counts.unmapped == {}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bounds_are_inclusive(dtype: type) -> None:
    grey = np.array([[[54, 55, 70, 71]]], dtype)
    labels, counts = extract_labels(grey, LIVER, LIVER, "background")
    assert labels.tolist() == [[[0, 1, 1, 0]]]
    assert counts.unmapped == {54: 1, 71: 1}


def test_organs_that_are_not_wanted_are_background() -> None:
    grey = np.array([[[63, 110, 135]], [[240, 255, 0]], [[0, 0, 0]]], np.uint8)
    labels, counts = extract_labels(grey, LIVER, CHAOS_MR, "error")
    assert labels.tolist() == [[[1, 0, 0]], [[0, 0, 0]], [[0, 0, 0]]]
    assert counts.organs == {"liver": 1}


def test_an_organ_this_patient_lacks_is_no_error() -> None:
    labels, counts = extract_labels(np.zeros((2, 3, 3), np.uint8), LIVER, CHAOS_MR, "error")
    assert not labels.any()
    assert counts.organs == {"liver": 0}


def test_a_level_in_no_range_names_slices_levels_voxels_and_what_to_do() -> None:
    grey = np.zeros((12, 2, 3), np.uint8)
    grey[:, 0, 0] = 63
    grey[2:9, 1, :2] = 97
    grey[3, 0, 1] = 255 - 16
    with pytest.raises(UnmappedError) as caught:
        extract_labels(grey, LIVER, CHAOS_MR, "error")
    assert caught.value.message == (
        "no organ's range holds grey levels 97 (voxels: 14), 239 (voxels: 1) in slices 2, 3, 4, 5, "
        "6 and 2 more (counted from 0); the ranges are liver 55-70; right_kidney 110-135; "
        "left_kidney 175-200; spleen 240-255; name more with --label NAME LOW HIGH, set blurred "
        "edges to what is beside them with --snap, or take the rest as background with --unmapped "
        "background"
    )


def test_levels_in_no_range_can_be_taken_as_background_and_are_counted() -> None:
    grey = np.array([[[63]], [[97]], [[98]], [[97]]], np.uint8)
    labels, counts = extract_labels(grey, LIVER, CHAOS_MR, "background")
    assert labels.ravel().tolist() == [1, 0, 0, 0]
    assert counts.unmapped == {97: 2, 98: 1}
    assert counts.unmapped_slices == (1, 2, 3)


def test_an_own_range_may_overlap_the_data_sets_table() -> None:
    own = OrganTable((Organ("whole", ((50, 130),)),))
    labels, counts = extract_labels(np.array([[[63, 100, 126]]], np.uint8), own, CHAOS_MR, "error")
    assert labels.tolist() == [[[1, 1, 1]]]
    assert counts.organs == {"whole": 3}


@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16]),
        arrays.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=5),
        elements=st.integers(0, 255),
        fill=st.nothing(),
    ),
    st.sampled_from([CHAOS_MR, CHAOS_CT, WIDE]),
    st.booleans(),
)
def test_labels_equal_a_look_up_of_every_level(
    grey: np.ndarray, table: OrganTable, high: bool
) -> None:
    if high and grey.dtype == np.uint16:
        grey = grey * np.uint16(257)
    labels, counts = extract_labels(grey, table, table, "background")
    expected = looked_up(grey, table)
    assert np.array_equal(labels, expected)
    voxels = np.bincount(expected.ravel(), minlength=len(table.organs) + 1)[1:]
    assert list(counts.organs.values()) == voxels.tolist()
    assert sum(counts.unmapped.values()) == np.count_nonzero(grey) - np.count_nonzero(expected)


def test_only_whole_numbers_on_three_axes_are_taken() -> None:
    with pytest.raises(LabelError, match="3 axes of float32"):
        extract_labels(np.zeros((1, 2, 2), np.float32), LIVER, LIVER, "error")
    with pytest.raises(LabelError, match="2 axes of uint8"):
        extract_labels(np.zeros((2, 2), np.uint8), LIVER, LIVER, "error")


def test_more_than_255_organs_are_refused() -> None:
    many = OrganTable(tuple(Organ(f"label_{n}", ((n, n),)) for n in range(1, 257)))
    with pytest.raises(LabelError, match="256 organs"):
        extract_labels(np.zeros((1, 2, 2), np.uint16), many, many, "error")


def test_an_interpolated_edge_is_thresholded_and_counted() -> None:
    mask, changed = threshold_binary(np.array([[0, 1, 127, 128, 254, 255]], np.uint8))
    assert mask.tolist() == [[0, 0, 0, 1, 1, 1]]
    assert changed == 4


@pytest.mark.parametrize("grey", [[[0, 1], [1, 0]], [[0, 0], [0, 0]], [[1, 1], [1, 1]]])
def test_a_mask_of_0_and_1_stays_as_it_is(grey: list[list[int]]) -> None:
    mask, changed = threshold_binary(np.array(grey, np.uint8))
    assert mask.tolist() == grey
    assert changed == 0


def test_the_threshold_can_be_moved() -> None:
    assert threshold_binary(np.array([99, 100, 255], np.uint8), at=100)[0].tolist() == [0, 1, 1]


def test_a_mask_that_is_not_binary_8_bit_is_refused() -> None:
    with pytest.raises(LabelError, match="uint16 up to 65535"):
        threshold_binary(np.array([[0, 65535]], np.uint16))
    with pytest.raises(LabelError, match="float32"):
        threshold_binary(np.zeros((2, 2), np.float32))


@pytest.mark.realdata
@pytest.mark.parametrize(("fold", "masks", "edged"), [("train", 500, 298), ("val", 31, 12)])
def test_published_masks_with_interpolated_edges(
    real_data: Path, fold: str, masks: int, edged: int
) -> None:
    paths = sorted((real_data / "unetliver" / fold / "Ground").glob("*.png"))
    changed = [threshold_binary(png.read(path))[1] for path in paths]
    assert (len(changed), sum(count > 0 for count in changed)) == (masks, edged)


@pytest.mark.realdata
def test_real_masks_hold_their_tables_levels_only(real_data: Path) -> None:
    for folder, table in (("CT/3", CHAOS_CT), ("MR/1/T2SPIR", CHAOS_MR)):
        paths = sorted((real_data / "chaos" / "Train_Sets" / folder / "Ground").glob("*.png"))
        grey = np.stack([png.read(path) for path in paths])
        labels, counts = extract_labels(grey, table, table, "error")
        assert np.array_equal(labels, looked_up(grey, table))
        assert min(counts.organs.values()) > 0


def squares(*levels: int) -> np.ndarray:
    """Draw a square of 8 x 8 pixels of each level."""
    grey = np.zeros((2, 16, 12 * len(levels)), np.uint8)
    for number, level in enumerate(levels):
        grey[1, 4:12, 12 * number + 2 : 12 * number + 10] = level
    return grey


@pytest.mark.parametrize("levels", [(63, 252), (1, 2), (100,), (127,), (128, 255), (3, 40, 200)])
def test_several_organs_are_no_binary_mask(levels: tuple[int, ...]) -> None:
    with pytest.raises(
        LabelError, match=rf"holds grey level.*{levels[-1]} \(voxels: 64\).*--label"
    ):
        require_one_level(squares(*levels))


@pytest.mark.parametrize("levels", [(), (1,), (255,), (128,), (250, 255), (3, 255)])
def test_one_organ_is_one_though_jpeg_moves_its_levels(levels: tuple[int, ...]) -> None:
    require_one_level(squares(*levels) if levels else np.zeros((1, 4, 4), np.uint8))


def test_blurred_edges_are_no_organs() -> None:
    rows, columns = np.mgrid[:64, :64]
    away = np.hypot(rows - 32, columns - 32) - 20
    require_one_level(np.clip(128 - away * 60, 0, 255).astype(np.uint8)[None])


@pytest.mark.realdata
def test_no_real_binary_mask_is_refused(real_data: Path) -> None:
    for path in sorted((real_data / "unetliver").rglob("Ground/*.png")):
        require_one_level(png.read(path)[None])
