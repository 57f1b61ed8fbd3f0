"""A data set at one look: every case in small, with what was found about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry
from medprep.opencv import load_cv2
from medprep.reporting.canvas import Words, palette_png, shortened, write
from medprep.reporting.data import Colour
from medprep.reporting.outlines import Pixels, counted, outlined, paste
from medprep.reporting.planes import acquired, planes_of
from medprep.reporting.quality import Thumbnail

_SIDE = 160
_GAP = 8
_COLUMNS = 8
_CAPTION = 36
"""Height of the two lines below a thumbnail."""
_GREYS = 40
_MARK = (255, 170, 60)


def thumbnail_png(
    picture: NDArray[Any],
    labels: NDArray[Any],
    geometry: Geometry | None,
    colours: Mapping[int, Colour],
    window: tuple[float, float],
) -> bytes:
    """Draw a case in small: the slice that shows most organs, with outlines, turned upright.

    Parameters
    ----------
    picture, labels, geometry, colours, window
        As `overlay_png` takes them.

    Returns
    -------
    bytes
        A palette PNG, 160 pixels on its longer side.

    Raises
    ------
    LabelError, GeometryError
        As `overlay_png`.
    """
    counted(labels, colours, colours)
    plane = acquired(planes_of(picture, labels, geometry, window))
    if plane is None:  # slices of one row or column
        return palette_png(np.zeros((1, 1, 3), np.uint8), (), 2)
    scale = _SIDE / max(plane.size_mm)
    return palette_png(outlined(plane, scale, colours, 1), list(colours.values()), _GREYS)


def montage_png(thumbnails: Sequence[Thumbnail], columns: int = _COLUMNS) -> bytes:
    """Set thumbnails beside and below each other, case ids and flags under them.

    Flagged ones have a frame. No thumbnail gives a single black pixel.
    """
    from PIL import Image

    columns = max(1, min(columns, len(thumbnails)))
    step = (_SIDE + _CAPTION + _GAP, _SIDE + _GAP)
    canvas = np.zeros((ceil(len(thumbnails) / columns) * step[0], columns * step[1], 3), np.uint8)
    lines: list[Words] = []
    used: set[Colour] = {_MARK}
    for number, one in enumerate(thumbnails):
        top, left = (number // columns) * step[0], (number % columns) * step[1]
        with Image.open(BytesIO(one.png)) as opened:
            small = np.asarray(opened.convert("RGB"))
        used |= _colours_in(small)
        down, across = ((_SIDE - n) // 2 for n in small.shape[:2])
        paste(canvas, small, top + down, left + across)
        if one.flags:
            _frame(canvas, top, left)
        under = top + _SIDE + 2
        lines.append(Words(shortened(one.case, _SIDE, 13), left, under, size=13))
        flag = shortened("; ".join(one.flags), _SIDE, 12)
        lines.append(Words(flag, left, under + 17, size=12, colour=_MARK))
    if not thumbnails:
        canvas = np.zeros((1, 1, 3), np.uint8)
    return palette_png(write(canvas, lines), sorted(used), _GREYS)


def chosen(cases: Sequence[str], flagged: Collection[str], most: int) -> list[str]:
    """Choose cases to draw large: flagged ones first, then evenly from the others.

    Returns
    -------
    list of str
        At most ``most``, in the order of ``cases``.
    """
    first = [case for case in cases if case in flagged][:most]
    others = [case for case in cases if case not in flagged]
    left = min(most - len(first), len(others))
    evenly = {others[n * len(others) // left] for n in range(left)}
    return [case for case in cases if case in evenly or case in first]


def _frame(canvas: Pixels, top: int, left: int) -> None:
    cv2 = load_cv2()
    end = (left + _SIDE - 1, top + _SIDE - 1)
    cv2.rectangle(canvas, (left + 1, top + 1), end, _MARK, 2)


def _colours_in(pixels: Pixels) -> set[Colour]:
    """Give the colours of a picture that are no grey."""
    flat = pixels.reshape(-1, 3)
    coloured = flat[(flat != flat[:, :1]).any(axis=1)]
    return {(int(r), int(g), int(b)) for r, g, b in np.unique(coloured, axis=0)}
