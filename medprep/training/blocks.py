"""Which slice or volume is shown when, so that what is read stays in one place for a while.

A pass goes once through a pool in an order of cases that is shuffled anew for each pass, and cut
into as many parts of equal length as a batch has places of its kind: so every place reads its own
cases, whichever process makes it, and all make the same number of steps. A place goes through its
part block by block; within a block the order is shuffled. All of it follows from seed, step and
place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.recipe import generator_of

_HELD = 64
"""Orders that are remembered: at least those of all places of a batch, or they are drawn again."""


class Blocks:
    """An order of a pool.

    Parameters
    ----------
    pool
        (N, 2): sample and slice, samples in one piece each, as `Samples.everywhere` has them.
    places
        Places of a batch that are taken from this pool.
    block
        Cases that a place is shown at a time, counted by their mean number of rows.
    visits
        Times a row is shown in a pass: of slices once, of volumes as often as patches cover one.
    seed, name
        Decide the order; another pool has another name.
    """

    def __init__(
        self,
        pool: NDArray[np.int64],
        places: int,
        block: int,
        visits: int,
        seed: int,
        name: str,
    ) -> None:
        self._made_of = (pool, places, block, visits, seed, name)
        self._pool, self._visits, self._seed, self._name = pool, visits, seed, name
        samples, self._firsts, counts = np.unique(pool[:, 0], return_index=True, return_counts=True)
        self._counts = counts
        rows = len(pool)
        self._length = -(-rows // max(1, places))
        # The last part ends with the pool: parts overlap by a few rows where they do not fit.
        spare, gaps = rows - self._length, max(1, places - 1)
        self._begins = [place * spare // gaps for place in range(places)]
        self._block = max(1, round(block * rows / len(samples)))
        self._order = lru_cache(4)(self._draw_order)
        self._within = lru_cache(_HELD + places)(self._draw_block)

    @property
    def steps(self) -> int:
        """Steps of a pass."""
        return self._length * self._visits

    def row(self, step: int, place: int) -> tuple[int, int]:
        """Give sample and slice of a place, which is counted among those of this pool."""
        turn, left = divmod(step, self.steps)
        block, index = divmod(left, self._block * self._visits)
        offset = block * self._block
        within = self._within(turn, place, block) % min(self._block, self._length - offset)
        behind, cases = self._order(turn)
        position = self._begins[place] + offset + int(within[index])
        number = int(np.searchsorted(behind, position, "right"))
        case = cases[number]
        row = self._firsts[case] + position - (behind[number] - self._counts[case])
        sample, index = self._pool[int(row)].tolist()
        return sample, index

    def _draw_order(self, turn: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give the cases of a pass in their order, and where each ends."""
        chance = generator_of(self._seed, f"a pass over {self._name}", turn, 0)
        cases = chance.permutation(len(self._counts))
        return np.cumsum(self._counts[cases]), cases

    def _draw_block(self, turn: int, place: int, block: int) -> NDArray[np.int64]:
        rows = min(self._block, self._length - block * self._block)
        chance = generator_of(self._seed, f"a block of {self._name} at {place}", turn, block)
        return chance.permutation(rows * self._visits)

    def __reduce__(self) -> tuple[type[Blocks], tuple[Any, ...]]:
        return Blocks, self._made_of
