"""Compare what two runs left: every byte of files and tables, records, and nothing unfinished."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

_RECORDS = {"medprep.sqlite", "debug.log"}
"""Hold times. Of a database, what it says is compared."""
_TABLES = {
    "meta": "name, value", "cases": "*", "artifacts": "*", "inputs": "*", "failures": "*",
    "facts": "*", "in_hand": "*", "written": "*",
}  # fmt: skip
_UNFINISHED = (".*", "*.part*", "*-journal", "*-wal", "*.lock", "state*", "best-*")


def content(folder: Path) -> dict[str, str]:
    """Give the hash of every file below a folder, records of runs left out."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _RECORDS and path.suffix != ".jsonl"
    }


def told_apart(found: Mapping[str, bytes], wanted: Mapping[str, bytes]) -> str:
    """Say how files given by name differ, pictures by their pixels too; or nothing."""
    names = sorted(one for one in {*found, *wanted} if found.get(one) != wanted.get(one))
    return "; ".join(f"{one} {_told(found.get(one), wanted.get(one))}" for one in names)


def _told(found: bytes | None, wanted: bytes | None) -> str:
    if found is None or wanted is None:
        return "is missing" if found is None else "is too many"
    said = f"has {len(found)} bytes instead of {len(wanted)}"
    if not found.startswith(b"\x89PNG"):
        return said
    one, other = (np.asarray(Image.open(BytesIO(each)), float) for each in (found, wanted))
    if one.shape != other.shape:
        return f"{said}, {one.shape} pixels instead of {other.shape}"
    unlike = abs(one - other)
    return f"{said}, {np.count_nonzero(unlike)} pixels unlike by at most {unlike.max():g}"


def records(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Give what the workspace's database says; empty where there is none."""
    path = folder / "medprep.sqlite"
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as database:
        (sound,) = database.execute("PRAGMA integrity_check").fetchone()
        if sound != "ok":
            return {"integrity": [(sound,)]}
        return {
            table: sorted(database.execute(f"SELECT {columns} FROM {table}"))
            for table, columns in _TABLES.items()
        }


def unfinished(folder: Path) -> list[str]:
    """Name what should not be there after a run that came through."""
    found = {path for pattern in _UNFINISHED for path in folder.rglob(pattern)}
    return sorted(str(path.relative_to(folder)) for path in found)


def differences(found: Path, wanted: Path) -> str:
    """Say in which files and records two folders differ, and what lies about; or nothing."""
    own, other = content(found), content(wanted)
    names = sorted(name for name in own.keys() | other.keys() if own.get(name) != other.get(name))
    told = [f"files differ: {', '.join(names[:5])}"] if names else []
    mine, theirs = records(found), records(wanted)
    told += [f"table {one} differs" for one in mine | theirs if mine.get(one) != theirs.get(one)]
    left = unfinished(found)
    told += [f"left: {', '.join(left[:5])}"] if left else []
    return "; ".join(told)


def poison(work: Path, spare: Sequence[str] = ()) -> int:
    """Fill files that no record names with rubbish, but for some folders, and give their number."""
    path = work / "medprep.sqlite"
    known: set[Path] = set()
    if path.exists():
        with closing(sqlite3.connect(path)) as database:
            if database.execute("PRAGMA user_version").fetchone() != (0,):
                rows = database.execute("SELECT files FROM artifacts").fetchall()
                known = {work / name for (files,) in rows for name in json.loads(files)}
    folders = [
        one for one in work.iterdir() if one.is_dir() and one.name not in ("private", *spare)
    ]
    poisoned = 0
    for folder in folders:
        for one in folder.rglob("*"):
            if one.is_file() and not known & {one, *one.parents}:
                one.write_bytes(b"rubbish that nobody may read")
                poisoned += 1
    return poisoned
