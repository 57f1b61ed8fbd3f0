"""PNG: 8-bit, 16-bit and palette pictures written by a short fast writer; read by Pillow.

16-bit pictures of several channels are read by OpenCV.

The writer filters every row with "Up" (PNG specification, section 9.2) and compresses with
ISA-L's deflate, which is several times quicker than libpng's search for the best filter. It
writes no times and no text, so equal pixels give equal files.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError
from medprep.opencv import load_cv2

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
_GREY, _RGB, _PALETTE = 0, 2, 3
_DEEP_COLOURS = (b"\x10\x02", b"\x10\x04", b"\x10\x06")
"""Bit depth 16 with several channels: Pillow drops the lower byte of these, silently."""


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


def write_colour(path: Path, pixels: NDArray[Any]) -> None:
    """Write a picture in colour.

    Parameters
    ----------
    pixels
        ``[row, column, 3]``, red, green and blue as uint8.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise FormatError(
            f"a PNG in colour holds [row, column, 3] of uint8, not {pixels.shape} of "
            f"{pixels.dtype}",
            path=path,
        )
    path.write_bytes(_encode(pixels, 8, _RGB))


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
            if picture.mode not in ("LA", "RGB", "RGBA"):
                raise FormatError(f"no picture of grey levels (mode {picture.mode})", path=path)
            pixels = np.array(picture)
        content = path.read_bytes()
        if content[:8] == _SIGNATURE and content[24:26] in _DEEP_COLOURS:
            cv2 = load_cv2()
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
            if pixels is None:
                raise FormatError("not a readable picture: damaged", path=path)
        return _grey(pixels, path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"not a readable picture: {type(error).__name__}", path=path) from error


def _grey(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Take the grey out of ``[row, column, channel]`` with or without alpha at the end."""
    colours = pixels[..., : 1 if pixels.shape[-1] < 3 else 3]
    if not (colours == colours[..., :1]).all():
        raise FormatError(
            "a picture in colour; wanted is grey, palette or equal RGB channels", path=path
        )
    return np.ascontiguousarray(colours[..., 0])


def _encode(pixels: NDArray[Any], depth: int, kind: int) -> bytes:
    from isal import isal_zlib

    rows, columns = pixels.shape[:2]
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
    from isal import isal_zlib

    named = name + body
    return struct.pack(">I", len(body)) + named + struct.pack(">I", isal_zlib.crc32(named))


def _palette_bytes() -> bytes:
    return b"".join(bytes(colour) for colour in palette(256))


def palette(count: int) -> Sequence[tuple[int, int, int]]:
    """Give the colours of labels 0 to ``count - 1``; beyond the named ones they repeat."""
    named = LABEL_COLOURS[1:]
    return [LABEL_COLOURS[0], *(named[n % len(named)] for n in range(count - 1))]
