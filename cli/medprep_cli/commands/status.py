"""``medprep status``."""

from __future__ import annotations

import json

import click

from medprep_cli.options import shared, shared_options


@click.command(name="status", short_help="What is in the workspace.")
@click.option("--command", "line", is_flag=True, help="Print only the line that repeats the work.")
@shared_options
@click.pass_context
def command(ctx: click.Context, line: bool) -> None:
    """Say what is in the workspace: cases, folds, what is up to date, what failed."""
    from medprep.overview import status
    from medprep.reporting.text import counted, table

    found = status(shared(ctx).workspace)
    if shared(ctx).json:
        click.echo(json.dumps(found.to_dict(), indent=2))
        return
    if line:
        click.echo(found.command)
        return
    click.echo(f"{found.preset}: {counted(found.cases, 'case')}; patients: {found.patients}")
    rows = [
        [one.stage, str(one.current), str(one.stale), str(one.failed), one.last]
        for one in found.stages
    ]
    click.echo(table(["stage", "up to date", "stale", "failed", "last run"], rows))
    for failure in found.failures:
        click.echo(f"FAILED {failure}")
    for score in found.scores:
        click.echo(score)
    if found.artifacts is not None:
        click.echo(f"files of single cases: {found.artifacts}")
    click.echo(f"repeat it by: {found.command}")
