"""Make series of DICOM files to group and stack, and place their corners by hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import AXIAL, write_dicom
from numpy.typing import NDArray

from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import Stack, group
from medprep.dicom.headers import read_slices
from medprep.dicom.records import SliceHeader
from medprep.dicom.stacks import Plan, Policy, lay_out
from medprep.errors import DicomError

CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)
HEIGHTS = (0, 3, 6, 9, 12)
_numbers = count(1)


def write_slice(path: Path, position: Sequence[float], **tags: Any) -> Path:
    """Write a slice whose pixels and UID no other has; ``pixels`` may be given."""
    number = next(_numbers)
    pixels = tags.pop("pixels", np.arange(24, dtype=np.int16).reshape(4, 6) + 30 * (number % 1000))
    values = {"SOPInstanceUID": f"1.2.3.{number}", **tags}
    return write_dicom(path, pixels, position, **values)


def write_slices(
    folder: Path,
    heights: Sequence[float] = HEIGHTS,
    orientation: Sequence[float] = AXIAL,
    **tags: Any,
) -> list[Path]:
    """Write a slice for each height along the normal; a callable tag is asked for each slice."""
    normal = np.cross(orientation[:3], orientation[3:])
    folder.mkdir(parents=True, exist_ok=True)
    have = len(list(folder.iterdir()))
    paths = []
    for number, height in enumerate(heights):
        own = {name: v(number) if callable(v) else v for name, v in tags.items()}
        path = folder / f"image_{have + number + 1}.dcm"
        place = own.pop("position", height * normal)
        paths.append(write_slice(path, place, orientation=orientation, **own))
    return paths


def add_private(paths: Sequence[Path], tag: int, vr: str, value: Any) -> None:
    """Write an element that has no keyword into files."""
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.add_new(tag, vr, value)
        dataset.save_as(path)


def read_tree(folder: Path) -> list[SliceHeader]:
    """Read every slice below a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [one for path in paths for one in read_slices(Blob.of(path))[1]]


def read_paths(paths: Sequence[Path]) -> Stack:
    """Make a stack of files as they are."""
    return Stack(tuple(one for path in paths for one in read_slices(Blob.of(path))[1]))


def grouped(folder: Path) -> list[Stack]:
    """Group a tree, and see that no slice is lost and that every stack can be laid out."""
    slices = read_tree(folder)
    stacks = group(slices)
    require_none_lost(slices, stacks)
    for stack in stacks:
        lay_out(stack, Policy())
    return stacks


def require_none_lost(slices: list[SliceHeader], stacks: list[Stack]) -> None:
    used = [id(one) for stack in stacks for one in stack.slices]
    assert len(used) == len(set(used)), "a slice is in two stacks"
    assert set(used) <= {id(one) for one in slices}
    if len(used) < len(slices):
        told = [
            int(note.split()[0]) for one in stacks for note in one.notes if "there twice" in note
        ]
        assert told, "slices vanished without a note"
        assert sum(told) >= len(slices) - len(used)


def sizes(stacks: Sequence[Stack]) -> dict[str, int]:
    """Give the number of slices by suffix; refuse two stacks of one suffix."""
    found = {stack.suffix: len(stack.slices) for stack in stacks}
    assert len(found) == len(stacks), [stack.suffix for stack in stacks]
    return found


def names(stack: Stack) -> list[str]:
    """Give the names of a stack's files."""
    return [Path(one.blob.path).name for one in stack.slices]


def corners_in_file(path: Path) -> NDArray[np.float64]:
    """(4, 3): where a file's corner pixels lie, by the formula of PS3.3 C.7.6.2.1.1.

    Rows run along the first three cosines, one column's distance a step; columns along the others.
    """
    header = pydicom.dcmread(path, stop_before_pixels=True)
    x = [float(value) for value in header.ImageOrientationPatient[:3]]
    y = [float(value) for value in header.ImageOrientationPatient[3:]]
    start = [float(value) for value in header.ImagePositionPatient]
    between_rows, between_columns = (float(value) for value in header.PixelSpacing)
    return np.array(
        [
            [
                start[axis] + x[axis] * between_columns * column + y[axis] * between_rows * row
                for axis in range(3)
            ]
            for row in (0, header.Rows - 1)
            for column in (0, header.Columns - 1)
        ]
    )


def corners_on_grid(affine: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    """(slices, 4, 3): where a grid puts the corner pixels of each slice."""
    slices, rows, columns = shape
    index = [
        [(k, row, column, 1) for row in (0, rows - 1) for column in (0, columns - 1)]
        for k in range(slices)
    ]
    return (np.array(index, np.float64) @ affine.T)[..., :3]


def plan_of(paths: Sequence[Path], **policy: Any) -> Plan:
    """Plan the one volume of files."""
    (plan,) = lay_out(read_paths(paths), Policy(**policy))
    return plan


def refused(paths: Sequence[Path], **policy: Any) -> DicomError:
    """Give the error that files are refused with."""
    with pytest.raises(DicomError) as raised:
        lay_out(read_paths(paths), Policy(**policy))
    return raised.value


def farthest_mm(plan: Plan) -> float:
    """Give how far the grid puts a slice's corner from where its file says it lies."""
    placed = corners_on_grid(plan.geometry.affine, plan.geometry.shape)
    stated = np.array([corners_in_file(Path(one.blob.path)) for one in plan.slices])
    return float(np.linalg.norm(placed - stated, axis=-1).max())
