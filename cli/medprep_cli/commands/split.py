"""``medprep split``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.split import Split

_PRESETS = (
    "chaos-mr-t1in", "chaos-mr-t1out", "chaos-mr-t2", "chaos-ct", "nifti-pairs", "png-pairs",
    "dicom",
)  # fmt: skip


@click.command(cls=StageCommand, name="split", short_help="Find cases, put patients into folds.")
@click.argument("source", type=click.Path())
@click.option(
    "--preset",
    type=click.Choice(_PRESETS),
    help="Which cases to take.  [default: the sequence with most labelled patients]",
)
@click.option("--train", type=float, default=0.7, show_default=True, help="Share of patients.")
@click.option("--val", type=float, default=0.1, show_default=True, help="Share of patients.")
@click.option("--test", type=float, default=0.2, show_default=True, help="Share of patients.")
@click.option(
    "--folds", type=int, default=1, show_default=True,
    help="Cross-validation: parts of all patients outside the test share.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Order of the patients.")
@click.option("--resplit", is_flag=True, help="Forget earlier assignments.")
@click.option(
    "--id-key", metavar="FILE",
    help="Key of the pseudonyms of a DICOM tree's patients.  [default: a new one, kept in "
    "private/]",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Split:
    """Find the cases below SOURCE and put their patients into folds.

    SOURCE is a CHAOS folder (the whole set, Train_Sets, MR, one patient), a folder of NIfTI
    image/label pairs, of PNG picture/mask pairs, or any DICOM tree (a case for each volume, without
    masks). It is only ever read. Splitting a grown
    folder again keeps every earlier assignment.
    """
    from medprep.stages.split import Split

    return Split(**options)
