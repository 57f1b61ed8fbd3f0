"""``medprep extract-liver``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.mask_options import mask_options
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.extract import Extract


@click.command(cls=StageCommand, name="extract-liver", short_help="The same, for the liver alone.")
@mask_options
@shared_options
def command(**options: Any) -> Extract:
    """Turn masks into label maps of the liver: extract --organ liver."""
    from medprep.stages.extract import Extract

    return Extract(organ=("liver",), **options)
