"""``medprep models``."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from medprep_cli.options import shared, shared_options
from medprep_cli.sizes import read_sizes

_GIB = 2**30


@click.command(name="models", short_help="The nets there are.")
@click.option(
    "--patch", callback=read_sizes, metavar="SIZES",
    help="Tell the memory that training on such patches takes: 256,256 or 96,96,96.",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Patches in a step."
)
@shared_options
@click.pass_context
def command(ctx: click.Context, patch: tuple[int, ...] | None, batch: int) -> None:
    """List the nets: parameters, what they demand of the input, memory, the paper.

    Parameters and memory are of the published sizes. Memory is estimated: 16 bytes a parameter,
    and what a training step keeps of each voxel, in float32.
    """
    from medprep.models.registry import describe, training_bytes
    from medprep.reporting.text import table

    found = describe()
    memory = [training_bytes(one, patch, batch) if patch else None for one in found]
    if shared(ctx).json:
        listed = [
            {**asdict(one), "demands": one.demands, "training_bytes": needed}
            for one, needed in zip(found, memory, strict=True)
        ]
        click.echo(json.dumps(listed, indent=2))
        return
    header = ["model", "input", "parameters", "takes", "paper"]
    rows = [
        [one.name, f"{one.dimensions}D", f"{one.parameters:,}", one.demands, one.paper]
        for one in found
    ]
    if patch:
        header.insert(3, "GiB to train")
        for row, needed in zip(rows, memory, strict=True):
            row.insert(3, "-" if needed is None else f"{needed / _GIB:.1f}")
    click.echo(table(header, rows))
