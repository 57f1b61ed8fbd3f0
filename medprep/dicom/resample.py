"""Uneven slices onto an even grid, and sheared stacks straight: linear, nothing is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medprep.errors import GeometryError

SAME_PLACE = 1e-3
"""Within this share of a step or voxel two places are one, and voxels are copied as they are."""
_NO_STACK = 1e12


def fill_gaps(
    array: NDArray[Any], heights_mm: ArrayLike, step_mm: float | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Give slices at even heights from slices at uneven ones.

    Parameters
    ----------
    array
        ``[slice, row, column]``, or with a last axis of colours; whole numbers up to 32 bits, or
        floating point. At least one slice.
    heights_mm
        Where each slice lies along the normal, ascending.
    step_mm
        Distance between the new slices; the median of the old distances unless given.

    Returns
    -------
    ndarray
        Slices from the first height upwards, the last at or just below the last height. Between
        two slices values are linear; whole numbers are rounded to nearest, halves to even, and
        keep their type. A slice that lies within `SAME_PLACE` of a step is copied.
    ndarray of bool
        For each new slice, whether it is made up from two.

    Raises
    ------
    GeometryError
        If there is no slice or not one height for each, heights do not ascend, the step is not
        above 0, or the result does not fit in memory.
    """
    heights = np.asarray(heights_mm, np.float64)
    step = _checked_step(len(array), heights, step_mm)
    steps = min(float(heights[-1] - heights[0]) / step, _NO_STACK)
    count = math.floor(steps + SAME_PLACE) + 1
    even = _empty((count, *array.shape[1:]), array.dtype)
    made_up = np.zeros(count, np.bool_)
    for index, height in enumerate(heights[0] + step * np.arange(count)):
        nearest = int(np.abs(heights - height).argmin())
        if abs(heights[nearest] - height) <= SAME_PLACE * step:
            even[index] = array[nearest]
            continue
        above = min(int(np.searchsorted(heights, height)), len(heights) - 1)
        below = heights[above - 1]
        share = min(float((height - below) / (heights[above] - below)), 1.0)
        low = array[above - 1].astype(np.float64)
        even[index] = _as_type(_between(low, array[above], share), array.dtype)
        made_up[index] = True
    return even, made_up


def straighten(
    array: NDArray[Any], shift_rows: ArrayLike, shift_columns: ArrayLike, fill: float
) -> tuple[NDArray[Any], int, int]:
    """Move each slice within its plane, so that a sheared stack (gantry tilt) stands straight.

    Parameters
    ----------
    array
        ``[slice, row, column]``, or with a last axis of colours; whole numbers up to 32 bits, or
        floating point.
    shift_rows, shift_columns
        By how many voxels each slice moves towards higher rows and columns; a fraction
        interpolates linearly, and one within `SAME_PLACE` of a whole number counts as that.
    fill
        The value outside of the slices, which their edges fade into; one that the type holds.

    Returns
    -------
    ndarray
        Large enough for all moved slices; whole numbers are rounded to nearest, halves to even,
        and keep their type.
    int, int
        How many rows and columns lie before what was the first.

    Raises
    ------
    GeometryError
        If there is no slice or not one finite shift for each, or the result does not fit in memory.
    """
    rows, columns = (_checked_shifts(len(array), one) for one in (shift_rows, shift_columns))
    (before_rows, after_rows), (before_columns, after_columns) = _margins(rows), _margins(columns)
    height = before_rows + array.shape[1] + after_rows
    width = before_columns + array.shape[2] + after_columns
    straight = _empty((len(array), height, width, *array.shape[3:]), array.dtype)
    for index, (row, column) in enumerate(zip(rows, columns, strict=True)):
        top, left = before_rows + math.floor(row), before_columns + math.floor(column)
        target = straight[index]
        inside = slice(top, top + array.shape[1]), slice(left, left + array.shape[2])
        if row.is_integer() and column.is_integer():
            target[...] = fill
            target[inside] = array[index]
            continue
        # One row and column more before the first: what a fraction draws from.
        plane = np.full((height + 1, width + 1, *array.shape[3:]), fill, np.float64)
        plane[1:, 1:][inside] = array[index]
        plane = _between(plane[1:], plane[:-1], row % 1)
        plane = _between(plane[:, 1:], plane[:, :-1], column % 1)
        target[...] = _as_type(plane, array.dtype)
    return straight, before_rows, before_columns


def _checked_step(count: int, heights: NDArray[np.float64], step_mm: float | None) -> float:
    if count == 0 or heights.shape != (count,):
        raise GeometryError(f"{count} slices at {heights.size} heights; wanted is one for each")
    steps = np.diff(heights)
    if not (np.isfinite(heights).all() and (steps > 0).all()):
        raise GeometryError("heights of slices do not ascend; sort the slices first")
    step = step_mm
    if step is None:
        step = float(np.median(steps)) if count > 1 else 1.0
    if not (step > 0 and math.isfinite(step)):
        raise GeometryError(f"a step of {step} mm between slices; wanted is above 0")
    return step


def _checked_shifts(count: int, shifts: ArrayLike) -> list[float]:
    """Give the shifts with float noise taken off whole numbers."""
    given = np.asarray(shifts, np.float64)
    if count == 0 or given.shape != (count,) or not np.isfinite(given).all():
        raise GeometryError(f"{count} slices, {given.size} shifts; wanted is a finite one for each")
    whole = np.rint(given)
    return [float(one) for one in np.where(np.abs(given - whole) <= SAME_PLACE, whole, given)]


def _margins(shifts: Sequence[float]) -> tuple[int, int]:
    """Give how many voxels must be added before the first and after the last."""
    return max(0, math.ceil(-min(shifts))), max(0, math.ceil(max(shifts)))


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError, OverflowError) as error:
        sides = " x ".join(map(str, shape))
        raise GeometryError(f"no memory for {sides} voxels: is a position wrong?") from error


def _between(one: NDArray[Any], other: NDArray[Any], share: float) -> NDArray[Any]:
    # A share of 0 takes no part of the other, not even of its NaN.
    return one if share == 0 else one + share * (other - one)


def _as_type(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    return values.astype(dtype) if dtype.kind == "f" else np.rint(values).astype(dtype)
