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
from medprep.errors import DicomError

_MARK = b"SV10"
_MOST_TAGS, _MOST_ITEMS = 1024, 4096
_COUNT, _NORMAL = "NumberOfImagesInMosaic", "SliceNormalVector"


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
        If the header does not say how many tiles there are or where they lie.
    """
    header = csa_values(tags.get("SiemensImageHeader", b""), (_COUNT, _NORMAL))
    count = int(_numbers(header, _COUNT, 1)[0])
    normal = np.array(_numbers(header, _NORMAL, 3))
    whole = np.array([_whole(tags, "Rows"), _whole(tags, "Columns")])
    side = math.ceil(math.sqrt(count)) if count > 0 else 0
    if not 0 < side <= whole.min() or (whole % side).any():
        raise DicomError(f"{count} tiles do not fit a mosaic of {whole[0]} x {whole[1]} pixels")
    tile = whole // side
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


def _first_position(tags: Tags, whole: np.ndarray, tile: np.ndarray) -> np.ndarray:
    """Give the corner of the first tile.

    The header gives the corner that the whole picture would have if it lay centred on the tile.
    """
    corner = np.array(_row(tags, "ImagePositionPatient", 3))
    cosines = np.array(_row(tags, "ImageOrientationPatient", 6))
    spacing = np.array(_row(tags, "PixelSpacing", 2))
    aside = (whole - tile) / 2 * spacing
    place: np.ndarray = corner + aside[0] * cosines[3:] + aside[1] * cosines[:3]
    return place


def _step_mm(tags: Tags) -> float:
    step = tags.get("SpacingBetweenSlices", tags.get("SliceThickness"))
    if not isinstance(step, float) or not math.isfinite(step) or step <= 0:
        raise DicomError(f"a mosaic whose slices are {step} mm apart; wanted is above 0")
    return step


def _whole(tags: Tags, name: str) -> int:
    value = tags.get(name)
    if not isinstance(value, float) or not math.isfinite(value) or value < 1:
        raise DicomError(f"{name} is {value}; wanted is a number above 0")
    return int(value)


def _row(tags: Tags, name: str, count: int) -> tuple[float, ...]:
    value = tags.get(name)
    if not isinstance(value, tuple) or len(value) != count or not np.isfinite(value).all():
        raise DicomError(f"a mosaic whose {name} is {str(value)[:60]}; wanted are {count} numbers")
    return value


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
    at = 8 if content[:4] == _MARK else 0
    newer = at > 0
    found: dict[str, tuple[str, ...]] = {}
    try:
        (count,) = struct.unpack_from("<I", content, at)
        at += 8
        base = struct.unpack_from("<I", content, at + 76)[0] if not newer else 0
        for _ in range(min(count, _MOST_TAGS)):
            name = content[at : at + 64].split(b"\0")[0].decode("latin-1")
            (items,) = struct.unpack_from("<I", content, at + 76)
            at += 84
            values = []
            for _ in range(min(items, _MOST_ITEMS)):
                length = struct.unpack_from("<4I", content, at)[1 if newer else 0]
                length -= 0 if newer else base
                at += 16
                if not 0 <= length <= len(content) - at:
                    return found
                text = content[at : at + length].split(b"\0")[0]
                values.append(text.decode("latin-1").strip())
                at += (length + 3) // 4 * 4
            if name in names:
                found[name] = tuple(value for value in values if value)
    except struct.error:  # cut short: what came before is good
        return found
    return found
