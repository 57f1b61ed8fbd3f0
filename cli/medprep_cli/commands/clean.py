"""``medprep clean``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.clean import Clean


@click.command(cls=StageCommand, name="clean", short_help="Drop what cannot be an organ.")
@click.option(
    "--largest/--no-largest",
    default=True,
    show_default=True,
    help="Keep only the largest component of each organ (3D, 26 neighbours).",
)
@click.option(
    "--min-volume-ml",
    type=float,
    default=0.05,
    show_default=True,
    metavar="ML",
    help="Drop smaller components.",
)
@click.option(
    "--fill-holes/--no-fill-holes", default=True, show_default=True,
    help="Fill holes of each organ in 3D.",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Clean:
    """Remove from the labels what cannot be an organ; every voxel is accounted for."""
    from medprep.stages.clean import Clean

    return Clean(**options)
