"""``medprep augment``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.augment import Augment


@click.command(cls=StageCommand, name="augment", short_help="Turned, flipped, cropped copies.")
@click.option(
    "--copies", type=int, default=2, show_default=True, metavar="N", help="Copies of each slice."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which copies are drawn.")
@shared_options
def command(**options: Any) -> Augment:
    """Make augmented copies of the training slices: turned, flipped, cropped.

    Rotation by up to 10 degrees (probability 0.8), left-right flip (0.5, sides of paired organs
    exchanged), crop to 0.85 of each side (0.3). Training reads them where they exist.
    """
    from medprep.stages.augment import Augment

    return Augment(**options)
