"""PNG: 8-bit, 16-bit and palette pictures written by a short fast writer.

Pictures of 8-bit grey, and those of 16 bits with several channels, are read by OpenCV, all others
by Pillow; the checksums are looked at first.

The writer filters every row of a picture with "Up" (PNG specification, section 9.2), labels with
nothing, and compresses with ISA-L's deflate, which is several times quicker than libpng's search
for the best filter. It writes no times and no text, so equal pixels give equal files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from functools import lru_cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.colours import Colour, palette_of
from medprep.errors import FormatError
from medprep.formats.deflate import packed
from medprep.opencv import load_cv2

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD_BYTES = 33
_GREY, _RGB, _PALETTE = 0, 2, 3
_NO_FILTER, _UP = 0, 2
_PLAIN = b"\x08\x00"
"""Bit depth 8, grey: the usual mask."""
_PLAIN_PIXELS = 1 << 26
"""Above this Pillow reads, which looks at a head before it asks for memory."""
_SUSPECT_BYTES, _SUSPECT_RATIO = 1 << 26, 900
"""Deflate packs at most 1032 to 1: what comes near it and is large is no picture."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
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


def write_labels(
    path: Path, labels: NDArray[Any], colours: Mapping[int, Colour] = MappingProxyType({})
) -> None:
    """Write labels as a palette picture whose indices are the labels.

    Parameters
    ----------
    labels
        ``[row, column]``, integers from 0 to 255.
    colours
        Label value to colour, see `medprep.colours.palette_of`.
    """
    if labels.size and (labels.min() < 0 or labels.max() > 255):
        raise FormatError("a palette PNG holds labels from 0 to 255", path=path)
    chunk = _palette_chunk(tuple(sorted(colours.items())))
    path.write_bytes(_encode(labels.astype(np.uint8, copy=False), 8, _PALETTE, chunk))


def write_slices(folder: Path, planes: Iterable[NDArray[Any]]) -> None:
    """Write grey slices as ``000.png``, ``001.png``, ...; each as `write_grey` does."""
    for number, plane in enumerate(planes):
        write_grey(folder / f"{number:03d}.png", plane)


def write_label_slices(
    folder: Path, planes: Iterable[NDArray[Any]], colours: Mapping[int, Colour]
) -> None:
    """Write label slices as ``000.png``, ``001.png``, ...; each as `write_labels` does."""
    for number, plane in enumerate(planes):
        write_labels(folder / f"{number:03d}.png", plane, colours)


def read(path: Path) -> NDArray[Any]:
    """Read a picture's stored numbers.

    Returns
    -------
    ndarray
        ``[row, column]``: uint8 (8-bit grey; 1-bit as 0 and 1) or uint16. A palette with any
        colour gives its indices, one of greys alone (a program's way to save space) the greys.
        RGB(A) whose channels are equal counts as grey; alpha is ignored.

    Raises
    ------
    FormatError
        If the file is no readable picture or holds real colours.
    """
    if not path.is_file():  # reading a pipe would wait for ever
        raise FormatError(
            "not a readable picture: no regular file but a folder, pipe or device, or nothing",
            path=path,
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FormatError(f"not a readable picture: {type(error).__name__}", path=path) from error
    if content[:8] == _SIGNATURE:
        _require_whole(content, path)
        _require_harmless(content, path)
        if content[24:26] == _PLAIN and _pixels(content) <= _PLAIN_PIXELS:
            plain = _decode(content, path)
            return plain if plain.ndim == 2 else _grey(plain, path)  # a colour may be transparent
    return _read_by_pillow(content, path)


def _read_by_pillow(content: bytes, path: Path) -> NDArray[Any]:
    from PIL import Image

    try:
        with Image.open(BytesIO(content)) as picture:
            if picture.mode in ("1", "L"):
                return np.array(picture, dtype=np.uint8)
            if picture.mode == "P":
                return _levels(np.array(picture, np.uint8), picture.getpalette("RGB"))
            if picture.mode.startswith("I"):
                return np.array(picture).astype(np.uint16)
            if picture.mode not in ("LA", "RGB", "RGBA"):
                raise FormatError(
                    f"no picture of grey levels (mode {picture.mode}); store it in grey", path=path
                )
            pixels = np.array(picture)
        if content[:8] == _SIGNATURE and content[24:26] in _DEEP_COLOURS:
            pixels = _decode(content, path)
        return _grey(pixels, path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"not a readable picture: {type(error).__name__}", path=path) from error


def _require_whole(content: bytes, path: Path) -> None:
    """Check the sums of all chunks: Pillow gives other pixels where a byte was changed."""
    from isal import isal_zlib

    place = len(_SIGNATURE)
    while place < len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4])
        name, stated = content[place + 4 : place + 8], content[end : end + 4]
        if int.from_bytes(stated) != isal_zlib.crc32(content[place + 4 : end]) or len(stated) < 4:
            raise FormatError(
                "not a readable picture: damaged or cut short; copy it anew", path=path
            )
        if name == b"IEND":  # what follows is no part of the picture
            return
        place = end + 4
    raise FormatError("not a readable picture: damaged or cut short; copy it anew", path=path)


def _require_harmless(content: bytes, path: Path) -> None:
    """Refuse by its size what holds less than it says, or next to nothing."""
    if content[12:16] != b"IHDR" or len(content) < _HEAD_BYTES:
        raise FormatError("not a readable picture: it has no head; copy it anew", path=path)
    numbers = _pixels(content) * _CHANNELS.get(content[25], 1)
    unpacked = numbers * content[24] // 8
    if max(numbers, unpacked) > _SUSPECT_BYTES and unpacked > _SUSPECT_RATIO * len(content):
        raise FormatError(
            f"{len(content):,} packed bytes cannot hold the {unpacked:,} that its head speaks of, "
            "or hold one value only: not unpacked; wanted is the picture of a slice",
            path=path,
        )


def _pixels(content: bytes) -> int:
    return int.from_bytes(content[16:20]) * int.from_bytes(content[20:24])


def _decode(content: bytes, path: Path) -> NDArray[Any]:
    """Read by OpenCV, in three quarters of Pillow's time."""
    cv2 = load_cv2()
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise FormatError("not a readable picture: damaged; copy it anew", path=path)
    return np.asarray(pixels)


def _levels(indices: NDArray[np.uint8], palette: list[int] | None) -> NDArray[np.uint8]:
    """Take indices for what they are, or for greys where the whole palette holds nothing else.

    The whole, not only what this slice uses: a volume's slices share a palette and a meaning.
    Pillow fills a short palette up with greys, which change nothing.
    """
    given = np.array(palette or [], np.uint8).reshape(-1, 3)
    if not (given == given[:, :1]).all():
        return indices
    greys = np.zeros(256, np.uint8)
    greys[: len(given)] = given[:, 0]
    return greys[indices]


def _grey(pixels: NDArray[Any], path: Path) -> NDArray[Any]:
    """Take the grey out of ``[row, column, channel]`` with or without alpha at the end."""
    colours = pixels[..., : 1 if pixels.shape[-1] < 3 else 3]
    if not (colours == colours[..., :1]).all():
        raise FormatError(
            "a picture in colour; wanted is grey, palette or equal RGB channels", path=path
        )
    return np.ascontiguousarray(colours[..., 0])


def _encode(
    pixels: NDArray[Any],
    depth: int,
    kind: int,
    palette: bytes = b"",
) -> bytes:
    rows, columns = pixels.shape[:2]
    raw = np.ascontiguousarray(pixels).view(np.uint8).reshape(rows, -1)
    filtered = np.empty((rows, raw.shape[1] + 1), np.uint8)
    if kind == _PALETTE:  # areas of one number are smaller as they are
        filtered[:, 0] = _NO_FILTER
        filtered[:, 1:] = raw
    else:
        filtered[:, 0] = _UP
        filtered[:1, 1:] = raw[:1]
        np.subtract(raw[1:], raw[:-1], out=filtered[1:, 1:])
    header = struct.pack(">IIBBBBB", columns, rows, depth, kind, 0, 0, 0)
    body = packed(filtered.data.cast("B"))
    return (
        _SIGNATURE
        + _chunk(b"IHDR", header)
        + palette
        + _chunk(b"IDAT", body)
        + _chunk(b"IEND", b"")
    )


@lru_cache
def _palette_chunk(colours: tuple[tuple[int, Colour], ...]) -> bytes:
    return _chunk(b"PLTE", bytes(chain.from_iterable(palette_of(dict(colours)))))


def _chunk(name: bytes, body: bytes) -> bytes:
    from isal import isal_zlib

    named = name + body
    return struct.pack(">I", len(body)) + named + struct.pack(">I", isal_zlib.crc32(named))
