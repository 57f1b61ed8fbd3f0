"""Cases and copies are read as they are, once, or refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medprep.errors import GeometryError, MedprepError, TrainingError
from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.training.cache import Store
from medprep.training.dataset import AugmentedSlices, Copies, Decoded, TrainingCase, decode
from medprep.training.online import SliceGrid
from medprep.volume import LabelMap, Volume

GRID = Geometry.from_parts((3, 6, 5), (2.0, 1.0, 1.5))


def write(folder: Path, name: str, array: np.ndarray, grid: Geometry = GRID) -> Path:
    path = folder / f"{name}.nii.gz"
    labels = name.endswith("l")
    nifti.write(path, LabelMap(array, grid) if labels else Volume(array, grid))
    return path


def made(folder: Path, picture: np.ndarray, labels: np.ndarray | None = None) -> TrainingCase:
    if labels is None:
        labels = np.zeros(GRID.shape, np.uint8)
    files = write(folder, "a", picture), write(folder, "a-l", labels)
    return TrainingCase("a", *files, (0.0, 9.0), "CT")


def read(*cases: TrainingCase, copies: tuple[Copies, ...] = ()) -> list[Decoded]:
    return list(decode(cases, copies, Store(1 << 20)))


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("uint8", "uint8"),
        ("int16", "int16"),
        ("uint16", "uint16"),
        ("int32", "int16"),
        ("float32", "float32"),
        ("float64", "int16"),
    ],
)
def test_volumes_are_kept_as_they_are(kind: str, kept: str, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 200, GRID.shape).astype(kind)
    (one,) = read(made(tmp_path, picture))
    assert one.pictures[0].array.dtype == kept
    assert np.array_equal(one.pictures[0].array, picture)
    assert one.own
    assert (one.case, one.modality, one.windows) == ("a", "CT", ((0.0, 9.0),))
    assert one.geometry is not None
    assert one.geometry.allclose(GRID)
    assert one.grid == SliceGrid((2.0, 1.0, 1.5), "PL")


def test_several_channels(tmp_path: Path) -> None:
    one, two = np.full(GRID.shape, 5, np.int16), np.full(GRID.shape, 0.5, np.float32)
    files = write(tmp_path, "a", one), write(tmp_path, "b", two)
    labels = write(tmp_path, "a-l", np.ones(GRID.shape, np.uint8))
    (found,) = read(TrainingCase("a", files, labels))
    assert [channel.array.flat[0] for channel in found.pictures] == [5, 0.5]
    assert found.windows == ()
    assert TrainingCase("a", files, labels, (0.0, 1.0)).windows == ((0.0, 1.0),) * 2
    each = ((0.0, 1.0), (2.0, 3.0))
    assert TrainingCase("a", files, labels, each).windows == each
    assert TrainingCase("a", files[0], labels, (0.0, 1.0)).windows == ((0.0, 1.0),)
    other = write(tmp_path, "c", one, Geometry.from_parts(GRID.shape, (2.0, 1.0, 1.0)))
    with pytest.raises(GeometryError):
        read(TrainingCase("a", (files[0], other), labels))


def test_copies_as_slices(tmp_path: Path) -> None:
    paths: list[tuple[Path, Path]] = []
    for number in range(2):
        pair = tmp_path / f"{number}.png", tmp_path / f"{number}-l.png"
        png.write_grey(pair[0], np.full((6, 5), 7 + number, np.uint8))
        png.write_labels(pair[1], np.full((6, 5), number, np.uint8))
        paths.append(pair)
    images, masks = zip(*paths, strict=True)
    copies = AugmentedSlices("a", images, masks, (0.0, 255.0), SliceGrid((2, 1, 1), "PL"))
    (one,) = read(copies=(copies,))
    assert not one.own
    assert one.geometry is None
    assert one.pictures[0].array[:, 0, 0].tolist() == [7, 8]
    assert one.labels.array[:, 0, 0].tolist() == [0, 1]
    assert one.windows == ((0.0, 255.0),)
    (inverted,) = read(copies=(replace(copies, inverted=True),))
    assert inverted.pictures[0].array[:, 0, 0].tolist() == [248, 247]


def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path) -> None:
    picture = np.zeros(GRID.shape, np.float32)
    picture[1, 2, 3] = np.nan
    with pytest.raises(TrainingError, match="a holds grey values that are no finite numbers"):
        read(made(tmp_path, picture))
    many = np.full(GRID.shape, 300, np.uint16)
    with pytest.raises(TrainingError, match="a holds a label of 300"):
        read(made(tmp_path, np.zeros(GRID.shape, np.int16), many))
    with pytest.raises(MedprepError):
        read(TrainingCase("a", tmp_path / "none.nii", tmp_path / "a-l.nii.gz"))
