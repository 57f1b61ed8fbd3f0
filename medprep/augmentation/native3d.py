"""Move a volume and its labels by a plan: one transform in millimetres, one interpolation.

Slices laid side by side and sampled by OpenCV (`Atlas`) were the quickest of what was tried:
SimpleITK's ``Resample``, gathers and weights in numpy, torch's ``grid_sample``, scipy's
``affine_transform``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.atlas import Atlas, Plane
from medprep.augmentation.elastic import Displacements
from medprep.augmentation.spatial import (
    check_labels,
    checked_range,
    exchange,
    frame_of,
    index_matrix,
    shift_whole,
)
from medprep.augmentation.steps import Plan
from medprep.errors import FormatError, GeometryError
from medprep.geometry import Geometry
from medprep.opencv import load_cv2

_KEYS = -0.75
"""Steepness of the cubic kernel (Keys 1981, doi:10.1109/TASSP.1981.1163711): OpenCV's choice, so
that the third dimension is interpolated like the two within slices."""


def move_volume(
    pictures: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    plan: Plan,
    geometry: Geometry,
    mirror: Mapping[int, int],
    cubic: bool = False,
) -> tuple[list[NDArray[Any]], NDArray[Any]]:
    """Move the channels of a volume and its labels alike.

    Parameters
    ----------
    pictures
        Channels, at least one: ``[slice, row, column]``, uint8, uint16, int16 or float32, finite.
    labels
        Of the same shape, uint8 or uint16.
    plan
        What happens; its intensity steps are left to others.
    geometry
        The grid of all of them, and of the result.
    mirror
        Labels that become others where left and right are exchanged.
    cubic
        Cubic instead of linear interpolation of the pictures.

    Returns
    -------
    list of ndarray, ndarray
        New arrays of the same shapes and types. Each label is that of the nearest voxel: none
        arises that was not there. Each picture stays within its lowest and highest value; what
        comes from outside is its lowest value and background. Where every voxel comes from a
        voxel (flips, quarter turns, whole steps) values are copied. Meanwhile each channel is
        held once more, as float32.

    Raises
    ------
    FormatError
        If there is no picture, or one is of another type or not finite.
    LabelError
        If the labels are of another type or shape.
    GeometryError
        If an array is not on the grid, or it is too large.
    OptionError
        If a crop leaves nothing, or points of an elastic deformation lie closer than voxels.
    """
    ranges = [checked_range(picture, 3) for picture in pictures]
    strangers = [one.shape for one in pictures if one.shape != geometry.shape]
    if not pictures:
        raise FormatError("no picture to move; wanted is at least one channel")
    if strangers:
        raise GeometryError(f"a picture of {strangers[0]} voxels is not on a grid {geometry.shape}")
    check_labels(labels, geometry.shape)
    moved = None
    if plan.spatial.elastic is None:
        fills = [*(low for low, _ in ranges), 0]
        matrix = index_matrix(plan, geometry)[:3].tolist()
        moved = shift_whole((*pictures, labels), fills, matrix)
    if moved is None:
        moved = _interpolated(pictures, labels, ranges, _planes(plan, geometry), cubic)
    return moved[:-1], exchange(moved[-1], plan.spatial, mirror)


def _interpolated(
    pictures: Sequence[NDArray[Any]],
    labels: NDArray[Any],
    ranges: Sequence[tuple[float, float]],
    planes: Iterator[list[Plane]],
    cubic: bool,
) -> list[NDArray[Any]]:
    """Sample slice by slice; the labels come last."""
    cv2 = load_cv2()
    how, blend = (cv2.INTER_CUBIC, _cubic) if cubic else (cv2.INTER_LINEAR, _linear)
    shape = labels.shape
    atlas, marks = Atlas(shape, 4 if cubic else 2), Atlas(shape, 1)
    flat = [
        atlas.lay(picture, low, np.dtype(np.float32))
        for picture, (low, _) in zip(pictures, ranges, strict=True)
    ]
    marked = marks.lay(labels, 0, labels.dtype)
    moved = [np.empty(shape, array.dtype) for array in (*pictures, labels)]
    for index, (across, row, column) in enumerate(planes):
        place, aside = marks.places(np.rint(across), np.rint(row), np.rint(column))
        moved[-1][index] = cv2.remap(marked, aside, place, cv2.INTER_NEAREST)
        below = np.floor(across)
        share = np.subtract(across, below, out=across)
        place, aside = atlas.places(below, row, column)
        for channel, (low, high) in enumerate(ranges):
            sample = partial(cv2.remap, flat[channel], aside, interpolation=how, borderValue=low)
            values = blend(sample, place, atlas.height, share)
            if moved[channel].dtype != np.float32:
                np.rint(values, out=values)
            if cubic or moved[channel].dtype == np.float32:
                np.clip(values, low, high, out=values)
            moved[channel][index] = values
    return moved


def _planes(plan: Plan, geometry: Geometry) -> Iterator[list[Plane]]:
    """Give for each slice of the result its voxels' sources: slices (from 1), rows, columns.

    They reach no farther than one voxel outside, where there is nothing but the outside.
    """
    matrix = index_matrix(plan, geometry)
    slices, rows, columns = geometry.shape
    row, column = np.arange(rows)[:, None], np.arange(columns)
    base = [b * row + (c * column + d) for _, b, c, d in matrix[:3].tolist()]
    base[0] += 1
    base = [one.astype(np.float32) for one in base]
    bounds = [(0, slices + 1), (-1, rows), (-1, columns)]
    field = None
    if plan.spatial.elastic is not None:
        onto = matrix[:3, :3] @ np.linalg.solve(geometry.affine[:3, :3], frame_of(geometry))
        field = Displacements(plan.spatial.elastic, geometry.shape, geometry.spacing_mm, onto)
    for index in range(slices):
        sources = [one + np.float32(matrix[axis, 0] * index) for axis, one in enumerate(base)]
        if field is not None:
            for source, shift in zip(sources, field.plane(index), strict=True):
                source += shift
        for source, (first, last) in zip(sources, bounds, strict=True):
            np.clip(source, first, last, out=source)
        yield sources


def _linear(sample: Callable[[Plane], Plane], place: Plane, height: int, share: Plane) -> Plane:
    """Interpolate between two slices."""
    values = sample(place)
    if share.any():
        above = sample(place + np.float32(height))
        above -= values
        above *= share
        values += above
    return values


def _cubic(sample: Callable[[Plane], Plane], place: Plane, height: int, share: Plane) -> Plane:
    """Interpolate between four slices, of which the second is at or below each place."""
    if not share.any():
        return sample(place + np.float32(height))
    values = np.zeros_like(share)
    for tap in range(4):
        values += _keys(np.abs(share + 1 - tap)) * sample(place + np.float32(tap * height))
    return values


def _keys(gap: Plane) -> Plane:
    """Give the cubic kernel's weight of a sample at distances from 0 to 2."""
    near = ((_KEYS + 2) * gap - (_KEYS + 3)) * gap * gap + 1
    far = ((_KEYS * gap - 5 * _KEYS) * gap + 8 * _KEYS) * gap - 4 * _KEYS
    return np.where(gap <= 1, near, far)
