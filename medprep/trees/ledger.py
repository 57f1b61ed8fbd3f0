"""The private side of an output folder: where each volume came from, and what gave none."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from medprep.dicom.records import Origin
from medprep.execute import Failure
from medprep.files import write_bytes
from medprep.trees.survey import Found, Survey

_COLUMNS = (
    "name", "patient_id", "study_uid", "series_uid", "series_number", "description", "slices",
    "first_file",
)  # fmt: skip


class TreeLedger:
    """Two tables in ``private/`` (mode 0700): ``sources.csv`` and ``not-converted.csv``.

    Parameters
    ----------
    private
        The folder; made when something is written.
    """

    def __init__(self, private: Path) -> None:
        self._private = private
        self._rows = {row["name"]: row for row in _read(private / "sources.csv")}

    def is_other(self, name: str, origin: Origin) -> bool:
        """Tell whether a name was given to another series before."""
        row = self._rows.get(name)
        own = {
            "patient_id": origin.patient, "study_uid": origin.study, "series_uid": origin.series,
        }  # fmt: skip
        return row is not None and any(row.get(key) != value for key, value in own.items())

    def write(self, found: Survey, failed: dict[str, Failure]) -> None:
        """Add a tree's volumes to those known, and list what gave none this time."""
        for one in found.volumes:
            if one.name not in failed:
                self._rows[one.name] = dict(zip(_COLUMNS, _row(one), strict=True))
        rows = [[row.get(key, "") for key in _COLUMNS] for _, row in sorted(self._rows.items())]
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


def _row(one: Found) -> tuple[str, ...]:
    origin = one.first.origin
    values = (
        one.name, origin.patient, origin.study, origin.series, origin.number, origin.description,
        len(one.stack.slices), one.first.blob,
    )  # fmt: skip
    return tuple(map(str, values))


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", errors="surrogateescape") as handle:
        return list(csv.DictReader(handle))


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_bytes(path, text.getvalue().encode(errors="surrogateescape"), mode=0o600)
