"""What a split leaves behind: rows of the database, ``splits.json``, and what a person reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from medprep.execute import Failure
from medprep.files import digest
from medprep.folds.schemes import Stored, condense
from medprep.folds.shares import FOLDS
from medprep.reporting.text import counted
from medprep.sources.base import SourceCase, SourceSet
from medprep.stages.base import Summary
from medprep.stages.placing import Placing, role
from medprep.workspace.database import CaseRow
from medprep.workspace.ledger import LedgerFile


def splits(rows: Sequence[CaseRow], placing: Placing) -> list[dict[str, Any]]:
    """Give nnU-Net's list of train/val case names, with our ``test`` beside them.

    Nested folds say which outer and inner fold they are, and which site the outer one leaves out.
    """
    listed = []
    for number in range(placing.count):
        one: dict[str, Any] = {
            fold: [row.name for row in rows if role(row, number) == fold] for fold in FOLDS
        }
        if "outer" in placing.scheme:
            outer, inner = divmod(number, placing.scheme["inner"])
            one.update(outer=outer, inner=inner)
            if placing.scheme["kind"] == "site":
                one["left_out"] = placing.scheme["outer"][outer]
        listed.append(one)
    return listed


def row_of(case: SourceCase, files: Sequence[LedgerFile], placing: Placing) -> CaseRow:
    """Give a case as the workspace keeps it."""
    pictures = [file for file in files if file.role == "picture"]
    masks = [file for file in files if file.role == "mask"]
    stored = condense(placing.roles[case.case]) if masks else Stored("")
    return CaseRow(
        case.case,
        case.patient,
        case.sequence,
        case.modality,
        case.reader,
        bool(masks),
        stored.fold,
        stored.part,
        len(pictures),
        sum(file.size for file in pictures),
        _picture_key(case, pictures),
        _mask_key(masks),
        stored.roles,
    )


def _picture_key(case: SourceCase, files: Sequence[LedgerFile]) -> str:
    """Hash the files, and of NIfTI what the data set says of them; others say it themselves."""
    hashes = [file.sha256 for file in files]
    said = [case.modality, case.sequence] if case.reader == "nifti" else []
    return digest([hashes, said] if any(said) else hashes)


def _mask_key(files: Sequence[LedgerFile]) -> str:
    """Hash the files, and whose each is where its folder says it."""
    return digest([[file.sha256, file.organ] if file.organ else file.sha256 for file in files])


def summary_of(
    found: SourceSet, rows: list[CaseRow], kept: int, placing: Placing, told: Sequence[str]
) -> Summary:
    """Say how the split went; ``kept`` cases stand where they stood."""
    summary = Summary("split", made=[row.name for row in rows], lines=[*found.notes, *told])
    for number, (path, why) in enumerate(found.broken, 1):
        summary.failed[f"file {number}"] = Failure("dicom", why, path)
    by_fold = Counter({row.patient: row.fold for row in rows if row.labelled}.values())
    if "outer" not in placing.scheme:
        told_folds = ", ".join(f"{by_fold[fold]} {fold}" for fold in FOLDS)
        summary.lines.append(f"patients: {told_folds}")
    summary.lines.extend(placing.lines)
    unlabelled = sorted({row.patient for row in rows if not row.labelled})
    if unlabelled:
        summary.lines.append(
            f"{counted(len(unlabelled), 'patient')} without masks, predicted and never scored: "
            + ", ".join(unlabelled)
        )
    if kept and placing.scheme["kind"] not in ("given", "folders"):
        keep = "keeps its" if kept == 1 else "keep their"
        summary.lines.append(
            f"{counted(kept, 'case')} {keep} earlier fold (--resplit to place all anew)"
        )
    if sum(by_fold.values()) == 1:
        summary.lines.append("one labelled patient: all of it is in train, nobody is held out")
    elif sum(by_fold.values()) == 2 and not by_fold["val"] and placing.count == 1:
        summary.lines.append("two labelled patients: one trains, one tests, no validation")
    summary.facts = {
        "preset": found.preset,
        "cases": len(rows),
        "patients": dict(by_fold),
        "unlabelled": unlabelled,
        "folds": placing.count,
        "scheme": placing.scheme,
        "leaks": list(placing.leaks),
    }
    return summary
