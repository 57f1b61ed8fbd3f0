"""All slices of all cases in one row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medprep.leaks.fingerprints import Fingerprint


@dataclass(frozen=True, eq=False)
class Slice:
    """One slice of a case: its number in the fingerprint of that case."""

    case: str
    of: Fingerprint
    number: int


@dataclass(frozen=True, eq=False)
class Table:
    """All slices that are not blank, by group, case name and number; the smallest group first."""

    names: list[str]
    prints: Mapping[str, Fingerprint]
    groups: NDArray[np.intp]
    cases: NDArray[np.intp]
    slices: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.slices)

    def at(self, place: int) -> Slice:
        """Give the slice at a place of the row."""
        name = self.names[int(self.cases[place])]
        return Slice(name, self.prints[name], int(self.slices[place]))


def lay_out(prints: Mapping[str, Fingerprint], group_of: Mapping[str, str]) -> Table:
    """Put the slices of all cases in one row; none at all give a row of none."""
    size: dict[str, int] = defaultdict(int)
    for name, one in prints.items():
        size[group_of[name]] += int((~one.blank).sum())
    order = {group: n for n, group in enumerate(sorted(size, key=lambda key: (size[key], key)))}
    names = sorted(prints, key=lambda name: (order[group_of[name]], name))
    slices = [np.flatnonzero(~prints[name].blank) for name in names]
    counts = np.array([len(one) for one in slices], np.intp)
    groups = np.array([order[group_of[name]] for name in names], np.intp)
    return Table(
        names,
        prints,
        np.repeat(groups, counts),
        np.repeat(np.arange(len(names)), counts),
        np.concatenate([np.zeros(0, np.intp), *slices]),
    )
