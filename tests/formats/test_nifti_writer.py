"""Writing NIfTI as a stream; nibabel is the witness."""

from __future__ import annotations

import threading
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medprep.errors import FormatError, GeometryError
from medprep.formats.nifti import NiftiWriter, read
from medprep.geometry import Geometry

GRID = Geometry.from_parts((3, 4, 5), (2.5, 0.75, 1.25), (10.5, -20.25, 30))
VOXELS = np.arange(60, dtype=np.int16).reshape(GRID.shape)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_plane_by_plane_is_the_same_file_as_at_once(tmp_path: Path, name: str) -> None:
    with NiftiWriter(tmp_path / name, GRID, np.int16) as out:
        for plane in VOXELS:
            out.write(plane)
    with NiftiWriter(tmp_path / f"b{name}", GRID, np.int16) as out:
        out.write(VOXELS)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"b{name}").read_bytes()
    assert np.array_equal(read(tmp_path / name).array, VOXELS)


def test_many_blocks_come_back_in_order(tmp_path: Path) -> None:
    grid = Geometry.from_parts((40, 256, 256), (1, 1, 1))
    voxels = np.random.default_rng(0).integers(0, 4096, grid.shape).astype(np.uint16)
    with NiftiWriter(tmp_path / "a.nii.gz", grid, np.uint16) as out:
        for plane in voxels:
            out.write(plane)
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / "a.nii.gz").dataobj).T, voxels)


def test_four_axes(tmp_path: Path) -> None:
    with NiftiWriter(tmp_path / "a.nii.gz", GRID, np.int16, volumes=3, volume_step_s=2.5) as out:
        for time in range(3):
            out.write(VOXELS + 100 * time)
    found = nibabel.load(tmp_path / "a.nii.gz")
    assert found.shape == (5, 4, 3, 3)
    assert found.header.get_zooms()[3] == 2.5
    assert found.header.get_xyzt_units() == ("mm", "sec")
    assert np.array_equal(np.asarray(found.dataobj)[..., 2].T, VOXELS + 200)
    with pytest.raises(FormatError, match="wanted is one volume"):
        read(tmp_path / "a.nii.gz")


def test_colour(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*GRID.shape, 3)).astype(np.uint8)
    with NiftiWriter(tmp_path / "a.nii", GRID, np.uint8, colours=3) as out:
        out.write(pixels)
    found = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    for number, colour in enumerate("RGB"):
        assert np.array_equal(found[colour].T, pixels[..., number])
    with pytest.raises(FormatError, match="colours"):
        NiftiWriter(tmp_path / "b.nii", GRID, np.int16, colours=3)


def test_a_sheared_grid_only_where_it_is_allowed(tmp_path: Path) -> None:
    affine = GRID.affine.copy()
    affine[:3, 0] += (0, 0.7, 0)
    sheared = Geometry(GRID.shape, affine)
    with pytest.raises(GeometryError, match="right angles"):
        NiftiWriter(tmp_path / "a.nii", sheared, np.int16)
    with NiftiWriter(tmp_path / "a.nii", sheared, np.int16, sheared=True) as out:
        out.write(VOXELS)
    found = nibabel.load(tmp_path / "a.nii")
    assert int(found.header["qform_code"]) == 0
    assert found.affine[:3, 2] == pytest.approx((0, -0.7, 2.5), abs=1e-6)


def test_the_number_of_voxels_is_the_header_s(tmp_path: Path) -> None:
    with (
        pytest.raises(FormatError, match="20 voxels are missing"),
        NiftiWriter(tmp_path / "a.nii.gz", GRID, np.int16) as out,
    ):
        out.write(VOXELS[:2])
    with (
        pytest.raises(FormatError, match="1 voxels too many"),
        NiftiWriter(tmp_path / "a.nii.gz", GRID, np.int16) as out,
    ):
        out.write(np.zeros(61, np.int16))
    with (
        pytest.raises(FormatError, match="int32 instead of int16"),
        NiftiWriter(tmp_path / "a.nii.gz", GRID, np.int16) as out,
    ):
        out.write(VOXELS.astype(np.int32))


def test_an_error_in_the_middle_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with (
        pytest.raises(RuntimeError, match="mine"),
        NiftiWriter(tmp_path / "a.nii.gz", GRID, np.int16) as out,
    ):
        out.write(VOXELS[:1])
        raise RuntimeError("mine")
    assert threading.active_count() == before
