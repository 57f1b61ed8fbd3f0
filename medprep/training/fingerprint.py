"""What the training fold says of itself, and the preparation that follows from it by rule.

The rules are nnU-Net's where nothing else is said (Isensee et al. 2021,
doi:10.1038/s41592-020-01008-z).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from math import prod
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medprep.errors import OptionError, TrainingError
from medprep.models.preparation import Preparation, Spacing
from medprep.models.resampling import Shape, shape_at
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets
from medprep.training.dataset import Decoded
from medprep.training.greys import Greys
from medprep.training.marks import greys_of

Normalise = Literal["window", "ct", "mr"]
NORMALISATIONS: tuple[Normalise, ...] = get_args(Normalise)

SAME_SPACING = 0.05
"""Spacings within this share of their median are one spacing: nothing is resampled."""
LARGEST_SIDE = {2: 256, 3: 128}
"""Longest side of a patch: larger pictures are shown in crops."""
VOXELS_A_STEP = 4 * 256 * 256
"""What a laptop's CPU and memory take in one step of a narrow net."""
_SMALLEST_BATCH, _LARGEST_BATCH = 2, 8
_COARSER, _ANISOTROPIC = 1.03, 2.0


@dataclass(frozen=True)
class Fingerprint:
    """What matters of a training fold.

    Parameters
    ----------
    spacings_mm, shapes, modalities
        Of its cases.
    greys
        Of each channel.
    """

    spacings_mm: tuple[Spacing, ...]
    shapes: tuple[Shape, ...]
    modalities: tuple[str, ...]
    greys: tuple[Greys, ...]

    @classmethod
    def of(cls, decoded: Iterable[Decoded]) -> Fingerprint:
        """Look at the cases themselves; copies are passed over.

        Cases without organs say nothing of their grey values, unless there are no others.

        Raises
        ------
        TrainingError
            If there is none, or they differ in their channels.
        """
        spacings, shapes, modalities = [], [], []
        sampled: list[tuple[NDArray[Any], ...]] = []
        marked: list[bool] = []
        for one in decoded:
            if not one.own:
                continue
            spacings.append(one.grid.spacing_mm)
            shapes.append((one.shape[0], one.shape[1], one.shape[2]))
            modalities.append(one.modality)
            sampled.append(_sampled(one))
            marked.append(one.has_organ)
            if len(sampled[-1]) != len(sampled[0]):
                raise TrainingError(
                    f"{one.case} has {len(sampled[-1])} channels, others {len(sampled[0])}; wanted "
                    "are the same of every case"
                )
        if not sampled:
            raise TrainingError("no case to learn from; wanted is one with labels: medprep status")
        inside = list(compress(sampled, marked)) or sampled
        greys = tuple(Greys.of(channel) for channel in zip(*inside, strict=True))
        return cls(tuple(spacings), tuple(shapes), tuple(modalities), greys)

    def normalisation(self) -> Normalise:
        """Give what the modality asks for: ``ct`` where every case is CT, else ``mr``."""
        return "ct" if set(self.modalities) == {"CT"} else "mr"

    def scalings(self, normalise: Normalise | None = None) -> tuple[Scaling, ...]:
        """Give the scaling of each channel.

        Parameters
        ----------
        normalise
            ``ct``: clipped to the percentiles of the organs' grey values, less their mean, in
            their standard deviations; ``mr``: each volume less its mean, in its standard
            deviations; ``window``: each volume's own window from 0 to 1. None goes by modality.

        Raises
        ------
        OptionError
            If it is none of them.
        """
        normalise = normalise or self.normalisation()
        if normalise not in NORMALISATIONS:
            raise OptionError(
                f"--normalise is '{normalise}'; wanted is {', '.join(NORMALISATIONS)}"
            )
        if normalise == "ct":
            return tuple(Scaling("z-score", g.low, g.high, g.mean, g.sd) for g in self.greys)
        kind: Literal["window", "z-score"] = "window" if normalise == "window" else "z-score"
        return (Scaling(kind),) * len(self.greys)

    def target_spacing(self, dimensions: Literal[2, 3]) -> Spacing | None:
        """Give the median spacing; None (each its own grid) for slices, and where all agree."""
        every = np.asarray(self.spacings_mm)
        median = np.median(every, axis=0)
        if dimensions == 2 or (np.abs(every / median - 1) <= SAME_SPACING).all():
            return None
        slices, rows, columns = median.tolist()
        return slices, rows, columns

    def preparation(
        self,
        dimensions: Literal[2, 3],
        targets: Targets,
        multiple: int,
        *,
        normalise: Normalise | None = None,
        spacing_mm: Spacing | None = None,
        patch: Sequence[int] | None = None,
        voxels: int = VOXELS_A_STEP,
        least_share: float = 0.0,
    ) -> tuple[Preparation, int]:
        """Give what follows for a net.

        Parameters
        ----------
        dimensions
            The net's.
        targets
            What it is asked for.
        multiple
            Its patch has sides of a multiple of this.
        normalise
            As `scalings`.
        spacing_mm
            Asked for; None takes `target_spacing`.
        patch
            Asked for; None takes `fit_patch`.
        voxels
            What the memory takes in one step.
        least_share
            Of a volume, that a patch covers at least: where it would cover less, and neither
            spacing nor patch is asked for, volumes are shown in larger voxels.

        Returns
        -------
        Preparation, int
            And how many patches make a batch.
        """
        wanted = spacing_mm or self.target_spacing(dimensions)
        fitting = patch or self._patch(dimensions, wanted, multiple, voxels)
        if dimensions == 3 and not (spacing_mm or patch):
            coarse = tuple(np.median(np.asarray(self.spacings_mm), axis=0).tolist())
            while prod(fitting) < least_share * prod(self._sides(3, wanted)):
                coarse = _coarser(coarse)
                wanted, fitting = coarse, self._patch(3, coarse, multiple, voxels)
        prepared = Preparation(
            dimensions, self.scalings(normalise), wanted, tuple(fitting), targets
        )
        return prepared, fit_batch(fitting, voxels)

    def _sides(self, dimensions: Literal[2, 3], spacing_mm: Spacing | None) -> list[float]:
        """Give the voxels along each axis that a patch is to cover."""
        shapes = np.asarray(
            [
                shape_at(shape, own, spacing_mm) if spacing_mm else shape
                for shape, own in zip(self.shapes, self.spacings_mm, strict=True)
            ]
        )[:, -dimensions:]
        sides: list[float] = (
            shapes.max(0) if dimensions == 2 else np.median(shapes, axis=0)
        ).tolist()
        return sides

    def _patch(
        self, dimensions: Literal[2, 3], spacing_mm: Spacing | None, multiple: int, voxels: int
    ) -> tuple[int, ...]:
        every = [spacing_mm or own for own in self.spacings_mm]
        steps = np.median(every, axis=0)[-dimensions:].tolist()
        return fit_patch(self._sides(dimensions, spacing_mm), steps, multiple, voxels)

    def to_dict(self) -> dict[str, Any]:
        """Give it in short, as plain values for JSON."""
        every = np.asarray(self.shapes)
        found: Mapping[str, NDArray[Any]] = {
            "median_spacing_mm": np.median(np.asarray(self.spacings_mm), axis=0),
            "smallest_shape": every.min(0),
            "median_shape": np.median(every, axis=0),
            "largest_shape": every.max(0),
        }
        return {
            "cases": len(self.shapes),
            "modalities": sorted(set(self.modalities)),
            **{name: values.tolist() for name, values in found.items()},
            "greys": [vars(one) for one in self.greys],
        }


def _coarser(spacing_mm: Spacing) -> Spacing:
    """Give slightly larger voxels, as nnU-Net plans its low resolution (Isensee et al. 2021).

    Axes less than half as long as the longest grow first.
    """
    longest = max(spacing_mm)
    fine = [longest / one > _ANISOTROPIC for one in spacing_mm]
    slices, rows, columns = (
        _grown(one) if thin or not any(fine) else one
        for one, thin in zip(spacing_mm, fine, strict=True)
    )
    return slices, rows, columns


def _grown(step_mm: float) -> float:
    """Round to micrometres, unless that takes the growth away."""
    rounded = round(step_mm * _COARSER, 3)
    return rounded if rounded > step_mm else step_mm * _COARSER


def fit_patch(
    sides: Sequence[float], spacing_mm: Sequence[float], multiple: int, voxels: int
) -> tuple[int, ...]:
    """Give a patch that covers as much as the memory takes twice.

    Parameters
    ----------
    sides
        Of a picture that is to be covered: slices' largest, rounded up to the multiple; volumes'
        median, rounded to the nearest.
    spacing_mm
        Of the same axes: the side that is longest in millimetres gives way first.
    multiple
        Of each side of the patch.
    voxels
        Of `fit_batch`'s smallest batch.
    """
    flat, most = len(sides) == 2, LARGEST_SIDE[len(sides)] // multiple * multiple
    patch = []
    for side in sides:
        many = -(-side // multiple) if flat else np.floor(side / multiple + 0.5)
        patch.append(int(min(max(many, 1) * multiple, max(most, multiple))))
    while np.prod(patch) * _SMALLEST_BATCH > voxels and max(patch) > multiple:
        left = [(side - multiple) * step for side, step in zip(patch, spacing_mm, strict=True)]
        patch[int(np.argmax(left))] -= multiple
    return tuple(patch)


def fit_batch(patch: Sequence[int], voxels: int) -> int:
    """Give how many patches fit into one step, from 2 to 8."""
    fitting = voxels // int(np.prod(list(patch)))
    return max(_SMALLEST_BATCH, min(_LARGEST_BATCH, fitting))


def _sampled(one: Decoded) -> tuple[NDArray[Any], ...]:
    if one.shard is not None:
        return one.shard.greys()
    return greys_of(one.labels.array, [stored.array for stored in one.pictures])
