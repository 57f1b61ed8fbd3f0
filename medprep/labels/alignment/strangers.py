"""Find masks that belong to another picture of the set.

Each case leaves a sketch of some hundred kilobytes; sketches are compared when all are there, so
that no two pictures are ever held together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.labels.alignment.fit import Placement, mean_beside, measure
from medprep.labels.alignment.levels import Levels
from medprep.labels.alignment.stamp import FEWEST_VOXELS, Stamp

_SKETCH_VOXELS = 300_000
_SKETCH_SIDES = (64, 256)
_SKETCH_POINTS = 1000
_NEIGHBOURS = 8
_FEWEST_CASES = 4
UNUSUAL = 3.0
"""A mask's own fit is above that of masks on wrong pictures by so many (robust) deviations."""
LOOSE = 0.45
"""And it is not much better there than moved aside (as `check.SEATED`, which asks for less)."""
BETTER = 0.2
"""Another picture fits better by this much, of 3, before it is named."""
_MAD_TO_SD = 1.4826


@dataclass(frozen=True, eq=False)
class Sketch:
    """A case small enough to keep.

    Parameters
    ----------
    case
        Its id.
    level
        ``[slice, row, column]`` uint8: 300 KB at most up to 73 slices, then 4 KB for each.
    stamp
        Points of its mask on that grid.
    """

    case: str
    level: NDArray[np.uint8]
    stamp: Stamp


@dataclass(frozen=True)
class Stranger:
    """A mask that does not seem to belong to its picture.

    Parameters
    ----------
    case
        Whose.
    belongs_to
        The case whose picture it fits better, or ``""`` where none of the set does.
    own_fit, best_fit
        On its own picture and on that one, of 3; ``best_fit`` is the best of the set.
    usual_fit
        What masks on wrong pictures of this set reach: median and three deviations.
    """

    case: str
    belongs_to: str
    own_fit: float
    best_fit: float
    usual_fit: float

    @property
    def evidence(self) -> str:
        """Say it for a person."""
        if self.belongs_to:
            return (
                f"fits the picture of {self.belongs_to} better than its own: {self.best_fit:.2f} "
                f"against {self.own_fit:.2f} of 3"
            )
        return (
            f"fits its picture no better than masks fit wrong pictures of this set: "
            f"{self.own_fit:.2f} of 3, wanted is over {self.usual_fit:.2f}"
        )


def sketch(case: str, picture: NDArray[Any], labels: NDArray[Any]) -> Sketch | None:
    """Make a case small; None where its mask is too small to tell.

    Parameters
    ----------
    case
        Its id.
    picture, labels
        ``[slice, row, column]``, as for `check_alignment`.
    """
    if np.count_nonzero(labels) < FEWEST_VOXELS:
        return None
    fewest, most = _SKETCH_SIDES
    side = int(np.clip(np.sqrt(_SKETCH_VOXELS / picture.shape[0]), fewest, most))
    levels = Levels.of(picture, side)
    stamp = Stamp.of(labels, levels.factor, _SKETCH_POINTS)
    return Sketch(case, levels.level, stamp) if stamp.organs else None


def find_strangers(sketches: Sequence[Sketch]) -> list[Stranger]:
    """Compare masks with the pictures of the other cases.

    What masks reach on wrong pictures is learned from eight others for each; a mask that does no
    better on its own is doubtful, and is laid on every picture of the set. The time grows with
    the number of cases, and with its square only for the doubtful ones.

    Parameters
    ----------
    sketches
        Of all cases; order does not matter for what is found, beyond which eight are looked at.

    Returns
    -------
    list of Stranger
        In the order given; empty for fewer than four cases.
    """
    count = len(sketches)
    if count < _FEWEST_CASES:
        return []
    own, seat, wrong = _own_and_wrong(sketches)
    middle = float(np.median(wrong))
    usual = middle + UNUSUAL * _MAD_TO_SD * float(np.median(np.abs(np.array(wrong) - middle)))
    doubtful = np.flatnonzero(own <= usual)
    best, holder = _best_pictures(sketches, doubtful)
    found = []
    for row, index in enumerate(doubtful.tolist()):
        named = best[row] > max(own[index] + BETTER, usual)
        if not named and seat[index] >= LOOSE:
            continue
        belongs_to = sketches[holder[row]].case if named else ""
        fits = float(own[index]), float(best[row])
        found.append(Stranger(sketches[index].case, belongs_to, *fits, usual))
    return found


def _own_and_wrong(
    sketches: Sequence[Sketch],
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[float]]:
    """Give how each mask fits and sits on its own picture, and fits of masks on wrong ones."""
    count = len(sketches)
    own, seat = np.zeros(count), np.zeros(count)
    wrong: list[float] = []
    reach = min(_NEIGHBOURS, count - 1)
    for index, one in enumerate(sketches):
        levels = Levels.again(one.level, 1)
        own[index] = measure(levels, one.stamp, Placement()).total
        seat[index] = own[index] - mean_beside(levels, one.stamp, Placement())
        for step in range(1, reach + 1):
            other = sketches[(index + step) % count]
            wrong.append(measure(levels, other.stamp, _centred(other, one)).total)
    return own, seat, wrong


def _best_pictures(
    sketches: Sequence[Sketch], doubtful: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Give the fit on the best picture, its own among them, and its number, for each mask."""
    best = np.full(doubtful.size, -1.0)
    holder = np.zeros(doubtful.size, np.int64)
    for index, one in enumerate(sketches if doubtful.size else ()):
        levels = Levels.again(one.level, 1)
        for row, mask in enumerate(doubtful.tolist()):
            other = sketches[mask]
            fit = max(measure(levels, other.stamp, place).total for place in _ways(other, one))
            if fit > best[row]:
                best[row] = fit
                holder[row] = index
    return best, holder


def _centred(mask: Sketch, picture: Sketch) -> Placement:
    slices, rows, columns = _room(mask, picture)
    return Placement(shift=(slices // 2, rows // 2, columns // 2))


def _ways(mask: Sketch, picture: Sketch) -> list[Placement]:
    """Lay a mask on a picture of another size: centres together, or first or last slices."""
    slices, rows, columns = _room(mask, picture)
    starts = {slices // 2, 0, slices}
    corners = {(rows // 2, columns // 2), (0, 0)}
    return [Placement(shift=(n, *corner)) for n in sorted(starts) for corner in sorted(corners)]


def _room(mask: Sketch, picture: Sketch) -> tuple[int, int, int]:
    slices, rows, columns = (
        there - here for there, here in zip(picture.level.shape, mask.stamp.shape, strict=True)
    )
    return slices, rows, columns
