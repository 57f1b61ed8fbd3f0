"""Take a Siemens mosaic apart: one picture that holds all slices of a volume as tiles.

Where the tiles lie stands in the maker's own element (0029,1010), a list of named texts called
CSA header; its two forms are described in nibabel's documentation ("Siemens format DICOM with CSA
header").
"""

from __future__ import annotations

import math
import struct

import numpy as np

from medprep.dicom.dictionary import Tags
from medprep.dicom.values import hint, needed
from medprep.errors import DicomError

_MARK = b"SV10"
_MOST_TILES = 1024
_COUNT, _NORMAL = "NumberOfImagesInMosaic", "SliceNormalVector"
_FLOAT_NOISE = 1e-2


def tile_tags(tags: Tags) -> list[Tags]:
    """Give the tags of each tile, as if it were a file of its own.

    Returns
    -------
    list of Tags
        In stored order: along the rows of the mosaic, from its top. ``TileRow`` and
        ``TileColumn`` say where a tile begins in the picture.

    Raises
    ------
    DicomError
        If the header does not say how many tiles there are or where they lie, or says what cannot
        be.
    """
    header = csa_values(tags.get("SiemensImageHeader", b""), (_COUNT, _NORMAL))
    stated = _numbers(header, _COUNT, 1)[0]
    whole = np.array([int(needed(tags, name, 1)[0]) for name in ("Rows", "Columns")])
    if not 1 <= stated <= _MOST_TILES or stated % 1:
        raise DicomError(f"a mosaic of {stated:g} tiles; wanted are 1 to {_MOST_TILES}")
    count = int(stated)
    side = math.ceil(math.sqrt(count))
    if (whole % side).any():
        raise DicomError(f"{count} tiles do not fit a mosaic of {whole[0]} x {whole[1]} pixels")
    tile = whole // side
    normal = _normal(tags, _numbers(header, _NORMAL, 3))
    first, step = _first_position(tags, whole, tile), _step_mm(tags)
    return [
        {
            **tags,
            "Rows": float(tile[0]),
            "Columns": float(tile[1]),
            "ImagePositionPatient": tuple((first + number * step * normal).tolist()),
            "FrameIndex": 0,
            "TileRow": int(number // side * tile[0]),
            "TileColumn": int(number % side * tile[1]),
        }
        for number in range(count)
    ]


def _normal(tags: Tags, stated: tuple[float, ...]) -> np.ndarray:
    """Give the direction from tile to tile: across the slices, whichever way."""
    cosines = np.array(needed(tags, "ImageOrientationPatient", 6))
    normal = np.array(stated)
    across = float(normal @ np.cross(cosines[:3], cosines[3:]))
    if abs(abs(across) - 1) > _FLOAT_NOISE or abs(np.linalg.norm(normal) - 1) > _FLOAT_NOISE:
        raise DicomError(f"a mosaic whose {_NORMAL} {list(stated)} is not across its slices")
    return normal


def _first_position(tags: Tags, whole: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """Give the corner of the first tile.

    The header gives the corner that the whole picture would have if it lay centred on the tile.
    """
    corner = np.array(needed(tags, "ImagePositionPatient", 3))
    cosines = np.array(needed(tags, "ImageOrientationPatient", 6))
    spacing = np.array(needed(tags, "PixelSpacing", 2))
    aside = (whole - tile) / 2 * spacing
    place: np.ndarray = corner + aside[0] * cosines[3:] + aside[1] * cosines[:3]
    return place


def _step_mm(tags: Tags) -> float:
    named = "SpacingBetweenSlices" if "SpacingBetweenSlices" in tags else "SliceThickness"
    step = hint(tags, named)
    if step is None or step <= 0:
        raise DicomError(f"a mosaic whose slices are {step} mm apart; wanted is above 0")
    return step


def _numbers(header: dict[str, tuple[str, ...]], name: str, count: int) -> tuple[float, ...]:
    texts = header.get(name, ())[:count]
    try:
        numbers = tuple(float(text) for text in texts)
    except ValueError:
        numbers = ()
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise DicomError(
            f"a mosaic of many slices (Siemens) whose header (0029,1010) lacks {name}: its slices "
            "cannot be placed"
        )
    return numbers


def csa_values(content: bytes, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Read the named values of a CSA header; what is damaged or absent is not in the result."""
    newer = content[:4] == _MARK
    at = 8 if newer else 0
    found: dict[str, tuple[str, ...]] = {}
    try:
        (count,) = struct.unpack_from("<I", content, at)
        at += 8
        # The older form counts the first tag's number of items into every length.
        surplus = 0 if newer else struct.unpack_from("<I", content, at + 76)[0]
        for _ in range(count):  # a count that lies ends with the bytes
            name = content[at : at + 64].split(b"\0")[0].decode("latin-1")
            (items,) = struct.unpack_from("<I", content, at + 76)
            values, at = _items(content, at + 84, items, newer, surplus)
            if name in names:
                found[name] = tuple(value for value in values if value)
    except struct.error:  # cut short: what came before is good
        return found
    return found


def _items(content: bytes, at: int, count: int, newer: bool, surplus: int) -> tuple[list[str], int]:
    """Read the values of one tag, and give where they end."""
    values = []
    for _ in range(count):
        length = struct.unpack_from("<4I", content, at)[1 if newer else 0] - surplus
        at += 16
        if not 0 <= length <= len(content) - at:
            if newer:
                raise struct.error(f"a length of {length} bytes")
            break  # in the older form such a length ends the values of its tag
        text = content[at : at + length].split(b"\0")[0]
        values.append(text.decode("latin-1").strip())
        at += (length + 3) // 4 * 4
    return values, at
