"""Lay windows together and bring organs to a volume's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry
from medprep.inference.prompts.points import Place
from medprep.inference.prompts.segment import Logits
from medprep.models.prompts.grids import SPACING_MM, cropped, lattice, reached, sample
from medprep.turns import Turn

Corner = tuple[int, int, int]
"""First voxel of a window, counted from that at the first click."""

_NOTHING = -1e9
_SLAB = 16


@dataclass(frozen=True, eq=False)
class Marked:
    """An organ as the net sees it.

    Parameters
    ----------
    logits
        ``[right, front, head]``; above 0 is the organ.
    geometry
        Their grid.
    windows
        How many were looked at.
    cut
        Whether the organ went on where the last allowed window ended.
    """

    logits: Logits
    geometry: Geometry
    windows: int
    cut: bool


def merged(
    found: Mapping[Corner, Logits], home: Place, cut: bool, spacing_mm: float = SPACING_MM
) -> Marked:
    """Lay windows together; where they overlap, each counts the more the farther from its edge.

    Parameters
    ----------
    found
        First voxel, counted from the one at ``home``, to the logits of a window; at least one.
    home
        LPS millimetres of the voxel that all count from.
    cut
        Whether there should have been more windows.
    spacing_mm
        Between voxels.
    """
    corners = np.array(list(found))
    side = len(next(iter(found.values())))
    low = corners.min(0)
    shape = tuple(int(n) for n in corners.max(0) - low + side)
    total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    ramp = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1)).astype(np.float32)
    share = ramp[:, None, None] * ramp[:, None] * ramp
    for corner, logits in found.items():
        place = tuple(slice(a, a + side) for a in corner - low)
        total[place] += share * logits
        weight[place] += share
    logits = np.divide(total, weight, out=np.full(shape, _NOTHING, np.float32), where=weight > 0)
    geometry = cropped(lattice(home, (1, 1, 1), spacing_mm), low, shape)
    return Marked(logits, geometry, len(found), cut)


def paint(marks: Mapping[int, Marked], grid: Geometry) -> NDArray[Any]:
    """Give the label map of organs on a grid, their logits linearly interpolated.

    Parameters
    ----------
    marks
        Label to organ. Where several claim a voxel, the one with the highest logit has it, the
        first of those where they are equal.
    grid
        A volume's own.

    Returns
    -------
    ndarray
        ``[slice, row, column]``, uint8 where the labels fit, else uint16.
    """
    turn = Turn.to_ras(grid)
    turned = turn.geometry(grid)
    kind = np.uint8 if max(marks, default=0) <= 255 else np.uint16
    labels = np.zeros(grid.shape, kind)
    seen = turn.array(labels)  # a view: to turn a whole scan costs more than to mark it
    boxes = {value: reached(turned, one.geometry) for value, one in marks.items()}
    # In slabs: the logits of a whole scan may take gigabytes.
    for start in range(0, len(seen), _SLAB):
        slab = seen[start : start + _SLAB]
        best = np.zeros(slab.shape, np.float32)
        for value, one in marks.items():
            low, high = boxes[value]
            first, end = max(start, int(low[0])), min(start + len(slab), int(high[0]))
            if first >= end:
                continue
            box = (
                slice(first - start, end - start),
                slice(low[1], high[1]),
                slice(low[2], high[2]),
            )
            place = cropped(turned, (first, low[1], low[2]), best[box].shape)
            logits = sample(one.logits, one.geometry, place, outside=_NOTHING)
            higher = logits > best[box]
            slab[box][higher] = value
            best[box][higher] = logits[higher]
    return labels
