"""Three planes through a volume as radiologists look at them, whatever the array's order.

Axial planes show the patient from below, coronal ones from the front: the patient's right is on
the viewer's left. Sagittal planes show the patient from the left: anterior is on the viewer's left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError, LabelError
from medprep.geometry import Geometry

_ACROSS = {"axial": 0, "coronal": 1, "sagittal": 2}
"""The patient's axis (head to foot, front to back, right to left) that a plane stands across."""
_ENDS = (("S", "I"), ("A", "P"), ("R", "L"))
_NAMES = ("slice", "row", "column")
_SHOWN = 0.25
"""A plane shows an organ where its section is at least this part of the organ's largest."""
OBLIQUE_FROM_DEGREES = 1.0
"""A grid turned by less than this is not called oblique."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of a picture with its labels.

    Parameters
    ----------
    name
        ``axial``, ``coronal`` or ``sagittal``; empty without a grid.
    place
        Which plane of the array, counted from 1, as ``slice 14 of 36``.
    grey
        ``[down, across]``, uint8.
    labels
        Same shape, integers.
    spacing_mm
        Between its rows and between its columns; 1 and 1 without a grid.
    ends
        Letters of the patient's sides at its top, bottom, left and right; empty without a grid.
    """

    name: str
    place: str
    grey: NDArray[np.uint8]
    labels: NDArray[Any]
    spacing_mm: tuple[float, float]
    ends: tuple[str, str, str, str]

    @property
    def title(self) -> str:
        """Which plane it is."""
        return f"{self.name}, {self.place}" if self.name else self.place

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width."""
        down, across = self.grey.shape
        return down * self.spacing_mm[0], across * self.spacing_mm[1]


@dataclass(frozen=True)
class View:
    """How an array lies in the patient.

    Parameters
    ----------
    axes
        The array's axes that run from head to foot, from front to back and from right to left,
        nearest axes taken.
    reverse
        Whether each of them runs the other way.
    oblique_degrees
        The largest angle between an axis of the array and the patient's.
    """

    axes: tuple[int, int, int]
    reverse: tuple[bool, bool, bool]
    oblique_degrees: float


def view_of(geometry: Geometry | None) -> View:
    """Tell how an array lies in the patient; without a grid as if it were a plain axial stack."""
    if geometry is None:
        return View((0, 1, 2), (False, False, False), 0.0)
    letters = geometry.orientation
    axes, reverse = [], []
    for first, last in _ENDS:
        axis = next(n for n, letter in enumerate(letters) if letter in (first, last))
        axes.append(axis)
        reverse.append(letters[axis] == first)
    world = (2, 1, 0)
    cosines = [abs(geometry.direction[w, axis]) for w, axis in zip(world, axes, strict=True)]
    degrees = float(np.degrees(np.arccos(min(1.0, *cosines))))
    return View((axes[0], axes[1], axes[2]), (reverse[0], reverse[1], reverse[2]), degrees)


def planes_of(
    picture: NDArray[Any],
    labels: NDArray[Any],
    geometry: Geometry | None,
    window: tuple[float, float],
) -> list[Plane]:
    """Cut the axial, coronal and sagittal plane where most organs show.

    Parameters
    ----------
    picture
        ``[slice, row, column]``, any number type.
    labels
        Same shape, integers from 0 (background) on.
    geometry
        The grid; None where it is unknown: the array is then taken for a plain axial stack.
    window
        The grey values that become black and white.

    Returns
    -------
    list of Plane
        In that order, without planes that are one voxel thin. Each goes through the place of its
        axis that shows most organs, and of these through the one nearest the middle of all labels;
        without labels through the middle of the volume.

    Raises
    ------
    LabelError, GeometryError
        If shapes differ, or the window is empty.
    """
    _require_fitting(picture, labels, geometry, window)
    whole = tuple(slice(0, length) for length in labels.shape)
    return _cut(picture, labels, geometry, window, _centre(labels), whole)


def planes_through(
    picture: NDArray[Any],
    labels: NDArray[Any],
    geometry: Geometry | None,
    window: tuple[float, float],
    voxel: Sequence[int],
    box: Sequence[slice],
) -> list[Plane]:
    """Cut the axial, coronal and sagittal plane through a voxel, and of these what is in a box.

    Parameters
    ----------
    picture, labels, geometry, window
        As `planes_of` takes them.
    voxel
        Slice, row and column.
    box
        Start and stop on each axis; the voxel is inside.

    Returns
    -------
    list of Plane
        In that order, without planes that are one voxel thin. Their places are those of the whole
        array.

    Raises
    ------
    LabelError, GeometryError
        As `planes_of`.
    """
    _require_fitting(picture, labels, geometry, window)
    return _cut(picture, labels, geometry, window, voxel, box)


def _cut(
    picture: NDArray[Any],
    labels: NDArray[Any],
    geometry: Geometry | None,
    window: tuple[float, float],
    voxel: Sequence[int],
    box: Sequence[slice],
) -> list[Plane]:
    view, shape = view_of(geometry), labels.shape
    picture, labels = picture[tuple(box)], labels[tuple(box)]
    spacing = (1.0, 1.0, 1.0) if geometry is None else geometry.spacing_mm
    found = []
    for name, fixed in _ACROSS.items():
        down, across = (axis for axis in range(3) if axis != fixed)
        if min(labels.shape[view.axes[down]], labels.shape[view.axes[across]]) < 2:
            continue
        ends = ("", "", "", "") if geometry is None else (*_ENDS[down], *_ENDS[across])
        axis = view.axes[fixed]
        number = voxel[axis] - box[axis].start
        found.append(
            Plane(
                name if geometry is not None else "",
                f"{_NAMES[axis]} {voxel[axis] + 1} of {shape[axis]}",
                to_grey(_turned(picture, view, fixed, number), window),
                _turned(labels, view, fixed, number),
                (spacing[view.axes[down]], spacing[view.axes[across]]),
                ends,
            )
        )
    return found


def acquired(planes: list[Plane]) -> Plane | None:
    """Give the plane in which the slices were taken."""
    return next((plane for plane in planes if plane.place.startswith("slice")), None)


def to_grey(values: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Map a window to 0-255, clipping what lies outside; NaN is 0."""
    low, high = window
    scaled = (values.astype(np.float32) - low) * (255.0 / (high - low))
    return np.asarray(np.rint(np.clip(np.nan_to_num(scaled, posinf=255), 0, 255)), np.uint8)


def _turned(array: NDArray[Any], view: View, fixed: int, number: int) -> NDArray[Any]:
    """Cut one plane and turn it to the patient's first and last side."""
    down, across = (axis for axis in range(3) if axis != fixed)
    plane = np.take(array, number, view.axes[fixed])
    if view.axes[down] > view.axes[across]:
        plane = plane.T
    steps = tuple(slice(None, None, -1 if view.reverse[axis] else 1) for axis in (down, across))
    return np.asarray(plane[steps])


def _centre(labels: NDArray[Any]) -> tuple[int, ...]:
    """Give for each axis the place that shows most organs, of these the nearest to their middle."""
    places = []
    for sections in _sections(labels):
        totals = sections.sum(axis=0)
        if not totals.any():
            places.append(sections.shape[1] // 2)
            continue
        shown = (sections > 0) & (sections >= _SHOWN * sections.max(axis=1, keepdims=True))
        organs = shown.sum(axis=0)
        numbers = np.arange(totals.size)
        best = np.flatnonzero(organs == organs.max())
        middle = (numbers @ totals) / totals.sum()
        places.append(int(best[np.abs(best - middle).argmin()]))
    return tuple(places)


def _sections(labels: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Count the voxels of each label in each slice, row and column: three of [label, place]."""
    count = int(labels.max(initial=0)) + 1
    found = [np.zeros((count, n), np.int64) for n in labels.shape]
    for number, plane in enumerate(labels):
        flat = plane.reshape(-1)
        where = np.flatnonzero(flat != 0)
        label = flat[where].astype(np.intp)
        found[0][:, number] = np.bincount(label, minlength=count)
        for sections, place in zip(found[1:], np.divmod(where, labels.shape[2]), strict=True):
            width = sections.shape[1]
            sections += np.bincount(label * width + place, minlength=count * width).reshape(
                count, width
            )
    return found


def _require_fitting(
    picture: NDArray[Any],
    labels: NDArray[Any],
    geometry: Geometry | None,
    window: tuple[float, float],
) -> None:
    if picture.ndim != 3 or labels.shape != picture.shape:
        raise LabelError(
            f"labels of shape {labels.shape} do not lie on a picture of shape {picture.shape}; "
            "wanted are three axes, slice, row and column, alike in both"
        )
    if geometry is not None and geometry.shape != labels.shape:
        raise GeometryError(f"an array of shape {labels.shape} is not on a grid {geometry.shape}")
    if not window[0] < window[1]:
        raise LabelError(f"the window is {window[0]} to {window[1]}; wanted is low below high")
