"""What a person sees of an evaluation without a workspace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from medprep_cli.options import Shared
from medprep_cli.show import Terminal

if TYPE_CHECKING:
    from medprep.evaluations.options import EvaluateFolders
    from medprep.evaluations.run import FolderOutcome
    from medprep.evaluations.tutorial import TutorialOutcome


def run_folders(asked: EvaluateFolders, options: Shared) -> None:
    """Score or plan, print the outcome, and exit with its status unless that is 0."""
    from medprep.evaluations.options import TUTORIAL
    from medprep.evaluations.run import evaluate_folders, look_at
    from medprep.evaluations.tutorial import evaluate_pictures

    if options.dry_run:
        lines = look_at(asked)
        click.echo(json.dumps(lines, indent=2) if options.json else "\n".join(lines))
        return
    if asked.preset == TUTORIAL:
        outcome: FolderOutcome | TutorialOutcome = evaluate_pictures(
            asked, jobs=options.jobs, cluster=options.place, progress=Terminal()
        )
    else:
        outcome = evaluate_folders(
            asked, jobs=options.jobs, overwrite=options.overwrite, cluster=options.place,
            progress=Terminal(),
        )  # fmt: skip
    if options.json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    for line in outcome.lines:
        click.echo(line, err=True)
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)
