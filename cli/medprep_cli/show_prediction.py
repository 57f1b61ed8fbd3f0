"""What a person sees of a prediction without a workspace."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

import click

from medprep.reporting.text import counted
from medprep_cli.options import Shared
from medprep_cli.show import Terminal

if TYPE_CHECKING:
    from medprep.predictions.inputs import Inputs
    from medprep.predictions.options import PredictFolder
    from medprep.predictions.run import PredictOutcome

_NOTED = 3
_NAMED = 20


def run_prediction(asked: PredictFolder, options: Shared) -> None:
    """Predict or plan a folder, print its outcome, and exit with its status unless that is 0."""
    from medprep.predictions.run import look_at, predict_folder

    terminal = Terminal()
    if options.dry_run:
        _plan(look_at(asked, options.workspace, terminal, cluster=options.place), options)
        return
    outcome = predict_folder(
        asked, options.workspace, overwrite=options.overwrite, cluster=options.place,
        progress=terminal,
    )  # fmt: skip
    if options.json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    _show(outcome)
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)


def _plan(found: Inputs, options: Shared) -> None:
    names = [case.name for case in found.cases]
    if options.json:
        failed = {name: str(failure) for name, failure in found.failed.items()}
        click.echo(json.dumps({"cases": names, "failed": failed}, indent=2))
        return
    for name in names:
        click.echo(name)
    for name, failure in found.failed.items():
        click.echo(f"{name}: refused: {failure}")


def _show(outcome: PredictOutcome) -> None:
    notes: dict[str, list[str]] = defaultdict(list)
    for one in outcome.made:
        for note in one.notes:
            notes[note].append(one.name)
    for line in outcome.notes:
        click.echo(line, err=True)
    for note, names in notes.items():
        who = ", ".join(names) if len(names) <= _NOTED else f"{len(names)} cases"
        click.echo(f"{who}: {note}", err=True)
    empty = [one.name for one in outcome.made if not any(one.voxels.values())]
    if empty:
        click.echo(f"no organ found in: {_listed(empty)}", err=True)
    for name, failure in outcome.failed.items():
        click.echo(f"FAILED {name}: {failure}", err=True)
    broken = outcome.found.tree.broken
    for passed in broken[:_NAMED]:
        click.echo(f"BROKEN {passed.path}: {passed.why}", err=True)
    if len(broken) > _NAMED:
        click.echo(f"... and {len(broken) - _NAMED} more broken files", err=True)
    click.echo(
        f"{counted(len(outcome.made), 'case')} made, {len(outcome.kept)} kept, "
        f"{len(outcome.failed)} failed, {counted(len(broken), 'file')} broken",
        err=True,
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
