"""Remove from a case's labels what the rules say, and account for every voxel."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar

from medprep.errors import LabelError, OptionError
from medprep.execute import Failure
from medprep.labels.audit import AuditRow, lost_organs
from medprep.labels.holes import Holes
from medprep.labels.pairs import Pair, with_sides
from medprep.labels.rules import Preset, Rules
from medprep.organs import is_pair
from medprep.stages import shards
from medprep.stages.base import CaseTask, Context, Summary, names_of, run_cases
from medprep.stages.clean_case import CleanCase, clean_case, judge_case, rows_of
from medprep.stages.clean_table import Accounts, changed, much_taken, would_drop
from medprep.stages.pending import Keys
from medprep.workspace.database import Input
from medprep.workspace.in_order import InOrder
from medprep.workspace.workspace import Workspace

_VERSION = 2
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
        rules = self.chosen()
        self._require_known(workspace, rules)
        tasks: Iterable[CaseTask] = self._tasks(workspace, rules)
        if rules.drops_masks:
            tasks = list(tasks)
            self._look_first(context, tasks)
        summary = run_cases(context, "clean", tasks, clean_case)
        shards.write_labels(context, summary)
        accounts = Accounts(workspace)
        known = accounts.known()
        if not rules.drops_masks:
            self._require_left(context, accounts, known)
        if known is None:
            accounts.write()
        made = sorted(summary.made)
        summary.lines.extend([*changed(accounts.of(made)), *much_taken(accounts.of(made))])
        if not rules.drops_masks:  # else it was said first
            summary.lines.extend(would_drop(rows for _, rows in accounts.of(made)))
        return summary

    def _tasks(self, workspace: Workspace, rules: Rules) -> Iterator[CaseTask]:
        """Yield a task for each extracted case; cases of the same organs share what is asked."""
        alike: dict[tuple[str, bool], _Alike] = {}
        # More than a picture and its sidecar: then there are slices.
        images = InOrder(workspace.currency.cells("convert", "json_array_length(files) > 2"))
        labels = workspace.currency.cells("extract", "key", "json_extract(facts, '$.names')")
        for case, key, names in labels:
            image = images.get(case)
            both = image is not None and bool(image[1])
            if (names, both) not in alike:
                own = self._both_kept(rules, names_of({"names": json.loads(names)}).values())
                pairs = _pairs(json.loads(names).values(), own)
                keys = Keys("clean", _VERSION, {**asdict(own), "slices": both})
                alike[names, both] = _Alike(own, pairs, both, keys)
            shared = alike[names, both]
            inputs = (Input("extract", case, key),)
            payload = partial(_payload, workspace, case, shared)
            yield CaseTask(case, inputs, shared.keys.of(inputs), payload)

    def _require_left(
        self, context: Context, accounts: Accounts, known: Mapping[str, Any] | None
    ) -> None:
        """Take it all back where an organ was nothing but pieces too small.

        That is rare: a look at every case beforehand, as for other rules, would not be worth it.

        Raises
        ------
        LabelError
            If every mask of an organ was dropped, and nobody said ``yes``.
        """
        if self.yes:
            return
        lost = accounts.lost if known is None else known["lost"]
        if lost:
            for line in would_drop(rows for _, rows in accounts.of()):
                context.progress.say(f"    {line}")
            database = context.workspace.database
            database.forget("clean", [case for case, _ in accounts.of()])
            raise _lost(lost)

    def _both_kept(self, rules: Rules, names: Iterable[str]) -> Rules:
        """Keep two pieces of what is two organs in one label, unless the user said how many."""
        if self.keep is not None or rules.keep != 1 or rules.split_pairs:
            return rules
        said = {name for name, _ in rules.keep_of}
        both = [(name, 2) for name in names if is_pair(name) and name not in said]
        return replace(rules, keep_of=(*rules.keep_of, *both))

    def _require_known(self, workspace: Workspace, rules: Rules) -> None:
        if not self.keep_of:
            return
        cells = workspace.currency.cells("extract", "json_extract(facts, '$.names')")
        every = [json.loads(one) for one in {names for _, names in cells}]
        known = {
            name
            for names in every
            for name in with_sides(
                names_of({"names": names}), _pairs(names.values(), rules)
            ).values()
        }
        strangers = [name for name, _ in self.keep_of if name not in known]
        if strangers and every:
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
                cases.append(one.payload())
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


@dataclass(frozen=True)
class _Alike:
    """What is asked of all cases of the same organs."""

    rules: Rules
    pairs: tuple[Pair, ...]
    slices: bool
    keys: Keys


def _payload(workspace: Workspace, case: str, shared: _Alike) -> CleanCase:
    facts = workspace.database.artifacts("extract", [case])[case].facts
    return CleanCase(workspace.layout, case, facts, shared.rules, shared.pairs, shared.slices)


def _pairs(names: Collection[str], rules: Rules) -> tuple[Pair, ...]:
    if not rules.split_pairs:
        return ()
    pairs: dict[str, Pair] = {}
    for pair in (Pair.of(name) for name in names if is_pair(name)):
        # Where the two have labels of their own already, the third means something else.
        if not {pair.right, pair.left} & {*names}:
            pairs.setdefault(pair.right, pair)
    return tuple(pairs.values())
