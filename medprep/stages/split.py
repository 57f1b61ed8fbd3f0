"""Find the cases of a data set, hash their files, and put their patients into folds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from medprep.errors import OptionError, OtherDataError
from medprep.files import json_bytes, write_bytes
from medprep.folds.given import Given, read_given
from medprep.folds.patterns import compiled
from medprep.folds.shares import Fold
from medprep.folds.strata import CRITERIA, Criterion
from medprep.places.paths import inside, is_far, path_of
from medprep.sources.base import PRESETS, Preset, SourceSet
from medprep.sources.detect import open_source
from medprep.stages import leak_gate
from medprep.stages.balance import Known, balance
from medprep.stages.base import Context, Summary
from medprep.stages.patients import one_patient_each, with_patients
from medprep.stages.placing import (
    Before,
    Placing,
    place,
    place_as_given,
    place_by_folders,
    role,
)
from medprep.stages.source_files import drop_old_ledgers, hash_files
from medprep.stages.split_record import row_of, splits, summary_of
from medprep.workspace.database import CaseRow
from medprep.workspace.idkey import id_key, save_key
from medprep.workspace.layout import Layout
from medprep.workspace.ledger import LedgerFile, write_ledger

LeaveOut = Literal["site"]


@dataclass(frozen=True)
class Split:
    """Options of ``split``.

    Parameters
    ----------
    source
        Folder of the data set.
    preset
        Which cases to take; None takes the sequence with most labelled patients.
    train, val, test
        Shares of the folds.
    folds
        Above 1: cross-validation with this many parts of all patients outside the test fold.
    inner_folds
        Above 0: nested cross-validation. Each of the outer ``folds`` (or sites) is tested by nets
        that are trained and validated on this many parts of the others.
    leave_out
        ``site``: one outer fold for each site.
    stratify
        What every fold gets its share of: any of `CRITERIA`. None balances sequences.
    site_from
        Where a case's site stands: ``dicom`` (InstitutionName, else StationName), ``folder:N``
        (N-th folder below the source), ``name`` (group ``site`` of ``patient_pattern``) or a
        table with the columns ``site`` and ``case`` or ``patient``. None takes what there is.
    patient_pattern
        Regular expression for the files' names; its group ``patient``, or its first, is the
        patient.
    splits
        A split somebody made: nnU-Net's ``splits_final.json`` or a table, see
        `medprep.folds.given.read_given`.
    allow_leaks
        Take a given split, or folders, although a patient stands in two folds.
    seed
        Another seed gives another order of patients.
    resplit
        Forget earlier assignments.
    id_key
        File with the key of the pseudonyms of patients and sites; None keeps one in ``private/``.
    leak_check
        Compare the pictures of all folds now; else `train` does it.
    """

    source: str
    preset: Preset | None = None
    train: float = 0.7
    val: float = 0.1
    test: float = 0.2
    folds: int = 1
    inner_folds: int = 0
    leave_out: LeaveOut | None = None
    stratify: tuple[Criterion, ...] = ()
    site_from: str | None = None
    patient_pattern: str | None = None
    splits: str | None = None
    allow_leaks: bool = False
    seed: int = 0
    resplit: bool = False
    id_key: str | None = None
    leak_check: bool = True

    name: ClassVar[str] = "split"
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "stratify", tuple(dict.fromkeys(self.stratify)))
        if self.preset is not None and self.preset not in PRESETS:
            raise OptionError(f"no preset '{self.preset}' (have {', '.join(PRESETS)})")
        self._check_shares()
        self._check_scheme()
        if self.patient_pattern is not None:
            compiled(self.patient_pattern)
        strangers = [one for one in self.stratify if one not in CRITERIA]
        if strangers:
            raise OptionError(
                f"--stratify {strangers[0]} is unknown; wanted is one of {', '.join(CRITERIA)}"
            )

    def _check_shares(self) -> None:
        if min(self.train, self.val, self.test) < 0 or self.train <= 0:
            raise OptionError(
                f"shares are {self.train}, {self.val}, {self.test}; wanted are none below 0 and "
                "train above 0"
            )
        if abs(self.train + self.val + self.test - 1) > 0.01 and not self._shares_are_rest():
            raise OptionError(
                f"--train {self.train} --val {self.val} --test {self.test} sum to "
                f"{self.train + self.val + self.test:g}; wanted is 1"
            )

    def _check_scheme(self) -> None:
        if self.folds < 1:
            raise OptionError(f"--folds is {self.folds}; wanted is 1 (no cross-validation) or more")
        if self.leave_out not in (None, *get_args(LeaveOut)):
            raise OptionError(f"--leave-out is '{self.leave_out}'; wanted is site")
        if self.inner_folds < 0 or self.inner_folds == 1:
            raise OptionError(f"--inner-folds is {self.inner_folds}; wanted is 0 (none), 2 or more")
        if self.leave_out is not None and self.folds > 1:
            raise OptionError(
                f"--leave-out site makes one fold of each site; --folds {self.folds} has no place "
                "beside it (--inner-folds has)"
            )
        if self.inner_folds and self.folds == 1 and self.leave_out is None:
            raise OptionError(
                f"--inner-folds {self.inner_folds} stands inside outer folds; give --folds 2 or "
                "more, or --leave-out site"
            )
        shares = (self.train, self.val, self.test)
        if self.inner_folds and shares != (Split.train, Split.val, Split.test):
            raise OptionError(
                f"--inner-folds {self.inner_folds} divides all patients; --train, --val and --test "
                "have no place beside it"
            )
        if self.splits is not None and (self.folds > 1 or self.leave_out or self.stratify):
            raise OptionError(
                "--splits says who goes where; --folds, --leave-out and --stratify have no place "
                "beside it"
            )

    def _shares_are_rest(self) -> bool:
        """Tell whether only ``train`` was changed: the others then share what it leaves."""
        return (self.val, self.test) == (Split.val, Split.test) and self.train < 1

    @property
    def shares(self) -> dict[Fold, float]:
        """The shares as used; with ``--folds`` validation comes from the parts."""
        rest = (1 - self.train) / (self.val + self.test) if self._shares_are_rest() else 1.0
        val, test = self.val * rest, self.test * rest
        if self.folds > 1:
            return {"train": self.train + val, "val": 0.0, "test": test}
        return {"train": self.train, "val": val, "test": test}

    def found(self, layout: Layout) -> SourceSet:
        """Give what the source holds, as it was when `look` saw it."""
        return _open(self, self._key(layout))

    def look(self, layout: Layout) -> SourceSet:
        """Look at the source, and at a split that is given, whatever was seen there before."""
        _open.cache_clear()
        if path_of(self.source).resolve() == layout.root.resolve():
            raise OptionError(
                "the workspace is the folder of the data set itself, which is only ever read; give "
                "another --workspace, such as a folder below it"
            )
        self._given()
        return self.found(layout)

    def _given(self) -> Given | None:
        return None if self.splits is None else read_given(Path(self.splits))

    def _key(self, layout: Layout) -> bytes:
        return id_key(layout.private, None if self.id_key is None else Path(self.id_key))

    def perform(self, context: Context) -> Summary:
        """Read the source, place patients, and record both."""
        workspace = context.workspace
        meta, earlier_rows = workspace.database.meta(), workspace.database.cases()
        key = self._key(workspace.layout)
        found = _open(self, key)
        _require_same_data(found, meta, earlier_rows)
        files = hash_files(found.cases, context.progress)
        known = Known.of(self, found, context, key)
        found = one_patient_each(found, known.facts, told_by_name=bool(self.patient_pattern))
        before = Before() if self.resplit else Before.of(meta, earlier_rows, found.cases)
        placing = self._place(found, known, before)
        if found.preset in ("dicom", "dicom-masks") or known.hashed:
            save_key(workspace.layout.private, key)
        rows = self._record(found, files, placing, context)
        kept = sum(1 for row in rows if row.labelled and before.still(row, placing))
        summary = summary_of(found, rows, kept, placing, [*self._apart(context), *known.lines])
        if self.leak_check:
            leaks = leak_gate.find(context)
            summary.facts["same_pictures"] = len(leaks)
            if leaks:
                told = f"LEAK: {leak_gate.tell(leaks)}; all are in leaks.csv"
                summary.lines.append(f"{told}, and 'train' refuses to train across them")
        else:  # what lies there may be of another split
            (workspace.layout.root / "leaks.csv").unlink(missing_ok=True)
        return summary

    def _apart(self, context: Context) -> list[str]:
        """Say that the workspace lies below the source, where it does."""
        source, root = path_of(self.source), context.workspace.layout.root.resolve()
        if is_far(source) or source.resolve() not in root.parents:
            return []
        return [f"{root.name} below the source is the workspace and no part of the data set"]

    def _place(self, found: SourceSet, known: Known, before: Before) -> Placing:
        labelled = [case for case in found.cases if case.masks]
        given = self._given()
        if given is not None:
            path = Path(str(self.splits))
            return place_as_given(given, found.cases, path, allow_leaks=self.allow_leaks)
        if any(case.fold for case in found.cases):
            return place_by_folders(labelled, self, before)
        traits, lines = balance(labelled, self.stratify, known)
        sites: dict[str, frozenset[str]] = {}
        if self.leave_out is not None:
            sites, more = known.sites_of_patients(labelled)
            lines += more
        placing = place(self, labelled, traits, sites, before)
        return replace(placing, lines=[*lines, *placing.lines])

    def _record(
        self, found: SourceSet, files: list[LedgerFile], placing: Placing, context: Context
    ) -> list[CaseRow]:
        layout, database = context.workspace.layout, context.workspace.database
        patients = {case.patient: case.identity for case in reversed(found.cases)}
        ledger = write_ledger(layout.private, path_of(self.source).resolve(), patients, files)
        by_case: dict[str, list[LedgerFile]] = {case.case: [] for case in found.cases}
        for file in files:
            by_case[file.subject].append(file)
        rows = [row_of(case, by_case[case.case], placing) for case in found.cases]
        database.put_split(
            {
                "preset": found.preset,
                "organs": [[o.name, [list(r) for r in o.ranges]] for o in found.table.organs],
                "regions": [[name, list(members)] for name, members in found.table.regions],
                "notes": list(found.notes),
                "ledger": ledger,
                "folds": placing.count,
                "scheme": placing.scheme,
                "leaks": list(placing.leaks),
            },
            rows,
        )
        drop_old_ledgers(layout.private, ledger)
        write_bytes(layout.root / "splits.json", json_bytes(splits(rows, placing)))
        return rows


@lru_cache(maxsize=1)
def _open(options: Split, key: bytes) -> SourceSet:
    root = inside(path_of(options.source))
    return with_patients(open_source(root, options.preset, key), options.patient_pattern, root, key)


def _require_same_data(found: SourceSet, meta: dict[str, Any], earlier: list[CaseRow]) -> None:
    if "preset" not in meta:
        return
    if meta["preset"] != found.preset:
        raise OtherDataError(
            f"this workspace holds {meta['preset']}, the source is {found.preset}: one preset per "
            "workspace; give another --workspace"
        )
    known = {row.patient for row in earlier}
    same = {row.name for row in earlier} & {case.case for case in found.cases}
    if known and not same and not known & {case.patient for case in found.cases}:
        raise OtherDataError(
            f"none of the {len(known)} patients of this workspace is in the source: another data "
            "set? give another --workspace"
        )


__all__ = ["Split", "role"]
