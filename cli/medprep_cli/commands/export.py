"""``medprep export``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from medprep.reporting.text import counted
from medprep_cli.chain import StageCommand
from medprep_cli.options import shared, shared_options

if TYPE_CHECKING:
    from medprep.exports.run import ExportFormat

_NAMED = 10


@click.command(cls=StageCommand, name="export", short_help="The data in another program's form.")
@click.option(
    "--format", "form", type=click.Choice(["nnunet", "msd", "chaos"]), required=True,
    help="nnU-Net v2 raw, Medical Segmentation Decathlon, or a CHAOS submission.",
)  # fmt: skip
@click.option("--output", required=True, metavar="DIR", help="Folder that gets the data set.")
@click.option(
    "--dataset-id", type=click.IntRange(1, 999), default=501, show_default=True,
    help="Number in the data set's name.",
)  # fmt: skip
@click.option("--name", help="Name of the data set.  [default: of the preset]")
@click.option("--run", help="With chaos: whose predictions.  [default: of the model trained last]")
@shared_options
@click.pass_context
def command(
    ctx: click.Context, form: ExportFormat, output: str, dataset_id: int, name: str | None,
    run: str | None,
) -> None:  # fmt: skip
    """Write the workspace's data in the form that another program takes.

    Pictures and labels are linked or copied, never changed; what is in DIR already is replaced
    only with --overwrite.
    """
    from medprep.exports.run import Export, export
    from medprep_cli.show import Terminal

    options = shared(ctx)
    outcome = export(
        Export(form, output, dataset_id, name, run),
        options.workspace,
        dry_run=options.dry_run,
        overwrite=options.overwrite,
        wait_s=options.wait,
        break_lock=options.break_lock,
        progress=Terminal(),
    )
    if options.json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    for note in outcome.notes:
        click.echo(note, err=True)
    for folder in outcome.folders[:_NAMED]:
        click.echo(f"{output}/{folder}", err=True)
    if len(outcome.folders) > _NAMED:
        click.echo(f"... and {len(outcome.folders) - _NAMED} more", err=True)
    cases = ", ".join(counted(count, f"{what} case") for what, count in outcome.cases.items())
    done = "would be written" if options.dry_run else "written"
    click.echo(f"{counted(outcome.files, 'file')} {done}: {cases}", err=True)
