"""Near-duplicates: candidates by their coarse look, then laid on each other and judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from medprep.leaks import forms
from medprep.leaks.candidates import Start, candidates, coefficients
from medprep.leaks.exact_pairs import one_map, rescaled
from medprep.leaks.leak import Leak
from medprep.leaks.registration import Change, Fit, Moving, Prepared, register
from medprep.leaks.table import Slice, Table

NEAR_DETAIL = 0.79
"""From this correlation of detail on, two pictures are near-duplicates. How it was chosen stands
in docs/leaks.md."""

LEAST_SIDE = 16
"""Rows and columns from which on a picture can be a near-duplicate: below, all look alike."""


def near_pairs(table: Table, known: set[tuple[str, str]]) -> Iterator[Leak]:
    """Give each pair of slices of different groups that are near-duplicates.

    Parameters
    ----------
    known
        Pairs of cases, in the order of their names, that need no look.
    """
    places = np.array([n for n in range(len(table)) if _large(table.at(n))], np.intp)
    if not len(places):
        return
    slices = [table.at(int(place)) for place in places]
    rows = np.stack([coefficients(one.of.thumbnails[one.number]) for one in slices])
    for found in candidates(rows, table.groups[places]):
        first = slices[found[0].one]
        asking = Asking(first)
        for pair in found:
            second = slices[pair.other]
            names = (min(first.case, second.case), max(first.case, second.case))
            leak = None if names in known else _look(asking, second, pair.starts)
            if leak is not None:
                yield leak


class Asking:
    """A slice to lay on others; each of its flips is prepared once, when it is wanted."""

    def __init__(self, one: Slice) -> None:
        self.one = one
        self._laid: dict[int, Moving] = {}
        rows, columns = one.of.shapes[one.number]
        self._aspect = float(rows) / float(columns)

    def fit(self, fixed: Prepared, start: Start) -> Fit | None:
        """Lay it on a prepared thumbnail, flipped as ``start`` has it."""
        if start.way not in self._laid:
            thumbnail = self.one.of.thumbnails[self.one.number]
            self._laid[start.way] = Moving.of(forms.lay(thumbnail, start.way))
        change = Change.of(start.degrees, start.zoom, start.moved, self._aspect)
        return register(fixed, self._laid[start.way], change)

    def best(self, other: Slice, starts: Iterable[Start]) -> tuple[Fit, int] | None:
        """Lay it on another slice: the fit with most detail, and its flip."""
        fixed = Prepared.of(other.of.thumbnails[other.number])
        fits = [(self.fit(fixed, start), start.way) for start in starts]
        found = [(fit, way) for fit, way in fits if fit is not None]
        return max(found, key=lambda each: each[0].detail) if found else None


def _large(one: Slice) -> bool:
    return int(one.of.shapes[one.number].min()) >= LEAST_SIDE


def _look(asking: Asking, second: Slice, starts: Iterable[Start]) -> Leak | None:
    """Judge one pair."""
    first = asking.one
    if (first.of.order_digests[first.number] == second.of.order_digests[second.number]).all():
        return None  # the same pixels: `exact_pairs` has judged them
    one, other = sorted([first, second], key=lambda each: each.case)
    for start in starts:
        if one_map(first, second, start.way):
            return rescaled(one, other, start.way)  # a flip is its own reverse
    best = asking.best(second, starts)
    if best is None or best[0].detail < NEAR_DETAIL:
        return None
    fit, way = best
    change = _words(way, fit.change if one is second else fit.change.reversed(way))
    return Leak(
        one.case,
        one.number,
        other.case,
        other.number,
        "near",
        round(fit.correlation, 4),
        round(fit.detail, 4),
        change,
    )


def _words(way: int, change: Change) -> str:
    parts = [forms.words(way)]
    if round(change.degrees):
        parts.append(f"turned by {round(change.degrees)} degrees")
    if abs(change.zoom - 1) >= 0.015:
        parts.append(f"zoom {change.zoom:.2f}")
    right, down = change.moved
    if max(abs(right), abs(down)) >= 0.015:
        parts.append(f"moved by {right:+z.0%} in x and {down:+z.0%} in y")
    return ", ".join(filter(None, parts))
