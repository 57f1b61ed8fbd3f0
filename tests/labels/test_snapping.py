"""Levels of interpolated and JPEG masks back to what they were."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from medprep.labels.ranges import extract_labels
from medprep.labels.snapping import snap_levels
from medprep.opencv import load_cv2
from medprep.organs import CHAOS_MR

LEVELS = (63, 126, 189, 252)


def drawn() -> np.ndarray:
    """Four organs with round and thin parts."""
    rows, columns = np.mgrid[:128, :128]
    plane = np.zeros((128, 128), np.uint8)
    for level, (row, column, radius) in zip(
        LEVELS, ((40, 40, 25), (90, 30, 12), (90, 95, 12), (40, 95, 18)), strict=True
    ):
        plane[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = level
    plane[40:42, 64:72] = 63  # a thin tip of the liver
    return plane


def as_read(plane: np.ndarray) -> np.ndarray:
    return extract_labels(plane[None], CHAOS_MR, CHAOS_MR, "background")[0][0]


@pytest.mark.parametrize("blur", ["linear", "cubic", "jpeg"])
def test_edges_become_what_is_beside_them(blur: str) -> None:
    cv2 = load_cv2()
    truth = drawn()
    if blur == "jpeg":
        buffer = io.BytesIO()
        Image.fromarray(truth).save(buffer, "JPEG", quality=75)
        given = np.array(Image.open(buffer))
    else:
        way = cv2.INTER_LINEAR if blur == "linear" else cv2.INTER_CUBIC
        turn = cv2.getRotationMatrix2D((63.5, 63.5), 7.0, 1.1)
        truth_turned = cv2.warpAffine(truth, turn, truth.shape, flags=cv2.INTER_NEAREST)
        given = cv2.warpAffine(truth, turn, truth.shape, flags=way)
        truth = truth_turned
    plain, snapped = as_read(given), as_read(snap_levels(given[None], CHAOS_MR.organs)[0][0])
    wanted = as_read(truth)
    wrong = np.count_nonzero((snapped != wanted) & (snapped != 0) & (wanted != 0))
    confused = np.count_nonzero((plain != wanted) & (plain != 0) & (wanted != 0))
    assert wrong * 10 <= confused, "voxels of one organ that become another's are rare"
    if blur != "jpeg":  # its edges ring, they do not pass through other organs' levels
        assert confused >= 20
    assert np.count_nonzero(snapped != wanted) < 0.5 * np.count_nonzero(plain != wanted)


def test_ringing_in_the_background_becomes_background() -> None:
    """Levels nearer to 0 than to any organ, in squares large enough to be sure of themselves."""
    plane = drawn()
    plane[110:120, 50:60] = 11
    snapped, changed = snap_levels(plane[None], CHAOS_MR.organs)
    assert changed == 100
    assert np.array_equal(snapped[0], drawn())


def test_an_exact_mask_is_left_alone_and_levels_of_no_organ_go() -> None:
    stack = np.stack([drawn(), drawn()])
    same, changed = snap_levels(stack, CHAOS_MR.organs)
    assert changed == 0 and np.array_equal(same, stack)
    stack[0, 64, 40] = 97  # far inside nothing: at the liver's lower edge
    mended, changed = snap_levels(stack, CHAOS_MR.organs)
    assert changed == 1 and mended[0, 64, 40] in (0, 63)
    assert np.array_equal(mended[1], stack[1])
    assert stack[0, 64, 40] == 97, "the input is not touched"


def test_16_bits_and_empty() -> None:
    deep = drawn().astype(np.uint16)[None]
    deep[0, 0, 0] = 40000
    mended, changed = snap_levels(deep, CHAOS_MR.organs)
    assert mended.dtype == np.uint16 and mended[0, 0, 0] == 0 and changed == 1
    assert snap_levels(np.zeros((0, 4, 4), np.uint8), CHAOS_MR.organs)[1] == 0
