"""PNG: 8-bit, 16-bit and palette pictures written by a short fast writer; read by Pillow.

The writer filters every row with "Up" (PNG specification, section 9.2) and compresses with
ISA-L's deflate, which is several times quicker than libpng's search for the best filter. It
writes no times and no text, so equal pixels give equal files.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError

LABEL_COLOURS: tuple[tuple[int, int, int], ...] = (
    (0, 0, 0),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Fixed colours of labels 0-7, after Okabe and Ito; told apart by colour-blind readers too."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3


def write_grey(path: Path, pixels: NDArray[Any]) -> None:
    """Write a grey picture.

    Parameters
    ----------
    path
        Where to; the caller sees to atomicity.
    pixels
        ``[row, column]``, uint8 or uint16; written as 8 or 16 bits.
    """
    if pixels.dtype == np.uint16:
        path.write_bytes(_encode(pixels.astype(">u2"), 16, _GREY))
    elif pixels.dtype == np.uint8:
        path.write_bytes(_encode(pixels, 8, _GREY))
    else:
        raise FormatError(f"a PNG holds uint8 or uint16, not {pixels.dtype}", path=path)


def write_labels(path: Path, labels: NDArray[Any]) -> None:
    """Write labels as a palette picture: index is the label, colours are fixed.

    Parameters
    ----------
    labels
        ``[row, column]``, integers from 0 to 255.
    """
    if labels.size and (labels.min() < 0 or labels.max() > 255):
        raise FormatError("a palette PNG holds labels from 0 to 255", path=path)
    path.write_bytes(_encode(labels.astype(np.uint8), 8, _PALETTE))


def read(path: Path) -> NDArray[Any]:
    """Read a picture's stored numbers.

    Returns
    -------
    ndarray
        ``[row, column]``: uint8 (8-bit grey; palette indices; 1-bit as 0 and 1) or uint16.
        RGB(A) whose channels are equal counts as grey; alpha is ignored.

    Raises
    ------
    FormatError
        If the file is no readable picture or holds real colours.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.mode in ("1", "P", "L"):
                return np.array(picture, dtype=np.uint8)
            if picture.mode.startswith("I"):
                return np.array(picture).astype(np.uint16)
            channels = np.array(picture)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FormatError(f"not a readable picture: {type(error).__name__}", path=path) from error
    if picture.mode == "LA":
        return channels[..., 0]
    if picture.mode in ("RGB", "RGBA"):
        red, green, blue = (channels[..., n] for n in range(3))
        if np.array_equal(red, green) and np.array_equal(red, blue):
            return np.ascontiguousarray(red)
    raise FormatError(
        f"a picture in colour (mode {picture.mode}); wanted is grey, palette or equal RGB channels",
        path=path,
    )


def _encode(pixels: NDArray[Any], depth: int, kind: int) -> bytes:
    from isal import isal_zlib

    rows, columns = pixels.shape
    raw = np.ascontiguousarray(pixels).view(np.uint8).reshape(rows, -1)
    filtered = np.empty((rows, raw.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2
    filtered[:1, 1:] = raw[:1]
    np.subtract(raw[1:], raw[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", columns, rows, depth, kind, 0, 0, 0)
    body = isal_zlib.compress(filtered.tobytes(), 1)
    palette = _chunk(b"PLTE", _palette_bytes()) if kind == _PALETTE else b""
    return (
        _SIGNATURE
        + _chunk(b"IHDR", header)
        + palette
        + _chunk(b"IDAT", body)
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _palette_bytes() -> bytes:
    return b"".join(bytes(colour) for colour in palette(256))


def palette(count: int) -> Sequence[tuple[int, int, int]]:
    """Give the colours of labels 0 to ``count - 1``; beyond the named ones they repeat."""
    named = LABEL_COLOURS[1:]
    return [LABEL_COLOURS[0], *(named[n % len(named)] for n in range(count - 1))]
