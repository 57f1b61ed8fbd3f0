"""``medprep dice``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.evaluate import Evaluate


@click.command(cls=StageCommand, name="dice", short_help="Score them, conventions named.")
@click.option(
    "--run", multiple=True, metavar="NAME",
    help="Which model, or the name before -foldN for those of all folds; repeatable: several are "
    "compared.  [default: what was trained last]",
)  # fmt: skip
@click.option(
    "--reference", type=click.Choice(["extracted", "cleaned"]), default="extracted",
    show_default=True, help="Score against the labels as given, or after clean.",
)  # fmt: skip
@shared_options
def command(run: tuple[str, ...], reference: str) -> Evaluate:
    """Score the predictions of the test patients (else validation, marked) by Dice.

    Training patients are never scored. A missing prediction counts as a failure. The same as
    `evaluate --metrics dice`.
    """
    from medprep.stages.evaluate import Evaluate

    return Evaluate(run, reference, ("dice",))  # type: ignore[arg-type]
