"""Damaged workspaces, looked at: `fuzz.py` says how to run it."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from mutations import ODD, as_json, changed, damaged
from workspaces import Made, make_workspace

from medprep.errors import MedprepError
from medprep.overview import status
from medprep.workspace.workspace import Workspace

_TABLES = {
    "meta": ("value",), "cases": ("patient", "labelled", "fold", "part", "slices", "bytes"),
    "artifacts": ("key", "files"), "facts": ("facts",), "inputs": ("kind", "name", "key"),
    "failures": ("code", "message"),
    "steps": ("options", "command", "versions", "started", "status"),
}  # fmt: skip


def make(folder: Path) -> Callable[[random.Random], None]:
    """Give a case: one damaged database or key, opened for looking and for work."""
    sound = make_workspace(folder / "sound", {"a": Made(), "b": Made("val"), "c": Made("test")})

    def case(chance: random.Random) -> None:
        root = folder / "work"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(sound, root)
        (_bytes if chance.random() < 0.5 else _cells)(root / "medprep.sqlite", chance)
        for do in (status, _opened):
            with contextlib.suppress(MedprepError):
                do(root)

    return case


def _opened(root: Path) -> None:
    with Workspace(root) as workspace:
        workspace.require_split()
        for stage in ("convert", "extract", "clean"):
            workspace.current(stage)
        workspace.database.steps()
        workspace.database.failures()


def _bytes(path: Path, chance: random.Random) -> None:
    content = path.read_bytes()
    begin = chance.choice((0, 0, 4096 * chance.randrange(len(content) // 4096)))
    path.write_bytes(damaged(content, chance, begin, 4096))


def _cells(path: Path, chance: random.Random) -> None:
    """Put something else into a cell; SQLite takes any type in any column."""
    table = chance.choice(list(_TABLES))
    column = chance.choice(_TABLES[table])
    database = sqlite3.connect(path)
    row = database.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()
    value = chance.choice([one for one in ODD if isinstance(one, int | float | str | None)])
    if row and isinstance(row[0], str) and row[0][:1] in '[{"' and chance.random() < 0.7:
        value = as_json(changed(json.loads(row[0]), chance)).decode("utf-8", "replace")
    try:
        database.execute(f"UPDATE {table} SET {column} = ?", (value,))
        database.commit()
    except (sqlite3.Error, OverflowError, UnicodeEncodeError):
        pass
    database.close()
