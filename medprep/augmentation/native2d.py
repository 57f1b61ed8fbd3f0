"""Move a slice and its labels by a plan: one transform, one interpolation, by OpenCV."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.elastic import Displacements
from medprep.augmentation.spatial import (
    Row,
    check_labels,
    checked_range,
    exchange,
    index_rows,
    shift_whole,
)
from medprep.augmentation.steps import Elastic, Plan
from medprep.opencv import load_cv2

_HALF = 1 << 15

_Sampler = Callable[[NDArray[Any], int, float], NDArray[Any]]
"""Array, OpenCV's number of the interpolation, value of the outside."""


def move_slice(
    picture: NDArray[Any],
    labels: NDArray[Any],
    plan: Plan,
    spacing_mm: tuple[float, float],
    orientation: str,
    mirror: Mapping[int, int],
    cubic: bool = False,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Move a slice and its labels alike, within their plane.

    Parameters
    ----------
    picture
        ``[row, column]``, uint8, uint16, int16 or float32, finite.
    labels
        ``[row, column]`` of the same shape, uint8 or uint16.
    plan
        What happens; its intensity steps are left to others.
    spacing_mm
        Distance between rows and between columns.
    orientation
        Two letters of R L A P I S: where rows and where columns run.
    mirror
        Labels that become others where left and right are exchanged.
    cubic
        Cubic instead of linear interpolation of the picture.

    Returns
    -------
    picture, labels : ndarray
        New arrays of the same shapes and types. Each label is that of the nearest pixel: none
        arises that was not there. The picture stays within its lowest and highest value; what
        comes from outside is its lowest value and background. Where every pixel comes from a
        pixel (flips, quarter turns, whole steps) values are copied.

    Raises
    ------
    FormatError
        If the picture is of another type, empty or not finite.
    LabelError
        If the labels are of another type or shape.
    OptionError
        If a flip is along no axis of the slice, or a crop leaves nothing.
    """
    low, high = checked_range(picture, 2)
    check_labels(labels, picture.shape)
    rows = index_rows(plan, picture.shape, spacing_mm, orientation)
    if plan.spatial.elastic is None:
        copied = shift_whole((picture, labels), (low, 0), rows)
        if copied is not None:
            return copied[0], exchange(copied[1], plan.spatial, mirror)
        sample = _affine(rows, picture.shape)
        marked = _affine_labels(labels, rows, plan, mirror)
    else:
        sample = _elastic(plan.spatial.elastic, picture.shape, spacing_mm, rows)
        marked = sample(exchange(labels, plan.spatial, mirror), load_cv2().INTER_NEAREST, 0)
    moved = _interpolated(picture, low, cubic, sample)
    if cubic or picture.dtype == np.float32:
        np.clip(moved, low, high, out=moved)
    return moved, marked


def _interpolated(picture: NDArray[Any], low: float, cubic: bool, sample: _Sampler) -> NDArray[Any]:
    cv2 = load_cv2()
    how = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    if picture.dtype != np.int16:
        return sample(picture, how, low)
    # OpenCV is twice as quick with unsigned numbers.
    shifted = sample(picture.view(np.uint16) ^ _HALF, how, low + _HALF)
    return (shifted ^ _HALF).view(np.int16)


def _affine(rows: tuple[Row, Row], shape: tuple[int, ...]) -> _Sampler:
    """Give the function that moves an array to one of another shape."""
    cv2 = load_cv2()
    (a, b, c), (d, e, f) = rows
    matrix = np.array(((e, d, f), (b, a, c)))
    size = shape[1], shape[0]
    return lambda array, how, fill: cv2.warpAffine(
        array, matrix, size, flags=how | cv2.WARP_INVERSE_MAP, borderValue=fill
    )


def _affine_labels(
    labels: NDArray[Any], rows: tuple[Row, Row], plan: Plan, mirror: Mapping[int, int]
) -> NDArray[Any]:
    """Move only the box that holds labels: most of a slice is background."""
    cv2 = load_cv2()
    marked = np.zeros(labels.shape, labels.dtype)
    present = labels if labels.dtype == np.uint8 else (labels != 0).view(np.uint8)
    left, top, width, height = cv2.boundingRect(present)
    # OpenCV takes the even one of two pixels equally near: the box must not change which is even.
    left, width, top, height = left & ~1, width + (left & 1), top & ~1, height + (top & 1)
    (a, b, c), (d, e, f) = rows
    area = a * e - b * d
    corners = [
        (row - c, column - f)
        for row in (top - 1, top + height)
        for column in (left - 1, left + width)
    ]
    to_rows = [(e * row - b * column) / area for row, column in corners]
    to_columns = [(a * column - d * row) / area for row, column in corners]
    first, last = max(math.floor(min(to_rows)), 0), math.ceil(max(to_rows)) + 1
    begin, end = max(math.floor(min(to_columns)), 0), math.ceil(max(to_columns)) + 1
    target = marked[first : max(last, 0), begin : max(end, 0)]
    if width and target.size:
        box = labels[top : top + height, left : left + width]
        from_box = (
            (a, b, c + a * first + b * begin - top),
            (d, e, f + d * first + e * begin - left),
        )
        sample = _affine(from_box, target.shape)
        target[...] = sample(exchange(box, plan.spatial, mirror), cv2.INTER_NEAREST, 0)
    return marked


def _elastic(
    elastic: Elastic, shape: tuple[int, ...], spacing_mm: tuple[float, float], rows: tuple[Row, Row]
) -> _Sampler:
    """Give the function that moves and bends an array."""
    cv2 = load_cv2()
    (a, b, c), (d, e, f) = rows
    onto = ((a / spacing_mm[0], b / spacing_mm[1]), (d / spacing_mm[0], e / spacing_mm[1]))
    field = Displacements(elastic, shape, spacing_mm, onto).plane()
    row, column = np.arange(shape[0])[:, None], np.arange(shape[1])
    from_row = field[0] + (a * row + (b * column + c)).astype(np.float32)
    from_column = field[1] + (d * row + (e * column + f)).astype(np.float32)
    return lambda array, how, fill: cv2.remap(array, from_column, from_row, how, borderValue=fill)
