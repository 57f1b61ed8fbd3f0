"""Damaged pictures: `fuzz.py` says how to run it."""

from __future__ import annotations

import contextlib
import random
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from mutations import damaged
from PIL import Image

from medprep.errors import MedprepError
from medprep.formats import png

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIDES = (0, 1, 9, 65535, 2**31 - 1, 2**32 - 1)
_NAMES = (b"IDAT", b"PLTE", b"tRNS", b"IEND", b"gAMA", b"zTXt", b"acTL")


def make(folder: Path) -> Callable[[random.Random], None]:
    """Give a case: one damaged picture, read."""
    corpus = [_saved(mode, ending) for mode, ending in _KINDS]
    path = folder / "picture.png"

    def case(chance: random.Random) -> None:
        content = chance.choice(corpus)
        if content.startswith(_SIGNATURE) and chance.random() < 0.6:
            path.write_bytes(_rewritten(content, chance))
        else:
            path.write_bytes(damaged(content, chance))
        with contextlib.suppress(MedprepError):
            png.read(path)

    return case


_KINDS = (
    ("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"),
    ("I;16", "PNG"), ("L", "JPEG"), ("L", "TIFF"), ("L", "BMP"), ("L", "GIF"), ("L", "PPM"),
    ("L", "ICO"), ("L", "TGA"), ("L", "WEBP"), ("L", "PCX"), ("L", "SGI"), ("L", "JPEG2000"),
)  # fmt: skip


def _saved(mode: str, ending: str) -> bytes:
    levels = np.arange(19 * 17, dtype=np.uint16).reshape(19, 17) % 200
    picture = Image.fromarray(levels if mode == "I;16" else levels.astype(np.uint8))
    out = BytesIO()
    (picture if mode == "I;16" else picture.convert(mode)).save(out, ending)
    return out.getvalue()


def _rewritten(content: bytes, chance: random.Random) -> bytes:
    """Damage what is in the chunks and give them sums that are right: deeper than any byte."""
    made = [_SIGNATURE]
    for name, body in _chunks(content):
        if name == b"IHDR" and chance.random() < 0.5:
            sides = chance.choice(_SIDES), chance.choice(_SIDES)
            rest = bytes(chance.choice((body[at], chance.randrange(20))) for at in range(8, 13))
            body = struct.pack(">II", *sides) + rest
        elif name == b"IDAT" and chance.random() < 0.4:
            raw = damaged(zlib.decompress(body), chance)
            body = zlib.compress(raw * chance.choice((1, 1, 100_000)))
        elif chance.random() < 0.3:
            body = damaged(body, chance)
        if chance.random() < 0.1:
            name = chance.choice(_NAMES)
        made += [_chunk(name, body)] * chance.choice((0, 1, 1, 1, 1, 2))
    return b"".join(made)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    at, made = len(_SIGNATURE), []
    while at < len(content):
        size = int.from_bytes(content[at : at + 4])
        made.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + size]))
        at += 12 + size
    return made


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
