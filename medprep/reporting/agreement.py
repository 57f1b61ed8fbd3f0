"""How well predicted volumes agree with the reference's.

Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, stdev

from medprep.metrics.evaluation import Evaluation

_LIMITS_SD = 1.96
_COMPARED = ("both", "reference only", "prediction only")
"""Of a case in neither there is nothing to compare, of a missing prediction no volume."""


@dataclass(frozen=True)
class Agreement:
    """Volumes of one organ, by patient.

    Parameters
    ----------
    organ
        Its name.
    volumes_ml
        Patient to volume in the reference and in the prediction, means of their cases.
    mean_ml
        Mean difference, predicted less reference; None of nobody.
    low_ml, high_ml
        Limits of agreement: the mean difference and 1.96 SD either way; None of fewer than two.
    """

    organ: str
    volumes_ml: dict[str, tuple[float, float]]
    mean_ml: float | None
    low_ml: float | None
    high_ml: float | None


def agreements(evaluation: Evaluation) -> list[Agreement]:
    """Give each organ's, regions left out: they are organs once more."""
    return [_agreement(evaluation, organ) for organ in evaluation.organs
            if organ not in evaluation.regions]  # fmt: skip


def _agreement(evaluation: Evaluation, organ: str) -> Agreement:
    own: dict[str, list[tuple[float, float]]] = {}
    for case, label in evaluation.of(organ):
        if label.state in _COMPARED:
            pair = (label.reference_voxels, label.predicted_voxels)
            volumes = (pair[0] * label.voxel_ml, pair[1] * label.voxel_ml)
            own.setdefault(case.patient, []).append(volumes)
    volumes_ml = {
        patient: (fmean(one for one, _ in pairs), fmean(other for _, other in pairs))
        for patient, pairs in sorted(own.items())
    }
    differences = [predicted - reference for reference, predicted in volumes_ml.values()]
    if not differences:
        return Agreement(organ, volumes_ml, None, None, None)
    mean = fmean(differences)
    if len(differences) == 1:
        return Agreement(organ, volumes_ml, mean, None, None)
    reach = _LIMITS_SD * stdev(differences)
    return Agreement(organ, volumes_ml, mean, mean - reach, mean + reach)
