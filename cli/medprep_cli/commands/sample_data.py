"""``medprep sample-data``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared, shared_options


@click.command(cls=StageCommand, name="sample-data", short_help="Write a made-up data set.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=int, default=2026, show_default=True, help="Which phantom patients.")
@shared_options
@click.pass_context
def command(ctx: click.Context, folder: Path, seed: int) -> None:
    """Write a made-up data set in the CHAOS layout into FOLDER: no patient, CC0."""
    from medprep.sources.phantom import make_chaos

    if shared(ctx).dry_run:
        click.echo(f"would write a phantom data set into {folder}", err=True)
        return
    make_chaos(folder, seed=seed)
    if shared(ctx).json:
        click.echo(json.dumps({"folder": str(folder), "seed": seed}))
    else:
        click.echo(f"{folder} is ready; go on with: medprep split {folder}", err=True)
