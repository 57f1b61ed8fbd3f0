"""What is still true of a workspace's records: which artifacts rest on inputs that have changed.

Judged by keys alone, joined in the database: what is looked at by Python is what is stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from medprep.workspace.database import Database
from medprep.workspace.rows import Artifact, CaseRow

_FOLD_KEY = (
    "CASE WHEN one.roles <> '' THEN one.fold || '/' || one.roles"
    " WHEN one.part IS NULL THEN one.fold ELSE one.fold || '/' || one.part END"
)
_KEYS = {
    "source/picture": "one.picture_key", "source/mask": "one.mask_key", "source/fold": _FOLD_KEY,
}  # fmt: skip
"""What a case's source is judged by; the last as `fold_key` gives it."""


class Currency:
    """Judge which artifacts are up to date; valid until records change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, frozenset[str]] = {}

    def stale(self, stage: str) -> frozenset[str]:
        """Give the subjects of a stage of which an input, or what that was made of, has changed."""
        if stage not in self._known:
            self._known[stage] = frozenset(self._stale(stage))
        return self._known[stage]

    def artifacts(self, stage: str) -> dict[str, Artifact]:
        """Give a stage's artifacts whose inputs are unchanged, and theirs, down to the source."""
        stale = self.stale(stage)
        recorded = self._database.artifacts(stage)
        return {name: one for name, one in recorded.items() if name not in stale}

    def cells(self, stage: str, *wanted: str) -> Iterator[tuple[str, ...]]:
        """Yield of each of the same its subject and what is wanted, in the order of the subjects.

        Parameters
        ----------
        stage
            Whose artifacts.
        wanted
            ``key``, ``files`` or an SQL expression of columns; of ours, never of a user's words.
        """
        stale = self.stale(stage)
        columns = ", ".join(("subject", *wanted))
        table = "artifacts"
        if "facts" in columns:
            table += " JOIN facts USING (stage, subject)"
        query = f"SELECT {columns} FROM {table} WHERE stage = ? ORDER BY subject"  # noqa: S608
        for row in self._database.each(query, stage):
            if row[0] not in stale:
                yield row

    def sources(self, role: str) -> Iterator[tuple[str, str]]:
        """Yield the cases and the keys of their ``picture`` or ``mask``, where they have any."""
        key = _KEYS[f"source/{role}"]
        labelled = " WHERE one.labelled" if role == "mask" else ""
        query = f"SELECT one.name, {key} FROM cases AS one{labelled} ORDER BY one.name"  # noqa: S608
        return self._database.each(query)

    def total(self, stage: str, *wanted: str) -> tuple[int, ...]:
        """Give the sum of each expression, of facts, over the same."""
        sums = ", ".join(f"TOTAL({one})" for one in wanted)
        query = (
            f"SELECT {sums} FROM facts WHERE stage = ?"  # noqa: S608
            " AND subject NOT IN (SELECT value FROM json_each(?))"
        )
        (row,) = self._database.each(query, stage, json.dumps(sorted(self.stale(stage))))
        return tuple(map(int, row))

    def first(self, stage: str) -> Artifact | None:
        """Give the first of the same, or None."""
        found = next(self.cells(stage), None)
        return None if found is None else self._database.artifacts(stage, found)[found[0]]

    def count(self, stage: str) -> tuple[int, int]:
        """Give how many of a stage's artifacts are up to date, and how many are stale."""
        query = "SELECT COUNT(*) FROM artifacts WHERE stage = ?"
        ((every,),) = self._database.each(query, stage)
        stale = len(self.stale(stage))
        return every - stale, stale

    def _stale(self, stage: str) -> Iterator[str]:
        kinds = self._database.each("SELECT DISTINCT kind FROM inputs WHERE stage = ?", stage)
        for (kind,) in list(kinds):
            if kind in _KEYS:
                table = "cases AS one ON one.name = made.name"
                yield from self._changed(stage, kind, table, _KEYS[kind])
            else:
                table = "artifacts AS one ON one.stage = made.kind AND one.subject = made.name"
                yield from self._changed(stage, kind, table, "one.key")
                yield from self._resting_on(stage, kind)

    def _changed(self, stage: str, kind: str, table: str, key: str) -> Iterator[str]:
        """Yield what was made from another key of an input, or from one that is no more."""
        query = (
            f"SELECT made.subject FROM inputs AS made LEFT JOIN {table}"  # noqa: S608
            f" WHERE made.stage = ? AND made.kind = ? AND ({key}) IS NOT made.key"
        )
        for (subject,) in self._database.each(query, stage, kind):
            yield subject

    def _resting_on(self, stage: str, kind: str) -> Iterator[str]:
        query = "SELECT subject FROM inputs WHERE kind = ? AND name = ? AND stage = ?"
        for name in self.stale(kind):
            for (subject,) in self._database.each(query, kind, name, stage):
                yield subject


def fold_key(case: CaseRow) -> str:
    """Give what changes when a case moves to another fold."""
    if case.roles:
        return f"{case.fold}/{case.roles}"
    return case.fold if case.part is None else f"{case.fold}/{case.part}"
