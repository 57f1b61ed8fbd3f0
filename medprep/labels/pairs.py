"""Organs that are two in one label: their names, and the numbers they get when they are parted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry
from medprep.labels.sides import split_pair
from medprep.organs import singular


@dataclass(frozen=True)
class Pair:
    """An organ that is two in one label, and what the two are called."""

    both: str
    right: str
    left: str

    @classmethod
    def of(cls, name: str) -> Pair:
        """Name the two: ``kidneys`` are ``right_kidney`` and ``left_kidney``."""
        stem = singular(name)
        return cls(name, f"right_{stem}", f"left_{stem}")


def with_sides(names: Mapping[int, str], pairs: Sequence[Pair]) -> dict[int, str]:
    """Give the names of a label map together with those that `part` gives, numbered on."""
    last = max(names, default=0)
    new = [name for pair in pairs for name in (pair.right, pair.left)]
    return {**names, **dict(enumerate(new, last + 1))}


def part(
    labels: NDArray[Any], geometry: Geometry, names: Mapping[int, str], pairs: Sequence[Pair]
) -> tuple[NDArray[Any], str]:
    """Give the organs of each pair the labels of `with_sides`.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, uint8 or uint16.
    geometry
        Its grid.
    names
        Before anything is parted; holds ``both`` of each pair.
    pairs
        Which; none gives the labels as they are.

    Returns
    -------
    ndarray
        The labels; no voxel has the label of a pair.
    str
        How each was decided, see `medprep.labels.sides.split_pair`; ``""`` for nothing.
    """
    value_of = {name: value for value, name in with_sides(names, pairs).items()}
    told = []
    for pair in pairs:
        value, right, left = (value_of[name] for name in (pair.both, pair.right, pair.left))
        labels, how = split_pair(labels, geometry, value, left=left, right=right)
        if how:
            told.append(f"{pair.both} parted {how}")
    return labels, "; ".join(told)


def renumber(
    labels: NDArray[Any], names: Mapping[int, str], pairs: Sequence[Pair]
) -> tuple[NDArray[Any], dict[int, str]]:
    """Give consecutive numbers to what `part` gave, the two of a pair in the place of both.

    Parameters
    ----------
    labels, names, pairs
        As `part` gave and took them.

    Returns
    -------
    ndarray
        Same shape and type.
    dict
        Label value to name.
    """
    if not pairs:
        return labels, dict(names)
    sides = {pair.both: (pair.right, pair.left) for pair in pairs}
    order = [name for _, one in sorted(names.items()) for name in sides.get(one, (one,))]
    place = {name: number for number, name in enumerate(order, 1)}
    given = with_sides(names, pairs)
    table = np.zeros(max(given) + 1, labels.dtype)
    for value, name in given.items():
        table[value] = place.get(name, 0)
    return table[labels], {number: name for name, number in place.items()}


def with_parts(regions: Mapping[str, Sequence[str]], pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """Give regions in which each parted pair is its two organs; it is one under its old name."""
    sides = {pair.both: [pair.right, pair.left] for pair in pairs}
    parted = {
        region: [organ for name in members for organ in sides.get(name, [name])]
        for region, members in regions.items()
    }
    return parted | sides
