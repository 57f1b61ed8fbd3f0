"""``medprep models``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from medprep_cli.options import shared, shared_options


@click.command(name="models", short_help="The nets there are.")
@shared_options
@click.pass_context
def command(ctx: click.Context) -> None:
    """List the nets: parameters, what they demand of the input, the paper."""
    from medprep.models.registry import describe
    from medprep.reporting.text import table

    found = describe()
    if shared(ctx).json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    rows = [
        [one.name, f"{one.dimensions}D", f"{one.parameters:,}", str(one.multiple), one.paper]
        for one in found
    ]
    click.echo(table(["model", "input", "parameters", "multiple of", "paper"], rows))
