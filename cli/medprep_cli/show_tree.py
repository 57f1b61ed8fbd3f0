"""What a person sees of a converted or scanned tree."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import click

from medprep.reporting.text import counted
from medprep_cli.options import Shared
from medprep_cli.show import Terminal

if TYPE_CHECKING:
    from medprep.trees.options import ConvertTree
    from medprep.trees.run import TreeOutcome
    from medprep.trees.survey import Survey

_NAMED = 100
"""So many files of a kind are named; `private/not-converted.csv` names them all."""
_NOTED = 3


def run_tree(tree: ConvertTree, options: Shared) -> None:
    """Convert or plan a tree, print its outcome, and exit with its status unless that is 0."""
    from medprep.trees.run import convert_tree, look_at

    terminal = Terminal()
    if options.dry_run:
        found = look_at(tree, terminal, cluster=options.place)
        if options.json:
            click.echo(json.dumps(found.to_dict(), indent=2))
            return
        for one in found.volumes:
            grid = one.plan.geometry if one.plan else None
            shape = "refused" if grid is None else " x ".join(map(str, grid.shape))
            click.echo(f"{one.name}: {shape}")
        show_passed(found)
        return
    outcome = convert_tree(
        tree, jobs=options.jobs, overwrite=options.overwrite,
        case_timeout_s=options.case_timeout, most_bytes=options.most_bytes,
        cluster=options.place, progress=terminal,
    )  # fmt: skip
    if options.json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    _show(outcome)
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)


def _show(outcome: TreeOutcome) -> None:
    notes: dict[str, list[str]] = defaultdict(list)
    for one in outcome.made:
        for note in one.notes:
            notes[note].append(one.name)
    for note, names in notes.items():
        who = ", ".join(names) if len(names) <= _NOTED else f"{len(names)} volumes"
        click.echo(f"{who}: {note}", err=True)
    for name, failure in outcome.failed.items():
        click.echo(f"FAILED {name}: {failure}", err=True)
    show_passed(outcome.found)
    click.echo(
        f"{counted(len(outcome.made), 'volume')} made, {len(outcome.kept)} kept, "
        f"{len(outcome.failed)} failed, {counted(len(outcome.found.broken), 'file')} broken",
        err=True,
    )


def show_passed(found: Survey) -> None:
    """Name the files that gave no volume: broken ones, other objects; count what is no DICOM."""
    for one in found.broken[:_NAMED]:
        click.echo(f"BROKEN {one.path}: {one.why}", err=True)
    if len(found.broken) > _NAMED:
        click.echo(f"... and {len(found.broken) - _NAMED} more broken files", err=True)
    roles: dict[str, list[str]] = defaultdict(list)
    for one in found.others:
        roles[one.why].append(one.path)
    for role, paths in sorted(roles.items()):
        click.echo(f"{len(paths)} x {role}, not converted:", err=True)
        for path in paths[:_NAMED]:
            click.echo(f"    {path}", err=True)
        if len(paths) > _NAMED:
            click.echo(f"    ... and {len(paths) - _NAMED} more", err=True)
    if found.strangers:
        click.echo(f"no DICOM: {counted(len(found.strangers), 'file')}", err=True)
