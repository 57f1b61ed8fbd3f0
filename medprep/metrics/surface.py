"""Surface metrics of two label maps: HD, HD95, ASSD, MASD, NSD and the CHAOS challenge's MSSD.

In mm on any grid: anisotropic, oblique, sheared. What each of them is exactly is a `Definition`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medprep.errors import GeometryError, LabelError, OptionError
from medprep.metrics.areas import surfel_areas
from medprep.metrics.borders import Surface, Surfaces, foreground_box, points_shape
from medprep.metrics.definitions import SURFACE, Definition
from medprep.metrics.distances import Axes, diagonal_mm, surface_distances

Values = dict[str, float | None]


def surface_metrics(
    reference: NDArray[Any],
    predicted: NDArray[Any],
    labels: Sequence[int],
    axes_mm: ArrayLike,
    definition: Definition,
    tolerance_mm: Mapping[int, float],
    wanted: Collection[str],
) -> dict[int, Values]:
    """Measure the surfaces of labels.

    Parameters
    ----------
    reference, predicted
        ``[slice, row, column]`` on one grid, integers or bool, 0 is background.
    labels
        Which labels, each above 0.
    axes_mm
        (3, 3), column ``j`` is the step in mm along array axis ``j``.
    definition
        One of `medprep.metrics.definitions.DEFINITIONS`.
    tolerance_mm
        Label to the NSD's tolerance; read where ``nsd`` is wanted and the definition has it.
    wanted
        Names of metrics; those that are no surface metrics are passed over.

    Returns
    -------
    dict
        Label to the wanted surface metrics. None where the label is in neither map or the
        definition lacks the metric; a label in one of the maps only has `failed_values`.

    Raises
    ------
    GeometryError
        If the arrays have no three equal axes, or the axes span no space.
    LabelError
        If an array holds no whole numbers, or a label is not above 0.
    OptionError
        If a label has no tolerance of 0 mm or more.
    """
    asked = [name for name in SURFACE if name in wanted]
    _require_maps(reference, predicted, labels)
    axes = Axes.of(axes_mm)
    if "nsd" in asked and "nsd" in definition.offers:
        _require_tolerances(labels, tolerance_mm)
    if not asked:
        return {label: {} for label in labels}
    box = foreground_box(reference, predicted)
    shape = points_shape(box, definition)
    areas = surfel_areas(axes) if definition.weighted else None
    both = [Surfaces(one, box, definition) for one in (reference, predicted)]
    failed = failed_values(reference.shape, axes_mm, definition, asked)
    values: dict[int, Values] = {}
    for label in labels:
        ours, theirs = (surfaces.of(label) for surfaces in both)
        here = [_holds(reference, label, ours), _holds(predicted, label, theirs)]
        if not any(here):
            values[label] = dict.fromkeys(asked)
        elif not all(here):
            values[label] = dict(failed)
        else:
            found = _measure(ours, theirs, shape, axes, areas)
            values[label] = (
                _offered(found, asked, definition, tolerance_mm.get(label, 0.0))
                if found
                else dict(failed)
            )
    return values


def failed_values(
    shape: Sequence[int], axes_mm: ArrayLike, definition: Definition, wanted: Collection[str]
) -> Values:
    """Give what a label scores that is in one of the maps only, or whose prediction is missing.

    Parameters
    ----------
    shape
        Of the volume.
    axes_mm, definition, wanted
        As `surface_metrics`.

    Returns
    -------
    dict
        NSD 0; distances are the largest that two points of a surface can have: the diagonal
        between the outermost voxels' centres, or windows.
    """
    outer = [n + int(definition.weighted) for n in shape]
    worst = diagonal_mm(outer, Axes.of(axes_mm))
    return {
        name: (0.0 if name == "nsd" else worst) if name in definition.offers else None
        for name in SURFACE
        if name in wanted
    }


@dataclass(frozen=True, eq=False)
class _Directed:
    """Distances of one surface's points to the other surface, and what each counts."""

    mm: NDArray[np.float64]
    weights: NDArray[np.float64] | None

    @property
    def total(self) -> float:
        return float(len(self.mm) if self.weights is None else self.weights.sum())

    @property
    def sum(self) -> float:
        return float((self.mm if self.weights is None else self.mm * self.weights).sum())

    def within(self, tolerance_mm: float, definition: Definition) -> float:
        mm, limit = self.mm, np.float64(tolerance_mm * (1 + definition.slack))
        near = mm.astype(np.float32) <= np.float32(limit) if definition.single else mm <= limit
        return float(near.sum() if self.weights is None else self.weights[near].sum())

    def quantile(self, share: float, single: bool = False) -> float:
        """By number with interpolation, or by area the first point that reaches the share."""
        steps = len(self.mm) - 1
        if self.weights is not None:
            reached = np.cumsum(self.weights) / self.total
            return float(self.mm[min(int(np.searchsorted(reached, share)), steps)])
        if single and steps:
            share = float(np.float32(share) * np.float32(steps)) / steps
        return float(np.quantile(self.mm, min(share, 1.0)))


def _measure(
    ours: Surface,
    theirs: Surface,
    shape: tuple[int, int, int],
    axes: Axes,
    areas: NDArray[np.float64] | None,
) -> tuple[_Directed, _Directed] | None:
    """Distances both ways; None where one of two masks fills the volume and has no border."""
    if not len(ours.places) and not len(theirs.places):
        return _Directed(np.zeros(1), None), _Directed(np.zeros(1), None)  # both fill it: equal
    if not len(ours.places) or not len(theirs.places):
        return None
    there, back = surface_distances(ours.places, theirs.places, shape, axes)
    return _directed(there, ours, areas), _directed(back, theirs, areas)


def _directed(
    mm: NDArray[np.float64], surface: Surface, areas: NDArray[np.float64] | None
) -> _Directed:
    if areas is None or surface.codes is None:
        return _Directed(mm, None)
    weights = areas[surface.codes]
    order = np.lexsort((weights, mm))
    return _Directed(mm[order], weights[order])


def _offered(
    both: tuple[_Directed, _Directed],
    asked: Sequence[str],
    definition: Definition,
    tolerance_mm: float,
) -> Values:
    """Make one number of both directions, for each metric asked for that there is."""
    there, back = both
    total = there.total + back.total

    def means() -> float:
        return (there.sum / there.total + back.sum / back.total) / 2

    def pooled() -> float:
        return (there.sum + back.sum) / total

    def largest() -> float:
        return max(there.quantile(1.0), back.quantile(1.0))

    def robust() -> float:
        if definition.hd95 == "pooled":
            return _Directed(np.concatenate([there.mm, back.mm]), None).quantile(0.95)
        return max(one.quantile(0.95, definition.single) for one in both)

    def near() -> float:
        return sum(one.within(tolerance_mm, definition) for one in both) / total

    ways = {
        "hd_mm": largest,
        "hd95_mm": robust,
        "assd_mm": means if definition.assd == "means" else pooled,
        "masd_mm": means,
        "nsd": near,
        "mssd_mm": largest,
    }
    return {name: ways[name]() if name in definition.offers else None for name in asked}


def _holds(labels: NDArray[Any], label: int, surface: Surface) -> bool:
    """Whether a map holds a label; without a border, only where the label fills the volume."""
    return bool(len(surface.places)) or bool(labels.size and labels.flat[0] == label)


def _require_maps(reference: NDArray[Any], predicted: NDArray[Any], labels: Sequence[int]) -> None:
    if reference.shape != predicted.shape or reference.ndim != 3:
        raise GeometryError(
            f"wanted are two label maps of one shape [slice, row, column], found are "
            f"{reference.shape} and {predicted.shape}"
        )
    for labels_map in (reference, predicted):
        if labels_map.dtype.kind not in "iub":
            raise LabelError(f"labels are whole numbers, not {labels_map.dtype}")
    if low := [label for label in labels if label < 1]:
        raise LabelError(f"label {low[0]} cannot be measured; labels are above 0")


def _require_tolerances(labels: Sequence[int], tolerance_mm: Mapping[int, float]) -> None:
    for label in labels:
        if label not in tolerance_mm:
            raise OptionError(f"label {label} has no tolerance in mm for the NSD")
        if not tolerance_mm[label] >= 0:
            raise OptionError(f"tolerance is {tolerance_mm[label]} mm; wanted is 0 or more")
