"""NIfTI masks whose axes run in another order or direction than their picture's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medprep.errors import GeometryError
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.sources.detect import read_mask
from medprep.turns import Turn
from medprep.volume import LabelMap

SHAPE = (3, 4, 5)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flipped", [(), (1, 2), (0, 1, 2)])
def test_a_nifti_mask_with_other_axes_is_turned(
    tmp_path: Path, order: tuple[int, int, int], flipped: tuple[int, ...]
) -> None:
    grid = Geometry.from_parts(SHAPE, (3, 1, 1))
    array = (np.arange(60) % 3).astype(np.uint8).reshape(SHAPE)
    turn = Turn(order, flipped)
    nifti.write(tmp_path / "b.nii", LabelMap(turn.array(array), turn.geometry(grid)))
    found, notes = read_mask("nifti", [tmp_path / "b.nii"], (0,), grid)
    assert np.array_equal(found, array) and found.flags.c_contiguous
    assert len(notes) == bool(turn.said) and all("the mask was turned" in one for one in notes)
    assert np.array_equal(read_mask("nifti", [tmp_path / "b.nii"], (0,), turn.geometry(grid))[0],
                          turn.array(array))  # fmt: skip


def test_a_mask_that_no_turn_lays_on_its_picture_is_refused(tmp_path: Path) -> None:
    grid = Geometry.from_parts(SHAPE, (3, 1, 1))
    turned = Turn((0, 1, 2), (1, 2)).geometry(grid)
    affine = turned.affine.copy()
    affine[0, 3] += 7
    nifti.write(tmp_path / "b.nii", LabelMap(np.ones(SHAPE, np.uint8), Geometry(SHAPE, affine)))
    with pytest.raises(GeometryError, match=r"lie 7 mm apart.*or the mask was drawn on another"):
        read_mask("nifti", [tmp_path / "b.nii"], (0,), grid)


def test_a_single_slice_has_no_direction_to_turn(tmp_path: Path) -> None:
    grid = Geometry.from_parts((1, 4, 5), (3, 1, 1))
    away = Turn((0, 1, 2), (0,)).geometry(grid)
    nifti.write(tmp_path / "b.nii", LabelMap(np.ones((1, 4, 5), np.uint8), away))
    assert read_mask("nifti", [tmp_path / "b.nii"], (0,), grid)[1] == ()
