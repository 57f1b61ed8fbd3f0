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
    "--copies", type=int, default=2, show_default=True, metavar="N", help="Copies of each case."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which copies are drawn.")
@click.option(
    "--recipe", default="tutorial", show_default=True,
    help="What happens how often: tutorial, nnunet, none, or a TOML file.",
)  # fmt: skip
@click.option(
    "--engine", type=click.Choice(["augmentor", "native"]),
    help="Who does it.  [default: augmentor for slices where it can do the recipe, else native]",
)  # fmt: skip
@click.option(
    "--dimensions", type=click.IntRange(2, 3), default=2, show_default=True,
    help="Slices (PNG), or whole volumes (NIfTI).",
)  # fmt: skip
@click.option("--preview", is_flag=True, help="Draw cases beside their copies: preview.png.")
@shared_options
def command(**options: Any) -> Augment:
    """Make augmented copies of the training cases, picture and labels together.

    The tutorial's recipe: rotation by up to 10 degrees (probability 0.8), left-right flip (0.5,
    sides of paired organs exchanged), crop to 0.85 of each side (0.3). Each copy's plan is kept in
    augmented/<case>/plans.json. Training reads copies where they exist.
    """
    from medprep.stages.augment import Augment

    return Augment(**options)
