"""DICOM to NIfTI to a label map and back to the DICOM grid: every label on its own pixel."""

from __future__ import annotations

import tempfile
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.dicom.series import read_series
from medprep.formats import nifti

ROWS, COLUMNS, SLICES = 4, 6, 5
SPACING = (1.5, 0.75)
STEP = 2.5
START = np.array((-100.25, 42.5, 17.0))


def axis_orientations() -> list[tuple[float, ...]]:
    """All 24 pairs of row and column direction along patient axes."""
    axes = np.eye(3)
    return [
        tuple(np.concatenate([s * axes[row], t * axes[column]]))
        for row, column in permutations(range(3), 2)
        for s, t in product((1, -1), repeat=2)
    ]


def write_stack(folder: Path, orientation: tuple[float, ...]) -> list[Path]:
    """Write slices whose file names run against their positions."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(row, column)
    paths = []
    for number in range(SLICES):
        pixels = (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) + 100 * number).astype(np.int16)
        position = START + number * STEP * normal
        path = folder / f"{SLICES - number}.dcm"
        paths.append(write_dicom(path, pixels, position, orientation, SPACING))
    return paths


def require_labels_on_their_pixels(folder: Path, orientation: tuple[float, ...]) -> None:
    paths = write_stack(folder, orientation)
    series = read_series(paths)
    nifti.write(folder / "image.nii.gz", series.volume)
    picture = nifti.read(folder / "image.nii.gz")
    labels = picture.label((picture.array % 7).astype(np.uint8), {1: "a"})
    nifti.write(folder / "labels.nii.gz", labels)
    back = nifti.read_label_map(folder / "labels.nii.gz")
    to_index = np.linalg.inv(back.geometry.affine)
    for path in paths:
        slice_ = pydicom.dcmread(path)
        row, column = np.split(np.array(slice_.ImageOrientationPatient, float), 2)
        rows, columns = np.mgrid[:ROWS, :COLUMNS]
        # PS3.3 C.7.6.2.1.1: the place of each pixel of this very slice.
        places = (
            np.array(slice_.ImagePositionPatient, float)
            + rows[..., None] * SPACING[0] * column
            + columns[..., None] * SPACING[1] * row
        )
        index = places @ to_index[:3, :3].T + to_index[:3, 3]
        assert np.abs(index - np.rint(index)).max() < 1e-3
        found = back.array[tuple(np.rint(index).astype(int).reshape(-1, 3).T)]
        assert np.array_equal(found.reshape(ROWS, COLUMNS), slice_.pixel_array % 7)


@pytest.mark.parametrize("orientation", axis_orientations())
def test_along_the_axes(tmp_path: Path, orientation: tuple[float, ...]) -> None:
    require_labels_on_their_pixels(tmp_path, orientation)


@settings(max_examples=25)
@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_oblique(quaternion: list[float]) -> None:
    a, b, c, d = np.array(quaternion) / np.linalg.norm(quaternion)
    rotation = np.array(
        [
            [1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c)],
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        require_labels_on_their_pixels(Path(folder), (*rotation[:, 0], *rotation[:, 1]))
