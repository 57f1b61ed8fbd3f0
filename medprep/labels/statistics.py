"""What each label of a map looks like in numbers, and which cases do not look like the others.

Only voxels that are not background are looked at one by one, plane by plane.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.geometry import Geometry
from medprep.labels.components import box_of, organ_pieces, require_labels, require_names

FACES = ("first slice", "last slice", "first row", "last row", "first column", "last column")
"""The six faces of a volume, in the order of its axes."""

_PERCENTS = (1, 25, 50, 75, 99)
_CHUNK = 1 << 20
"""Values whose squares are summed at a time: a copy of all in float64 is 8 bytes each."""


@dataclass(frozen=True)
class Intensity:
    """Grey values of a picture inside a label; voxels that are NaN or infinite are left out.

    Parameters
    ----------
    median, p1, p99
        Percentiles 50, 1 and 99, interpolated as numpy does by default.
    iqr
        Percentile 75 less percentile 25.
    mean, sd
        Mean and standard deviation with n - 1 below; 0 for a single voxel.
    """

    median: float
    iqr: float
    p1: float
    p99: float
    mean: float
    sd: float


@dataclass(frozen=True)
class LabelStatistics:
    """One label of one case.

    Parameters
    ----------
    label, name
        Which one.
    voxels
        How many; with 0 of them all below is 0, empty or None.
    ml
        Their volume; None where the spacing is unknown.
    components
        Pieces whose voxels touch by faces, edges or corners (26 neighbours).
    faces
        Those of `FACES` that the label touches.
    box
        First and last slice, row and column of it, counted from 0.
    centroid
        Mean slice, row and column.
    centroid_mm
        The same place in LPS millimetres; None where the grid is unknown.
    intensity
        Of the picture inside it; None without a picture or a finite value.
    """

    label: int
    name: str
    voxels: int
    ml: float | None
    components: int
    faces: tuple[str, ...]
    box: tuple[tuple[int, int], ...]
    centroid: tuple[float, float, float] | None
    centroid_mm: tuple[float, float, float] | None
    intensity: Intensity | None


def label_statistics(
    labels: NDArray[Any],
    picture: NDArray[Any] | None,
    geometry: Geometry | None,
    names: Mapping[int, str],
) -> list[LabelStatistics]:
    """Measure every named label of one case.

    Beside its input this takes up to 4 bytes for each voxel of the box around all labels (more
    where the labels are mere noise), and after that as many as the picture has for each voxel that
    is not background.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, uint8 or uint16.
    picture
        Grey values, same shape; None where there is none.
    geometry
        The grid; None where its spacing is unknown.
    names
        Label value to name; each gets a record, also one of which there is no voxel.

    Returns
    -------
    list of LabelStatistics
        In the order of the label values.

    Raises
    ------
    LabelError
        If arrays are of another type or shape, or there is a label without a name.
    """
    _require_fitting(labels, picture, geometry)
    box = box_of(labels)
    inner = labels[box]
    profiles = _profiles(inner, max(names, default=0))
    sizes = profiles[0].sum(axis=1)
    require_names(np.flatnonzero(sizes).tolist(), names)
    pieces = _components(inner, sizes.size)
    values = {} if picture is None else _inside(inner, picture[box], sizes)
    corner = tuple(one.start for one in box)
    return [
        _record(
            (label, names[label], int(pieces[label])),
            [profile[label] for profile in profiles],
            corner,
            labels.shape,
            geometry,
            values.get(label),
        )
        for label in sorted(names)
    ]


def _record(
    which: tuple[int, str, int],
    profiles: Sequence[NDArray[np.int64]],
    corner: Sequence[int],
    shape: Sequence[int],
    geometry: Geometry | None,
    values: NDArray[Any] | None,
) -> LabelStatistics:
    """Turn a label's number of voxels in each slice, row and column into its record."""
    label, name, components = which
    voxels = int(profiles[0].sum())
    ml = None if geometry is None else voxels * geometry.voxel_ml
    if not voxels:
        return LabelStatistics(label, name, 0, ml, 0, (), (), None, None, None)
    box, centre = [], []
    for profile, start in zip(profiles, corner, strict=True):
        places = np.flatnonzero(profile)
        box.append((int(places[0]) + start, int(places[-1]) + start))
        centre.append(float(places @ profile[places] / voxels + start))
    ends = [
        end == edge
        for (low, high), n in zip(box, shape, strict=True)
        for end, edge in ((low, 0), (high, n - 1))
    ]
    at_mm = None
    if geometry is not None:
        x, y, z = geometry.affine[:3, :3] @ centre + geometry.affine[:3, 3]
        at_mm = (float(x), float(y), float(z))
    return LabelStatistics(
        label,
        name,
        voxels,
        ml,
        components,
        tuple(face for face, touched in zip(FACES, ends, strict=True) if touched),
        tuple(box),
        (centre[0], centre[1], centre[2]),
        at_mm,
        None if values is None else _intensity(values),
    )


def _planes(labels: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.intp]]]:
    """Give each slice's number, the flat places of its voxels, and their labels."""
    for number, plane in enumerate(labels):
        flat = plane.reshape(-1)
        where = np.flatnonzero(flat != 0)  # three times as quick on bool as on numbers
        if where.size:
            yield number, where, flat[where].astype(np.intp)


def _profiles(labels: NDArray[Any], highest: int) -> tuple[NDArray[np.int64], ...]:
    """Count each label's voxels in each slice, row and column: three of [label, place]."""
    count = max(highest, int(labels.max(initial=0))) + 1
    slices, rows, columns = (np.zeros((count, n), np.int64) for n in labels.shape)
    for number, where, found in _planes(labels):
        slices[:, number] = np.bincount(found, minlength=count)
        row, column = np.divmod(where, labels.shape[2])
        for profile, place in ((rows, row), (columns, column)):
            width = profile.shape[1]
            profile += np.bincount(found * width + place, minlength=profile.size).reshape(-1, width)
    return slices, rows, columns


def _components(labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Count the connected pieces of each label."""
    _, pieces = organ_pieces(np.ascontiguousarray(labels))
    return np.bincount(pieces.label, minlength=count)


def _inside(
    labels: NDArray[Any], picture: NDArray[Any], sizes: NDArray[np.int64]
) -> dict[int, NDArray[Any]]:
    """Give a copy of the grey values inside each label."""
    ends = np.cumsum(np.where(np.arange(sizes.size), sizes, 0))
    values = np.empty(int(ends[-1]), picture.dtype)
    cursor = ends - sizes
    for number, where, found in _planes(labels):
        order = np.argsort(found, kind="stable")
        grey = picture[number].reshape(-1)[where[order]]
        counts = np.bincount(found)
        start = 0
        for label in np.flatnonzero(counts):
            here, size = cursor[label], counts[label]
            values[here : here + size] = grey[start : start + size]
            cursor[label] += size
            start += size
    return {
        int(label): values[ends[label] - sizes[label] : ends[label]]
        for label in np.flatnonzero(sizes)
    }


def _intensity(values: NDArray[Any]) -> Intensity | None:
    """Summarise values, which are put in another order."""
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return None
    p1, p25, p50, p75, p99 = _percentiles(values)
    mean = float(values.mean(dtype=np.float64))
    squares = 0.0
    for start in range(0, values.size, _CHUNK):
        squares += float(np.square(values[start : start + _CHUNK] - mean).sum())
    return Intensity(p50, p75 - p25, p1, p99, mean, (squares / max(1, values.size - 1)) ** 0.5)


def _percentiles(values: NDArray[Any]) -> list[float]:
    """Interpolate in float64; numpy does so in the array's own type."""
    places = np.array(_PERCENTS) / 100 * (values.size - 1)
    low = np.floor(places).astype(np.intp)
    high = np.ceil(places).astype(np.intp)
    values.partition(np.unique(np.concatenate([low, high])))
    below, above = values[low].astype(np.float64), values[high].astype(np.float64)
    return [float(one) for one in below + (above - below) * (places - low)]


def _require_fitting(
    labels: NDArray[Any], picture: NDArray[Any] | None, geometry: Geometry | None
) -> None:
    require_labels(labels)
    others = {
        "picture": None if picture is None else picture.shape,
        "grid": None if geometry is None else geometry.shape,
    }
    for which, shape in others.items():
        if shape is not None and shape != labels.shape:
            raise LabelError(
                f"labels of shape {labels.shape} do not lie on a {which} of shape {shape}"
            )
