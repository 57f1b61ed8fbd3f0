"""Look at the data as a careful person would: masks on pictures, sides, volumes, leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

from medprep.errors import AlignmentError, LeakError
from medprep.execute import Failure
from medprep.files import AtomicFiles, csv_of_records, digest, write_bytes
from medprep.labels.alignment import TURNS
from medprep.labels.outliers import Outlier, outliers
from medprep.labels.statistics import LabelStatistics
from medprep.reporting.montage import chosen, montage_png
from medprep.reporting.quality import Thumbnail
from medprep.stages import leak_gate
from medprep.stages.base import Context, Summary, artifact_input, look_at, run_cases, task
from medprep.stages.check_case import CheckCase, check_case, statistics_of
from medprep.stages.strangers import strangers
from medprep.workspace.database import Artifact

_VERSION = 1
MOST_THUMBNAILS = 200
"""So many cases the montage shows, those with findings first: more make a picture nobody opens."""
CHECK_SET = "check-set"
"""The record of what only shows when all cases are seen together."""
_COLUMNS = (
    "case", "label", "name", "voxels", "ml", "components", "faces", "box", "centroid",
    "centroid_mm", "median", "iqr", "p1", "p99", "mean", "sd", "outlier",
)  # fmt: skip


@dataclass(frozen=True)
class Check:
    """Options of ``check``.

    Parameters
    ----------
    strict
        What is found fails its case; else it is told.
    """

    strict: bool = False

    name: ClassVar[str] = "check"
    needs: ClassVar[tuple[str, ...]] = ("clean",)

    def perform(self, context: Context) -> Summary:
        """Check every labelled case by itself, then all together."""
        workspace = context.workspace
        made = {stage: workspace.current(stage) for stage in ("convert", "extract", "clean")}
        tasks = []
        for case, cleaned in made["clean"].items():
            image, extracted = made["convert"][case], made["extract"][case]
            payload = CheckCase(workspace.layout, case, image.facts, cleaned.facts["names"])
            inputs = [artifact_input(one) for one in (image, extracted, cleaned)]
            tasks.append(task("check", _VERSION, case, inputs, None, payload))
        summary = run_cases(context, "check", tasks, check_case)
        found = look(context)
        _write_tables(context, found)
        _record(context, found)
        summary.lines.extend(found.lines())
        summary.facts = {
            "findings": [asdict(one) for one in found.findings],
            "leaks": [asdict(one) for one in found.leaks],
        }
        if self.strict:
            # Of a single slice too little is seen: what is found there is a hint.
            flat = {case for case, one in made["convert"].items() if one.facts["shape"][0] == 1}
            for one in found.findings:
                if one.case in flat:
                    continue
                summary.failed.setdefault(one.case, Failure(AlignmentError.code, one.what))
            if found.leaks:
                summary.failed["folds"] = Failure(LeakError.code, leak_gate.tell(found.leaks))
        return summary


@dataclass(frozen=True)
class CaseFinding:
    """Something a person should look at.

    Parameters
    ----------
    kind
        ``alignment``, ``sides``, ``stranger``, ``volume`` or ``missing``.
    what
        In words, and what mends it.
    """

    case: str
    kind: str
    what: str


@dataclass(frozen=True)
class Checked:
    """What `check` knows of the whole set."""

    findings: tuple[CaseFinding, ...]
    statistics: Mapping[str, Sequence[LabelStatistics]]
    outliers: tuple[Outlier, ...]
    leaks: tuple[leak_gate.Leak, ...]

    def lines(self) -> list[str]:
        """Give what a person should read."""
        lines = look_at([f"{one.case}: {one.what}" for one in self.findings])
        if not self.statistics:
            lines.append("no case has masks to look at")
        elif not lines:
            count = len(self.statistics)
            lines.append(
                "the mask of 1 case sits on its picture"
                if count == 1
                else f"masks of {count} cases, and all sit on their pictures"
            )
        if self.leaks:
            lines.append(f"LEAK: {leak_gate.tell(self.leaks)}; all in leaks.csv")
        else:
            lines.append("no picture stands in two folds")
        return lines


def look(context: Context) -> Checked:
    """Put together what the checks of single cases gave, and compare the cases."""
    workspace = context.workspace
    extracted, checked = workspace.current("extract"), workspace.current("check")
    findings = []
    for case in sorted(checked):
        findings += _own_findings(case, extracted[case])
    # Turned, a mask fits no picture, its own neither; moved, it may well be another picture's.
    turned = {case for case, one in extracted.items() if one.facts["alignment"]["fault"] in TURNS}
    others = [one for one in strangers(context) if one.case in checked and one.case not in turned]
    strange = {one.case for one in others}
    findings = [one for one in findings if one.kind != "alignment" or one.case not in strange]
    findings += [CaseFinding(one.case, "stranger", f"the mask {one.evidence}") for one in others]
    statistics = {case: statistics_of(one.facts) for case, one in sorted(checked.items())}
    odd = outliers(statistics)
    findings += [CaseFinding(one.case, one.kind, f"{one.name}: {one}") for one in odd]
    findings.sort(key=lambda one: one.case)
    leaks = leak_gate.find(context)
    return Checked(tuple(findings), statistics, tuple(odd), tuple(leaks))


def _own_findings(case: str, extracted: Artifact) -> list[CaseFinding]:
    alignment = extracted.facts["alignment"]
    found = [CaseFinding(case, "sides", text) for text in extracted.facts["sides"]]
    if alignment["flagged"]:
        found.insert(0, CaseFinding(case, "alignment", alignment["text"]))
    return found


def _record(context: Context, found: Checked) -> None:
    """Keep what was found, for the report."""
    workspace = context.workspace
    inputs = tuple(artifact_input(one) for one in workspace.current("check").values())
    facts = {
        "cases": len(found.statistics),
        "findings": [asdict(one) for one in found.findings],
        "outliers": [asdict(one) for one in found.outliers],
    }
    key = digest([CHECK_SET, _VERSION, [one.key for one in inputs]])
    workspace.database.put(Artifact(CHECK_SET, "set", key, inputs, (), facts))


def _write_tables(context: Context, found: Checked) -> None:
    """Write what people read: one table of labels, one of findings, one picture of all cases."""
    layout = context.workspace.layout
    odd = {(one.case, one.name): str(one) for one in found.outliers}
    rows = [
        {
            **asdict(row), **(asdict(row.intensity) if row.intensity else {}), "case": case,
            "faces": "; ".join(row.faces), "outlier": odd.get((case, row.name), ""),
        }
        for case, own in found.statistics.items()
        for row in own
    ]  # fmt: skip
    write_bytes(layout.check("labels.csv"), csv_of_records(_COLUMNS, rows))
    columns = ("case", "kind", "what")
    findings = [asdict(one) for one in found.findings]
    write_bytes(layout.check("findings.csv"), csv_of_records(columns, findings))
    flags: dict[str, list[str]] = {}
    for one in found.findings:
        flags.setdefault(one.case, []).append(one.kind)
    thumbnails = [
        Thumbnail(case, layout.thumbnail(case).read_bytes(), tuple(flags.get(case, ())))
        for case in chosen(list(found.statistics), flags, MOST_THUMBNAILS)
    ]
    with AtomicFiles() as files:
        files.file(layout.check("montage.png")).write_bytes(montage_png(thumbnails))
