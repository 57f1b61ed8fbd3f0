"""A run in which all is up to date reads little, writes nothing, and mends what was changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from medprep.pipeline import Outcome, run
from medprep.sources.phantom import make_chaos
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert
from medprep.stages.extract import Extract
from medprep.stages.pictures import SourcePicture
from medprep.stages.split import Split
from medprep.workspace.database import Database, rows


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("resume")
    make_chaos(
        root / "CHAOS", mr_patients=(1, 2, 3), unlabelled=(), ct_patients=(), slices=(4, 4), size=32
    )
    run([Split(str(root / "CHAOS"), preset="chaos-mr-t2")], root / "work")
    _resume(root / "work")
    return root / "work"


def _resume(work: Path) -> Outcome:
    return run([Convert(), Extract(), Clean()], work)


def _tables(work: Path) -> dict[str, tuple[str, int]]:
    return {
        one.name: (hashlib.sha256(one.read_bytes()).hexdigest(), one.stat().st_mtime_ns)
        for one in work.glob("*.csv")
    }


def test_what_is_up_to_date_is_not_looked_into(
    finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    own = SourcePicture.of.__func__  # type: ignore[attr-defined]

    def of(workspace: object, row: rows.CaseRow) -> SourcePicture:
        asked.append(row.name)
        return own(SourcePicture, workspace, row)  # type: ignore[no-any-return]

    monkeypatch.setattr(SourcePicture, "of", of)
    tables = _tables(finished)
    assert {"cases.csv", "clean.csv"} <= set(tables)
    again = _resume(finished)
    assert [one.made for one in again.summaries] == [[], [], []]
    assert [len(one.kept) for one in again.summaries] == [3, 3, 3]
    assert asked == []
    assert _tables(finished) == tables, "not even written again"
    database = Database(finished / "medprep.sqlite")
    database.forget("convert", ["mr02-t2"])
    database.close()
    third = _resume(finished)
    assert [one.made for one in third.summaries] == [["mr02-t2"], [], []]
    assert asked == ["mr02-t2"]
    assert {n: one[0] for n, one in _tables(finished).items()} == {
        n: one[0] for n, one in tables.items()
    }


@pytest.mark.parametrize("name", ["cases.csv", "clean.csv"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_table_that_was_meddled_with_is_written_again(
    finished: Path, name: str, how: str
) -> None:
    path = finished / name
    before = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(before.replace(b"mr01", b"mr99"))
    _resume(finished)
    assert path.read_bytes() == before


def test_a_table_follows_its_cases(finished: Path) -> None:
    before = (finished / "clean.csv").read_text()
    database = Database(finished / "medprep.sqlite")
    database.put_split(database.meta(), [one for one in database.cases() if one.name != "mr02-t2"])
    database.close()
    _resume(finished)
    for name in ("cases.csv", "clean.csv"):
        assert "mr02" not in (finished / name).read_text()
    assert "mr02" in before
