"""A plane with the outlines of its labels, in true proportions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.opencv import load_cv2
from medprep.reporting.data import Colour
from medprep.reporting.planes import Plane

Pixels = NDArray[np.uint8]
"""``[row, column, 3]``: red, green and blue."""


def outlined(plane: Plane, scale: float, colours: Mapping[int, Colour], thickness: int) -> Pixels:
    """Draw a plane with an outline around each label.

    Parameters
    ----------
    plane
        What to draw.
    scale
        Pixels per millimetre.
    colours
        Of each label in it.
    thickness
        Of the outlines, in pixels; a dark rim comes on top.
    """
    cv2 = load_cv2()
    canvas = _enlarged(plane, scale)
    outlines = {}
    for label in np.unique(plane.labels[plane.labels > 0]).tolist():
        # Nearest: an outline shows the voxels as they are, steps between slices included.
        mask = _stepped((plane.labels == label).astype(np.uint8), canvas)
        outlines[label] = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    # A line of one pixel would be all edge: smoothed, nothing of its colour is left.
    kind = cv2.LINE_AA if thickness > 1 else cv2.LINE_8
    for found in outlines.values():  # a dark rim keeps a bright line visible on bright tissue
        cv2.drawContours(canvas, found, -1, (0, 0, 0), thickness + 2, cv2.LINE_AA)
    for label, found in outlines.items():
        cv2.drawContours(canvas, found, -1, colours[label], thickness, kind)
    return np.asarray(canvas, np.uint8)


def tinted(plane: Plane, scale: float, tints: Mapping[int, tuple[Colour, float]]) -> Pixels:
    """Draw a plane with its labels filled.

    Parameters
    ----------
    plane, scale
        As `outlined` takes them.
    tints
        Colour of each label in it, and the share of it in a pixel: the rest is the picture's grey.
    """
    canvas = _enlarged(plane, scale)
    labels = _stepped(plane.labels.astype(np.uint8), canvas)
    for label, (colour, share) in tints.items():
        inside = labels == label
        mixed = (1 - share) * canvas[inside] + share * np.asarray(colour, np.float32)
        canvas[inside] = np.rint(mixed)
    return canvas


def _enlarged(plane: Plane, scale: float) -> Pixels:
    """Give the picture in so many pixels per millimetre."""
    cv2 = load_cv2()
    height, width = (max(2, round(side * scale)) for side in plane.size_mm)
    larger = height * width > plane.grey.size
    grey = cv2.resize(
        np.ascontiguousarray(plane.grey),
        (width, height),
        interpolation=cv2.INTER_LINEAR if larger else cv2.INTER_AREA,
    )
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


def _stepped(labels: NDArray[np.uint8], canvas: Pixels) -> NDArray[np.uint8]:
    """Give labels in the size of a canvas."""
    cv2 = load_cv2()
    size = (canvas.shape[1], canvas.shape[0])
    return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def paste(canvas: Pixels, pixels: Pixels, top: int, left: int) -> None:
    """Put one picture into another."""
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels


def counted(
    labels: NDArray[Any], names: Mapping[int, object], colours: Mapping[int, Colour]
) -> dict[int, int]:
    """Count the voxels of each label.

    Raises
    ------
    LabelError
        If one has no name or no colour.
    """
    counts: dict[int, int] = {}
    for plane in labels:
        found, sizes = np.unique(plane[plane != 0], return_counts=True)
        for label, size in zip(found.tolist(), sizes.tolist(), strict=True):
            counts[label] = counts.get(label, 0) + size
    nameless = sorted(label for label in counts if label not in names or label not in colours)
    if nameless:
        raise LabelError(f"labels {nameless} have no name or no colour (names are {dict(names)})")
    return counts
