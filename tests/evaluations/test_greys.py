from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medprep.errors import FormatError, LabelError, MedprepError
from medprep.evaluations.greys import listed, read_grey, voxels_by_level, whole_numbers
from medprep.evaluations.places import Place
from medprep.formats import itk, nifti, png
from medprep.geometry import Geometry
from medprep.volume import Volume

GRID = Geometry.from_parts((2, 3, 4), (3.0, 1.0, 0.5), (5, 6, 7), ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
PATH = Path("x.nii.gz")


def of(path: Path, kind="nifti") -> Place:
    return Place(kind, (path,), (path.stem,))


def nifti_of(path: Path, array: np.ndarray) -> Place:
    nifti.write(path, Volume(array, GRID))
    return of(path)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32, np.float64, np.uint16, np.int64])
def test_whole_numbers_of_any_type_are_labels(tmp_path, kind):
    array = np.arange(24).reshape(2, 3, 4).astype(kind)
    grey = read_grey(nifti_of(tmp_path / "a.nii.gz", array))
    assert grey.array.dtype == np.uint8 and (grey.array == array).all()
    assert grey.geometry.allclose(GRID) and not grey.sliced


def test_labels_above_255_take_two_bytes():
    assert whole_numbers(np.array([0, 256]), PATH).dtype == np.uint16
    assert whole_numbers(np.array([0, 255]), PATH).dtype == np.uint8


def test_float_noise_is_rounded():
    found = whole_numbers(np.array([0.0004, 0.9999, 2.0]), PATH)
    assert found.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0, np.nan, np.inf], r"^2 voxels are NaN or infinite"),
        (
            [0.5, 0.5, 0.25, 1],
            r"^3 voxels hold no whole number: 0\.5 \(2 voxels\), 0\.25 \(1 voxel",
        ),
        ([-1, -1, 3], r"^2 voxels hold what is no label: -1 \(2 voxels\)"),
        ([70000, 1], r"70000 \(1 voxel\)"),
    ],
)
def test_other_numbers_are_named_with_their_voxels(values, said):
    with pytest.raises(LabelError, match=said) as caught:
        whole_numbers(np.array(values), PATH)
    assert caught.value.path == "x.nii.gz"


def test_many_values_are_cut_short():
    assert listed((n, n) for n in range(1, 8)).endswith("3 (3 voxels) and 2 others")


@given(arrays(np.uint16, (3, 4, 5), elements=st.integers(0, 300)))
def test_voxels_are_counted_by_level(array):
    found = voxels_by_level(array)
    levels, counts = np.unique(array[array > 0], return_counts=True)
    assert found == dict(zip(levels.tolist(), counts.tolist(), strict=True))
    assert list(found) == sorted(found)


def test_slices_come_in_natural_order_of_names(tmp_path):
    planes = [np.full((2, 3), n, np.uint8) for n in (5, 6, 7)]
    files = [tmp_path / name for name in ("s9.png", "s10.png", "s11.png")]
    for path, plane in zip(files, planes, strict=True):
        png.write_grey(path, plane)
    grey = read_grey(Place("png", tuple(files), ()))
    assert grey.array[:, 0, 0].tolist() == [5, 6, 7]
    assert grey.sliced


def test_slices_of_two_sizes_are_refused_by_name(tmp_path):
    png.write_grey(tmp_path / "1.png", np.zeros((2, 3), np.uint8))
    png.write_grey(tmp_path / "2.png", np.zeros((3, 2), np.uint8))
    with pytest.raises(LabelError, match=r"'2\.png' is 3 x 2 pixels, '1\.png' 2 x 3"):
        read_grey(Place("png", (tmp_path / "1.png", tmp_path / "2.png"), ()))


@pytest.mark.parametrize("ending", [".mha", ".nrrd"])
def test_files_of_itk_keep_their_grid(tmp_path, ending):
    turn = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    grid = Geometry.from_parts((2, 3, 4), (3.0, 1.0, 0.5), (5, 6, 7), turn)
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    itk.write(tmp_path / f"a{ending}", array, grid)
    grey = read_grey(of(tmp_path / f"a{ending}", "itk"))
    assert grey.geometry.allclose(grid, 1e-6) and (grey.array == array).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.nii.gz", "nifti"), ("a.nii", "nifti"), ("a.png", "png"), ("a.mha", "itk")],
)
@pytest.mark.parametrize("content", [b"", b"rubbish" * 100])
def test_a_broken_file_is_an_error_that_names_it(tmp_path, name, kind, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_grey(of(tmp_path / name, kind))
    assert caught.value.path == str(tmp_path / name)
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("kind", ["nifti", "png", "itk"])
def test_what_is_no_file_is_an_error(tmp_path, kind):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("gone", "pipe", "."):
        with pytest.raises(MedprepError):
            read_grey(of(tmp_path / name, kind))


def test_a_volume_in_colour_is_refused(tmp_path):
    itk.write(tmp_path / "a.mha", np.zeros((2, 3, 4, 3), np.uint8), GRID)
    with pytest.raises(FormatError, match="3 numbers a voxel"):
        read_grey(of(tmp_path / "a.mha", "itk"))
