"""Put the cases of a data set into folds, by the scheme that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.errors import LeakError, OptionError
from medprep.files import natural_key
from medprep.folds.given import Given, match, named, straddling
from medprep.folds.schemes import (
    Held,
    Roles,
    Stored,
    by_part,
    by_site,
    crossed,
    nested,
    outer_folds,
    role_of,
)
from medprep.folds.shares import FOLDS, Fold, assign, parts
from medprep.folds.spread import Traits
from medprep.reporting.text import counted
from medprep.sources.base import SourceCase
from medprep.stages.patients import names_of_cases
from medprep.workspace.database import CaseRow

if TYPE_CHECKING:
    from medprep.stages.split import Split


@dataclass(frozen=True)
class Placing:
    """Where everybody stands.

    Parameters
    ----------
    roles
        Labelled case to its roles.
    count
        How many fold numbers there are.
    scheme
        What is recorded of it: ``kind``; for nested ones ``outer`` (a name for each outer fold)
        and ``inner`` (their number).
    lines
        What a person should read.
    leaks
        Patients in several folds at once, where that was allowed.
    """

    roles: dict[str, Roles]
    count: int
    scheme: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    leaks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Before:
    """What an earlier split of this workspace said.

    Parameters
    ----------
    roles
        Patient, as patients are now, to roles.
    scheme
        As `Placing` has it.
    count
        How many fold numbers there were.
    """

    roles: dict[str, Roles] = field(default_factory=dict)
    scheme: dict[str, Any] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def of(
        cls, meta: Mapping[str, Any], rows: Sequence[CaseRow], cases: Sequence[SourceCase]
    ) -> Before:
        """Read it; a patient whose cases stood apart goes where the first of them stood."""
        count = int(meta.get("folds", 0))
        patient_of = {case.case: case.patient for case in cases}
        known = set(patient_of.values())
        roles: dict[str, Roles] = {}
        for row in sorted(rows, key=lambda row: natural_key(row.name)):
            patient = patient_of.get(row.name, row.patient)
            own = tuple(role(row, number) for number in range(count))
            if row.labelled and patient in known and any(own):
                roles.setdefault(patient, own)
        scheme = meta.get("scheme") or {"kind": "folds" if count > 1 else "shares"}
        return cls(roles, scheme, count)

    def folds(self) -> dict[str, Fold]:
        """Give the folds that one plain split may keep; of several only who was always tested."""
        if self.count == 1:
            return {p: fold for p, own in self.roles.items() for fold in FOLDS if own[0] == fold}
        return {p: "test" for p, own in self.roles.items() if set(own) == {"test"}}

    def tested(self) -> dict[str, Fold]:
        """Give who is tested in cross-validation with a test fold, and who is not."""
        if self.scheme.get("kind") in ("nested", "site"):  # there everybody is tested once
            return {}
        return {p: "test" if set(own) == {"test"} else "train" for p, own in self.roles.items()}

    def parts(self, count: int) -> dict[str, int]:
        """Give the parts of cross-validation; those of another number of parts mean nothing."""
        if self.scheme.get("kind") != "folds" or self.count != count:
            return {}
        return {p: own.index("val") for p, own in self.roles.items() if own.count("val") == 1}

    def still(self, row: CaseRow, placing: Placing) -> bool:
        """Tell whether a case stands where its patient stood; who is always tested does."""
        was, is_now = self.roles.get(row.patient), placing.roles[row.name]
        if was is None:
            return False
        same = self.same(placing.scheme["kind"], placing.scheme.get("inner"))
        # New sites are folds behind the others.
        return (same and was == is_now[: len(was)]) or {*was, *is_now} == {"test"}

    def same(self, kind: str, inner: int | None) -> bool:
        """Tell whether it was made by this scheme."""
        return self.scheme.get("kind") == kind and self.scheme.get("inner") == inner


def role(row: CaseRow, number: int) -> str:
    """Give what a case is in fold ``number``: train, val, test or ``""``."""
    return role_of(Stored(row.fold, row.part, row.roles), number)


def place(
    wishes: Split,
    cases: Sequence[SourceCase],
    traits: Mapping[str, Traits],
    sites: Mapping[str, frozenset[str]],
    before: Before,
) -> Placing:
    """Place the labelled cases: all of a patient the same way.

    Parameters
    ----------
    wishes
        Which scheme.
    cases
        The labelled ones.
    traits
        Patient to what its fold is balanced by.
    sites
        Patient to sites; only for leaving out sites.
    before
        What is kept.

    Raises
    ------
    OptionError, SplitError
        If there are too few patients or sites.
    """
    lines: list[str] = []
    scheme: dict[str, Any]
    if wishes.leave_out is not None or wishes.inner_folds > 0:
        by_patient, count, scheme = _outer(wishes, traits, sites, before, lines)
    elif wishes.folds > 1:
        fold_of = assign(traits, wishes.shares, wishes.seed, before.tested())
        dealt = before.parts(wishes.folds)
        by_patient = crossed(traits, fold_of, wishes.folds, wishes.seed, dealt)
        count, scheme = wishes.folds, {"kind": "folds"}
        lines.append(f"cross-validation: {count} folds of the training patients")
    else:
        folds = assign(traits, wishes.shares, wishes.seed, before.folds())
        by_patient = {patient: (fold,) for patient, fold in folds.items()}
        count, scheme = 1, {"kind": "shares"}
    roles = {case.case: by_patient[case.patient] for case in cases}
    return Placing(roles, count, scheme, lines)


def _outer(
    wishes: Split,
    traits: Mapping[str, Traits],
    sites: Mapping[str, frozenset[str]],
    before: Before,
    lines: list[str],
) -> tuple[dict[str, Roles], int, dict[str, Any]]:
    """Nested folds: outer ones are parts or sites, inner ones parts or one validation share."""
    kind = "nested" if wishes.leave_out is None else "site"
    inner = max(1, wishes.inner_folds)
    earlier = before.roles if before.same(kind, inner) else {}
    if wishes.leave_out is not None:
        found = {site for several in sites.values() for site in several}
        order = [site for site in before.scheme.get("outer", ()) if earlier and site in found]
        order += sorted(found - set(order), key=natural_key)
        out = by_site(sites, order)
        if earlier:
            earlier = _reordered(earlier, before.scheme["outer"], order, inner)
    else:
        order = [str(number) for number in range(wishes.folds)]
        same = earlier and before.count == wishes.folds * inner
        earlier = earlier if same else {}
        part_of = parts(traits, wishes.folds, wishes.seed, outer_folds(earlier, inner))
        out = by_part(part_of, wishes.folds)
    shares: dict[Fold, float] = {"train": wishes.train, "val": wishes.val, "test": 0.0}
    held = Held(out, inner, shares)
    for number, (name, patients) in enumerate(zip(order, out, strict=True)):
        first = number * inner
        last = f" to {first + inner - 1}" if inner > 1 else ""
        what = f"site {name}" if wishes.leave_out else f"outer fold {name}"
        who = f"{counted(len(patients), 'patient')} of {what}"
        lines.append(f"train --fold {first}{last}: {who} in test")
    scheme = {"kind": kind, "outer": order, "inner": inner}
    return nested(traits, held, wishes.seed, earlier), held.count, scheme


def _reordered(
    earlier: Mapping[str, Roles], were: Sequence[str], are: Sequence[str], inner: int
) -> dict[str, Roles]:
    """Give earlier roles in the order of the outer folds as they are; new ones stay empty."""
    moved: dict[str, Roles] = {}
    for patient, own in earlier.items():
        block = {name: own[n * inner : (n + 1) * inner] for n, name in enumerate(were)}
        moved[patient] = tuple(r for name in are for r in block.get(name, ("",) * inner))
    return moved


def place_by_folders(cases: Sequence[SourceCase], wishes: Split, before: Before) -> Placing:
    """Take the folders ``train``, ``val`` and ``test`` of the data set itself for the split.

    Where only a test fold is named, the others are shared out between training and validation.

    Raises
    ------
    OptionError
        If folds are asked for beside that.
    LeakError
        If a patient lies in two of them, unless allowed.
    """
    if wishes.folds > 1 or wishes.leave_out is not None or wishes.stratify:
        raise OptionError(
            "the data set's own folders (train, val, test) are its split; for other folds point "
            "at one of them, or give a file: --splits FILE"
        )
    shared: dict[str, Fold] = {}
    if {case.fold for case in cases} <= {"", "test"}:
        others = {case.patient: frozenset[str]() for case in cases if not case.fold}
        shares: dict[Fold, float] = {"train": wishes.train, "val": wishes.val, "test": 0.0}
        kept = {p: fold for p, fold in before.folds().items() if fold != "test"}
        shared = assign(others, shares, wishes.seed, kept)
    roles: dict[str, Roles] = {
        case.case: (case.fold or shared.get(case.patient, "train"),) for case in cases
    }
    return _checked(Placing(roles, 1, {"kind": "folders"}), cases, wishes.allow_leaks)


def place_as_given(
    given: Given, cases: Sequence[SourceCase], path: Path, *, allow_leaks: bool
) -> Placing:
    """Take a split that somebody made.

    Raises
    ------
    SplitError
        If a name is unknown, stands for several cases, or a case is named twice.
    LeakError
        If a patient is in two folds at once, unless allowed.
    """
    labelled = [case for case in cases if case.masks]
    found = match(given, names_of_cases(given.by, cases), path)
    roles = {case.case: found.get(case.case, ("",) * given.count) for case in labelled}
    missing = [case.case for case in labelled if case.case not in found]
    without = sorted(set(found) - set(roles))
    over = " (the folders' own is not taken)" if any(case.fold for case in cases) else ""
    how_many = f"{counted(given.count, 'fold')} of {counted(len(found), 'case')}"
    lines = [f"the split is given{over}: {how_many}", *given.notes]
    if missing:
        lines.append(
            f"{counted(len(missing), 'case')} with masks not in the split: {named(missing)}"
        )
    if without and given.by == "case":
        lines.append(
            f"{counted(len(without), 'case')} of the split without a mask: {named(without)}"
        )
    return _checked(Placing(roles, given.count, {"kind": "given"}, lines), labelled, allow_leaks)


def _checked(placing: Placing, cases: Sequence[SourceCase], allow_leaks: bool) -> Placing:
    torn = straddling({case.case: case.patient for case in cases}, placing.roles)
    if not torn:
        return placing
    who = f"{counted(len(torn), 'patient')} in two folds at once: {named(torn)}"
    if not allow_leaks:
        raise LeakError(
            f"{who}; put all of a patient's cases into one fold, or take it as it is with "
            "--allow-leaks"
        )
    lines = [*placing.lines, f"LEAK, allowed: {who}"]
    return Placing(placing.roles, placing.count, placing.scheme, lines, tuple(torn))
