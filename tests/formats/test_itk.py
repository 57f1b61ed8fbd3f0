"""NRRD and MetaImage: what SimpleITK reads back is the same volume on the same grid."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.errors import FormatError
from medprep.files import AtomicFiles
from medprep.formats import itk
from medprep.geometry import Geometry


def oblique(angle: float) -> Geometry:
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    direction = turn @ np.array(((0, 0, 1), (0, 1, 0), (1, 0, 0)), float)
    return Geometry.from_parts((3, 4, 5), (2.5, 0.75, 1.25), (10.5, -20.25, 30), direction)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
@settings(max_examples=10, deadline=None)
@given(angle=st.floats(-3, 3))
def test_volume_and_grid_come_back(ending: str, angle: float) -> None:
    grid = oblique(angle)
    array = np.arange(60, dtype=np.int16).reshape(grid.shape)
    with tempfile.TemporaryDirectory() as folder:
        final = Path(folder) / f"a{ending}"
        with AtomicFiles(durable=False) as files:
            itk.write(files.file(final), array, grid)
        assert [path.name for path in Path(folder).iterdir()] == [final.name]
        picture = sitk.ReadImage(str(final))
    assert np.array_equal(sitk.GetArrayFromImage(picture), array)
    for index in ((0, 0, 0), (2, 3, 4)):
        place = picture.TransformIndexToPhysicalPoint(index[::-1])
        assert np.allclose(place, (grid.affine @ (*index, 1))[:3], atol=1e-6)


def test_colour(tmp_path: Path) -> None:
    array = np.arange(180, dtype=np.uint8).reshape(3, 4, 5, 3)
    itk.write(tmp_path / "a.nrrd", array, oblique(0))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nrrd"))), array)


def test_equal_volumes_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.mha", "b.mha", "a.nrrd", "b.nrrd"):
        itk.write(tmp_path / name, np.ones((3, 4, 5), np.uint16), oblique(0.3))
    assert (tmp_path / "a.mha").read_bytes() == (tmp_path / "b.mha").read_bytes()
    assert (tmp_path / "a.nrrd").read_bytes() == (tmp_path / "b.nrrd").read_bytes()


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="wanted is one of"):
        itk.write(tmp_path / "a.vtk", np.ones((3, 4, 5), np.uint16), oblique(0))
