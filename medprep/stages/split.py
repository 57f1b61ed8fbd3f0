"""Find the cases of a data set, hash their files, and put their patients into folds."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from medprep.errors import OptionError, OtherDataError
from medprep.execute import Failure, usable_cpus
from medprep.files import digest, json_bytes, write_bytes
from medprep.folds import FOLDS, Fold, assign, parts
from medprep.sources.base import PRESETS, Preset, SourceCase, SourceSet
from medprep.sources.detect import open_source
from medprep.stages.base import Context, Summary
from medprep.workspace.database import CaseRow
from medprep.workspace.idkey import id_key, save_key
from medprep.workspace.layout import Layout
from medprep.workspace.ledger import UNREADABLE, LedgerFile, write_ledger


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
    seed
        Another seed gives another order of patients.
    resplit
        Forget earlier assignments.
    id_key
        File with the key of the pseudonyms of a DICOM tree's patients; None keeps one in
        ``private/``.
    """

    source: str
    preset: Preset | None = None
    train: float = 0.7
    val: float = 0.1
    test: float = 0.2
    folds: int = 1
    seed: int = 0
    resplit: bool = False
    id_key: str | None = None

    name: ClassVar[str] = "split"
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            raise OptionError(f"no preset '{self.preset}' (have {', '.join(PRESETS)})")
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
        if self.folds < 1:
            raise OptionError(f"--folds is {self.folds}; wanted is 1 (no cross-validation) or more")

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
        """Look at the source, whatever was seen there before."""
        _open.cache_clear()
        return self.found(layout)

    def _key(self, layout: Layout) -> bytes:
        return id_key(layout.private, None if self.id_key is None else Path(self.id_key))

    def perform(self, context: Context) -> Summary:
        """Read the source, place patients, and record both."""
        workspace = context.workspace
        found = self.found(workspace.layout)
        meta = workspace.database.meta()
        earlier_rows = workspace.database.cases()
        _require_same_data(found, meta, earlier_rows)
        files = _hash_files(found.cases, context)
        placed = [] if self.resplit else earlier_rows
        earlier: dict[str, Fold] = {r.patient: r.fold for r in placed if r.fold in FOLDS}
        dealt: dict[str, int] = {}
        if meta.get("folds") == self.folds:  # parts of another number of folds mean nothing
            dealt = {r.patient: r.part for r in placed if r.part is not None}
        fold_of, part_of = self._place(found, earlier, dealt)
        patients = {case.patient: case.identity for case in found.cases}
        if found.preset == "dicom":
            save_key(workspace.layout.private, self._key(workspace.layout))
        ledger = write_ledger(
            workspace.layout.private, Path(self.source).resolve(), patients, files
        )
        by_case: dict[str, list[LedgerFile]] = {case.case: [] for case in found.cases}
        for file in files:
            by_case[file.subject].append(file)
        rows = [_row(case, by_case[case.case], fold_of, part_of) for case in found.cases]
        workspace.database.put_split(
            {
                "preset": found.preset,
                "organs": [[o.name, [list(r) for r in o.ranges]] for o in found.table.organs],
                "notes": list(found.notes),
                "ledger": ledger,
                "folds": self.folds,
            },
            rows,
        )
        _drop_old_ledgers(workspace.layout.private, ledger)
        write_bytes(workspace.layout.root / "splits.json", json_bytes(splits(rows, self.folds)))
        return _summary(found, rows, earlier, self)

    def _place(
        self, found: SourceSet, earlier: dict[str, Fold], dealt: dict[str, int]
    ) -> tuple[dict[str, Fold], dict[str, int]]:
        labelled = {case.patient: case.sequence for case in found.cases if case.masks}
        if any(case.fold for case in found.cases):
            fixed: dict[str, Fold] = {}
            for case in found.cases:
                if case.masks:
                    fixed[case.patient] = case.fold or "train"
            return fixed, {}
        fold_of = assign(labelled, self.shares, self.seed, earlier)
        if self.folds == 1:
            return fold_of, {}
        trained = {p: s for p, s in labelled.items() if fold_of[p] != "test"}
        fold_of.update(dict.fromkeys(trained, "train"))
        return fold_of, parts(trained, self.folds, self.seed, dealt)


@lru_cache(maxsize=1)
def _open(options: Split, key: bytes) -> SourceSet:
    return open_source(Path(options.source), options.preset, key)


def splits(rows: Sequence[CaseRow], count: int) -> list[dict[str, list[str]]]:
    """Give nnU-Net's list of train/val case names, with our ``test`` beside them."""
    return [
        {fold: [row.name for row in rows if role(row, number) == fold] for fold in FOLDS}
        for number in range(count)
    ]


def role(row: CaseRow, number: int) -> str:
    """Give what a case is in cross-validation fold ``number``: train, val, test or ``""``."""
    if row.part is not None:
        return "val" if row.part == number else "train"
    return row.fold


def _require_same_data(found: SourceSet, meta: dict[str, Any], earlier: list[CaseRow]) -> None:
    if not meta:
        return
    if meta["preset"] != found.preset:
        raise OtherDataError(
            f"this workspace holds {meta['preset']}, the source is {found.preset}: one preset per "
            "workspace; give another --workspace"
        )
    known = {row.patient for row in earlier}
    if known and not known & {case.patient for case in found.cases}:
        raise OtherDataError(
            f"none of the {len(known)} patients of this workspace is in the source: another data "
            "set? give another --workspace"
        )


def _hash_files(cases: Sequence[SourceCase], context: Context) -> list[LedgerFile]:
    """Read every file once; reading is what takes the time, so threads suit."""
    wanted = [
        (case.case, role, place, path)
        for case in cases
        for role, paths in (("picture", case.pictures), ("mask", case.masks))
        for place, path in enumerate(paths)
    ]
    context.progress.start("split", len(wanted))
    files = []
    with ThreadPoolExecutor(usable_cpus()) as pool:
        for file in pool.map(lambda one: _hash_file(*one), wanted, chunksize=64):
            files.append(file)
            context.progress.advance()
    context.progress.finish()
    return files


def _hash_file(subject: str, role: str, place: int, path: Path) -> LedgerFile:
    """Hash one file; what cannot be read is noted as such and fails its own case later."""
    try:
        if not path.is_file():  # a dangling link, or a FIFO that would block for ever
            return LedgerFile(subject, role, place, str(path), 0, 0, UNREADABLE)
        status = path.stat()
        with path.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError:
        return LedgerFile(subject, role, place, str(path), 0, 0, UNREADABLE)
    return LedgerFile(
        subject, role, place, str(path.resolve()), status.st_size, status.st_mtime_ns, content
    )


def _row(
    case: SourceCase,
    files: Sequence[LedgerFile],
    fold_of: dict[str, Fold],
    part_of: dict[str, int],
) -> CaseRow:
    pictures = [file for file in files if file.role == "picture"]
    masks = [file for file in files if file.role == "mask"]
    return CaseRow(
        case.case,
        case.patient,
        case.sequence,
        case.modality,
        case.reader,
        bool(masks),
        fold_of.get(case.patient, "") if masks else "",
        part_of.get(case.patient) if masks else None,
        len(pictures),
        sum(file.size for file in pictures),
        digest([file.sha256 for file in pictures]),
        digest([file.sha256 for file in masks]),
    )


def _drop_old_ledgers(private: Path, keep: str) -> None:
    for path in private.glob("sources-*.sqlite"):
        if path.name != keep:
            path.unlink()


def _summary(
    found: SourceSet, rows: list[CaseRow], earlier: dict[str, Fold], options: Split
) -> Summary:
    summary = Summary("split", made=[row.name for row in rows], lines=list(found.notes))
    for number, (path, why) in enumerate(found.broken, 1):
        summary.failed[f"file {number}"] = Failure("dicom", why, path)
    by_fold = Counter({row.patient: row.fold for row in rows if row.labelled}.values())
    counted = ", ".join(f"{by_fold[fold]} {fold}" for fold in FOLDS)
    summary.lines.append(f"patients: {counted}")
    if options.folds > 1:
        summary.lines.append(f"cross-validation: {options.folds} folds of the training patients")
    unlabelled = sorted({row.patient for row in rows if not row.labelled})
    if unlabelled:
        summary.lines.append(
            f"{len(unlabelled)} patients without masks are predicted, never scored: "
            + ", ".join(unlabelled)
        )
    kept = sum(1 for row in rows if row.patient in earlier)
    if kept:
        summary.lines.append(f"{kept} cases keep their earlier fold (--resplit to place all anew)")
    if sum(by_fold.values()) == 1:
        summary.lines.append("one labelled patient: all of it is in train, nobody is held out")
    elif sum(by_fold.values()) == 2 and not by_fold["val"]:
        summary.lines.append("two labelled patients: one trains, one tests, no validation")
    summary.facts = {
        "preset": found.preset,
        "cases": len(rows),
        "patients": dict(by_fold),
        "unlabelled": unlabelled,
    }
    return summary
