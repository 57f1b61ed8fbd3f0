"""The private side: where the source's files are."""

from __future__ import annotations

import os
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from medprep.errors import SourceError, WorkspaceError, WriteError
from medprep.workspace.ledger import UNREADABLE, Ledger, LedgerFile, write_ledger

PATIENTS = {"mr01": "MR/1"}


def seen(path: Path, place: int = 0, role: str = "picture") -> LedgerFile:
    """As the split would see a file."""
    status = path.stat()
    return LedgerFile("mr01-t2", role, place, str(path), status.st_size, status.st_mtime_ns, "hash")


@pytest.fixture
def file(tmp_path: Path) -> LedgerFile:
    path = tmp_path / "a.dcm"
    path.write_bytes(b"content")
    return seen(path)


def test_files_come_back_in_order(tmp_path: Path, file: LedgerFile) -> None:
    files = [replace(file, place=n) for n in (2, 0, 10, 1)]
    mask = replace(file, role="mask")
    name = write_ledger(tmp_path, tmp_path / "CHAOS", PATIENTS, [*files, mask])
    ledger = Ledger(tmp_path, name)
    assert [one.place for one in ledger.files("mr01-t2", "picture")] == [0, 1, 2, 10]
    assert ledger.files("mr01-t2", "mask") == [mask]
    assert ledger.files("unknown", "mask") == []
    assert ledger.source == tmp_path / "CHAOS"
    ledger.close()


def test_only_the_user_may_read_it(tmp_path: Path, file: LedgerFile) -> None:
    before = os.umask(0)
    try:
        name = write_ledger(tmp_path, tmp_path, PATIENTS, [file])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.dcm", name]


def test_its_name_is_its_content(tmp_path: Path, file: LedgerFile) -> None:
    name = write_ledger(tmp_path, tmp_path, PATIENTS, [file])
    before = (tmp_path / name).stat().st_mtime_ns
    assert write_ledger(tmp_path, tmp_path, PATIENTS, [file]) == name
    assert (tmp_path / name).stat().st_mtime_ns == before
    others = {
        write_ledger(tmp_path, tmp_path / "x", PATIENTS, [file]),
        write_ledger(tmp_path, tmp_path, {}, [file]),
        write_ledger(tmp_path, tmp_path, PATIENTS, []),
        write_ledger(tmp_path, tmp_path, PATIENTS, [replace(file, sha256="other")]),
    }
    assert len(others | {name}) == 5


def test_names_on_disk_need_not_be_text(tmp_path: Path, file: LedgerFile) -> None:
    strange = os.fsdecode(b"/data/caf\xe9/a.dcm")
    name = write_ledger(
        tmp_path, Path(strange).parent, {"a": strange}, [replace(file, path=strange)]
    )
    ledger = Ledger(tmp_path, name)
    assert ledger.files("mr01-t2", "picture")[0].path == strange
    assert ledger.source == Path(strange).parent


def test_a_missing_or_damaged_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"private/sources-1\.sqlite is missing.*'split'"):
        Ledger(tmp_path, "sources-1.sqlite")
    (tmp_path / "sources-1.sqlite").write_bytes(b"no database" * 100)
    ledger = Ledger(tmp_path, "sources-1.sqlite")
    with pytest.raises(WorkspaceError, match=r"cannot be read.*run 'split' again"):
        ledger.files("a", "picture")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        _ = ledger.source


def test_what_cannot_be_written_is_told(
    tmp_path: Path, file: LedgerFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(WriteError, match=r"disk is full.*sources-.*\.sqlite"):
        write_ledger(tmp_path, tmp_path, PATIENTS, [file])
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


def test_an_unchanged_file_is_given(file: LedgerFile) -> None:
    assert file.checked() == Path(file.path)


def test_a_changed_file_is_refused(file: LedgerFile) -> None:
    path = Path(file.path)
    path.write_bytes(b"CONTENT")
    os.utime(path, ns=(file.mtime_ns, file.mtime_ns + 1))
    with pytest.raises(SourceError, match=r"picture 1 was changed since 'split' saw it.*a\.dcm"):
        file.checked()
    path.write_bytes(b"longer content")
    os.utime(path, ns=(file.mtime_ns, file.mtime_ns))
    with pytest.raises(SourceError, match="was changed"):
        file.checked()


def test_a_vanished_file_is_refused_without_its_path(file: LedgerFile) -> None:
    Path(file.path).unlink()
    with pytest.raises(SourceError, match="picture 1 cannot be read: No such file") as raised:
        file.checked()
    assert "a.dcm" not in raised.value.message


def test_what_the_split_could_not_read_is_refused(file: LedgerFile) -> None:
    blind = replace(file, size=0, mtime_ns=0, sha256=UNREADABLE)
    with pytest.raises(SourceError, match="could not be read when 'split' saw it; mend it"):
        blind.checked()
