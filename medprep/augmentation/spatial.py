"""Compose every spatial step of a plan into one matrix: from a point of the result to its source.

With ``H`` the flips, zoom, shear, rotations and translation of `Spatial` and ``C`` the crop that
fills the grid again, an object's point goes from ``x`` to ``H C x``; the matrices here are the
inverse, as resampling asks for it. An elastic deformation comes after them: a point ``y`` of the
result then is the source's point ``matrix @ (y + displacement(y))``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.steps import AXIS_OF, Axis, Plan, Spatial
from medprep.errors import FormatError, LabelError, OptionError
from medprep.geometry import Geometry
from medprep.opencv import load_cv2

PICTURE_TYPES = (np.uint8, np.uint16, np.int16, np.float32)
LABEL_TYPES = (np.uint8, np.uint16)

_ON_A_VOXEL = 1e-6
"""Within this share of a voxel a source is a voxel: it is copied, nothing is interpolated."""

Pair2 = tuple[float, float]
Row = tuple[float, float, float]


def matrix_of(plan: Plan, geometry: Geometry) -> NDArray[np.float64]:
    """Give the transform of a volume in the patient's space, the elastic deformation left out.

    Parameters
    ----------
    plan
        What happens.
    geometry
        The grid; the result lies on the same one.

    Returns
    -------
    ndarray
        4x4 float64, maps a point ``[x, y, z, 1]`` of the result to the point of the source that
        is seen there, both in LPS millimetres: what ITK's resampling takes as its transform.

    Raises
    ------
    OptionError
        If the plan cannot be applied to this grid.
    """
    affine = geometry.affine
    return np.asarray(affine @ index_matrix(plan, geometry) @ np.linalg.inv(affine), np.float64)


def index_matrix(plan: Plan, geometry: Geometry) -> NDArray[np.float64]:
    """Give the transform of a volume between voxels: `matrix_of` in ``[slice, row, column, 1]``."""
    spatial, shape = plan.spatial, np.asarray(geometry.shape, np.float64)
    axes = geometry.affine[:3, :3]
    frame = frame_of(geometry)
    onto = np.linalg.solve(axes, frame)
    # Flips and crops run along the array's axes even where these lean: a flip stays exact.
    signs = np.asarray(_signs(spatial.flip, geometry.orientation), np.float64)
    crop = np.asarray(_checked_crop(plan), np.float64)
    forward = onto @ _moved_axes(spatial) @ np.linalg.inv(onto) @ np.diag(signs / crop)
    linear = np.linalg.inv(forward)
    centre = (shape - 1) / 2
    box = (1 - crop) * shape * (np.asarray(plan.crop_at) - 0.5)
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = centre + box - linear @ (centre + onto @ np.asarray(spatial.translate_mm))
    return matrix


def index_rows(
    plan: Plan, shape: tuple[int, ...], spacing_mm: Pair2, orientation: str
) -> tuple[Row, Row]:
    """Give the transform of a slice between pixels.

    The same as `index_matrix` within a plane, in plain numbers: a matrix library would take as
    long as the warp itself.

    Parameters
    ----------
    shape
        Rows and columns.
    spacing_mm
        Distance between rows and between columns.
    orientation
        Two letters: where rows and columns run.

    Returns
    -------
    two rows of three
        ``source_row = a * row + b * column + c``, and the same for the source's column.
    """
    spatial = plan.spatial
    row_sign, column_sign = _signs(spatial.flip, orientation)
    _, row_crop, column_crop = _checked_crop(plan)
    angle = math.radians(spatial.rotate_degrees[0])
    cos, sin = math.cos(angle), math.sin(angle)
    lean = math.tan(math.radians(spatial.shear_degrees[0]))
    row_scale = row_crop * row_sign / spatial.zoom[1]
    column_scale = column_crop * column_sign / spatial.zoom[2]
    # The inverse of rotation @ shear @ scale, written out; its determinant but for scale is 1.
    ratio = spacing_mm[1] / spacing_mm[0]
    a, b = row_scale * cos, row_scale * sin * ratio
    c, d = -column_scale * (sin + lean * cos) / ratio, column_scale * (cos - lean * sin)
    rows, columns = shape
    row = (rows - 1) / 2
    column = (columns - 1) / 2
    from_row = row + spatial.translate_mm[1] / spacing_mm[0]
    from_column = column + spatial.translate_mm[2] / spacing_mm[1]
    row += (1 - row_crop) * rows * (plan.crop_at[1] - 0.5)
    column += (1 - column_crop) * columns * (plan.crop_at[2] - 0.5)
    return (
        (a, b, row - a * from_row - b * from_column),
        (c, d, column - c * from_row - d * from_column),
    )


def frame_of(geometry: Geometry) -> NDArray[np.float64]:
    """Give the orthonormal axes nearest to the array's: 3x3, a column for each array axis."""
    left, _, right = np.linalg.svd(geometry.direction)
    return np.asarray(left @ right, np.float64)


def _moved_axes(spatial: Spatial) -> NDArray[np.float64]:
    """Give zoom, then shear, then rotations, in millimetres along slices, rows and columns."""
    moved = np.diag(np.asarray(spatial.zoom, np.float64))
    for turn, angle in enumerate(spatial.shear_degrees):
        source, along = ((1, 2), (2, 0), (0, 1))[turn]
        step = np.eye(3)
        step[along, source] = math.tan(math.radians(angle))
        moved = step @ moved
    for turn, angle in enumerate(spatial.rotate_degrees):
        source, towards = ((1, 2), (2, 0), (0, 1))[turn]
        step = np.eye(3)
        step[source, source] = step[towards, towards] = math.cos(math.radians(angle))
        step[towards, source] = math.sin(math.radians(angle))
        step[source, towards] = -step[towards, source]
        moved = step @ moved
    return moved


def _signs(flip: tuple[Axis, ...], orientation: str) -> list[float]:
    """Give -1 for each array axis that is flipped, else 1."""
    if not flip:
        return [1.0] * len(orientation)
    axes = [AXIS_OF.get(letter) for letter in orientation]
    for axis in flip:
        if axes.count(axis) != 1:
            raise OptionError(
                f"a flip along {axis} of an array whose axes run to {orientation}; wanted is a "
                f"flip along one of its axes: draw the plan with those only"
            )
    return [-1.0 if axis in flip else 1.0 for axis in axes]


def _checked_crop(plan: Plan) -> tuple[float, float, float]:
    if plan.crop is None:
        return 1.0, 1.0, 1.0
    if not 0 < min(plan.crop) <= max(plan.crop) <= 1:
        raise OptionError(f"a crop leaves {plan.crop} of the sides; wanted is above 0, at most 1")
    return plan.crop


def shift_whole(
    arrays: Sequence[NDArray[Any]], fills: Sequence[float], rows: Sequence[Sequence[float]]
) -> list[NDArray[Any]] | None:
    """Move arrays by copying voxels, where each source is a voxel; else give None.

    Parameters
    ----------
    arrays
        Of one shape with ``n`` axes.
    fills
        For each array, the value of voxels whose source lies outside.
    rows
        ``n`` of ``n + 1`` numbers, from a voxel of the result to its source.

    Returns
    -------
    list of ndarray or None
        Same shapes and types, new and contiguous.
    """
    shape = arrays[0].shape
    whole = _whole(rows, shape)
    if whole is None:
        return None
    inside, source, flipped = [], [], []
    order = [next(k for k, row in enumerate(whole) if row[axis]) for axis in range(len(shape))]
    for axis, origin in enumerate(order):
        sign, start, size = whole[origin][axis], whole[origin][-1], shape[origin]
        ends = (-start, size - start) if sign > 0 else (start - size + 1, start + 1)
        first = min(max(ends[0], 0), shape[axis])
        last = max(first, min(ends[1], shape[axis]))
        low = min(sign * first, sign * (last - 1)) + start
        inside.append(slice(first, last))
        source.append(slice(low, low + last - first) if last > first else slice(0, 0))
        if sign < 0:
            flipped.append(axis)
    moved = []
    for array, fill in zip(arrays, fills, strict=True):
        result = np.full(shape, fill, array.dtype)
        part = array.transpose(order)[tuple(source)]
        result[tuple(inside)] = np.flip(part, tuple(flipped))
        moved.append(result)
    return moved


def _whole(rows: Sequence[Sequence[float]], shape: tuple[int, ...]) -> list[list[int]] | None:
    """Give the transform in whole numbers if it takes each axis to one axis without a scale."""
    whole = []
    for row in rows:
        near = [round(value) for value in row]
        gap = sum(abs(a - b) * n for a, b, n in zip(row, near, (*shape, 1), strict=True))
        if gap > _ON_A_VOXEL or sum(map(abs, near[:-1])) != 1:
            return None
        whole.append(near)
    return whole if all(any(axis) for axis in list(zip(*whole, strict=True))[:-1]) else None


def exchange(labels: NDArray[Any], spatial: Spatial, mirror: Mapping[int, int]) -> NDArray[Any]:
    """Give each label the name of its mirrored organ where left and right were exchanged."""
    if "LR" not in spatial.flip or not mirror:
        return labels
    table = np.arange(np.iinfo(labels.dtype).max + 1, dtype=labels.dtype)
    for label, other in mirror.items():
        table[label] = other
    if labels.dtype == np.uint8:
        flat = load_cv2().LUT(labels.reshape(len(labels), -1), table)
        return np.asarray(flat).reshape(labels.shape)
    return np.asarray(table[labels])


def checked_range(picture: NDArray[Any], axes: int) -> tuple[float, float]:
    """Give a picture's lowest and highest value.

    Raises
    ------
    FormatError
        If it is of another type or number of axes, holds no pixel, or a value is not finite.
    """
    if picture.dtype not in PICTURE_TYPES or picture.ndim != axes or picture.size == 0:
        raise FormatError(
            f"a picture has {axes} axes of uint8, uint16, int16 or float32, "
            f"not {picture.shape} of {picture.dtype}"
        )
    if picture.dtype.kind != "f":
        # One pass instead of two; what is no number it would not see.
        low, high, _, _ = load_cv2().minMaxLoc(picture.reshape(len(picture), -1))
        return int(low), int(high)
    low, high = picture.min().item(), picture.max().item()
    if not (math.isfinite(low) and math.isfinite(high)):
        raise FormatError("a picture holds values that are no finite numbers")
    return low, high


def check_labels(labels: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse labels of another type or shape than their picture's.

    Raises
    ------
    LabelError
        If so.
    """
    if labels.dtype not in LABEL_TYPES or labels.shape != shape:
        raise LabelError(
            f"labels are {shape} of uint8 or uint16 like their picture, "
            f"not {labels.shape} of {labels.dtype}"
        )
