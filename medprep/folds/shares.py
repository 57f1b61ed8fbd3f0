"""Exact shares and equal parts of patients: repeatable, and steady when the data set grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

from medprep.errors import OptionError
from medprep.folds.spread import Traits, spread

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
    patients: Mapping[str, Traits],
    shares: Mapping[Fold, float],
    seed: int,
    earlier: Mapping[str, Fold] | None = None,
) -> dict[str, Fold]:
    """Put each patient into a fold.

    Parameters
    ----------
    patients
        Patient id to traits; every fold gets its share of each trait as nearly as whole patients
        allow (`spread`). The size of a fold never depends on them.
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
    new = {patient: traits for patient, traits in patients.items() if patient not in kept}
    target = counts(len(patients), shares)
    missing = {
        fold: max(0, target[fold] - sum(1 for given in kept.values() if given == fold))
        for fold in FOLDS
    }
    while sum(missing.values()) > len(new):  # a fold was overfull before: the others get less
        missing[max(missing, key=lambda fold: missing[fold])] -= 1
    sizes = [missing[fold] for fold in FOLDS]
    placed = {patient: (patients[patient], FOLDS.index(fold)) for patient, fold in kept.items()}
    dealt = spread(new, sizes, seed, placed)
    return {**kept, **{patient: FOLDS[number] for patient, number in dealt.items()}}


def parts(
    patients: Mapping[str, Traits],
    folds: int,
    seed: int,
    earlier: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Deal patients into equal parts for cross-validation.

    Parameters
    ----------
    patients
        Patient id to traits, as in `assign`.
    folds
        Number of parts.
    seed
        Another seed gives another order.
    earlier
        The parts that were dealt before. They are kept; each new patient goes into a part that
        is smallest then. Of another number of parts they would mean nothing: give None.

    Raises
    ------
    OptionError
        If there are fewer patients than parts.
    """
    if folds > len(patients):
        raise OptionError(f"{folds} folds of {len(patients)} patients; wanted is one or more each")
    kept = {patient: part for patient, part in (earlier or {}).items() if patient in patients}
    new = {patient: traits for patient, traits in patients.items() if patient not in kept}
    full = Counter(kept.values())
    sizes = [0] * folds
    for _ in new:
        smallest = min(range(folds), key=lambda number: full[number] + sizes[number])
        sizes[smallest] += 1
    placed = {patient: (patients[patient], part) for patient, part in kept.items()}
    return {**kept, **spread(new, sizes, seed, placed)}
