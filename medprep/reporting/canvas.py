"""Words on pixels, and pixels as a small palette PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medprep.reporting.data import Colour

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

_SHADES = (1.0, 0.75, 0.5, 0.25)
"""Outlines are smoothed against their dark rim in these steps."""
_MOST_COLOURS = 256


@dataclass(frozen=True)
class Words:
    """A line of text on a picture.

    Parameters
    ----------
    text
        What it says.
    x, y
        Where, in pixels from the left and the top.
    anchor
        Which point of the text lies there, as Pillow names it: ``la`` is left and top.
    size
        In pixels.
    colour
        Red, green and blue.
    bold
        In the bold face.
    """

    text: str
    x: int
    y: int
    anchor: str = "la"
    size: int = 14
    colour: Colour = (235, 235, 235)
    bold: bool = False


def write(pixels: NDArray[np.uint8], lines: Sequence[Words]) -> NDArray[np.uint8]:
    """Write lines with a dark rim onto ``[row, column, 3]``; gives a new array."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    for line in lines:
        draw.text(
            (line.x, line.y),
            line.text,
            fill=line.colour,
            font=_font(line.size, line.bold),
            anchor=line.anchor,
            stroke_width=2,
            stroke_fill=(0, 0, 0),
        )
    return np.array(picture)


def width_of(text: str, size: int, bold: bool = False) -> int:
    """Give the pixels that a text is wide."""
    return round(float(_font(size, bold).getlength(text)))


def shortened(text: str, width: int, size: int) -> str:
    """Cut the middle out of a text until it is at most so many pixels wide."""
    kept = len(text)
    shown = text
    while kept > 2 and width_of(shown, size) > width:
        kept -= 1
        shown = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
    return shown


def palette_png(pixels: NDArray[np.uint8], colours: Sequence[Colour], greys: int) -> bytes:
    """Encode ``[row, column, 3]`` with so many levels of grey, the colours and their shades.

    Every pixel becomes the nearest of them, so a colour that is named comes out exactly. What goes
    beyond 256 entries, shades first, is left out.

    Returns
    -------
    bytes
        A PNG without text chunks and times.
    """
    steps = np.rint(np.linspace(0, 255, greys)).astype(np.int32)
    coloured = [[round(part * shade) for part in one] for shade in _SHADES for one in colours]
    entries = np.array([*([step] * 3 for step in steps), *coloured], np.int32)[:_MOST_COLOURS]
    level = np.abs(np.arange(256)[:, None] - steps).argmin(axis=1).astype(np.uint8)
    numbers = level[pixels[..., 0]]
    others = (pixels != pixels[..., :1]).any(axis=2)
    found, where = np.unique(pixels[others], axis=0, return_inverse=True)
    nearest = [np.square(entries - one).sum(axis=1).argmin() for one in found.astype(np.int32)]
    numbers[others] = np.array(nearest, np.uint8)[where.reshape(-1)]
    table = entries.astype(np.uint8).tobytes()
    return _encoded(numbers, table)


def _encoded(numbers: NDArray[np.uint8], table: bytes) -> bytes:
    """Encode palette numbers, rows filtered with "Up" (PNG specification, section 9.2).

    Palette pictures are written without a filter elsewhere; here neighbouring numbers are
    neighbouring greys, and the filter saves a fifth.
    """
    rows, columns = numbers.shape
    filtered = np.full((rows, columns + 1), 2, np.uint8)
    filtered[:, 1:] = np.diff(numbers, axis=0, prepend=np.uint8(0))
    header = struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)
    # Level 9 takes seven times as long for a twenty-fifth less.
    body = zlib.compress(filtered.tobytes(), 7)
    parts = ((b"IHDR", header), (b"PLTE", table), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


@cache
def _font(size: int, bold: bool) -> FreeTypeFont:
    """Load a face that matplotlib brings; it knows Greek, Cyrillic and most accents."""
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)
