"""What is still to be done is found from keys and names alone."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import WorkspaceError
from medprep.execute.crew import _Waiting
from medprep.files import digest
from medprep.progress import Silent
from medprep.stages.base import CaseResult, CaseTask, Context, run_cases
from medprep.stages.pending import Keys, Present, Recorded
from medprep.workspace.database import Artifact, Database, Input
from medprep.workspace.workspace import Workspace

TEXTS = st.text(max_size=5)


@given(
    TEXTS, st.integers(0, 9), st.dictionaries(TEXTS, TEXTS | st.none()),
    st.lists(st.builds(Input, TEXTS, TEXTS, TEXTS), max_size=3),
)  # fmt: skip
def test_keys_are_those_of_the_whole_record(
    stage: str, version: int, options: dict[str, Any], inputs: list[Input]
) -> None:
    keys = [[one.stage, one.subject, one.key] for one in inputs]
    assert Keys(stage, version, options).of(inputs) == digest([stage, version, options, keys])


def test_records_are_found_in_any_order(tmp_path: Path) -> None:
    database = Database(tmp_path / "medprep.sqlite")
    files = {"a": ("images/a.nii.gz", "x"), "b": (), "c": ('slices/"c\\',), "d": ("é",)}
    for name, own in files.items():
        database.put(Artifact("convert", name, f"key {name}", (), own, {}))
    for order in ("abcd", "dcba", "bd", "aacc", "d0a"):
        recorded = Recorded(database, "convert")
        for name in order:
            found = (f"key {name}", files[name]) if name in files else None
            assert recorded.of(name) == found
        recorded.close()
    with database._transaction() as db:
        db.execute("UPDATE artifacts SET files = '{'")
    with pytest.raises(WorkspaceError, match="damaged"):
        Recorded(database, "convert").of("a")


def test_files_are_there_or_not(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.json").touch()
    (tmp_path / "slices" / "a" / "images").mkdir(parents=True)
    (tmp_path / "leaks.csv").touch()
    there = ["images/a.json", "slices/a/images", "leaks.csv"]
    present = Present(tmp_path)
    assert present.has(there)
    assert present.has([])
    for missing in ("images/b.json", "slices/a/labels", "cleaned/a", "clean.csv"):
        assert not present.has([*there, missing])


class Held:
    """What a case's work needs."""


def test_what_work_needs_is_made_for_stale_cases_alone_and_not_kept(tmp_path: Path) -> None:
    alive: weakref.WeakSet[Held] = weakref.WeakSet()
    most = []
    asked: list[str] = []

    def payload(name: str) -> Held:
        asked.append(name)
        alive.add(held := Held())
        gc.collect()
        most.append(len(alive))
        return held

    def tasks() -> list[CaseTask]:
        keys = Keys("convert", 1, None)
        return [CaseTask(one, (), keys.of(()), lambda one=one: payload(one)) for one in "abcdef"]

    with Workspace(tmp_path / "work") as opened:
        context = Context(opened, Silent())
        done = run_cases(context, "convert", tasks(), lambda held: CaseResult((), {}))
        assert done.made == list("abcdef")
        assert max(most) <= 2, "one that is worked, and one that was"
        opened.database.forget("convert", ["c"])
        asked.clear()
        again = run_cases(context, "convert", tasks(), lambda held: CaseResult((), {}))
        assert (again.made, again.kept, asked) == (["c"], list("abdef"), ["c"])


def test_processes_take_tasks_as_they_are_needed() -> None:
    taken: list[int] = []

    class Tasks(list[int]):
        def __iter__(self) -> Any:
            for one in super().__iter__():
                taken.append(one)
                yield one

    waiting = _Waiting(Tasks([1, 2, 3]))
    assert (len(waiting), taken) == (3, [])
    first = waiting.take()
    assert (first.task, taken, len(waiting)) == (1, [1], 2)
    waiting.again(first)
    assert [waiting.take().task for _ in range(len(waiting))] == [2, 3, 1]
    assert not waiting
