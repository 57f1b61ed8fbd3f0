"""The numbers of a volume of labels, as they stand in its files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.evaluations.places import Place
from medprep.formats import itk, nifti, png
from medprep.geometry import Geometry

_NEAR = 1e-3
"""So far may a float be from a whole number: what programs make of labels they keep as floats."""
_HIGHEST = 65535
_SHOWN = 5


@dataclass(frozen=True)
class Grey:
    """What a place holds, before anybody says what its numbers mean.

    Parameters
    ----------
    array
        ``[slice, row, column]``, uint8 or uint16. Of a folder of slices: in the order of names.
    geometry
        Its grid; None for slices, which state none.
    notes
        What a person should know.
    """

    array: NDArray[Any]
    geometry: Geometry | None
    notes: tuple[str, ...] = ()

    @property
    def sliced(self) -> bool:
        """Whether it was drawn as pictures."""
        return self.geometry is None


def read_grey(place: Place) -> Grey:
    """Read a place.

    Raises
    ------
    FormatError, GeometryError
        If a file cannot be read as a volume of one number a voxel.
    LabelError
        If a number cannot be a label, or slices differ in size.
    """
    if place.sliced:
        return Grey(_slices(place.files), None)
    path = place.files[0]
    if place.kind == "itk":
        array, geometry = itk.read(path)
        return Grey(whole_numbers(array, path), geometry)
    volume = nifti.read(path)
    return Grey(whole_numbers(volume.array, path), volume.geometry, nifti.oddities(path))


def voxels_by_level(array: NDArray[Any]) -> dict[int, int]:
    """Count the voxels of each number above 0, in ascending order."""
    counts = np.zeros(int(array.max(initial=0)) + 1, np.int64)
    for plane in array:  # counted whole, a volume would first become eight times as large
        counts += np.bincount(plane.reshape(-1), minlength=len(counts))
    return {int(level): int(counts[level]) for level in np.flatnonzero(counts) if level}


def listed(voxels: Iterable[tuple[object, int]]) -> str:
    """Name values with their voxels, the most frequent first."""
    found = sorted(voxels, key=lambda pair: -pair[1])
    named = [f"{value} ({count} {'voxel' if count == 1 else 'voxels'})" for value, count in found]
    more = f" and {len(named) - _SHOWN} others" if len(named) > _SHOWN else ""
    return ", ".join(named[:_SHOWN]) + more


def whole_numbers(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Give labels as uint8, or uint16 where they need it.

    Raises
    ------
    LabelError
        If a value is not finite, no whole number, or not from 0 to 65535: names the values and
        how many voxels hold them.
    """
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array)
        if bad.any():
            raise LabelError(
                f"{np.count_nonzero(bad)} voxels are NaN or infinite; wanted are whole numbers "
                "from 0 on",
                path=path,
            )
        whole = np.rint(array)
        bad = np.abs(array - whole) > _NEAR
        if bad.any():
            raise LabelError(
                f"{np.count_nonzero(bad)} voxels hold no whole number: {_values(array[bad])}; "
                "wanted are labels: threshold probabilities first",
                path=path,
            )
        array = whole
    if array.min(initial=0) < 0 or array.max(initial=0) > _HIGHEST:
        bad = (array < 0) | (array > _HIGHEST)
        raise LabelError(
            f"{np.count_nonzero(bad)} voxels hold what is no label: {_values(array[bad])}; wanted "
            f"are whole numbers from 0 to {_HIGHEST}: is it a picture?",
            path=path,
        )
    # A copy in any case: what was read in one piece cannot be written to, which some demand.
    return array.astype(np.uint8 if array.max(initial=0) <= 255 else np.uint16)


def _values(bad: NDArray[Any]) -> str:
    values, counts = np.unique(bad, return_counts=True)
    return listed((f"{value:g}", int(n)) for value, n in zip(values, counts, strict=True))


def _slices(files: tuple[Path, ...]) -> NDArray[Any]:
    planes = [png.read(path) for path in files]
    first = planes[0].shape
    for path, plane in zip(files, planes, strict=True):
        if plane.shape != first:
            raise LabelError(
                f"'{path.name}' is {_size(plane.shape)} pixels, '{files[0].name}' "
                f"{_size(first)}; the pictures of a folder are the slices of one volume",
                path=path,
            )
    return np.stack(planes)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} x {shape[1]}"
