"""How much memory a case takes: an estimate, by which it is chosen how many are worked at once."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from medprep.dicom.blobs import Blob
from medprep.dicom.tags import NoDicomError, read_tags
from medprep.errors import MedprepError
from medprep.formats import nifti
from medprep.places.paths import recorded_path
from medprep.sources.base import Reader
from medprep.workspace.in_order import InOrder
from medprep.workspace.workspace import Workspace

_MIB = 1 << 20
_NEEDS = {
    "fingerprint": (50, 2.0), "convert": (50, 2.0), "extract": (105, 4.3), "clean": (50, 1.3),
    "check": (100, 2.0), "strangers": (50, 2.0), "augment": (80, 10.0), "predict": (400, 8.0),
    "shards": (90, 3.0), "shard-labels": (90, 3.0),
}  # fmt: skip
"""MiB of a process that has loaded what the stage uses, and bytes for each byte of the picture."""
_USUAL = (110, 4.0)
_ALLOCATED = 16
"""Bits of a pixel where a header does not say it."""


def needed_bytes(stage: str, picture_bytes: int) -> int:
    """Estimate what a process takes that works a case, from the size of its picture unpacked."""
    base_mib, copies = _NEEDS.get(stage, _USUAL)
    return base_mib * _MIB + int(copies * picture_bytes)


def picture_bytes(workspace: Workspace, subjects: Iterable[str]) -> dict[str, int]:
    """Give the unpacked size of each subject's picture: a case, or a case of a run."""
    sizes = dict.fromkeys(subjects, 0)
    subjects_of: dict[str, list[str]] = {}
    for subject in sizes:
        subjects_of.setdefault(subject.rpartition("/")[2], []).append(subject)
    database = workspace.database
    shapes = InOrder(
        database.each(
            "SELECT subject, json_extract(facts, '$.shape'), json_extract(facts, '$.dtype')"
            " FROM facts WHERE stage = 'convert' ORDER BY subject"
        )
    )
    for row in database.each_case():
        if row.name in subjects_of:
            made = shapes.get(row.name)
            if made is not None:
                each = np.dtype(made[2] or np.int16).itemsize
                size = math.prod(json.loads(made[1])) * each
            else:
                files = [
                    recorded_path(one.path) for one in workspace.ledger.files(row.name, "picture")
                ]
                size = source_bytes(row.reader, files)  # type: ignore[arg-type]
            sizes |= dict.fromkeys(subjects_of[row.name], size)
    return sizes


def source_bytes(reader: Reader, files: Sequence[Path]) -> int:
    """Give the unpacked size of a picture of the source, from its first header.

    What cannot be read counts as it lies on the disk: the case will say why.
    """
    if not files:
        return 0
    try:
        return len(files) * _unpacked(reader, files[0])
    except (MedprepError, NoDicomError, OSError, struct.error, TypeError, ValueError):
        return sum(one.stat().st_size for one in files if one.is_file())


def _unpacked(reader: Reader, path: Path) -> int:
    if reader == "nifti":
        return nifti.stored_bytes(path)
    if reader == "png":
        with path.open("rb") as handle:
            columns, rows = struct.unpack(">II", handle.read(24)[16:])
        return int(rows * columns)
    tags = read_tags(Blob.of(path)).tags
    pixels = int(tags["Rows"]) * int(tags["Columns"]) * int(tags.get("NumberOfFrames") or 1)
    return pixels * int(tags.get("BitsAllocated") or _ALLOCATED) // 8
