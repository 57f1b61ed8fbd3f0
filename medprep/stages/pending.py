"""What of a stage is still to be done, found without a look at what is done already.

For each case there is a key to be made and compared, and a name to be looked up among the files;
what its work needs is put together only when it is worked.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medprep.places.seen import REQUESTS
from medprep.workspace import rows
from medprep.workspace.database import Database, Input
from medprep.workspace.in_order import InOrder
from medprep.workspace.layout import OF_CASES

_quoted = json.encoder.encode_basestring_ascii


class Keys:
    """Make the keys of one stage's artifacts, as `medprep.files.digest` would.

    Parameters
    ----------
    stage, version
        The version changes when the stage's output for equal input does.
    options
        As JSON can hold them; what all cases have in common is written out once.
    """

    def __init__(self, stage: str, version: int, options: object) -> None:
        head = json.dumps([stage, version, options], sort_keys=True, separators=(",", ":"))
        self._begun = hashlib.sha256(f"{head[:-1]},".encode())

    def of(self, inputs: Sequence[Input]) -> str:
        """Give the key of what is made from these."""
        keys = ",".join(
            f"[{_quoted(one.stage)},{_quoted(one.subject)},{_quoted(one.key)}]" for one in inputs
        )
        key = self._begun.copy()
        key.update(f"[{keys}]]".encode())
        return key.hexdigest()


_RECORD = "SELECT subject, key, files FROM artifacts WHERE stage = ?"


class Recorded:
    """The keys and files that a stage recorded, asked for in the order of the subjects."""

    def __init__(self, database: Database, stage: str) -> None:
        self._database = database
        self._stage = stage
        self._rows = database.each(f"{_RECORD} ORDER BY subject", stage)
        self._in_order = InOrder(self._rows)
        self._asked = ""

    def of(self, subject: str) -> tuple[str, tuple[str, ...]] | None:
        """Give key and files of a subject, or None; out of order it takes longer."""
        if subject < self._asked:
            row = next(
                self._database.each(f"{_RECORD} AND subject = ?", self._stage, subject), None
            )
        else:
            self._asked = subject
            row = self._in_order.get(subject)
        if row is None:
            return None
        return row[1], self._names(row[2])

    def _names(self, cell: str) -> tuple[str, ...]:
        """Read a list of files; of the usual form without JSON, for it is read for every case."""
        if "\\" in cell or not cell.startswith('["'):
            with self._database.sound():
                return rows.texts(cell)
        return tuple(cell[2:-2].split('", "'))

    def close(self) -> None:
        """Let go of what was not asked for."""
        self._rows.close()


class FailedBefore:
    """Find failures of a stage that belong to no task any more, as of a case that lost its mask.

    Of a run's case the subject is ``RUN/CASE``; what failed in runs that have no task stays.
    """

    def __init__(self, database: Database, stage: str) -> None:
        self._left = {one.subject for one in database.failures() if one.stage == stage}
        self._runs = {""}

    def is_task(self, subject: str) -> None:
        """Tell that there is a task."""
        if self._left:
            self._left.discard(subject)
            self._runs.add(subject.rpartition("/")[0])

    def no_tasks(self) -> list[str]:
        """Give the subjects that none was told of."""
        return sorted(one for one in self._left if one.rpartition("/")[0] in self._runs)


class Present:
    """Tell whether files of a workspace are there; a folder of many files is listed once.

    Parameters
    ----------
    root
        Its folder.
    far
        Where files of single cases lie, if not there.
    """

    def __init__(self, root: Path, far: Path | None = None) -> None:
        self._root = str(root)
        self._far = far
        self._listed: dict[str, frozenset[str]] = {}

    def has(self, names: Sequence[str]) -> bool:
        """Tell whether all are there."""
        for name in names:
            if self._far is not None and name.startswith(OF_CASES):
                if not self._is_far(self._far, name):
                    return False
                continue
            folder, _, file = name.rpartition("/")
            if not folder or "/" in folder:  # in a folder of its own case
                if not os.path.exists(f"{self._root}/{name}"):  # noqa: PTH110 - a Path costs more
                    return False
            elif file not in (self._listed.get(folder) or self._list(folder)):
                return False
        return True

    def _is_far(self, place: Path, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        if folder.startswith("slices/"):
            self._list_slices(place)
        elif folder not in self._listed:
            self._listed[folder] = _names(place / folder)
        return file in self._listed.get(folder, ())

    def _list_slices(self, place: Path) -> None:
        """List the folder of each case, several at once: each answer takes its time."""
        from concurrent.futures import ThreadPoolExecutor

        if "slices" in self._listed:
            return
        self._listed["slices"] = cases = _names(place / "slices")
        folders = [f"slices/{case}" for case in sorted(cases)]
        with ThreadPoolExecutor(REQUESTS) as pool:
            found = pool.map(lambda folder: _names(place / folder), folders)
            self._listed.update(zip(folders, found, strict=True))

    def _list(self, folder: str) -> frozenset[str]:
        try:
            found = frozenset(os.listdir(f"{self._root}/{folder}"))  # noqa: PTH208
        except OSError:
            found = frozenset()
        self._listed[folder] = found
        return found


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(one.name for one in folder.iterdir())
    except FileNotFoundError:
        return frozenset()


class Payloads(Mapping[str, tuple[str, Any]]):
    """What each subject's work needs, put together when it is asked for, and not kept."""

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        self._makers = makers

    def __getitem__(self, subject: str) -> tuple[str, Any]:
        return subject, self._makers[subject]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)
