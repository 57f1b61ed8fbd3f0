"""What the numbers of two sides mean: label numbers, one organ, or grey levels of a table.

It is settled once for a whole set: a case that lacks an organ says nothing about the numbers of
the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.evaluations.greys import Grey, listed, voxels_by_level
from medprep.organs import TABLES, OrganTable, numbered

ONE_ORGAN = frozenset((1, 63, 255, 65535))
"""How masks of one organ mark it: 1-bit and label maps, CHAOS results, 8 and 16 bits."""
GREYS = TABLES["chaos-submission"]
"""The exact levels of CHAOS masks and results."""
_GREY_LEVELS = frozenset(organ.ranges[0][0] for organ in GREYS.organs)
_DRAWN_BELOW = 63
"""Slices with several levels up to here are label numbers; blurred masks reach beyond."""
_WHITE = 255
_MOST = 128
"""So many different numbers may be labels without a table; more are a picture."""

Way = Literal["table", "one", "numbers"]
_Kind = Literal["empty", "one", "greys", "numbers", "strange"]


@dataclass(frozen=True)
class Seen:
    """The numbers above 0 that one place holds, and whether it is slices."""

    levels: frozenset[int]
    sliced: bool

    @classmethod
    def of(cls, grey: Grey) -> Seen:
        """Look at a place that was read."""
        return cls(frozenset(voxels_by_level(grey.array)), grey.sliced)

    @property
    def kind(self) -> _Kind:
        """What the numbers look like, without a table."""
        if not self.levels:
            return "empty"
        if len(self.levels) == 1 and self.levels <= ONE_ORGAN:
            return "one"
        if self.levels <= _GREY_LEVELS:
            return "greys"
        highest = max(self.levels)
        if (
            _WHITE in self.levels
            or len(self.levels) > _MOST
            or (self.sliced and highest >= _DRAWN_BELOW)
        ):
            return "strange"
        return "numbers"


@dataclass(frozen=True)
class Labels:
    """What numbers mean on both sides.

    Parameters
    ----------
    way
        By a table, as one organ, or as label numbers.
    names
        Label to name, in order.
    table
        The table, or None.
    named
        Whether the user named it.
    notes
        What a person should know.
    """

    way: Way
    names: Mapping[int, str]
    table: OrganTable | None = None
    named: bool = False
    notes: tuple[str, ...] = ()

    @property
    def regions(self) -> Mapping[str, tuple[str, ...]]:
        """Named sets of organs, for targets that overlap."""
        return {} if self.table is None else dict(self.table.regions)

    def apply(self, grey: Grey, path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
        """Turn numbers into labels.

        Returns
        -------
        ndarray
            ``[slice, row, column]``, uint8 or uint16.
        tuple of str
            What a person should know.

        Raises
        ------
        LabelError
            If a number means nothing; names the values and how many voxels hold them.
        """
        voxels = voxels_by_level(grey.array)
        seen = Seen(frozenset(voxels), grey.sliced)
        if self.way == "numbers":
            self._require(voxels, seen.kind != "strange", self.names, path)
            return grey.array, ()
        if self.way == "one":
            self._require(voxels, seen.kind in ("empty", "one"), ONE_ORGAN, path)
            return (grey.array > 0).astype(np.uint8), ()
        moves, notes = self._by_table(seen.levels)
        self._require(voxels, seen.levels <= set(moves), moves, path)
        kind = np.uint8 if max(self.names) <= 255 else np.uint16
        labels = np.zeros(int(grey.array.max(initial=0)) + 1, kind)
        for level in seen.levels:
            labels[level] = moves[level]
        return labels[grey.array], notes

    def _by_table(self, levels: frozenset[int]) -> tuple[Mapping[int, int], tuple[str, ...]]:
        """Give the label of each level that has one."""
        organs = () if self.table is None else self.table.organs
        moves = {
            level: label
            for label, organ in enumerate(organs, 1)
            for low, high in organ.ranges
            for level in levels
            if low <= level <= high
        }
        if not self.named or levels <= set(moves):
            return moves, ()
        if len(organs) == 1 and len(levels) == 1 and levels <= ONE_ORGAN:
            (level,) = levels
            return {level: 1}, (f"{level} is taken for {organs[0].name}",)
        lowest = min(low for organ in organs for low, _ in organ.ranges)
        if levels <= set(self.names) and lowest > len(organs):
            order = ", ".join(f"{label} {name}" for label, name in self.names.items())
            return {level: level for level in levels}, (f"its numbers are taken for {order}",)
        return moves, ()

    def _require(
        self, voxels: Mapping[int, int], sound: bool, known: Iterable[int], path: Path
    ) -> None:
        strange = {level: n for level, n in voxels.items() if level not in set(known)}
        if sound and not strange:
            return
        raise LabelError(
            f"the mask holds {listed((strange or voxels).items())}; {self._wanted()}; edges that "
            "were blurred must be thresholded first, grey levels can be named: --organs NAME|FILE",
            path=path,
        )

    def _wanted(self) -> str:
        if self.way == "one":
            return "the others show one organ, as 0 and 1, 63 or 255"
        if self.table is not None:
            return f"wanted is {self.table}"
        return f"wanted are label numbers, of the others {_few(self.names) or 'none'}"


def settle_labels(
    references: Sequence[Seen], predicted: Sequence[Seen], table: OrganTable | None = None
) -> Labels:
    """Say what the numbers of a set mean.

    Parameters
    ----------
    references, predicted
        What the places of each side hold. With a table they are not asked.
    table
        The organs, where the user names them.

    Raises
    ------
    LabelError
        If the sides do not speak of the same, or nobody holds a label.
    """
    if table is not None:
        return Labels("table", dict(enumerate(table.names, 1)), table, named=True)
    ways = [_way(side) for side in (references, predicted)]
    levels = [_levels(side) for side in (references, predicted)]
    if "greys" in ways:
        lone = [i for i, way in enumerate(ways) if way != "greys"]
        if any(ways[i] == "numbers" or levels[i] - {GREYS.organs[0].ranges[0][0]} for i in lone):
            raise _apart(levels)
        names = dict(enumerate(GREYS.names, 1))
        return Labels("table", names, GREYS, notes=(f"grey levels of CHAOS: {GREYS}",))
    if "numbers" in ways:
        if any(way == "one" and own != {1} for way, own in zip(ways, levels, strict=True)):
            raise _apart(levels)
        return Labels("numbers", _numbered(levels[0] | levels[1]))
    held = sorted(levels[0] | levels[1])
    if not held and not any(seen.kind == "strange" for seen in (*references, *predicted)):
        raise LabelError(
            "no file holds a label above 0: there is nothing to score; name the organs to count "
            "them all the same: --organs NAME|FILE"
        )
    said = f"one organ on both sides, marked {' or '.join(map(str, held))}"
    return Labels("one", _numbered({1}), notes=(said,) if held not in ([], [1]) else ())


def _way(side: Sequence[Seen]) -> _Kind:
    """Give what most of a side's places are, and none of one organ only."""
    votes = Counter(seen.kind for seen in side)
    if votes["greys"] or votes["numbers"]:
        return "greys" if votes["greys"] >= votes["numbers"] else "numbers"
    return "one" if votes["one"] else "empty"


def _levels(side: Sequence[Seen]) -> set[int]:
    return {level for seen in side if seen.kind != "strange" for level in seen.levels}


def _numbered(levels: Iterable[int]) -> dict[int, str]:
    table = numbered(sorted(levels))
    return {organ.ranges[0][0]: organ.name for organ in table.organs}


def _apart(levels: Sequence[set[int]]) -> LabelError:
    said = " and ".join(
        f"the {which} {_few(sorted(own)) or 'nothing'}"
        for which, own in zip(("references hold", "predictions"), levels, strict=True)
    )
    return LabelError(f"{said}: nobody says which is which; name the organs: --organs NAME|FILE")


def _few(levels: Iterable[int]) -> str:
    shown = [str(level) for level in levels]
    return ", ".join(shown[:8]) + (f" and {len(shown) - 8} others" if len(shown) > 8 else "")
