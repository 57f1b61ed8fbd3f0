"""The private side of an output folder: where each volume came from, and what gave none."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from medprep.dicom.records import Origin
from medprep.errors import WorkspaceError
from medprep.execute import Failure
from medprep.files import write_bytes
from medprep.trees.survey import Survey
from medprep.trees.write import VolumeJob

_COLUMNS = (
    "name", "patient_id", "study_uid", "series_uid", "series_number", "description", "slices",
    "first_file",
)  # fmt: skip
_LONGEST = 4096
"""Of an id or a description; Python's csv reads no more than 131,072 characters back."""


class TreeLedger:
    """Two tables in ``private/`` (mode 0700): ``sources.csv`` and ``not-converted.csv``.

    Parameters
    ----------
    private
        The folder; made when something is written.

    Raises
    ------
    WorkspaceError
        If its ``sources.csv`` is not as it was written.
    """

    def __init__(self, private: Path) -> None:
        self._private = private
        self._rows = {row["name"]: row for row in _read(private / "sources.csv")}

    def is_other(self, job: VolumeJob) -> bool:
        """Tell whether its name was given to another series before."""
        row = self._rows.get(job.name)
        own = _identity(job.first.origin)
        return row is not None and any(row[key] != value for key, value in own.items())

    def write(self, jobs: Sequence[VolumeJob], found: Survey, failed: dict[str, Failure]) -> None:
        """Add the volumes of a tree to those known, and list what gave none this time."""
        for job in jobs:
            if job.name not in failed:
                self._rows[job.name] = _row(job)
        rows = [[row[key] for key in _COLUMNS] for _, row in sorted(self._rows.items())]
        _write(self._private / "sources.csv", _COLUMNS, rows)
        passed = [
            *(("broken", one.path, one.why) for one in found.broken),
            *(
                ("failed", failure.path or "", f"{name}: {failure.message}")
                for name, failure in failed.items()
            ),
            *(("other", one.path, one.why) for one in found.others),
            *(("no DICOM", path, "") for path in found.strangers),
        ]
        _write(self._private / "not-converted.csv", ("kind", "path", "why"), passed)


def _identity(origin: Origin) -> dict[str, str]:
    """Give what tells a series from all others."""
    return {
        "patient_id": origin.patient[:_LONGEST],
        "study_uid": origin.study[:_LONGEST],
        "series_uid": origin.series[:_LONGEST],
    }


def _row(job: VolumeJob) -> dict[str, str]:
    origin = job.first.origin
    return {
        "name": job.name,
        **_identity(origin),
        "series_number": str(origin.number),
        "description": origin.description[:_LONGEST],
        "slices": str(sum(len(plan.slices) for plan in job.plans)),
        "first_file": str(job.first.blob),
    }


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as handle:
            columns, *rows = csv.reader(handle, strict=True)
        if tuple(columns) != _COLUMNS:
            raise ValueError
        return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    except (csv.Error, ValueError) as error:
        raise WorkspaceError(
            "the table of where volumes came from was changed by something else; restore it, or "
            "take it away to convert into this folder all the same",
            path=path,
        ) from error


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    # All in quotes: Python below 3.13 writes a carriage return bare, which ends a row when read.
    table = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    table.writerow(columns)
    table.writerows(rows)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_bytes(path, text.getvalue().encode(errors="surrogateescape"), mode=0o600)
