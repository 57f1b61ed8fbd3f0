"""Patients into folds: exact shares, repeatable, and steady when the data set grows."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from medprep.errors import OptionError

Fold = Literal["train", "val", "test"]
FOLDS: tuple[Fold, ...] = ("train", "val", "test")


def counts(patients: int, shares: Mapping[Fold, float]) -> dict[Fold, int]:
    """Share out a number of patients by largest remainder.

    From three patients on no fold with a share is empty; two patients make a training and a test
    set without validation (a held-out patient is worth more than a chosen checkpoint); one goes to
    training.

    Parameters
    ----------
    patients
        How many there are; 0 gives zeros.
    shares
        Parts of each fold; their sum is taken as the whole.

    Raises
    ------
    OptionError
        If a share is negative or training has none.
    """
    total = sum(shares.values())
    if min(shares.values()) < 0 or shares.get("train", 0) <= 0:
        raise OptionError(f"shares are {dict(shares)}; wanted are none below 0 and train above 0")
    wanted = [fold for fold in FOLDS if shares.get(fold, 0) > 0]
    if patients < len(wanted):
        wanted = [fold for fold in ("train", "test", "val") if fold in wanted][:patients]
    exact = {fold: patients * shares[fold] / total for fold in wanted}
    given = {fold: int(share + 1e-9) for fold, share in exact.items()}
    # Rounded: equal remainders must not be told apart by float noise.
    by_remainder = sorted(wanted, key=lambda fold: round(given[fold] - exact[fold], 9))
    for fold in by_remainder[: patients - sum(given.values())]:
        given[fold] += 1
    while len(wanted) and min(given.values()) == 0 and patients >= len(wanted):
        given[max(given, key=lambda fold: given[fold])] -= 1
        given[min(given, key=lambda fold: given[fold])] += 1
    return {fold: given.get(fold, 0) for fold in FOLDS}


def assign(
    patients: Mapping[str, str],
    shares: Mapping[Fold, float],
    seed: int,
    earlier: Mapping[str, Fold] | None = None,
) -> dict[str, Fold]:
    """Put each patient into a fold.

    Parameters
    ----------
    patients
        Patient id to stratum; every fold gets its share of each stratum as nearly as whole
        patients allow.
    shares
        Parts of each fold.
    seed
        Another seed gives another order; nothing else does.
    earlier
        What was assigned before. It is kept; new patients go where most are missing.

    Returns
    -------
    dict
        Patient to fold, for ``patients`` only.
    """
    kept = {patient: fold for patient, fold in (earlier or {}).items() if patient in patients}
    new = {patient: stratum for patient, stratum in patients.items() if patient not in kept}
    target = counts(len(patients), shares)
    missing = {
        fold: max(0, target[fold] - sum(1 for given in kept.values() if given == fold))
        for fold in FOLDS
    }
    while sum(missing.values()) > len(new):  # a fold was overfull before: the others get less
        missing[max(missing, key=lambda fold: missing[fold])] -= 1
    slots = [fold for fold in FOLDS for _ in range(missing[fold])]
    return {**kept, **dict(zip(interleaved(new, seed), slots, strict=True))}


def parts(
    patients: Mapping[str, str],
    folds: int,
    seed: int,
    earlier: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Deal patients into equal parts for cross-validation.

    Parameters
    ----------
    patients
        Patient id to stratum.
    folds
        Number of parts.
    seed
        Another seed gives another order.
    earlier
        The parts that were dealt before. They are kept; each new patient goes into the part that
        is smallest then. Of another number of parts they would mean nothing: give None.

    Raises
    ------
    OptionError
        If there are fewer patients than parts.
    """
    if folds > len(patients):
        raise OptionError(f"{folds} folds of {len(patients)} patients; wanted is one or more each")
    dealt = {patient: part for patient, part in (earlier or {}).items() if patient in patients}
    new = {patient: stratum for patient, stratum in patients.items() if patient not in dealt}
    sizes = Counter(dealt.values())
    for patient in interleaved(new, seed):
        part = min(range(folds), key=lambda number: sizes[number])
        dealt[patient] = part
        sizes[part] += 1
    return dealt


def interleaved(patients: Mapping[str, str], seed: int) -> list[str]:
    """Order patients by chance so that any stretch of the list holds each stratum in proportion."""

    def chance(patient: str) -> str:
        return hashlib.sha256(f"{seed}:{patient}".encode()).hexdigest()

    place: dict[str, tuple[float, str]] = {}
    for stratum in sorted(set(patients.values())):
        members = sorted((p for p, s in patients.items() if s == stratum), key=chance)
        for rank, patient in enumerate(members):
            place[patient] = ((rank + 0.5) / len(members), chance(patient))
    return sorted(place, key=lambda patient: place[patient])
