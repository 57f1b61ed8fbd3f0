"""What a patient counts as when folds are balanced."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, get_args

from medprep.folds.spread import Traits

Criterion = Literal["label", "volume", "modality", "site", "scanner"]
CRITERIA: tuple[Criterion, ...] = get_args(Criterion)

UNKNOWN = "unknown"
_BINS = 4


def volume_bins(volumes: Mapping[str, float]) -> dict[str, int]:
    """Sort patients into quantile bins of their labelled volume.

    Parameters
    ----------
    volumes
        Patient to volume, in any unit that all share.

    Returns
    -------
    dict
        Patient to bin from 0, the smallest: quarters, or fewer so that a bin holds two patients or
        more where there are as many. Equal volumes share a bin, so bins may differ in size and one
        may stay empty.
    """
    ordered = sorted(volumes.values())
    wanted = max(1, min(_BINS, len(ordered) // 2))
    cuts = [ordered[len(ordered) * number // wanted] for number in range(1, wanted)]
    return {patient: sum(volume >= cut for cut in cuts) for patient, volume in volumes.items()}


def traits(
    patients: Collection[str],
    values: Mapping[Criterion, Mapping[str, Collection[str]]],
    volumes: Mapping[str, Collection[float]] | None = None,
) -> dict[str, Traits]:
    """Give the traits of each patient, all cases of a patient taken together.

    Parameters
    ----------
    patients
        Those to place.
    values
        For each criterion what was found, by patient: the *union* over the patient's cases. A
        patient with a liver in one case and a spleen in another has both, one seen on two scanners
        counts for both.
    volumes
        Where volume is a criterion: the volumes of a patient's cases; their *mean* is binned.

    Returns
    -------
    dict
        Patient to ``criterion=value``. What nothing was found for is ``criterion=unknown``; but a
        mask without a label (an empty collection under ``label``) is ``label=none``.
    """
    found: dict[str, set[str]] = {patient: set() for patient in patients}
    for criterion, own in values.items():
        for patient in patients:
            several = own.get(patient)
            nothing = "none" if criterion == "label" and several is not None else UNKNOWN
            found[patient].update(f"{criterion}={value}" for value in several or (nothing,))
    if volumes is not None:
        means = {p: sum(v) / len(v) for p, v in volumes.items() if v and p in found}
        bins = volume_bins(means)
        for patient in patients:
            found[patient].add(f"volume={bins.get(patient, UNKNOWN)}")
    return {patient: frozenset(several) for patient, several in found.items()}
