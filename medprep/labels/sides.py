"""The patient's left and right: parting organs that come in pairs, and checking their names.

World coordinates are LPS millimetres: x grows to the patient's left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.geometry import Geometry
from medprep.labels.runs import find_pieces, find_runs
from medprep.organs import partner, side

_LARGE = 0.2
"""A piece of at least this part of the largest one may be the other organ of the pair."""
_APART = 0.25
"""Two pieces are two sides where their centres lie apart, across the patient, by this part of the
larger one's own width; pieces of one organ lie above each other."""
_SURE_MM = 5.0
"""Centres closer to each other than this, across the patient, tell no side."""


@dataclass(frozen=True)
class SideFinding:
    """Two organs whose names say the other side than the grid does.

    Parameters
    ----------
    right, left
        The names.
    apart_mm
        How far the one called right lies to the left of the one called left.
    """

    right: str
    left: str
    apart_mm: float

    def __str__(self) -> str:
        return (
            f"{self.right} lies {self.apart_mm:.0f} mm to the patient's left of {self.left}: the "
            "names are exchanged, or the grid or the mask is mirrored"
        )


def split_pair(
    labels: NDArray[Any], geometry: Geometry, value: int, left: int, right: int
) -> tuple[NDArray[Any], str]:
    """Give the two organs of a pair, masked as one, a label each.

    Connected pieces (26 neighbours) go to the side they lie on. The border between the sides is
    the middle between the two largest pieces. Where there is one large piece only it is cut in the
    middle of its own width if that spans both sides of the volume's middle, and otherwise lies on
    one side of it: of one organ, or of two that touch, the patient's middle is taken to be that of
    the volume.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, uint8 or uint16.
    geometry
        Its grid; says where left is.
    value
        The label of both.
    left, right
        The labels to give, for the patient's left and right; one may be ``value``.

    Returns
    -------
    ndarray
        A new array. Without a voxel of ``value`` it equals the input.
    str
        How it was decided, for a person; ``""`` where there was nothing to part.

    Raises
    ------
    LabelError
        If the array cannot hold the labels.
    """
    if max(left, right) > np.iinfo(labels.dtype).max:
        raise LabelError(f"labels {left} and {right} do not fit into {labels.dtype}")
    parted = labels.copy()
    where = np.nonzero(labels == value)
    if not where[0].size:
        return parted, ""
    x = _left_mm(where, geometry)
    runs = find_runs(parted)
    runs = runs.select(runs.label == value)
    pieces = find_pieces(parted, runs, "26")
    piece = np.repeat(pieces.of_run, runs.length)
    centre = np.bincount(piece, x) / pieces.size
    middle, whole, how = _middle(x, piece, pieces.size, centre, geometry)
    is_left = (centre[piece] if whole else x) > middle
    parted[where] = np.where(is_left, left, right).astype(labels.dtype)
    return parted, how


def check_sides(
    labels: NDArray[Any], geometry: Geometry, names: Mapping[int, str]
) -> list[SideFinding]:
    """Compare the names of paired organs with where they lie.

    Parameters
    ----------
    labels
        ``[slice, row, column]``.
    geometry
        Its grid.
    names
        Label value to organ name; pairs are known by `medprep.organs.partner`.

    Returns
    -------
    list of SideFinding
        One for each pair on the wrong sides; nothing where an organ of the pair has no voxel or
        both lie in the middle.
    """
    values = {name: value for value, name in names.items()}
    findings = []
    for right, value in values.items():
        left = partner(right)
        if left not in values or side(right) != "right":
            continue
        one, other = (_centre_mm(labels == which, geometry) for which in (value, values[left]))
        if one is not None and other is not None and one - other > _SURE_MM:
            findings.append(SideFinding(right, left, one - other))
    return findings


def _left_mm(where: tuple[NDArray[np.int64], ...], geometry: Geometry) -> NDArray[np.float64]:
    """Give how far to the patient's left each voxel lies."""
    row = geometry.affine[0]
    return np.asarray(sum(row[axis] * where[axis] for axis in range(3)) + row[3], np.float64)


def _centre_mm(mask: NDArray[np.bool_], geometry: Geometry) -> float | None:
    where = np.nonzero(mask)
    return float(_left_mm(where, geometry).mean()) if where[0].size else None


def _middle(
    x: NDArray[np.float64],
    piece: NDArray[np.int64],
    size: NDArray[np.int64],
    centre: NDArray[np.float64],
    geometry: Geometry,
) -> tuple[float, bool, str]:
    """Give the border between the sides, whether pieces stay whole, and how it was found."""
    order = np.argsort(-size, kind="stable")
    first = order[0]
    own = x[piece == first]
    width = float(own.max() - own.min())
    for second in order[1:]:
        if size[second] < _LARGE * size[first]:
            break
        if abs(centre[second] - centre[first]) > _APART * width:
            return float(centre[first] + centre[second]) / 2, True, "by its two largest pieces"
    of_volume = float(geometry.corners_mm[:, 0].mean())
    if own.min() < of_volume - width / 4 and own.max() > of_volume + width / 4:
        return float(own.max() + own.min()) / 2, False, "one piece across the middle: cut there"
    side = "left" if centre[first] > of_volume else "right"
    return of_volume, True, f"one piece: on the {side} of the volume's middle"
