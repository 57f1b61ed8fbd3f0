"""Writing NIfTI as a stream; nibabel is the witness."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.errors import FormatError, GeometryError, WriteError
from medprep.files import AtomicFiles
from medprep.formats.nifti import NiftiWriter, read
from medprep.geometry import Geometry

GRID = Geometry.from_parts((3, 4, 5), (2.5, 0.75, 1.25), (10.5, -20.25, 30))
VOXELS = np.arange(60, dtype=np.int16).reshape(GRID.shape)


def noise(*shape: int, kind: type = np.int16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(kind)


def written(path: Path, grid: Geometry, *parts: np.ndarray) -> bytes:
    with NiftiWriter(path, grid, parts[0].dtype) as out:
        for part in parts:
            out.write(part)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_the_bytes_do_not_depend_on_how_voxels_come(tmp_path: Path, name: str) -> None:
    voxels = noise(7, 500, 600)  # several blocks of gzip, planes of half a block
    grid = Geometry.from_parts(voxels.shape, (1, 1, 1))
    first = written(tmp_path / name, grid, voxels)
    assert np.array_equal(read(tmp_path / name).array, voxels)
    assert written(tmp_path / name, grid, voxels) == first
    assert written(tmp_path / name, grid, *voxels) == first
    assert written(tmp_path / name, grid, voxels[:1], voxels[1:6], voxels[6]) == first
    big_endian = voxels.astype(">i2")
    assert written(tmp_path / name, grid, big_endian[:0], *big_endian) == first


def test_a_view_is_written_as_it_looks_without_a_copy_of_it_all(tmp_path: Path) -> None:
    voxels = noise(60, 300, 300)
    view = voxels[::-1, :, ::-1].transpose(0, 2, 1)
    grid = Geometry.from_parts(view.shape, (1, 1, 1))
    tracemalloc.start()
    with NiftiWriter(tmp_path / "a.nii", grid, np.int16) as out:
        out.write(view)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(read(tmp_path / "a.nii").array, view)
    assert peak < voxels.nbytes / 10


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("a.nii", False), ("a.nii.gz", True), (".a.nii.gz.12.part", True),
        (".a.nii.12.part", False), ("a.gzipped.nii", False), ("a.gz.nii", False),
        ("a.nii.nii.gz", True),
    ],
)  # fmt: skip
def test_the_last_ending_decides_about_gzip(tmp_path: Path, name: str, packed: bool) -> None:
    assert (written(tmp_path / name, GRID, VOXELS)[:2] == b"\x1f\x8b") is packed


def test_many_blocks_come_back_in_order(tmp_path: Path) -> None:
    grid = Geometry.from_parts((40, 256, 256), (1, 1, 1))
    voxels = np.random.default_rng(0).integers(0, 4096, grid.shape).astype(np.uint16)
    with NiftiWriter(tmp_path / "a.nii.gz", grid, np.uint16) as out:
        for plane in voxels:
            out.write(plane)
    assert np.array_equal(np.asarray(nibabel.load(tmp_path / "a.nii.gz").dataobj).T, voxels)


def random_grid(seed: int, *, shear: float = 0.0) -> Geometry:
    chance = np.random.default_rng(seed)
    turned = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = turned * chance.uniform(0.2, 8, 3)
    affine[:3, 0] += shear * affine[:3, 1]
    affine[:3, 3] = chance.uniform(-400, 400, 3)
    return Geometry((3, 4, 5), affine)


def ras(grid: Geometry) -> np.ndarray:
    """Give what nibabel calls the affine, as float32 holds it."""
    return (np.diag([-1.0, -1, 1, 1]) @ grid.affine[:, [2, 1, 0, 3]]).astype(np.float32)


@given(seed=st.integers(0, 2**32), volumes=st.integers(2, 5))
@settings(max_examples=25)
def test_four_axes(tmp_path_factory: pytest.TempPathFactory, seed: int, volumes: int) -> None:
    path = tmp_path_factory.getbasetemp() / "four.nii.gz"
    grid = random_grid(seed)
    with NiftiWriter(path, grid, np.int16, volumes=volumes, volume_step_s=2.5) as out:
        for time in range(volumes):
            out.write(VOXELS + 100 * time)
    found = nibabel.load(path)
    assert found.shape == (5, 4, 3, volumes)
    assert found.header["dim"].tolist() == [4, 5, 4, 3, volumes, 1, 1, 1]
    assert found.header.get_zooms()[3] == 2.5
    assert found.header.get_xyzt_units() == ("mm", "sec")
    assert np.array_equal(found.affine, ras(grid))
    for time in range(volumes):
        assert np.array_equal(np.asarray(found.dataobj)[..., time].T, VOXELS + 100 * time)
    with pytest.raises(FormatError, match=r"4 axes.*wanted is one volume: split the file"):
        read(path)


def test_one_volume_has_no_time(tmp_path: Path) -> None:
    with NiftiWriter(tmp_path / "a.nii", GRID, np.int16, volume_step_s=2.5) as out:
        out.write(VOXELS)
    header = nibabel.load(tmp_path / "a.nii").header
    assert header["dim"].tolist() == [3, 5, 4, 3, 1, 1, 1, 1]
    assert header["pixdim"][4] == 0
    assert header.get_xyzt_units() == ("mm", "unknown")


def test_too_many_volumes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no room for \(32768, 3, 4, 5\)"):
        NiftiWriter(tmp_path / "a.nii", GRID, np.int16, volumes=32768)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_colour(tmp_path: Path, name: str) -> None:
    pixels = noise(*GRID.shape, 3, kind=np.uint8)
    with NiftiWriter(tmp_path / name, GRID, np.uint8, colours=3) as out:
        out.write(pixels[0])
        out.write(pixels[1:])
    found = nibabel.load(tmp_path / name)
    assert (int(found.header["datatype"]), int(found.header["bitpix"])) == (128, 24)
    assert np.array_equal(found.affine, ras(GRID))
    for number, colour in enumerate("RGB"):
        assert np.array_equal(np.asarray(found.dataobj)[colour].T, pixels[..., number])
    with pytest.raises(FormatError, match=r"in colour.*store the file anew in grey"):
        read(tmp_path / name)


@pytest.mark.parametrize(("kind", "colours"), [(np.int16, 3), (np.uint8, 2), (np.uint8, 4)])
def test_other_colours_are_refused(tmp_path: Path, kind: type, colours: int) -> None:
    with pytest.raises(FormatError, match=f"{colours} colours"):
        NiftiWriter(tmp_path / "b.nii", GRID, kind, colours=colours)


@given(seed=st.integers(0, 2**32), shear=st.floats(0.01, 0.7))
@settings(max_examples=40)
def test_a_sheared_grid_only_where_it_is_allowed(
    tmp_path_factory: pytest.TempPathFactory, seed: int, shear: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "sheared.nii"
    # In voxels of the first axis, whatever the spacing of the second.
    grid = random_grid(seed)
    sheared = random_grid(seed, shear=shear * grid.spacing_mm[0] / grid.spacing_mm[1])
    with pytest.raises(GeometryError, match="right angles"):
        NiftiWriter(path, sheared, np.int16)
    with NiftiWriter(path, sheared, np.int16, sheared=True) as out:
        out.write(VOXELS)
    found = nibabel.load(path)
    assert (int(found.header["sform_code"]), int(found.header["qform_code"])) == (1, 0)
    assert np.array_equal(found.affine, ras(sheared))
    assert np.array_equal(np.asarray(found.dataobj).T, VOXELS)
    with pytest.raises(GeometryError, match=r"right angles: resample"):
        read(path)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([VOXELS[:2]], "20 voxels are missing"),
        ([], "60 voxels are missing"),
        ([VOXELS, VOXELS[0]], "20 voxels too many"),
        ([VOXELS.astype(np.int32)], "int32 instead of int16"),
        ([VOXELS.transpose(0, 2, 1)], r"shape \(3, 5, 4\); wanted are planes of \(4, 5\)"),
        ([VOXELS.ravel()], r"shape \(60,\)"),
    ],
)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_what_is_not_the_header_s_is_refused(
    tmp_path: Path, name: str, parts: list[np.ndarray], told: str
) -> None:
    before = threading.active_count()
    with (
        pytest.raises(FormatError, match=told),
        NiftiWriter(tmp_path / name, GRID, np.int16) as out,
    ):
        for part in parts:
            out.write(part)
    assert threading.active_count() == before


def test_colours_come_last(tmp_path: Path) -> None:
    pixels = noise(3, *GRID.shape, kind=np.uint8)
    with (
        pytest.raises(FormatError, match=r"wanted are planes of \(4, 5, 3\)"),
        NiftiWriter(tmp_path / "a.nii", GRID, np.uint8, colours=3) as out,
    ):
        out.write(pixels)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("slices", [1, 20], ids=["at the end", "in the middle"])
def test_a_full_disk_is_told_and_leaves_no_thread(tmp_path: Path, name: str, slices: int) -> None:
    voxels = noise(slices, 500, 600)
    grid = Geometry.from_parts(voxels.shape, (1, 1, 1))
    before = threading.active_count()
    with pytest.raises(WriteError, match="No space left"), AtomicFiles() as files:
        target = files.file(tmp_path / name)
        target.symlink_to("/dev/full")
        written(target, grid, *voxels)
    assert threading.active_count() == before
    assert not list(tmp_path.iterdir())


def test_an_error_in_the_middle_leaves_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    with (
        pytest.raises(RuntimeError, match="mine"),
        NiftiWriter(tmp_path / "a.nii.gz", GRID, np.int16) as out,
    ):
        assert threading.active_count() > before
        out.write(VOXELS[:1])
        raise RuntimeError("mine")
    assert threading.active_count() == before
