"""Two streams in one order, put side by side without holding either."""

from __future__ import annotations

from collections.abc import Iterator


class InOrder:
    """Look up names, one after another, in rows that come in the order of their first cell.

    Parameters
    ----------
    rows
        Each with a name of its own first. Names must be asked for in their order.
    """

    def __init__(self, rows: Iterator[tuple[str, ...]]) -> None:
        self._rows = rows
        self._row = next(rows, None)

    def get(self, name: str) -> tuple[str, ...] | None:
        """Give the row of a name, or None where there is none."""
        while self._row is not None and self._row[0] < name:
            self._row = next(self._rows, None)
        return self._row if self._row is not None and self._row[0] == name else None
