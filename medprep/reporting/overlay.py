"""A case at one look: three planes with the outlines of its labels.

Pictures hold a few dozen levels of grey and the organs' colours, as a palette: a quarter of the
size of full colour, and outlines keep exactly the colours of the legend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry
from medprep.opencv import load_cv2
from medprep.reporting.canvas import Words, palette_png, shortened, width_of, write
from medprep.reporting.data import Colour
from medprep.reporting.outlines import Pixels, counted, outlined, paste
from medprep.reporting.planes import OBLIQUE_FROM_DEGREES, Plane, planes_of, view_of

_GAP = 8
_TRIES = ((640, 48), (640, 32), (480, 32), (320, 16))
"""Pixels that planes beside (or above) each other take together, and levels of grey: the first
that keep a picture below `_MOST_BYTES`."""
_MOST_BYTES = 60_000
_TEXT, _QUIET = (235, 235, 235), (150, 150, 150)
_LINE, _SIZE, _LEGEND_WIDTH = 24, 15, 220
"""Height of a line of the legend, of its letters, and the width of its longest name."""
_UNDER = 20
"""Height of the line below a plane that says which one it is."""
_TALL = 60
"""A plane below this height has no room for letters at its top and bottom."""
_CELLS = ((1, 0), (0, 0), (0, 1))
"""Row and column of the axial, coronal and sagittal plane."""
_MOST_NAMES = 18
"""Organs that the legend names; more are counted."""


def overlay_png(
    picture: NDArray[Any],
    labels: NDArray[Any],
    geometry: Geometry | None,
    names: Mapping[int, str],
    colours: Mapping[int, Colour],
    window: tuple[float, float],
) -> bytes:
    """Draw three planes through a case with the outline of every label.

    Coronal above axial, sagittal beside coronal, all in one scale of millimetres, sides lettered,
    the patient's right on the viewer's left whatever the array's order
    (`medprep.reporting.planes`). The legend names the organs, and says which of them lie on none of
    the three planes and which the case does not have.

    Parameters
    ----------
    picture
        ``[slice, row, column]``, any number type.
    labels
        Same shape, integers; 0 is background.
    geometry
        The grid; None where it is unknown: then voxels are drawn as cubes and sides unnamed.
    names, colours
        Of each label value.
    window
        The grey values that become black and white.

    Returns
    -------
    bytes
        A palette PNG of about 650 pixels a side, without text chunks; equal input gives equal
        bytes. Without labels it shows the planes through the middle.

    Raises
    ------
    LabelError, GeometryError
        If shapes differ, a label has no name or colour, or the window is empty.
    """
    counts = counted(labels, names, colours)
    planes = planes_of(picture, labels, geometry, window)
    legend = _Legend.of(planes, counts, names, colours, geometry)
    for side, greys in _TRIES:
        scale = _scale(planes, side)
        panels = [(plane, outlined(plane, scale, colours, 2)) for plane in planes]
        content = palette_png(_laid_out(panels, legend), list(colours.values()), greys)
        if len(content) <= _MOST_BYTES:
            break
    return content


@dataclass(frozen=True)
class _Legend:
    """Lines of organs (colour and words; no colour where the case has none) and of notes."""

    organs: tuple[tuple[Colour | None, str], ...]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        planes: Sequence[Plane],
        counts: Mapping[int, int],
        names: Mapping[int, str],
        colours: Mapping[int, Colour],
        geometry: Geometry | None,
    ) -> _Legend:
        seen = {label for plane in planes for label in np.unique(plane.labels).tolist()}
        lines: list[tuple[Colour | None, str]] = []
        for label in sorted(names):
            name = shortened(names[label].replace("_", " "), _LEGEND_WIDTH, _SIZE)
            if label in seen:
                lines.append((colours[label], name))
            elif counts.get(label):
                lines.append((colours[label], f"{name} (elsewhere)"))
            else:
                lines.append((None, f"{name}: none"))
        notes = []
        if len(lines) > _MOST_NAMES:
            notes.append(f"and {len(lines) - _MOST_NAMES} more")
        degrees = view_of(geometry).oblique_degrees
        if geometry is None:
            notes.append("grid and sides unknown")
        elif degrees >= OBLIQUE_FROM_DEGREES:
            notes.append(f"oblique by {degrees:.0f}\u00b0: nearest axes")
        return cls(tuple(lines[:_MOST_NAMES]), tuple(notes))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        words = [text for _, text in self.organs] + list(self.notes)
        width = max((width_of(text, _SIZE) for text in words), default=0)
        return _LINE * (len(words) + 1), width + 3 * _LINE


def _scale(planes: Sequence[Plane], pixels: int) -> float:
    """Give pixels per millimetre, so that the planes together take so many."""
    if len(planes) == 3:
        axial, coronal, sagittal = (plane.size_mm for plane in planes)
        return pixels / max(coronal[1] + sagittal[1], coronal[0] + axial[0])
    return pixels / max((max(plane.size_mm) for plane in planes), default=1.0)


def _laid_out(panels: Sequence[tuple[Plane, Pixels]], legend: _Legend) -> Pixels:
    """Put planes and legend onto one canvas, and write on it."""
    cells = _CELLS if len(panels) == len(_CELLS) else ((0, 0),)
    corner = (1, 1) if len(panels) == len(_CELLS) else (0, 1)
    sizes = {
        cell: (pixels.shape[0] + _UNDER, pixels.shape[1])
        for cell, (_, pixels) in zip(cells, panels, strict=False)
    }
    sizes[corner] = legend.size
    heights = [max((s[0] for c, s in sizes.items() if c[0] == n), default=0) for n in (0, 1)]
    widths = [max((s[1] for c, s in sizes.items() if c[1] == n), default=0) for n in (0, 1)]
    tops, lefts = (0, heights[0] + _GAP), (0, widths[0] + _GAP)
    canvas = np.zeros((sum(heights) + _GAP, sum(widths) + _GAP, 3), np.uint8)
    lines: list[Words] = []
    for cell, (plane, pixels) in zip(cells, panels, strict=False):
        top, left = tops[cell[0]], lefts[cell[1]]
        paste(canvas, pixels, top, left)
        lines += _labelled(plane, top, left, *pixels.shape[:2])
    lines += _written(canvas, legend, tops[corner[0]], lefts[corner[1]])
    return write(canvas, lines)


def _labelled(plane: Plane, top: int, left: int, height: int, width: int) -> list[Words]:
    """Letter the sides of a plane and say which one it is."""
    words = shortened(plane.title, width - 4, 12)
    line = Words(words, left + 4, top + height + 4, size=12, colour=_QUIET)
    return [line, *sides(plane, top, left, height, width)]


def sides(plane: Plane, top: int, left: int, height: int, width: int) -> list[Words]:
    """Give the letters of a plane's sides, each at its edge; none where the grid is unknown."""
    middle, across = top + height // 2, left + width // 2
    up, down, first, last = plane.ends
    places = [(first, left + 6, middle, "lm"), (last, left + width - 6, middle, "rm")]
    if height >= _TALL:
        places += [(up, across, top + 4, "ma"), (down, across, top + height - 4, "md")]
    return [Words(t, x, y, a, bold=True) for t, x, y, a in places if t]


def _written(canvas: Pixels, legend: _Legend, top: int, left: int) -> list[Words]:
    """Draw the legend's signs onto the canvas and give its words."""
    cv2 = load_cv2()
    lines = []
    x = left + _LINE
    for number, (colour, text) in enumerate(legend.organs):
        y = top + _LINE * (number + 1)
        if colour is not None:
            cv2.rectangle(canvas, (x, y - 6), (x + 11, y + 5), colour, 2)
        quiet = colour is None or text.endswith(")")
        lines.append(Words(text, x + _LINE, y, "lm", _SIZE, _QUIET if quiet else _TEXT))
    for number, text in enumerate(legend.notes, len(legend.organs) + 1):
        lines.append(Words(text, x, top + _LINE * number, "lm", _SIZE - 1, _QUIET))
    return lines
