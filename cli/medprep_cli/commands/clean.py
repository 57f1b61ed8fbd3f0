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
    "--rules",
    type=click.Choice(["default", "sam-med3d"]),
    default="default",
    show_default=True,
    help="default: each organ's largest piece, none under 0.05 ml, no holes. sam-med3d: cases "
    "under 1 ml or 15 mm and masks above 99% background dropped, five pieces, pairs split.",
)
@click.option("--keep", type=int, metavar="N", help="Largest pieces kept of an organ; 0 for all.")
@click.option(
    "--keep-of",
    type=(str, int),
    multiple=True,
    metavar="ORGAN N",
    help="The same for one organ; repeatable.",
)
@click.option("--min-piece-ml", type=float, metavar="ML", help="Drop smaller pieces.")
@click.option(
    "--fill-holes",
    type=click.Choice(["none", "2d", "3d"]),
    help="Fill holes slice by slice or in space.",
)
@click.option(
    "--smooth-radius",
    type=int,
    metavar="RADIUS",
    help="A voxel becomes the commonest label of the cube of 2 RADIUS + 1 around it.",
)
@click.option(
    "--split-pairs/--no-split-pairs",
    default=None,
    help="Part organs that are two in one label (kidneys, lungs).",
)
@click.option("--min-case-ml", type=float, metavar="ML", help="Drop cases of smaller pictures.")
@click.option(
    "--min-case-side-mm",
    type=float,
    metavar="MM",
    help="Drop cases of pictures with a shorter side.",
)
@click.option("--min-ml", type=float, metavar="ML", help="Drop an organ's mask below this.")
@click.option("--min-side-mm", type=float, metavar="MM", help="Drop a mask with a shorter side.")
@click.option(
    "--max-background-percent",
    type=float,
    metavar="PERCENT",
    help="Drop a mask if more of the volume than this is not of it.",
)
@click.option("--yes", is_flag=True, help="Drop every mask of an organ where the rules say so.")
@shared_options
def command(**options: Any) -> Clean:
    """Remove from the labels what the rules say; every voxel is accounted for in clean.csv.

    Options change single rules of the set. What would be dropped is printed first.
    """
    from medprep.stages.clean import Clean

    return Clean(**options)
