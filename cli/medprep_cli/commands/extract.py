"""``medprep extract``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.mask_options import mask_options
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.extract import Extract


@click.command(cls=StageCommand, name="extract", short_help="Masks to label maps by grey level.")
@click.option(
    "--organ",
    multiple=True,
    metavar="NAME",
    help="An organ of the data set's table; repeatable.  [default: all]",
)
@click.option(
    "--label",
    multiple=True,
    type=(str, int, int),
    metavar="NAME LOW HIGH",
    help="An organ of your own by its grey levels, inclusive; repeatable.",
)
@click.option(
    "--split-pair",
    multiple=True,
    metavar="NAME",
    help="An organ that is two in one label (kidneys): part it into right_ and left_; repeatable.",
)
@mask_options
@shared_options
def command(**options: Any) -> Extract:
    """Turn masks into label maps: organs by their grey levels, numbered from 1."""
    from medprep.stages.extract import Extract

    return Extract(**options)
