"""``medprep train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.train import Train


@click.command(cls=StageCommand, name="train", short_help="Train a net, keep the best weights.")
@click.option("--model", default="unet2d", show_default=True, help="See: medprep models.")
@click.option("--width", type=int, help="Channels of the first level.  [default: 16, GPU 64]")
@click.option("--epochs", type=int, help="Length of the training in passes over the slices.")
@click.option("--steps", type=int, help="Length in steps.  [default: from the number of slices]")
@click.option("--batch-size", type=int, help="Slices a step.")
@click.option("--lr", type=float, help="Peak learning rate.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to train.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Weights and batches.")
@click.option("--fold", type=int, default=0, show_default=True, help="After split --folds.")
@click.option("--run", metavar="NAME", help="Name of the run.  [default: MODEL-foldN]")
@click.option("--minutes", type=float, help="Stop after this time: not exactly repeatable.")
@click.option(
    "--allow-leaks", is_flag=True,
    help="Train although the same pictures stand in two folds; every table will say so.",
)  # fmt: skip
@click.option(
    "--augment", metavar="RECIPE",
    help="Change slices as they are shown: tutorial, nnunet, none, or a TOML file.  "
    "[default: tutorial, none beside augmented copies]",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Train:
    """Train a net; the weights that do best on the validation patients are kept.

    Stopped at any moment, the same command goes on. On a CPU equal options give equal weights.
    """
    from medprep.stages.train import Train

    return Train(**options)
