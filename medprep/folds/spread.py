"""Deal patients into bins of exact sizes so that every bin holds its share of every trait.

Patients with the same traits are one group. Shares of a group are fractions; they are rounded so
that every bin keeps its exact size and no group is off by a whole patient in any bin (controlled
rounding: Cox, J. Am. Stat. Assoc. 82:520, 1987). Where groups share traits (a patient has a liver
*and* a spleen), patients of two bins are then exchanged for as long as that brings the counts of
single traits nearer to their shares; that is the aim of iterative stratification (Sechidis,
Tsoumakas, Vlahavas, ECML PKDD 2011), which gives up exact sizes for it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Traits = frozenset[str]
"""What a patient counts as: ``{"label=liver", "site=a"}``. None at all is a group of its own."""

_MOST_SWAPS = 1000
_CANDIDATES = 32
"""So many groups of each of two bins are tried for an exchange, the most promising ones."""


def chance(seed: int, name: str) -> str:
    """Give a name's place in a random order that depends on the seed and the name alone."""
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()


def spread(
    patients: Mapping[str, Traits],
    sizes: Sequence[int],
    seed: int,
    kept: Mapping[str, tuple[Traits, int]] | None = None,
) -> dict[str, int]:
    """Deal patients into bins.

    Parameters
    ----------
    patients
        Patient to traits.
    sizes
        How many patients each bin gets; their sum is the number of patients.
    seed
        Another seed gives another deal; the order of ``patients`` does not.
    kept
        Patients that sit in a bin already: their traits and their bin. They stay, are not counted
        in ``sizes``, and the others make up for what they leave uneven.

    Returns
    -------
    dict
        Patient to bin, for ``patients`` only. Where no patient has two traits and none is kept,
        a bin's count of each trait is its exact share rounded up or down.
    """
    groups: dict[Traits, list[str]] = defaultdict(list)
    for patient in sorted(patients, key=lambda patient: (chance(seed, patient), patient)):
        groups[patients[patient]].append(patient)
    kinds = sorted(groups, key=lambda kind: sorted(kind))
    table = round_table([len(groups[kind]) for kind in kinds], sizes, seed)
    if kept or any(len(kind) > 1 for kind in kinds):
        _exchange(table, kinds, list((kept or {}).values()))
    dealt: dict[str, int] = {}
    for kind, row in zip(kinds, table, strict=True):
        bins = [number for number, count in enumerate(row) for _ in range(count)]
        dealt.update(zip(groups[kind], bins, strict=True))
    return dealt


def round_table(rows: Sequence[int], columns: Sequence[int], seed: int) -> NDArray[np.int64]:
    """Give a table of whole numbers with these sums, each cell its exact share rounded up or down.

    Parameters
    ----------
    rows, columns
        Sums of the rows and of the columns; both have the same total. A cell's exact share is the
        product of its two sums, divided by the total.
    seed
        Chooses among the tables that do, each cell being rounded up as often as its fraction says.

    Returns
    -------
    ndarray
        ``[row, column]``, int64; no rows give a table without any.
    """
    total = max(sum(rows), 1)
    # Whole numbers throughout: in units of 1/total no share is a fraction.
    cells = np.outer(np.array(rows, np.int64), np.array(columns, np.int64))
    open_columns = [set(np.flatnonzero(row % total).tolist()) for row in cells]
    open_rows = [set(np.flatnonzero(column % total).tolist()) for column in cells.T]
    step = 0
    for start in range(len(rows)):
        while open_columns[start]:
            ring = _ring(start, open_columns, open_rows)
            up, down = ring[0::2], ring[1::2]
            rise = min(total - int(cells[cell]) % total for cell in up)
            rise = min(rise, *(int(cells[cell]) % total for cell in down))
            fall = min(int(cells[cell]) % total for cell in up)
            fall = min(fall, *(total - int(cells[cell]) % total for cell in down))
            drawn = int(chance(seed, f"round {step}")[:12], 16) / 16**12
            change = rise if drawn * (rise + fall) < fall else -fall
            for sign, part in ((change, up), (-change, down)):
                for row, column in part:
                    cells[row, column] += sign
                    if cells[row, column] % total == 0:
                        open_columns[row].discard(column)
                        open_rows[column].discard(row)
            step += 1
    return cells // total


def _ring(
    start: int, open_columns: Sequence[set[int]], open_rows: Sequence[set[int]]
) -> list[tuple[int, int]]:
    """Give cells that are no whole numbers, in a ring: by turns in one row and in one column.

    A row or column with one such cell has two, for its sum is whole: a walk from row to column to
    row cannot end but where it was before.
    """
    walk: list[tuple[int, int]] = []
    rows, columns = {start: 0}, dict[int, int]()
    row, column = start, -1
    while True:
        column = next(other for other in open_columns[row] if other != column)
        walk.append((row, column))
        if column in columns:
            return walk[columns[column] :]
        columns[column] = len(walk)
        row = next(other for other in open_rows[column] if other != row)
        walk.append((row, column))
        if row in rows:
            return walk[rows[row] :]
        rows[row] = len(walk)


def _exchange(
    table: NDArray[np.int64], kinds: Sequence[Traits], kept: Sequence[tuple[Traits, int]]
) -> None:
    """Exchange patients between bins, in place, while single traits come nearer to their share."""
    every = sorted({trait for kind in kinds for trait in kind} | {t for k, _ in kept for t in k})
    if not every or len(table) == 0:
        return
    index = {trait: number for number, trait in enumerate(every)}
    has = np.zeros((len(kinds), len(every)))
    for number, kind in enumerate(kinds):
        has[number, [index[trait] for trait in sorted(kind)]] = 1
    held = has.T @ table
    sizes = table.sum(axis=0).astype(float)
    for kind, bin_ in kept:
        held[[index[trait] for trait in sorted(kind)], bin_] += 1
        sizes[bin_] += 1
    total = held.sum(axis=1)
    excess = held - np.outer(total, sizes / max(sizes.sum(), 1))
    weight = 1 / np.maximum(total, 1)  # a rare organ in the wrong fold weighs more than a common
    for _ in range(_MOST_SWAPS):
        swap = _best_swap(table, has, excess, weight)
        if swap is None:
            return
        (one, here), (other, there) = swap
        table[one, here] -= 1
        table[one, there] += 1
        table[other, there] -= 1
        table[other, here] += 1
        moved = has[other] - has[one]
        excess[:, here] += moved
        excess[:, there] -= moved


def _best_swap(
    table: NDArray[np.int64],
    has: NDArray[np.float64],
    excess: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Give the two (group, bin) to exchange a patient between; None where nothing is won."""
    best, found = -1e-9, None
    for here in range(table.shape[1]):
        for there in range(here + 1, table.shape[1]):
            pull = has @ (weight * (excess[:, here] - excess[:, there]))
            leave = np.flatnonzero(table[:, here])
            come = np.flatnonzero(table[:, there])
            leave = leave[np.argsort(-pull[leave], kind="stable")][:_CANDIDATES]
            come = come[np.argsort(pull[come], kind="stable")][:_CANDIDATES]
            if not len(leave) or not len(come):
                continue
            moved = has[come][None] - has[leave][:, None]
            change = 2 * (pull[come][None] - pull[leave][:, None]) + 2 * (moved**2 @ weight)
            at = int(change.argmin())
            if change.flat[at] < best:
                best = float(change.flat[at])
                one, other = divmod(at, len(come))
                found = ((int(leave[one]), here), (int(come[other]), there))
    return found
