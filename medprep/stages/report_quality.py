"""From the workspace's records to what the report says about the data itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from medprep.labels.outliers import CONVENTION, Outlier
from medprep.leaks import Leak
from medprep.reporting.montage import chosen
from medprep.reporting.quality import (
    CleaningRow,
    DataCheck,
    Finding,
    LabelRow,
    LeakRow,
    Leaks,
    Overlay,
    Thumbnail,
)
from medprep.reporting.text import counted
from medprep.stages import leak_gate
from medprep.stages.check import CHECK_SET
from medprep.stages.check_case import overlay_of, statistics_of
from medprep.stages.clean_case import rows_of
from medprep.workspace.database import Artifact
from medprep.workspace.workspace import Workspace, fold_key

MOST_OVERLAYS = 12
"""So many cases the report draws large; those with findings first. The others are in check/."""

_WORDS = {
    "alignment": "the mask may lie wrong", "stranger": "another picture's mask?",
    "sides": "left and right?", "volume": "an unusual volume", "missing": "an organ is missing",
}  # fmt: skip

Made = Mapping[str, Mapping[str, Artifact]]
"""Stage to what it made and what is up to date."""


@dataclass(frozen=True)
class Quality:
    """The sections of a report about the data."""

    check: DataCheck | None
    leaks: Leaks | None
    labels: tuple[LabelRow, ...]
    label_notes: tuple[str, ...]
    cleaning: tuple[CleaningRow, ...]
    thumbnails: tuple[Thumbnail, ...]
    overlays: tuple[Overlay, ...]


def gather_quality(workspace: Workspace, made: Made) -> Quality:
    """Read what ``extract``, ``clean``, ``check`` and the leak gate recorded."""
    found = made[CHECK_SET].get("set")
    flags: dict[str, list[str]] = {}
    for one in found.facts["findings"] if found else ():
        flags.setdefault(one["case"], []).append(one["kind"])
    checked = made["check"]
    paths = {case: workspace.layout.thumbnail(case) for case in sorted(checked)}
    thumbnails = tuple(
        Thumbnail(case, path.read_bytes(), tuple(flags.get(case, ())))
        for case, path in paths.items()
        if path.is_file()  # else somebody made room; ``check`` draws it again
    )
    return Quality(
        check=None if found is None else _check(found, made["extract"]),
        leaks=_leaks(workspace, made),
        labels=_labels(made, found),
        label_notes=(CONVENTION,) if checked else (),
        cleaning=tuple(row for case in sorted(made["clean"]) for row in _cleaning(made, case)),
        thumbnails=thumbnails,
        overlays=_overlays(workspace, made, flags),
    )


def _check(found: Artifact, extracted: Mapping[str, Artifact]) -> DataCheck:
    findings = []
    for one in found.facts["findings"]:
        if one["kind"] == "alignment":
            alignment = extracted[one["case"]].facts["alignment"]
            text = alignment["text"].partition(":")[0]
            row = Finding(
                one["case"], "alignment", "error", text, alignment["evidence"], alignment["mend"]
            )
        elif one["kind"] == "stranger":
            row = Finding(one["case"], "alignment", "error", "another picture's mask", one["what"])
        elif one["kind"] == "sides":
            row = Finding(one["case"], "sides", "error", "left and right", one["what"])
        else:
            continue  # volumes that stand out are marked in the table of labels
        findings.append(row)
    for case, artifact in sorted(extracted.items()):
        for note in artifact.facts["notes"]:
            if " apart" in note:
                findings.append(Finding(case, "geometry", "note", "two grids", note))
    return DataCheck(found.facts["cases"], tuple(findings))


def _leaks(workspace: Workspace, made: Made) -> Leaks | None:
    gate = made[leak_gate.GATE].get("set")
    if gate is None:
        return None
    folds = {row.name: fold_key(row) for row in workspace.database.cases()}
    rows = []
    for record in gate.facts["leaks"]:
        leak = Leak(**record)
        names = (f"{leak.one} slice {leak.one_slice}", f"{leak.other} slice {leak.other_slice}")
        pair = (folds.get(leak.one, ""), folds.get(leak.other, ""))
        rows.append(LeakRow(*names, pair, leak.kind, leak.correlation, leak.change, leak.slices))
    trained = [one.facts.get("leaks", "") for one in made["train"].values()]
    return Leaks(
        f"every slice of {counted(gate.facts['cases'], 'case')} with every slice of the other "
        "folds",
        tuple(rows),
        any(trained) if trained else None,
        tuple(dict.fromkeys(filter(None, trained))),
    )


def _labels(made: Made, found: Artifact | None) -> tuple[LabelRow, ...]:
    """Give the statistics of what was checked; of the rest how many voxels were extracted."""
    outliers = [Outlier(**one) for one in found.facts["outliers"]] if found else []
    odd = {(one.case, one.name): str(one) for one in outliers}
    rows = []
    for case, artifact in sorted(made["extract"].items()):
        if case in made["check"]:
            for one in statistics_of(made["check"][case].facts):
                grey = one.intensity
                row = LabelRow(case, one.name, one.voxels, one.ml, one.components, one.faces)
                if grey is not None:
                    row = replace(row, median=grey.median, iqr=grey.iqr, p1=grey.p1, p99=grey.p99)
                rows.append(replace(row, outlier=odd.get((case, one.name), "")))
            continue
        ml = artifact.facts["voxel_ml"]
        for organ, voxels in artifact.facts["voxels"].items():
            rows.append(LabelRow(case, organ, voxels, None if ml is None else voxels * ml))
    return tuple(rows)


def _cleaning(made: Made, case: str) -> list[CleaningRow]:
    return [
        CleaningRow(
            case, row.name, row.rule, row.before, row.removed, row.added, row.after, row.after_ml,
            row.dropped, row.reason,
        )
        for row in rows_of(made["clean"][case].facts)
    ]  # fmt: skip


def _overlays(workspace: Workspace, made: Made, flags: Mapping[str, Any]) -> tuple[Overlay, ...]:
    """Give the pictures of some cases; those that are not there are drawn now, if they can be."""
    cleaned, layout = made["clean"], workspace.layout
    drawn = []
    for case in chosen(sorted(cleaned), flags, MOST_OVERLAYS):
        if case in made["check"] and layout.overlay(case).is_file():
            png = layout.overlay(case).read_bytes()
        elif layout.image(case).is_file() and layout.cleaned(case).is_file():
            facts = made["convert"][case].facts
            png = overlay_of(layout, case, facts, cleaned[case].facts["names"])
        else:
            continue
        drawn.append(Overlay(case, "; ".join(_WORDS[one] for one in flags.get(case, ())), png))
    return tuple(drawn)
