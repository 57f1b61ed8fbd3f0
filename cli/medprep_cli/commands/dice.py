"""``medprep dice``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.dice import Dice


@click.command(cls=StageCommand, name="dice", short_help="Score them, conventions named.")
@click.option("--run", metavar="NAME", help="Which model.  [default: the one trained last]")
@click.option(
    "--reference", type=click.Choice(["extracted", "cleaned"]), default="extracted",
    show_default=True, help="Score against the labels as given, or after clean.",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Dice:
    """Score the predictions of the test patients (else validation, marked) by Dice.

    Training patients are never scored. A missing prediction counts as a failure.
    """
    from medprep.stages.dice import Dice

    return Dice(**options)
