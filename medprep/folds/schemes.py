"""What a patient is in each fold number: cross-validation, nested or by site, as one table.

A fold number is what ``train --fold N`` takes. Of every number, a case is in train, in val, in
test, or left out (``""``). `condense` and `role_of` turn that row of words into what a workspace
stores and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medprep.errors import OptionError, SplitError
from medprep.folds.shares import FOLDS, Fold, assign, parts
from medprep.folds.spread import Traits

Roles = tuple[str, ...]
"""For each fold number ``train``, ``val``, ``test`` or ``""``."""

_LETTERS = {"train": "t", "val": "v", "test": "x", "": "-"}
_WORDS = {letter: word for word, letter in _LETTERS.items()}


@dataclass(frozen=True)
class Stored:
    """How roles are kept: ``fold`` for most uses, ``part`` or ``roles`` where it differs by number.

    Parameters
    ----------
    fold
        ``train`` where a case trains in any fold number, else ``val`` or ``test`` or ``""``.
    part
        The one fold number that validates it, where all others train on it; else None.
    roles
        One letter for each fold number (t, v, x for test, -), where nothing shorter says it.
    """

    fold: str
    part: int | None = None
    roles: str = ""


def condense(roles: Roles) -> Stored:
    """Give the shortest form of roles; `role_of` gives them back."""
    present = set(roles)
    if len(present) <= 1:
        return Stored(roles[0] if roles else "")
    fold = next(fold for fold in FOLDS if fold in present)
    if present == {"train", "val"} and roles.count("val") == 1:
        return Stored(fold, roles.index("val"))
    return Stored(fold, None, "".join(_LETTERS[role] for role in roles))


def role_of(stored: Stored, number: int) -> str:
    """Give what a case is in fold ``number``: train, val, test or ``""``."""
    if stored.roles:
        return _WORDS[stored.roles[number]] if number < len(stored.roles) else ""
    if stored.part is not None:
        return "val" if stored.part == number else "train"
    return stored.fold


def crossed(
    patients: Mapping[str, Traits],
    fold_of: Mapping[str, Fold],
    folds: int,
    seed: int,
    earlier: Mapping[str, int] | None = None,
) -> dict[str, Roles]:
    """Cross-validate: patients outside the test fold validate once and train otherwise.

    Raises
    ------
    OptionError
        If there are fewer such patients than folds.
    """
    trained = {
        patient: traits for patient, traits in patients.items() if fold_of[patient] != "test"
    }
    if len(trained) < folds:
        raise OptionError(
            f"{folds} folds of {len(trained)} patients (the test fold has the other "
            f"{len(patients) - len(trained)}); wanted is one or more each"
        )
    part_of = parts(trained, folds, seed, earlier)
    return {
        patient: _one_of(folds, part_of[patient]) if patient in part_of else ("test",) * folds
        for patient in patients
    }


@dataclass(frozen=True)
class Held:
    """What is held out of each outer fold, and how the rest is divided.

    Parameters
    ----------
    out
        For each outer fold the patients it tests.
    inner
        Inner folds of each outer one; 1: the rest gives one validation fold by ``shares``.
    shares
        Of ``train`` and ``val`` among the rest, for one inner fold.
    """

    out: tuple[frozenset[str], ...]
    inner: int
    shares: Mapping[Fold, float]

    @property
    def count(self) -> int:
        """How many fold numbers there are: outer fold times `inner`, plus inner fold."""
        return len(self.out) * self.inner


def nested(
    patients: Mapping[str, Traits],
    held: Held,
    seed: int,
    earlier: Mapping[str, Roles] | None = None,
) -> dict[str, Roles]:
    """Give everybody's roles where each outer fold tests some and divides the others anew.

    Parameters
    ----------
    patients
        Patient id to traits.
    held
        The outer folds.
    seed
        Another seed gives another division.
    earlier
        Roles given before under the same scheme; a shorter row holds the first outer folds. Who
        trained or validated then still does.

    Raises
    ------
    SplitError
        If an outer fold leaves fewer patients than it has inner folds, or none.
    """
    before = earlier or {}
    table: dict[str, list[str]] = {patient: [] for patient in patients}
    for outer, out in enumerate(held.out):
        rest = {patient: traits for patient, traits in patients.items() if patient not in out}
        if len(rest) < held.inner:
            raise SplitError(
                f"outer fold {outer} leaves {len(rest)} patients to train on; wanted is "
                f"{held.inner} or more, one for each inner fold"
            )
        start = outer * held.inner
        rows = {p: before[p][start : start + held.inner] for p in rest if p in before}
        placed = {p: row for p, row in rows.items() if row and not set(row) & {"test", ""}}
        if held.inner == 1:
            fixed = {p: fold for p, row in placed.items() for fold in FOLDS if row == (fold,)}
            fold_of = assign(rest, held.shares, seed, fixed)
            found: dict[str, Roles] = {p: (fold,) for p, fold in fold_of.items()}
        else:
            dealt = {p: row.index("val") for p, row in placed.items() if "val" in row}
            part_of = parts(rest, held.inner, seed, dealt)
            found = {p: _one_of(held.inner, part) for p, part in part_of.items()}
        for patient, row in table.items():
            row.extend(found.get(patient, ("test",) * held.inner))
    return {patient: tuple(row) for patient, row in table.items()}


def _one_of(count: int, number: int) -> tuple[str, ...]:
    return tuple("val" if one == number else "train" for one in range(count))


def outer_folds(roles: Mapping[str, Roles], inner: int) -> dict[str, int]:
    """Give the first outer fold that tested each patient, from roles given before."""
    return {patient: row.index("test") // inner for patient, row in roles.items() if "test" in row}


def by_part(part_of: Mapping[str, int], count: int) -> tuple[frozenset[str], ...]:
    """Give the patients of each part."""
    return tuple(
        frozenset(patient for patient, part in part_of.items() if part == number)
        for number in range(count)
    )


def by_site(
    sites: Mapping[str, frozenset[str]], order: Sequence[str]
) -> tuple[frozenset[str], ...]:
    """Give the patients of each site; who was at two sites is held out with each of them.

    Raises
    ------
    SplitError
        If there are fewer than two sites, or a site has everybody.
    """
    if len(order) < 2:
        known = f"only {order[0]}" if order else "none"
        raise SplitError(f"leaving out one site needs two or more; found is {known}")
    out = tuple(frozenset(p for p, own in sites.items() if site in own) for site in order)
    for site, patients in zip(order, out, strict=True):
        if len(patients) == len(sites):
            raise SplitError(f"every patient was at {site}: without it nobody is left to train on")
    return out
