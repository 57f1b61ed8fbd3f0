"""The text at the head of NRRD and MetaImage; a damaged one can crash ITK, so we look first."""

from __future__ import annotations

import math
import re
from pathlib import Path

from medprep.errors import FormatError

_HEAD_BYTES = 1 << 16
_LONGEST_SIDE = 32767
_PACKED_MOST = 1100
"""Deflate packs at most 1032 to 1."""
_FIELD = re.compile(r"^([A-Za-z ]+?) *(?:=|:=?) *(.*?) *$", re.MULTILINE)


def require_sane(path: Path) -> None:
    """Refuse a head that ITK cannot be trusted with.

    Raises
    ------
    FormatError
        If the file is none of both kinds, has other than three axes of 1 to 32767 voxels, keeps
        its voxels in another file, or has too few bytes for them.
    """
    try:
        with path.open("rb") as handle:
            head = handle.read(_HEAD_BYTES)
    except OSError as error:
        raise FormatError(f"cannot be read: {error.strerror}", path=path) from error
    nrrd = head.startswith(b"NRRD")
    fields = _fields(head, b"\n\n" if nrrd else b"ElementDataFile")
    names = ("dimension", "sizes") if nrrd else ("NDims", "DimSize")
    axes, sizes = (fields.get(name, "") for name in names)
    elsewhere = {"data file", "datafile"} & set(fields) if nrrd else b"LOCAL" not in head
    if not fields or elsewhere:
        raise FormatError(
            "cannot be read: no NRRD or MetaImage that holds its own voxels; store it as one file",
            path=path,
        )
    if axes != "3":
        raise FormatError(
            f"{axes[:20] or 'no'} axes; wanted are 3 and one number a voxel", path=path
        )
    sides = [int(one) for one in sizes.split()] if re.fullmatch(r"[\d ]{5,40}", sizes) else []
    if len(sides) != 3 or not all(1 <= side <= _LONGEST_SIDE for side in sides):
        raise FormatError(
            f"impossible sides {sizes[:40]!r}; wanted are three from 1 to {_LONGEST_SIDE}",
            path=path,
        )
    if math.prod(sides) > _PACKED_MOST * path.stat().st_size:
        raise FormatError(
            f"{path.stat().st_size:,} bytes cannot hold {' x '.join(map(str, sides))} voxels; copy "
            "the file anew",
            path=path,
        )


def _fields(head: bytes, end: bytes) -> dict[str, str]:
    text = head.replace(b"\r\n", b"\n").partition(end)[0].decode("latin-1")
    return {name.strip(): value for name, value in _FIELD.findall(text)}
