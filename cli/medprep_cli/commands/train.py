"""``medprep train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.train import Train


def _fold(ctx: click.Context, param: click.Parameter, value: str) -> int | str:
    """Read a fold's number, or ``all``."""
    if value != "all" and not value.lstrip("-").isdecimal():
        raise click.BadParameter(f"'{value}'; wanted is a number, or all")
    return value if value == "all" else int(value)


@click.command(cls=StageCommand, name="train", short_help="Train a net, keep the best weights.")
@click.option("--model", default="unet2d", show_default=True, help="See: medprep models.")
@click.option("--recipe", default="default", show_default=True,
    help="How it is trained: default, nnunet, tutorial, or of those for sam-med3d.",
)  # fmt: skip
@click.option("--width", type=int,
    help="Channels of the first level, of a UNETR or SAM-Med3D of a token.  [default: by the "
    "machine]",
)  # fmt: skip
@click.option("--epochs", type=int, help="Length of the training in passes over the slices.")
@click.option("--steps", type=int, help="Length in steps.  [default: from data and machine]")
@click.option("--batch-size", type=int, help="Slices or patches a step.")
@click.option("--lr", type=float, help="Peak learning rate.  [default: the recipe's]")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where to train.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Weights and batches.")
@click.option("--fold", callback=_fold, default="0", show_default=True, metavar="N|all",
    help="After split --folds; all trains a net for each.",
)  # fmt: skip
@click.option("--run", metavar="NAME", help="Name of the run.  [default: MODEL-foldN]")
@click.option("--minutes", type=float, help="Stop after this time: not exactly repeatable.")
@click.option("--patience", type=int, metavar="N",
    help="Stop after N validations without a better one.",
)  # fmt: skip
@click.option("--target", type=click.Choice(["classes", "regions"]),
    help="Organs that exclude each other (softmax), or regions that may overlap (sigmoid).  "
    "[default: the recipe's]",
)  # fmt: skip
@click.option("--loss", type=click.Choice(["dice-ce", "bce", "ce"]),
    help="What is made small.  [default: the recipe's]",
)  # fmt: skip
@click.option("--class-weight", type=float, multiple=True,
    help="With --loss ce: once for each class, the background first.",
)  # fmt: skip
@click.option("--patch", metavar="SxRxC",
    help="Sides of what the net is shown, such as 32x48x32, of slices RxC.",
)  # fmt: skip
@click.option("--spacing", metavar="SxRxC",
    help="Millimetres between slices, rows, columns of what the net sees.  "
    "[default: the training set's median; slices stay as they are]",
)  # fmt: skip
@click.option("--normalise", type=click.Choice(["window", "ct", "mr"]),
    help="Grey values: each volume's window; clipped to the organs' percentiles, then z-score; "
    "z-score of each volume.  [default: window for slices, else by modality]",
)  # fmt: skip
@click.option("--memory", type=float, metavar="GIB",
    help="What a step may take: patch and batch follow.",
)  # fmt: skip
@click.option("--accumulate", type=int, default=1, show_default=True, metavar="N",
    help="Batches whose gradients make one step.",
)  # fmt: skip
@click.option("--workers", type=int, default=0, show_default=True, metavar="N",
    help="Processes that make batches ahead.",
)  # fmt: skip
@click.option("--block", type=int, metavar="CASES",
    help="Show each place of a batch so many cases at a time: for sets in shards that the memory "
    "does not hold.  [default: all]",
)  # fmt: skip
@click.option("--precision", type=click.Choice(["auto", "float32", "bf16"]), default="auto",
    show_default=True, help="bf16: mixed precision, on what computes in it; auto: on such a GPU.",
)  # fmt: skip
@click.option("--tensorboard", is_flag=True,
    help="Write the log for TensorBoard too; wants medprep[tensorboard].",
)  # fmt: skip
@click.option("--clicks", type=int, metavar="N",
    help="With sam-med3d: answers a step.  [default: the recipe's]",
)  # fmt: skip
@click.option("--freeze-encoder", is_flag=True,
    help="With sam-med3d: leave the image encoder as it is.",
)  # fmt: skip
@click.option("--weights", metavar="FILE",
    help="With sam-med3d: begin with these, of medprep or the authors' .pth.",
)  # fmt: skip
@click.option("--encoder-from", metavar="FILE",
    help="With a UNETR: begin with the image encoder of such weights.",
)  # fmt: skip
@click.option("--set", multiple=True, metavar="KEY=VALUE",
    help="With sam-med3d: a field of its config, as patch_size=16; repeatable.",
)  # fmt: skip
@click.option("--compile", is_flag=True, help="Let torch compile the net first.")
@click.option(
    "--allow-leaks", is_flag=True,
    help="Train although the same pictures stand in two folds; every table will say so.",
)  # fmt: skip
@click.option(
    "--augment", metavar="RECIPE",
    help="Change slices or patches as they are shown: tutorial, nnunet, none, or a TOML file.  "
    "[default: tutorial, none beside augmented copies]",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Train:
    """Train a net; the weights that do best on the validation patients are kept.

    The model decides whether slices or volumes are shown; all else follows from the data and the
    machine. Stopped at any moment, the same command goes on. On a CPU equal options give equal
    weights.
    """
    from medprep.stages.train import Train

    return Train(**options)
