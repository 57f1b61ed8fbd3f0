"""SQLite takes anything in any cell: what medprep never wrote there is told, not stumbled over."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from workspaces import Made, make_workspace

from medprep.errors import WorkspaceError
from medprep.workspace.database import Database


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("meta", "value", "{"), ("meta", "value", None), ("meta", "value", "[" * 100_000),
        ("cases", "fold", b"x"), ("cases", "slices", "many"), ("cases", "picture_key", b"\xff"),
        ("inputs", "key", b"x"), ("inputs", "kind", b"x"), ("artifacts", "key", b"x"),
        ("artifacts", "files", '"a"'), ("facts", "facts", "[]"), ("steps", "options", "1"),
        ("steps", "status", b"x"),
    ],
)  # fmt: skip
def test_a_cell_of_another_kind(tmp_path: Path, table: str, column: str, value: object) -> None:
    root = make_workspace(tmp_path / "w", {"a": Made(), "b": Made("val")})
    path = root / "medprep.sqlite"
    with sqlite3.connect(path) as plain:
        plain.execute("PRAGMA ignore_check_constraints = ON")
        if table == "steps":
            plain.execute(
                "INSERT INTO steps VALUES (1, 'split', '{}', 'x', '{}', 'x', 'x', 'done')"
            )
        if value is None:  # the column takes none: bytes that are no text are as bad
            value = b"\xff\xfe"
        plain.execute(f"UPDATE {table} SET {column} = ?", (value,))
    plain.close()
    database = Database(path)
    read = {"meta": database.meta, "cases": database.cases, "steps": database.steps}.get(
        table, lambda: database.artifacts("convert")
    )
    with pytest.raises(WorkspaceError, match=r"damaged|cannot be used") as told:
        read()
    assert "restore medprep.sqlite from a copy" in str(told.value)
