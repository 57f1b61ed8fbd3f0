"""Points that tell what to mark: read, placed in the patient, checked, told back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError, OptionError
from medprep.geometry import Geometry
from medprep.volume import LabelMap, Volume

Space = Literal["ras", "lps", "voxel"]
SPACES: tuple[Space, ...] = ("ras", "lps", "voxel")
"""Millimetres to the right, front and head as in NIfTI; to the left, back and head as in DICOM;
column, row and slice counted from 0, as viewers and nibabel have them."""

Place = tuple[float, float, float]

_BOXES = ("box", "boxes")
_EDGE = 0.5 + 1e-6
"""From a voxel's centre to its edge, and float noise."""


@dataclass(frozen=True)
class Point:
    """A place that lies in the organ, or that does not.

    Parameters
    ----------
    place_mm
        LPS millimetres.
    positive
        Whether the organ is there.

    Raises
    ------
    OptionError
        If the place is not three finite numbers.
    """

    place_mm: Place
    positive: bool = True

    def __post_init__(self) -> None:
        if len(self.place_mm) != 3 or not all(math.isfinite(one) for one in self.place_mm):
            raise OptionError(f"a point is three finite numbers, not {self.place_mm}")


@dataclass(frozen=True)
class Prompt:
    """What to mark, and as what.

    Parameters
    ----------
    name
        Of the organ.
    value
        Its number in the label map, from 1 on.
    points
        In the order they were clicked; at least one positive.

    Raises
    ------
    OptionError
        If no point is positive, or the number is none of a label.
    """

    name: str
    value: int
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not 0 < self.value <= 65535:
            raise OptionError(f"{self.name}: label {self.value}; wanted is 1 to 65535")
        if not any(point.positive for point in self.points):
            raise OptionError(f"{self.name}: wanted is a point that lies in the organ")


def to_lps(numbers: Sequence[float], space: Space, geometry: Geometry) -> Place:
    """Give LPS millimetres of a place in one of `SPACES`."""
    first, second, third = (float(one) for one in numbers)
    if space == "lps":
        return first, second, third
    if space == "ras":
        return -first, -second, third
    x, y, z = geometry.affine[:3] @ [third, second, first, 1.0]
    return float(x), float(y), float(z)


def from_lps(place_mm: Place, space: Space, geometry: Geometry) -> Place:
    """Undo `to_lps`."""
    x, y, z = place_mm
    if space == "lps":
        return x, y, z
    if space == "ras":
        return 0.0 - x, 0.0 - y, z  # no -0
    number, row, column = index_of(place_mm, geometry)
    return column, row, number


def index_of(place_mm: Sequence[float], geometry: Geometry) -> Place:
    """Give slice, row and column of a place in LPS millimetres; between voxels a fraction."""
    index = np.linalg.solve(geometry.affine[:3, :3], np.subtract(place_mm, geometry.affine[:3, 3]))
    return float(index[0]), float(index[1]), float(index[2])


def require_inside(point: Point, geometry: Geometry, space: Space) -> None:
    """Refuse a point that lies in no voxel.

    Raises
    ------
    OptionError
        Says where the volume lies, in the same space.
    """
    if _is_inside(index_of(point.place_mm, geometry), geometry):
        return
    corners = np.array([from_lps(_place(one), space, geometry) for one in geometry.corners_mm])
    spans = ", ".join(
        f"{low:.4g} to {high:.4g}"
        for low, high in zip(corners.min(0) + 0.0, corners.max(0) + 0.0, strict=True)
    )
    at = ", ".join(f"{one:g}" for one in np.round(from_lps(point.place_mm, space, geometry), 3))
    unit = "voxels (column, row, slice)" if space == "voxel" else f"{space.upper()} mm"
    raise OptionError(
        f"the point {at} lies outside the volume, which reaches from {spans} {unit}; see whether "
        "--space is the one the point was read in"
    )


def told(point: Point, volume: Volume) -> dict[str, Any]:
    """Give a point in all spaces, with the voxel it lies in and its grey value, as plain values.

    Simulated clicks may lie beyond the volume, as the authors' do: those have no grey value.
    """
    index, shape = index_of(point.place_mm, volume.geometry), volume.geometry.shape
    voxel = tuple(math.floor(at + 0.5) for at in index)
    grey = None
    if _is_inside(index, volume.geometry):
        voxel = tuple(min(max(at, 0), n - 1) for at, n in zip(voxel, shape, strict=True))
        grey = float(volume.array[voxel])
    return {
        "positive": point.positive,
        "ras_mm": _rounded(from_lps(point.place_mm, "ras", volume.geometry)),
        "lps_mm": _rounded(point.place_mm),
        "voxel": list(voxel[::-1]),
        "grey": grey,
    }


def read_prompts(content: str, space: Space, geometry: Geometry) -> list[Prompt]:
    """Read ``prompts.json``: name -> points.

    Parameters
    ----------
    content
        ``{"liver": [[12, -34, 56]], "spleen": {"points": [[...]], "negative": [[...]]}}``. Labels
        are numbered from 1 in this order. Negative points come after the others.
    space
        Of all its points.
    geometry
        The volume's.

    Raises
    ------
    OptionError
        If it is no such JSON, or holds boxes.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise OptionError(f"the prompts are no JSON: {error}") from error
    if not isinstance(found, dict) or not found:
        raise OptionError('the prompts are name -> points: {"liver": [[12, -34, 56]]}')
    prompts = []
    for value, (name, given) in enumerate(found.items(), 1):
        parts = given if isinstance(given, dict) else {"points": given}
        if any(key in parts for key in _BOXES):
            refuse_boxes()
        if strangers := sorted(set(parts) - {"points", "negative"}):
            raise OptionError(f"{name}: '{strangers[0]}'; wanted are points and negative")
        points = [
            Point(to_lps(numbers, space, geometry), kind == "points")
            for kind in ("points", "negative")
            for numbers in _triples(parts.get(kind, []), name)
        ]
        prompts.append(Prompt(name, value, tuple(points)))
    return prompts


def centroids(labels: LabelMap) -> list[Prompt]:
    """Give a point in each organ of a label map: where its centroid lies, or next to that.

    Where the centroid of a bent organ lies outside it, its voxel nearest to it is taken: a click
    beside the organ would mark something else.

    Returns
    -------
    list of Prompt
        By label; an organ without a name is ``label_3``.

    Raises
    ------
    LabelError
        If the map holds no label.
    """
    values = [int(one) for one in np.unique(labels.array) if one]
    if not values:
        raise LabelError("no label to click on: the label map is empty")
    prompts = []
    for value in values:
        name = labels.names.get(value, f"label_{value}")
        place = _middle(labels.array == value, labels.geometry)
        prompts.append(Prompt(name, value, (Point(place),)))
    return prompts


def refuse_boxes() -> NoReturn:
    """Say why boxes are not taken.

    Raises
    ------
    OptionError
        Always.
    """
    raise OptionError(
        "boxes: SAM-Med3D takes none. The authors' code for them cannot run and no published "
        "weights hold their embeddings; give points, such as the box's middle"
    )


def _is_inside(index: Sequence[float], geometry: Geometry) -> bool:
    limits = zip(index, geometry.shape, strict=True)
    return all(-_EDGE <= at <= n - 1 + _EDGE for at, n in limits)


def _middle(mask: NDArray[np.bool_], geometry: Geometry) -> Place:
    voxels = np.argwhere(mask)
    centre = voxels.mean(0)
    if not mask[tuple(np.floor(centre + 0.5).astype(int))]:
        apart = (voxels - centre) * np.asarray(geometry.spacing_mm)
        centre = voxels[(apart**2).sum(1).argmin()].astype(np.float64)
    return _place(geometry.affine[:3, :3] @ centre + geometry.affine[:3, 3])


def _triples(given: object, name: str) -> Iterable[Sequence[float]]:
    if isinstance(given, list) and len(given) == 3 and all(_is_number(one) for one in given):
        given = [given]
    if not isinstance(given, list):
        raise OptionError(f"{name}: {given}; wanted are points such as [[12, -34, 56]]")
    for one in given:
        if not (isinstance(one, list) and len(one) == 3 and all(_is_number(n) for n in one)):
            raise OptionError(f"{name}: the point {one}; wanted are three numbers")
        yield one


def _is_number(one: object) -> bool:
    return isinstance(one, int | float) and not isinstance(one, bool)


def _rounded(place: Sequence[float]) -> list[float]:
    return [round(one, 3) + 0.0 for one in place]


def _place(numbers: Sequence[float] | NDArray[np.float64]) -> Place:
    x, y, z = numbers
    return float(x), float(y), float(z)
