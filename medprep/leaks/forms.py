"""The eight ways a picture can lie: mirrored, turned, or as it is; and what is common to them.

A way is a number: 1 mirrors the rows (top to bottom), 2 the columns, and 4 exchanges both axes
before that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

WAYS = 8
MIRRORED_ROWS, MIRRORED_COLUMNS, TRANSPOSED = 1, 2, 4
DIGEST = 16
"""Bytes of a digest: among 1e9 pictures two are equal by chance once in 1e21 sets."""

_NARROW = 1 << 20
_WORDS = {
    0: "",
    MIRRORED_ROWS: "mirrored in y",
    MIRRORED_COLUMNS: "mirrored in x",
    MIRRORED_ROWS | MIRRORED_COLUMNS: "mirrored in x and y",
    TRANSPOSED: "mirrored in y, turned by -90 degrees",
    TRANSPOSED | MIRRORED_ROWS: "turned by 90 degrees",
    TRANSPOSED | MIRRORED_COLUMNS: "turned by -90 degrees",
    TRANSPOSED | MIRRORED_ROWS | MIRRORED_COLUMNS: "mirrored in y, turned by 90 degrees",
}


@dataclass(frozen=True, eq=False)
class Exact:
    """What a picture is, whichever way it lies and however its grey levels are scaled.

    Parameters
    ----------
    order_digest
        Of each pixel's rank among the grey levels, in the way that sorts first: equal for all
        eight ways and after any increasing map of the grey levels.
    level_digest
        Of the grey levels themselves: with the first it makes the picture.
    way
        What takes the picture to the way that sorts first.
    levels
        How many different grey levels there are.
    """

    order_digest: bytes
    level_digest: bytes
    way: int
    levels: int


def lay(picture: NDArray[Any], way: int) -> NDArray[Any]:
    """Give a view of a picture ``[row, column]`` laid another way."""
    if way & TRANSPOSED:
        picture = picture.T
    return picture[:: -1 if way & MIRRORED_ROWS else 1, :: -1 if way & MIRRORED_COLUMNS else 1]


@cache
def between(one: int, other: int) -> int:
    """Give the way that takes the other picture to the one, from what takes each to the same."""
    marks = np.arange(4).reshape(2, 2)
    goal = lay(marks, other)
    return next(way for way in range(WAYS) if np.array_equal(lay(lay(marks, way), one), goal))


def words(way: int) -> str:
    """Say a way; degrees are counter-clockwise on the screen, mirroring comes first."""
    return _WORDS[way]


def ranks_of(grey: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Replace grey levels by their ranks.

    Returns
    -------
    ranks, levels
        ``[row, column]``, little-endian uint16 or uint32 by the number of levels alone; and the
        levels in rising order.
    """
    low, high = grey.min(), grey.max()
    if grey.dtype.kind in "bui" and int(high) - int(low) < _NARROW:
        offset = (grey.astype(np.int64) - int(low)).ravel()
        present = np.bincount(offset) > 0
        ranks, levels = (np.cumsum(present) - 1)[offset], np.flatnonzero(present) + int(low)
    else:
        levels, ranks = np.unique(grey, return_inverse=True)
    kind = "<u2" if len(levels) <= 1 << 16 else "<u4"
    return ranks.reshape(grey.shape).astype(kind), levels


def exact(ranks: NDArray[Any], levels: NDArray[Any]) -> Exact:
    """Digest what `ranks_of` gave.

    The way that sorts first is found by the sums of rows and columns, which a flip reverses and a
    turn exchanges; only where these are alike the pixels themselves are compared.
    """
    sums = [ranks.sum(axis=axis, dtype=np.uint64) for axis in (1, 0)]
    keys = [_key(sums, way) for way in range(WAYS)]
    first = min(keys)
    alike = [way for way in range(WAYS) if keys[way] == first]
    way = alike[0]
    if len(alike) > 1:
        way = min(alike, key=lambda number: (lay(ranks, number).tobytes(), number))
    laid = lay(ranks, way)
    order = blake2b(repr(laid.shape).encode(), digest_size=DIGEST)
    order.update(laid.tobytes())
    # + 0.0: minus zero is zero.
    values = (levels.astype("<f8") + 0.0).tobytes()
    grey = blake2b(values, digest_size=DIGEST)
    return Exact(order.digest(), grey.digest(), way, len(levels))


def _key(sums: list[NDArray[np.uint64]], way: int) -> tuple[int, bytes, bytes]:
    rows, columns = sums[::-1] if way & TRANSPOSED else sums
    rows = rows[:: -1 if way & MIRRORED_ROWS else 1]
    columns = columns[:: -1 if way & MIRRORED_COLUMNS else 1]
    return len(rows), rows.tobytes(), columns.tobytes()
