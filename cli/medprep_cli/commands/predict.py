"""``medprep predict``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.predict import Predict


@click.command(cls=StageCommand, name="predict", short_help="Label maps of held-out patients.")
@click.option("--run", metavar="NAME", help="Which model.  [default: the one trained last]")
@click.option(
    "--cases",
    type=click.Choice(["held-out", "all"]),
    default="held-out",
    show_default=True,
    help="held-out: test, validation and unlabelled patients; all: the training fold too.",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto",
    show_default=True, help="Where to compute.",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Predict:
    """Predict label maps on the original grids, and pictures of them slice by slice."""
    from medprep.stages.predict import Predict

    return Predict(**options)
