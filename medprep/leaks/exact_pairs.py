"""Pictures of the same pixels, however they lie and however their grey levels are scaled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from medprep.leaks import forms
from medprep.leaks.leak import Kind, Leak
from medprep.leaks.registration import correlate
from medprep.leaks.table import Slice, Table

_FEW = 11
_LEAST_LEVELS = 8
"""From this many grey levels on, equal ranks make two pictures one: an outline has two."""


def exact_pairs(table: Table) -> Iterator[Leak]:
    """Give each pair of slices of different groups whose pixels have the same ranks.

    Where a picture stands more than twice, each place is paired with the first of every other
    group, not with each one.
    """
    buckets: dict[bytes, list[int]] = defaultdict(list)
    for place in range(len(table)):
        one = table.at(place)
        buckets[one.of.order_digests[one.number].tobytes()].append(place)
    for places in buckets.values():
        for first, second in _across(table, places):
            leak = _same_ranks(table.at(first), table.at(second))
            if leak is not None:
                yield leak


def _across(table: Table, places: list[int]) -> list[tuple[int, int]]:
    heads: dict[int, int] = {}
    for place in places:
        heads.setdefault(int(table.groups[place]), place)
    pairs = {
        (min(place, head), max(place, head))
        for place in places
        for group, head in heads.items()
        if group != table.groups[place]
    }
    return sorted(pairs)


def _same_ranks(first: Slice, second: Slice) -> Leak | None:
    one, other = sorted([first, second], key=lambda each: each.case)
    way = forms.between(int(one.of.ways[one.number]), int(other.of.ways[other.number]))
    if (one.of.level_digests[one.number] == other.of.level_digests[other.number]).all():
        kind: Kind = "turned" if way & forms.TRANSPOSED else "mirrored" if way else "identical"
        return Leak(
            one.case, one.number, other.case, other.number, kind, 1.0, 1.0, forms.words(way)
        )
    return rescaled(one, other, way) if one.of.levels[one.number] >= _LEAST_LEVELS else None


def rescaled(one: Slice, other: Slice, way: int) -> Leak:
    """Make the record of two pictures that differ in their grey levels (and how they lie)."""
    laid = forms.lay(other.of.thumbnails[other.number], way)
    alike = correlate(
        one.of.thumbnails[one.number].ravel().astype(np.float32),
        laid.ravel().astype(np.float32),
    )
    change = ", ".join(filter(None, [forms.words(way), "intensities rescaled"]))
    return Leak(
        one.case,
        one.number,
        other.case,
        other.number,
        "rescaled",
        round(alike, 4),
        1.0,
        change,
    )


def one_map(one: Slice, other: Slice, way: int) -> bool:
    """Whether a map that never falls takes single pixels of one picture to those of the other.

    Such a map may merge levels, as a gamma curve does in 8 bits, so that the ranks differ.
    """
    if (one.of.shapes[one.number] != other.of.shapes[other.number]).any():
        return False
    a = one.of.samples[one.number].ravel().astype(np.int64)
    b = forms.lay(other.of.samples[other.number], way).ravel().astype(np.int64)
    if min(a.max(), b.max()) + 1 < _LEAST_LEVELS:
        return False
    some_a, some_b = a[::_FEW], b[::_FEW]
    against = np.sign(np.subtract.outer(some_a, some_a)) * np.subtract.outer(some_b, some_b)
    if against.min() < 0:  # nearly every pair ends here, long before both are sorted
        return False
    return _never_falls(a, b) or _never_falls(b, a)


def _never_falls(source: NDArray[np.int64], target: NDArray[np.int64]) -> bool:
    order = np.lexsort((target, source))
    rise, step = np.diff(target[order]), np.diff(source[order])
    return bool((rise >= 0).all() and not rise[step == 0].any())
