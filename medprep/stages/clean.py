"""Remove from a case's labels what the rules say, and account for every voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import ClassVar

from medprep.errors import LabelError, OptionError
from medprep.execute import Failure
from medprep.files import csv_bytes, write_bytes
from medprep.labels.audit import AuditRow, lost_organs
from medprep.labels.holes import Holes
from medprep.labels.pairs import Pair, with_sides
from medprep.labels.rules import Preset, Rules
from medprep.organs import is_pair
from medprep.reporting.text import counted
from medprep.stages import shards
from medprep.stages.base import (
    CaseTask,
    Context,
    Summary,
    artifact_input,
    names_of,
    run_cases,
    task,
)
from medprep.stages.clean_case import CleanCase, clean_case, judge_case, rows_of
from medprep.workspace.database import Artifact

_VERSION = 2
_MUCH = 0.1
"""What ``keep`` takes of an organ beyond this part of its voxels is told."""
_RULES = tuple(one.name for one in fields(Rules))


@dataclass(frozen=True)
class Clean:
    """Options of ``clean``; what is None is as the set of rules has it, see `Rules`.

    Parameters
    ----------
    rules
        The set of rules to begin with.
    keep, keep_of, min_piece_ml, fill_holes, smooth_radius, split_pairs
        What is done to an organ's pieces.
    min_case_ml, min_case_side_mm
        What drops a case with all its masks.
    min_ml, min_side_mm, max_background_percent
        What drops an organ of a case whole.
    yes
        Drop every mask of an organ where the rules say so.
    """

    rules: Preset = "default"
    keep: int | None = None
    keep_of: tuple[tuple[str, int], ...] = ()
    min_piece_ml: float | None = None
    fill_holes: Holes | None = None
    smooth_radius: int | None = None
    split_pairs: bool | None = None
    min_case_ml: float | None = None
    min_case_side_mm: float | None = None
    min_ml: float | None = None
    min_side_mm: float | None = None
    max_background_percent: float | None = None
    yes: bool = False

    name: ClassVar[str] = "clean"
    needs: ClassVar[tuple[str, ...]] = ("extract",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep_of", tuple((str(n), int(k)) for n, k in self.keep_of))
        self.chosen()

    def chosen(self) -> Rules:
        """Give the rules, checked; ``keep`` 0 keeps all pieces, and so does 0 in ``keep_of``."""
        base = Rules.preset(self.rules)
        given = {
            name: getattr(self, name) for name in _RULES if getattr(self, name) not in (None, ())
        }
        given["keep_of"] = tuple((organ, count or None) for organ, count in self.keep_of)
        if self.keep == 0:
            base, given = replace(base, keep=None), given | {"keep": None}
        return replace(base, **given)

    def perform(self, context: Context) -> Summary:
        """Say what would be dropped, then clean every extracted case."""
        workspace = context.workspace
        images, labels = workspace.current("convert"), workspace.current("extract")
        rules = self.chosen()
        self._require_known(labels, rules)
        tasks = []
        for case, extracted in labels.items():
            own = self._both_kept(rules, extracted)
            slices = workspace.layout.relative(workspace.layout.slice_images(case))
            payload = CleanCase(
                workspace.layout, case, extracted.facts, own, _pairs(extracted, own),
                slices in images[case].files,
            )  # fmt: skip
            options = {**asdict(own), "slices": payload.slices}
            tasks.append(
                task("clean", _VERSION, case, [artifact_input(extracted)], options, payload)
            )
        if rules.drops_masks:
            self._look_first(context, tasks)
        summary = run_cases(context, "clean", tasks, clean_case)
        shards.write_labels(context, summary)
        made = workspace.current("clean")
        rows = {case: rows_of(one.facts) for case, one in sorted(made.items())}
        if not rules.drops_masks:
            self._require_left(context, rows)
        write_bytes(workspace.layout.root / "clean.csv", table(rows))
        new = {case: own for case, own in rows.items() if case in summary.made}
        summary.lines.extend([*_lines(new), *much_taken(new)])
        if not rules.drops_masks:  # else it was said first
            summary.lines.extend(would_drop(list(new.values())))
        return summary

    def _require_left(self, context: Context, rows: Mapping[str, Sequence[AuditRow]]) -> None:
        """Take it all back where an organ was nothing but pieces too small.

        That is rare: a look at every case beforehand, as for other rules, would not be worth it.

        Raises
        ------
        LabelError
            If every mask of an organ was dropped, and nobody said ``yes``.
        """
        lost = lost_organs(rows.values())
        if lost and not self.yes:
            for line in would_drop(list(rows.values())):
                context.progress.say(f"    {line}")
            context.workspace.database.forget("clean", list(rows))
            raise _lost(lost)

    def _both_kept(self, rules: Rules, extracted: Artifact) -> Rules:
        """Keep two pieces of what is two organs in one label, unless the user said how many."""
        if self.keep is not None or rules.keep != 1 or rules.split_pairs:
            return rules
        said = {name for name, _ in rules.keep_of}
        both = [
            (name, 2)
            for name in names_of(extracted.facts).values()
            if is_pair(name) and name not in said
        ]
        return replace(rules, keep_of=(*rules.keep_of, *both))

    def _require_known(self, labels: Mapping[str, Artifact], rules: Rules) -> None:
        known = {
            name
            for one in labels.values()
            for name in with_sides(names_of(one.facts), _pairs(one, rules)).values()
        }
        strangers = [name for name, _ in self.keep_of if name not in known]
        if strangers and labels:
            raise OptionError(
                f"--keep-of names {', '.join(strangers)}; the organs are {', '.join(sorted(known))}"
            )

    def _look_first(self, context: Context, tasks: Sequence[CaseTask]) -> None:
        """Say per organ what the rules would drop, before anything is written.

        What was cleaned so before is not looked at again: its account says it.

        Raises
        ------
        LabelError
            If they would drop every mask of an organ, and nobody said ``yes``.
        """
        made = context.workspace.database.artifacts("clean")
        found: dict[str, list[AuditRow]] = {}
        cases = []
        for one in tasks:
            known = made.get(one.subject)
            if known is not None and known.key == one.key:
                found[one.subject] = rows_of(known.facts)
            else:
                cases.append(one.payload)
        context.progress.start("clean", len(cases))
        for case, outcome in context.work("clean", judge_case, {one.case: one for one in cases}):
            if not isinstance(outcome, Failure):  # it fails again, and is told, when it is cleaned
                found[case.case] = outcome
            context.progress.advance()
        context.progress.finish()
        judged = [rows for _, rows in sorted(found.items())]
        told = would_drop(judged)
        for line in told:
            context.progress.say(f"    {line}")
        lost = lost_organs(judged)
        if lost and not self.yes:
            raise _lost(lost)


def _lost(organs: Sequence[str]) -> LabelError:
    return LabelError(
        f"the rules would drop every mask of {', '.join(organs)}, as listed above; choose other "
        "limits, or say --yes"
    )


def would_drop(judged: Sequence[Sequence[AuditRow]]) -> list[str]:
    """Give a line for each organ and rule that drops masks: how many, and why the first."""
    masks: dict[str, int] = {}
    dropped: dict[tuple[str, str], list[AuditRow]] = {}
    for rows in judged:
        for name in {row.name for row in rows if row.before or row.after}:
            masks[name] = masks.get(name, 0) + 1
        for row in rows:
            if row.dropped:
                dropped.setdefault((row.name, row.rule), []).append(row)
    return [
        f"{name}: {rule} drops {len(rows)} of {masks[name]} masks (first: {rows[0].reason})"
        for (name, rule), rows in sorted(dropped.items())
    ]


def much_taken(cases: Mapping[str, Sequence[AuditRow]]) -> list[str]:
    """Give a line for each organ of which ``keep`` took much: it may be several pieces by nature.

    Parameters
    ----------
    cases
        Case to its account.
    """
    shares: dict[str, dict[str, float]] = {}
    for case, rows in cases.items():
        for row in rows:
            if row.rule == "keep" and row.removed > _MUCH * row.before:
                shares.setdefault(row.name, {})[case] = row.removed / row.before
    lines = []
    for name, own in sorted(shares.items()):
        worst = max(own, key=lambda case: own[case])
        lines.append(
            f"{name}: the rule keep took over {_MUCH:.0%} of it in {len(own)} of "
            f"{counted(len(cases), 'case')} (most: {own[worst]:.0%} of {worst}); if it may be "
            f"several pieces, say --keep-of {name} 0"
        )
    return lines


def table(cases: Mapping[str, Sequence[AuditRow]]) -> bytes:
    """Give ``clean.csv``: a row for every decision."""
    names = [one.name for one in fields(AuditRow)]
    rows = [[case, *_cells(row)] for case, own in cases.items() for row in own]
    return csv_bytes(["case", *names], rows)


def _cells(row: AuditRow) -> list[object]:
    values = asdict(row)
    for name in ("before_ml", "after_ml"):
        values[name] = None if values[name] is None else f"{values[name]:.4f}"
    return list(values.values())


def _pairs(extracted: Artifact, rules: Rules) -> tuple[Pair, ...]:
    if not rules.split_pairs:
        return ()
    names = extracted.facts["names"].values()
    pairs: dict[str, Pair] = {}
    for pair in (Pair.of(name) for name in names if is_pair(name)):
        # Where the two have labels of their own already, the third means something else.
        if not {pair.right, pair.left} & {*names}:
            pairs.setdefault(pair.right, pair)
    return tuple(pairs.values())


def _lines(made: Mapping[str, Sequence[AuditRow]]) -> list[str]:
    if not made:
        return []
    organs = {(case, row.name) for case, rows in made.items() for row in rows if row.before}
    changed = {
        (case, row.name) for case, rows in made.items() for row in rows if row.removed or row.added
    }
    every = [row for rows in made.values() for row in rows]
    return [
        f"{len(changed)} of {counted(len(organs), 'organ')} changed: "
        f"{sum(row.removed for row in every)} voxels removed, "
        f"{sum(row.added for row in every)} added; each decision is in clean.csv"
    ]
