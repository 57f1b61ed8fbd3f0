"""Where a prediction errs: three planes through its largest error, the errors in colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry
from medprep.reporting.canvas import palette_png, write
from medprep.reporting.data import ERROR_COLOURS, Colour, ErrorMap, ErrorPlane
from medprep.reporting.outlines import tinted
from medprep.reporting.overlay import sides
from medprep.reporting.planes import planes_through

_FOUND, _MISSED, _EXTRA = 1, 2, 3
"""In the order of `ERROR_COLOURS`."""
_SHARES = (0.3, 0.65, 0.65)
"""Of the colour in a pixel, in that order: what is right may stay in the background."""
_MARGIN_MM, _LEAST_MM = 25.0, 110.0
"""What is seen around the organ, and how much at least, so that one knows where one is."""
_WIDTH, _HEIGHT = 1000, 480
"""Pixels that the planes take beside each other, and that the highest one takes at most."""
_GREYS = 40
_AS_DEEP = 0.999


def error_map(
    picture: NDArray[Any],
    reference: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    geometry: Geometry | None,
    window: tuple[float, float],
) -> ErrorMap:
    """Draw three planes through the middle of the thickest error.

    That is the voxel, in one of the two masks only, that lies deepest among its like; where the
    masks are equal, the deepest of what they share.

    Parameters
    ----------
    picture
        ``[slice, row, column]``, any number type.
    reference, predicted
        Same shape; at least one of them holds something.
    geometry
        The grid; None where it is unknown: then voxels are drawn as cubes and sides unnamed.
    window
        The grey values that become black and white.

    Returns
    -------
    ErrorMap
        Palette PNGs of the organ and its surroundings, in one scale of millimetres; the patient's
        right is on the viewer's left. Equal input gives equal bytes.

    Raises
    ------
    LabelError, GeometryError
        If shapes differ or the window is empty.
    """
    marks = np.where(reference, np.uint8(_MISSED), np.uint8(0))
    marks[predicted] = np.where(reference[predicted], np.uint8(_FOUND), np.uint8(_EXTRA))
    spacing = (1.0, 1.0, 1.0) if geometry is None else geometry.spacing_mm
    voxel = _deepest(marks, spacing)
    box = _around(marks, spacing)
    planes = planes_through(picture, marks, geometry, window, voxel, box)
    width = sum(plane.size_mm[1] for plane in planes)
    height = max((plane.size_mm[0] for plane in planes), default=1.0)
    scale = min(_WIDTH / max(width, 1e-9), _HEIGHT / height)
    tints = dict(enumerate(zip(ERROR_COLOURS.values(), _SHARES, strict=True), 1))
    drawn = []
    for plane in planes:
        pixels = tinted(plane, scale, tints)
        pixels = write(pixels, sides(plane, 0, 0, *pixels.shape[:2]))
        drawn.append(
            ErrorPlane(plane.title, palette_png(pixels, _mixed(), _GREYS), plane.size_mm[1])
        )
    return ErrorMap(tuple(drawn), voxel[0] + 1)


def _deepest(marks: NDArray[np.uint8], spacing_mm: Sequence[float]) -> tuple[int, int, int]:
    import edt

    errors = marks > _FOUND
    if not errors.any():
        errors = marks == _FOUND
    box = _box(errors)
    cut = np.ascontiguousarray(errors[box])
    depth = edt.edt(cut, anisotropy=tuple(spacing_mm), black_border=True, parallel=1)
    # Of equally deep ones that nearest to their middle: a slab's, not its corner's.
    deep = np.argwhere(depth >= _AS_DEEP * depth.max())
    away = np.square((deep - deep.mean(axis=0)) * spacing_mm).sum(axis=1)
    place = deep[int(away.argmin())]
    slices, row, column = (int(n) + one.start for n, one in zip(place, box, strict=True))
    return slices, row, column


def _around(marks: NDArray[np.uint8], spacing_mm: Sequence[float]) -> tuple[slice, ...]:
    """Give the box of all marks with a margin, inside the array."""
    found = []
    for one, step, length in zip(_box(marks > 0), spacing_mm, marks.shape, strict=True):
        own = (one.stop - one.start) * step
        margin = round(max(_MARGIN_MM, (_LEAST_MM - own) / 2) / step)
        found.append(slice(max(0, one.start - margin), min(length, one.stop + margin)))
    return tuple(found)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    found = []
    for axis in range(mask.ndim):
        others = tuple(n for n in range(mask.ndim) if n != axis)
        where = np.flatnonzero(mask.any(axis=others))
        found.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(found)


def _mixed() -> list[Colour]:
    """Give every colour that a tinted pixel may have."""
    greys = np.linspace(0, 255, _GREYS)
    found = []
    for colour, share in zip(ERROR_COLOURS.values(), _SHARES, strict=True):
        for grey in greys:
            red, green, blue = (round((1 - share) * grey + share * part) for part in colour)
            found.append((red, green, blue))
    return found
