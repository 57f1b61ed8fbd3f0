"""Every metric of every organ of one case."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError, LabelError, OptionError
from medprep.geometry import Geometry
from medprep.metrics.catalogue import METRICS, require_metrics
from medprep.metrics.chaos import POINTS, WORST_RAVD, chaos_points
from medprep.metrics.confusion import slice_confusions
from medprep.metrics.definitions import SURFACE, Definition
from medprep.metrics.evaluation import LabelScore, State
from medprep.metrics.overlap import Overlap
from medprep.metrics.surface import failed_values, surface_metrics

Values = dict[str, float | None]


@dataclass(frozen=True)
class _Target:
    """An organ, or a region of several; ``labels`` are its numbers."""

    label: int
    organ: str
    region: bool
    labels: tuple[int, ...]


@dataclass(frozen=True)
class _Demand:
    """What is to be measured, and how."""

    metrics: tuple[str, ...]
    definition: Definition
    tolerance_mm: Mapping[str, float]
    geometry: Geometry

    @property
    def surface(self) -> tuple[str, ...]:
        """The surface metrics that are asked for or points are given for."""
        needed = {POINTS[name] for name in self.metrics if name in POINTS}
        if "chaos_score" in self.metrics:
            needed.update(POINTS.values())
        return tuple(name for name in SURFACE if name in self.metrics or name in needed)

    @property
    def diagonal_mm(self) -> float:
        """The largest distance that surfaces in this volume can have."""
        axes = self.geometry.affine[:3, :3]
        worst = failed_values(self.geometry.shape, axes, self.definition, ("hd_mm",))["hd_mm"]
        return 0.0 if worst is None else worst

    @property
    def chaos(self) -> bool:
        """Whether it is scored by the rules of the CHAOS challenge."""
        return "mssd_mm" in self.definition.offers


def score_case(
    reference: NDArray[Any],
    predicted: NDArray[Any] | None,
    names: Mapping[int, str],
    geometry: Geometry,
    *,
    metrics: Sequence[str],
    definition: Definition,
    tolerance_mm: Mapping[str, float],
    regions: Mapping[str, tuple[str, ...]] | None = None,
) -> list[LabelScore]:
    """Score every organ and every region of a case.

    Parameters
    ----------
    reference, predicted
        ``[slice, row, column]`` on the grid ``geometry``, whole numbers: 0 (background) and those
        of ``names``. None: there is no prediction.
    names
        Label to organ; labels are above 0.
    geometry
        The grid.
    metrics
        Names in `medprep.metrics.catalogue.METRICS`.
    definition
        Of the surface metrics; a CHAOS one gives the challenge's values where an organ is in one
        of both only.
    tolerance_mm
        Of the normalised surface Dice, by organ and region; read where ``nsd`` is asked for.
    regions
        Region to the organs it is made of.

    Returns
    -------
    list of LabelScore
        Organs by label, then regions in their order. An organ in neither map has no values. In
        one of them only, or without a prediction: overlap 0 where it is defined, distances the
        volume's diagonal (`medprep.metrics.definitions.EMPTY`), volumes as they are. Without a
        prediction that holds even where the reference is empty: a failure is not left out.

    Raises
    ------
    GeometryError
        If a map has another shape than the grid.
    LabelError
        If a map holds a label without a name, or no whole numbers.
    OptionError
        If a metric is unknown or not this definition's, or a tolerance is not there.
    """
    demand = _Demand(require_metrics(metrics), definition, tolerance_mm, geometry)
    targets = _targets(names, regions or {})
    _require(demand, targets)
    for which, array in (("reference", reference), ("prediction", predicted)):
        if array is not None and array.shape != geometry.shape:
            raise GeometryError(
                f"the {which} has {array.shape} voxels, its grid {geometry.shape}; put both on one"
            )
    theirs = np.broadcast_to(np.uint8(0), reference.shape) if predicted is None else predicted
    counts = _counts(reference, theirs, sorted(names), targets)
    surfaces = _surfaces(reference, predicted, targets, demand)
    return [
        _score(target, counts[:, place], surfaces[place], predicted is None, demand)
        for place, target in enumerate(targets)
    ]


def _targets(names: Mapping[int, str], regions: Mapping[str, tuple[str, ...]]) -> list[_Target]:
    if low := [label for label in names if label < 1]:
        raise LabelError(f"label {low[0]} ({names[low[0]]}) is no organ's; organs are above 0")
    label_of = {name: label for label, name in names.items()}
    for region, organs in regions.items():
        if strange := [organ for organ in organs if organ not in label_of]:
            raise OptionError(
                f"region {region} is made of {strange[0]}; there are {', '.join(label_of)}"
            )
    return [_Target(label, names[label], False, (label,)) for label in sorted(names)] + [
        _Target(0, region, True, tuple(label_of[organ] for organ in organs))
        for region, organs in regions.items()
    ]


def _require(demand: _Demand, targets: Sequence[_Target]) -> None:
    strange = [name for name in demand.metrics if METRICS[name].family == "chaos"]
    if strange and not demand.chaos:
        raise OptionError(
            f"{strange[0]} is the CHAOS challenge's and not part of '{demand.definition.name}'; "
            "take chaos-code or chaos-document"
        )
    if "nsd" in demand.metrics:
        for target in targets:
            if target.organ not in demand.tolerance_mm:
                raise OptionError(f"nsd is asked for, but {target.organ} has no tolerance in mm")


def _counts(
    reference: NDArray[Any],
    predicted: NDArray[Any],
    labels: Sequence[int],
    targets: Sequence[_Target],
) -> NDArray[np.int64]:
    """Voxels ``[slice, target, (in reference, in prediction, in both)]``."""
    counts = np.zeros((len(reference), len(targets), 3), np.int64)
    places = [[labels.index(label) + 1 for label in target.labels] for target in targets]
    organs = len(labels)
    for own, matrix in zip(counts, slice_confusions(reference, predicted, labels), strict=True):
        ours, theirs = matrix.sum(axis=1), matrix.sum(axis=0)
        own[:organs] = np.stack([ours, theirs, matrix.diagonal()], axis=1)[1:]
        for place, members in enumerate(places[organs:], start=organs):
            common = matrix[np.ix_(members, members)].sum()
            own[place] = ours[members].sum(), theirs[members].sum(), common
    return counts


def _surfaces(
    reference: NDArray[Any],
    predicted: NDArray[Any] | None,
    targets: Sequence[_Target],
    demand: _Demand,
) -> list[Values]:
    wanted, axes = demand.surface, demand.geometry.affine[:3, :3]
    if not wanted:
        return [{} for _ in targets]
    if predicted is None:
        worst = failed_values(reference.shape, axes, demand.definition, wanted)
        return [worst for _ in targets]

    def measure(
        ours: NDArray[Any], theirs: NDArray[Any], organs: Mapping[int, str]
    ) -> dict[int, Values]:
        tolerances = {label: demand.tolerance_mm.get(name, 0.0) for label, name in organs.items()}
        return surface_metrics(
            ours, theirs, list(organs), axes, demand.definition, tolerances, wanted
        )

    organs = {target.label: target.organ for target in targets if not target.region}
    found = list(measure(reference, predicted, organs).values())
    for region in targets[len(organs) :]:
        ours, theirs = (_mask(one, region.labels) for one in (reference, predicted))
        found.append(measure(ours, theirs, {1: region.organ})[1])
    return found


def _mask(array: NDArray[Any], labels: Collection[int]) -> NDArray[np.bool_]:
    mask = np.zeros(array.shape, bool)
    for label in labels:
        mask |= array == label
    return mask


def _score(
    target: _Target,
    counts: NDArray[np.int64],
    surfaces: Values,
    missing: bool,
    demand: _Demand,
) -> LabelScore:
    ours, theirs, common = counts.sum(axis=0).tolist()
    overlap, voxel_ml = Overlap(ours, theirs, common), demand.geometry.voxel_ml
    state = _state(ours, theirs, missing)
    known = {**_overlap_values(overlap, voxel_ml), **surfaces}
    if state == "missing" and not ours:
        known.update(dict.fromkeys(("dice", "iou", "recall", "volume_similarity"), 0.0))
    if demand.chaos:
        one_empty = state not in ("both", "neither")
        ravd = WORST_RAVD if one_empty else overlap.absolute_volume_difference_percent
        known["ravd_percent"] = ravd
        known.update(chaos_points({name: known.get(name) for name in POINTS.values()}))
    slices = tuple(
        2 * both / voxels if voxels else None
        for voxels, both in zip(
            counts[:, :2].sum(axis=1).tolist(), counts[:, 2].tolist(), strict=True
        )
    )
    return LabelScore(
        target.label,
        target.organ,
        target.region,
        state,
        ours,
        theirs,
        common,
        voxel_ml,
        demand.diagonal_mm,
        {name: known[name] for name in demand.metrics},
        slices if "dice" in demand.metrics else (),
    )


def _state(ours: int, theirs: int, missing: bool) -> State:
    if missing:
        return "missing"
    if ours and theirs:
        return "both"
    if ours:
        return "reference only"
    return "prediction only" if theirs else "neither"


def _overlap_values(overlap: Overlap, voxel_ml: float) -> Values:
    return {
        "dice": overlap.dice,
        "iou": overlap.iou,
        "precision": overlap.precision,
        "recall": overlap.recall,
        "volume_similarity": overlap.volume_similarity,
        "volume_difference_ml": overlap.volume_difference_ml(voxel_ml),
        "volume_difference_percent": overlap.volume_difference_percent,
        "absolute_volume_difference_ml": overlap.absolute_volume_difference_ml(voxel_ml),
        "absolute_volume_difference_percent": overlap.absolute_volume_difference_percent,
    }
