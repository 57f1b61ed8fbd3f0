"""The alignment detector on real pictures; benchmarks/bench_alignment.py counts them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from medprep.labels.alignment import check_alignment, find_strangers, sketch
from medprep.sources.base import Preset
from medprep.sources.detect import open_source, read_mask, read_picture

pytestmark = pytest.mark.realdata

Array = NDArray[Any]


def read(root: Path, place: int, preset: Preset | None = None) -> tuple[Array, Array]:
    case = open_source(root, preset).cases[place]
    picture = read_picture(case.reader, case.pictures, case.modality)
    labels, _ = read_mask(case.reader, case.masks, picture.order, picture.volume.geometry)
    return picture.volume.array, labels


def moved(labels: Array, axis: int, by: int) -> Array:
    rolled = np.roll(labels, by, axis)
    gone = [slice(None)] * 3
    gone[axis] = slice(0, by) if by > 0 else slice(by, None)
    rolled[tuple(gone)] = 0
    return rolled


@pytest.mark.parametrize("place", [1, 5])
@pytest.mark.parametrize("organ", [1, 4])
def test_mr_faults_are_named(real_data: Path, place: int, organ: int) -> None:
    picture, labels = read(real_data / "chaos_mr_t2_nifti", place)
    labels = labels * (labels == organ)
    assert check_alignment(picture, labels).fault == "none"
    assert check_alignment(picture, labels[::-1]).fault == "reversed"
    assert check_alignment(picture, labels[:, :, ::-1]).fault == "flip_x"
    assert check_alignment(picture, labels[:, ::-1]).fault == "flip_y"
    assert check_alignment(picture, labels.transpose(0, 2, 1)).fault == "transposed"
    assert check_alignment(picture, moved(labels, 0, 1)).fault == "slice_up"
    assert check_alignment(picture, moved(labels, 2, 30)).fault == "shifted"


def test_the_reversed_masks_of_the_ct_are_told(real_data: Path) -> None:
    picture, labels = read(real_data / "chaos", 0, "chaos-ct")
    assert not check_alignment(picture, labels).flagged
    found = check_alignment(picture, labels[::-1])
    assert (found.fault, found.mend) == ("reversed", "--mask-order reversed")


def test_hippocampus_crops(real_data: Path) -> None:
    for place in range(1, 12, 2):
        picture, labels = read(real_data / "hippocampus", place)
        assert not check_alignment(picture, labels).flagged
        assert check_alignment(picture, labels[::-1]).fault == "reversed"
        assert check_alignment(picture, labels[:, :, ::-1]).fault == "flip_x"
        assert check_alignment(picture, labels[:, ::-1]).fault == "flip_y"


def test_a_swapped_hippocampus_is_a_stranger(real_data: Path) -> None:
    cases = [read(real_data / "hippocampus", place) for place in range(1, 20, 2)]
    sketches = [sketch(str(n), *case) for n, case in enumerate(cases)]
    assert find_strangers([s for s in sketches if s]) == []
    picture, _ = cases[0]
    other = np.zeros(picture.shape, np.uint8)
    _, labels = cases[4]
    shared = tuple(slice(0, min(a, b)) for a, b in zip(other.shape, labels.shape, strict=True))
    other[shared] = labels[shared]
    sketches[0] = sketch("0", picture, other)
    assert [s.case for s in find_strangers([s for s in sketches if s])] == ["0"]
