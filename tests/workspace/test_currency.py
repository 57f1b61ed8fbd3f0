"""What the database joins is what one would find by asking for every input in turn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from medprep.workspace.currency import Currency, fold_key
from medprep.workspace.database import Artifact, CaseRow, Database, Input

NAMES = ("a", "b", "b-c")
STAGES = ("one", "two", "three")
KEYS = st.sampled_from(["k", "l"])


@st.composite
def cases(draw: st.DrawFn) -> list[CaseRow]:
    return [
        CaseRow(
            name, name, "", "MR", "dicom", True, draw(st.sampled_from(["train", "val"])),
            draw(st.sampled_from([None, 1])), 1, 1, draw(KEYS), draw(KEYS),
            draw(st.sampled_from(["", "01"])),
        )
        for name in draw(st.lists(st.sampled_from(NAMES), unique=True))
    ]  # fmt: skip


@st.composite
def artifacts(draw: st.DrawFn) -> list[Artifact]:
    made = []
    for number, stage in enumerate(STAGES):
        for subject in draw(st.lists(st.sampled_from([*NAMES, "run/a"]), unique=True)):
            sources = st.builds(
                lambda name, role, key: Input("source", f"{name}/{role}", key),
                st.sampled_from(NAMES),
                st.sampled_from(["picture", "mask", "fold"]),
                st.sampled_from(["k", "l", "train", "val/1", "train/01"]),
            )
            others = st.builds(
                Input, st.sampled_from(STAGES[:number] or ("none",)), st.sampled_from(NAMES), KEYS
            )
            inputs = draw(st.lists(sources | others if number else sources, max_size=2))
            made.append(Artifact(stage, subject, draw(KEYS), tuple(inputs), (), {"n": number}))
    return made


def _expected(rows: list[CaseRow], made: list[Artifact]) -> dict[tuple[str, str], Artifact]:
    by_name = {row.name: row for row in rows}
    known = {(one.stage, one.subject): one for one in made}

    def key(one: Input) -> str | None:
        if one.stage == "source":
            name, _, role = one.subject.rpartition("/")
            row = by_name.get(name)
            if row is None:
                return None
            keys: Mapping[str, str] = {
                "picture": row.picture_key, "mask": row.mask_key, "fold": fold_key(row),
            }  # fmt: skip
            return keys[role]
        found = known.get((one.stage, one.subject))
        return found.key if found is not None and current(found) else None

    def current(one: Artifact) -> bool:
        return all(key(given) == given.key for given in one.inputs)

    return {name: one for name, one in known.items() if current(one)}


@given(cases(), artifacts())
def test_the_join_finds_what_asking_finds(rows: list[CaseRow], made: list[Artifact]) -> None:
    with TemporaryDirectory() as folder:
        database = Database(Path(folder, "medprep.sqlite"))
        database.put_split({}, rows)
        for one in made:
            database.put(one)
        currency = Currency(database)
        expected = _expected(rows, made)
        for stage in STAGES:
            own = {subject: one for (of, subject), one in expected.items() if of == stage}
            every = sum(1 for one in made if one.stage == stage)
            assert currency.artifacts(stage) == own
            assert dict(currency.cells(stage, "key")) == {n: one.key for n, one in own.items()}
            assert currency.count(stage) == (len(own), every - len(own))
            total = sum(one.facts["n"] for one in own.values())
            assert currency.total(stage, "json_extract(facts, '$.n')") == (total,)
            first = currency.first(stage)
            assert first == (own[min(own)] if own else None)
        database.close()
