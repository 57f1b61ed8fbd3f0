"""``medprep scan``."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared, shared_options, there

if TYPE_CHECKING:
    from medprep.trees.survey import Survey


@click.command(cls=StageCommand, name="scan", short_help="What a DICOM tree holds.")
@click.argument("source", metavar="DIR", callback=there)
@click.option("--csv", "as_csv", is_flag=True, help="One row for each volume, on stdout.")
@shared_options
@click.pass_context
def command(ctx: click.Context, source: str, as_csv: bool) -> None:
    """Say what a DICOM tree holds: patients, studies, series, sizes, spacing, what is odd.

    DIR is a folder, an archive (zip, tar) or a file, here or behind a URL. Nothing is written.
    Exit status 8 where a file cannot be read or a series cannot become a volume.
    """
    from medprep.execute import workers_at
    from medprep.places.paths import path_of
    from medprep.trees.survey import survey
    from medprep_cli.show import Terminal

    terminal = Terminal()
    with workers_at(shared(ctx).place, terminal, read=[source]) as workers:
        terminal.start("scan", -1)
        found = survey(path_of(source), b"", advance=terminal.advance, cluster=workers)
        terminal.finish()
    rows = [one.to_dict() for one in found.volumes]
    if shared(ctx).json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else ["name"])
        writer.writeheader()
        writer.writerows(rows)
    else:
        _show(found)
    if found.broken or found.refused:
        raise SystemExit(8)


def _show(found: Survey) -> None:
    from medprep.reporting.text import counted, table
    from medprep_cli.show_tree import show_passed

    header = ["series", "", "modality", "slices", "rows", "columns", "spacing mm", "lies", "stored"]
    rows = []
    for one in found.volumes:
        row = one.to_dict()
        spacing = " x ".join("?" if step is None else f"{step:g}" for step in row["spacing_mm"])
        rows.append(
            [
                one.name, row["description"], row["modality"], str(row["slices"]),
                str(row["rows"]), str(row["columns"]), spacing, row["orientation_lps"],
                row["syntax"],
            ]
        )  # fmt: skip
    if rows:
        click.echo(table(header, rows))
    for one in found.volumes:
        for note in one.notes:
            click.echo(f"{'REFUSED ' if one.failure else ''}{one.name}: {note}")
    click.echo(
        f"{counted(found.patients, 'patient')}, "
        f"{found.studies} {'study' if found.studies == 1 else 'studies'}, {found.series} series, "
        f"{counted(len(found.volumes), 'volume')}, {len(found.refused)} of them refused"
    )
    show_passed(found)
