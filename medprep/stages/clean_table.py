"""What cleaning did to every organ, as ``clean.csv`` and as a person reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any

from medprep.labels.audit import AuditRow, lost_organs
from medprep.reporting.text import counted
from medprep.stages.clean_case import rows_of
from medprep.stages.tables import csv_chunks, sha256_of, write_chunks
from medprep.workspace.database import Artifact
from medprep.workspace.workspace import Workspace

Account = tuple[str, list[AuditRow]]
"""A case and what each rule did to its organs."""

_MUCH = 0.1
"""What ``keep`` takes of an organ beyond this part of its voxels is told."""
_TABLE = "clean-table"
"""The record that the table is that of the cases as they are cleaned now."""
_COLUMNS = ("case", *(one.name for one in fields(AuditRow)))


class Accounts:
    """The accounts of all cases that are cleaned, read when they are asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._path = workspace.layout.root / "clean.csv"
        keys = hashlib.sha256()
        for cells in workspace.currency.cells("clean", "key"):
            keys.update("\t".join(cells).encode())
        self._key = keys.hexdigest()

    def of(self, cases: Iterable[str] | None = None) -> Iterator[Account]:
        """Yield the accounts of cases, of all in the order of their names."""
        if cases is None:
            for case, facts in self._workspace.currency.cells("clean", "facts"):
                yield case, rows_of(json.loads(facts))
        else:
            for case in cases:
                made = self._workspace.database.artifacts("clean", [case])
                yield case, rows_of(made[case].facts)

    @cached_property
    def lost(self) -> list[str]:
        """Organs that have no mask left."""
        return list(lost_organs(rows for _, rows in self.of()))

    def known(self) -> Mapping[str, Any] | None:
        """Give what was recorded of the table, if it still is what `write` would write."""
        known = self._workspace.database.artifacts(_TABLE, ["set"]).get("set")
        if known is None or known.key != self._key:
            return None
        return known.facts if sha256_of(self._path) == known.facts["sha256"] else None

    def write(self) -> None:
        """Write ``clean.csv``: a row for every decision."""
        database = self._workspace.database
        database.forget(_TABLE, ["set"])
        every = self._workspace.currency.cells("clean", "json_extract(facts, '$.rows')")
        rows = ([case, *_cells(row)] for case, own in every for row in json.loads(own))
        content = write_chunks(self._path, csv_chunks(_COLUMNS, rows))
        facts = {"sha256": content, "lost": self.lost}
        database.put(Artifact(_TABLE, "set", self._key, (), ("clean.csv",), facts))


def _cells(row: Mapping[str, Any]) -> list[object]:
    """Give a row of a recorded account; it is not made an `AuditRow`, for there are many."""
    return [
        f"{row[name]:.4f}" if name.endswith("_ml") and row[name] is not None else row[name]
        for name in _COLUMNS[1:]
    ]


def would_drop(judged: Iterable[Sequence[AuditRow]]) -> list[str]:
    """Give a line for each organ and rule that drops masks: how many, and why the first."""
    masks: dict[str, int] = {}
    dropped: dict[tuple[str, str], list[AuditRow]] = {}
    for rows in judged:
        for name in {row.name for row in rows if row.before or row.after}:
            masks[name] = masks.get(name, 0) + 1
        for row in rows:
            if row.dropped:
                dropped.setdefault((row.name, row.rule), []).append(row)
    return [
        f"{name}: {rule} drops {len(rows)} of {masks[name]} masks (first: {rows[0].reason})"
        for (name, rule), rows in sorted(dropped.items())
    ]


def much_taken(accounts: Iterable[Account]) -> list[str]:
    """Give a line for each organ of which ``keep`` took much: it may have several pieces."""
    shares: dict[str, dict[str, float]] = {}
    count = 0
    for case, rows in accounts:
        count += 1
        for row in rows:
            if row.rule == "keep" and row.removed > _MUCH * row.before:
                shares.setdefault(row.name, {})[case] = row.removed / row.before
    lines = []
    for name, own in sorted(shares.items()):
        worst = max(own, key=lambda case: own[case])
        lines.append(
            f"{name}: the rule keep took over {_MUCH:.0%} of it in {len(own)} of "
            f"{counted(count, 'case')} (most: {own[worst]:.0%} of {worst}); if it may be "
            f"several pieces, say --keep-of {name} 0"
        )
    return lines


def changed(accounts: Iterable[Account]) -> list[str]:
    """Give a line that counts the organs that were changed, and their voxels."""
    organs = touched = removed = added = 0
    cases = 0
    for _, rows in accounts:
        cases += 1
        organs += len({row.name for row in rows if row.before})
        touched += len({row.name for row in rows if row.removed or row.added})
        removed += sum(row.removed for row in rows)
        added += sum(row.added for row in rows)
    if not cases:
        return []
    return [
        f"{touched} of {counted(organs, 'organ')} changed: {removed} voxels removed, "
        f"{added} added; each decision is in clean.csv"
    ]
