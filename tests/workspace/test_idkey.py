"""The key of the pseudonyms stays the same for the life of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from medprep.errors import WorkspaceError
from medprep.workspace.idkey import id_key, save_key


def test_a_folder_keeps_its_key(tmp_path: Path) -> None:
    given = tmp_path / "mine"
    given.write_bytes(b"0123456789abcdef0123456789abcdef\n")
    private = tmp_path / "private"
    save_key(private, id_key(private, given))
    save_key(private, id_key(private, given))
    assert id_key(private) == given.read_bytes().strip()
    other = tmp_path / "other"
    other.write_bytes(b"another key that is long enough")
    with pytest.raises(WorkspaceError, match="under another key"):
        save_key(private, id_key(private, other))
    assert id_key(private) == given.read_bytes().strip()
