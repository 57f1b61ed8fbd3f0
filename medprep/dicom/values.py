"""Numbers of a header: refused where voxels depend on them, else passed over if they are none."""

from __future__ import annotations

import math

from medprep.dicom.dictionary import Tags
from medprep.errors import DicomError

_LARGEST_IS = 2**31
"""Integer strings hold 32 bits (PS3.5 6.2)."""


def needed(tags: Tags, name: str, count: int) -> tuple[float, ...]:
    """Give ``count`` finite numbers.

    Raises
    ------
    DicomError
        If they are missing or anything else.
    """
    value = tags.get(name)
    row = (value,) if isinstance(value, float) else value
    if isinstance(row, tuple) and len(row) == count and all(map(_is_finite, row)):
        return row
    # Quoted, but never a whole block of rubbish.
    found = "missing" if value is None else repr(value)[:80]
    wanted = "is a finite number" if count == 1 else f"are {count} finite numbers"
    raise DicomError(f"{name} is {found}; wanted {wanted}")


def needed_if_there(tags: Tags, name: str) -> float | None:
    """Give a finite number, or None where the header has none.

    Raises
    ------
    DicomError
        If it is anything else.
    """
    return None if name not in tags else needed(tags, name, 1)[0]


def hint(tags: Tags, name: str) -> float | None:
    """Give a finite number, or None."""
    value = tags.get(name)
    return value if _is_finite(value) else None


def hints(tags: Tags, name: str) -> tuple[float, ...]:
    """Give a row of finite numbers, or none."""
    value = tags.get(name)
    return value if isinstance(value, tuple) and all(map(_is_finite, value)) else ()


def whole_hint(tags: Tags, name: str) -> int:
    """Give a whole number, or 0."""
    value = hint(tags, name) or 0.0
    return int(value) if abs(value) < _LARGEST_IS else 0


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)
