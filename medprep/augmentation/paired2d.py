"""Apply a plan to a slice and its labels with Augmentor, without the harm it can do.

Augmentor (Bloice et al. 2019, doi:10.1093/bioinformatics/btz259) hands pictures to Pillow, which
caps 16-bit values and mixes neighbouring labels when it interpolates. Pictures therefore go in as
32-bit floats and labels as a palette, of which Pillow takes the nearest pixel. Chance comes from
Python's global generator: it is seeded for each operation and put back afterwards, so this must
not run in several threads at once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.plan import Plan2D
from medprep.errors import FormatError, GeometryError, LabelError

SMALLEST_SIDE = 10
"""Rows and columns a slice needs: of fewer, a crop to a tenth would leave nothing."""


def apply_plan(
    picture: NDArray[Any],
    labels: NDArray[np.uint8],
    plan: Plan2D,
    mirror: Mapping[int, int],
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Turn, mirror and crop a slice and its labels alike.

    A turned slice is cropped to a rectangle inside it and enlarged to its old size. Single pixels
    at the edge that this crop leaves empty become the picture's lowest value and background.

    Parameters
    ----------
    picture
        ``[row, column]``, uint8, uint16 or float32, finite. Where nothing is interpolated (a
        mirror, a turn by 0 degrees) whole numbers come out as they went in; elsewhere cubic
        interpolation, kept within the picture's lowest and highest value.
    labels
        ``[row, column]`` of the same shape, uint8. No new label ever arises.
    plan
        What to do.
    mirror
        Labels that a mirror turns into others (a left kidney into a right one).

    Returns
    -------
    picture, labels : ndarray
        Same shapes and types. Columns run from the patient's right to left or left to right: it
        is for the caller to allow a flip only there.

    Raises
    ------
    FormatError
        If the picture is of another type or not finite.
    LabelError
        If the labels are of another type or shape.
    GeometryError
        If the slice is too small, or too long to be turned.
    """
    lowest, highest = _checked(picture, labels, plan)
    # A turn fills with 0, which in a picture of floats may be anything but its lowest value.
    shift = np.float32(lowest if plan.rotate_seed is not None else 0)
    pair = [_float_picture(picture, shift), _palette_picture(labels)]
    for operation, seed in _operations(plan):
        with _seeded(seed):
            pair = operation.perform_operation(pair)
    moved = np.asarray(pair[0]) + shift
    if picture.dtype.kind == "u":
        moved = np.rint(moved)
    turned = np.array(pair[1], np.uint8)
    if plan.flip:
        turned = _exchange(mirror)[turned]
    return np.clip(moved, lowest, highest).astype(picture.dtype), turned


def _checked(picture: NDArray[Any], labels: NDArray[Any], plan: Plan2D) -> tuple[float, float]:
    """Refuse what cannot be moved; give the picture's lowest and highest value."""
    if picture.dtype not in (np.uint8, np.uint16, np.float32) or picture.ndim != 2:
        raise FormatError(
            "a picture is [row, column] of uint8, uint16 or float32, "
            f"not {picture.ndim} axes of {picture.dtype}"
        )
    if labels.dtype != np.uint8 or labels.shape != picture.shape:
        raise LabelError(
            f"labels are {picture.shape} of uint8 like their picture, "
            f"not {labels.shape} of {labels.dtype}"
        )
    short, long = sorted(picture.shape)
    if short < SMALLEST_SIDE:
        raise GeometryError(
            f"a slice of {picture.shape} pixels is too small to augment: "
            f"{SMALLEST_SIDE} rows and columns are needed"
        )
    angle = math.radians(plan.max_degrees)
    if plan.rotate_seed is not None and short * math.cos(angle) - long * math.sin(angle) < 2:
        raise GeometryError(
            f"a slice of {picture.shape} pixels is too long to be turned by up to "
            f"{plan.max_degrees} degrees: nothing is left inside it; augment it without rotation"
        )
    lowest, highest = float(picture.min()), float(picture.max())
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        raise FormatError("a picture holds values that are no finite numbers")
    return lowest, highest


def _operations(plan: Plan2D) -> list[tuple[Any, int]]:
    """Give Augmentor's operations of a plan, each with its seed."""
    from Augmentor import Pipeline

    # Chance has been decided in the plan: Augmentor's own zero probability fires now and then.
    pipeline, seeds = Pipeline(), []
    if plan.rotate_seed is not None:
        pipeline.rotate(1.0, plan.max_degrees, plan.max_degrees)
        seeds.append(plan.rotate_seed)
    if plan.flip:
        pipeline.flip_left_right(1.0)
        seeds.append(0)
    if plan.crop_seed is not None:
        pipeline.zoom_random(1.0, plan.crop_side)
        seeds.append(plan.crop_seed)
    return list(zip(pipeline.operations, seeds, strict=True))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators that Augmentor draws from, and put them back."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _float_picture(picture: NDArray[Any], shift: np.float32) -> Any:
    from PIL import Image

    return Image.fromarray(picture.astype(np.float32) - shift)


def _palette_picture(labels: NDArray[np.uint8]) -> Any:
    from PIL import Image

    rows, columns = labels.shape
    return Image.frombytes("P", (columns, rows), labels.tobytes())


def _exchange(mirror: Mapping[int, int]) -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    for label, other in mirror.items():
        table[label] = other
    return table
