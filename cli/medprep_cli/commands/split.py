"""``medprep split``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.split import Split

_PRESETS = (
    "chaos-mr-t1in", "chaos-mr-t1out", "chaos-mr-t2", "chaos-ct", "dicom-masks", "nnunet", "msd",
    "nifti-pairs", "png-pairs", "dicom",
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
@click.option(
    "--inner-folds", type=int, default=0, show_default=True,
    help="Nested cross-validation: parts of the patients outside each outer fold.",
)  # fmt: skip
@click.option("--leave-out", type=click.Choice(["site"]), help="One outer fold for each site.")
@click.option(
    "--stratify", type=click.Choice(["label", "volume", "modality", "site", "scanner"]),
    multiple=True, help="What each fold gets its share of; may be given several times.",
)  # fmt: skip
@click.option(
    "--site-from", metavar="WHERE",
    help="dicom, folder:N, name (group 'site' of --patient-pattern) or a table with the columns "
    "site and case.  [default: what there is]",
)  # fmt: skip
@click.option(
    "--patient-pattern", metavar="REGEX",
    help="Which part of a file's name is the patient, as 'P(\\d+)_'.",
)  # fmt: skip
@click.option(
    "--splits", metavar="FILE",
    help="Take a split: nnU-Net's splits_final.json, or a table with the columns fold and case "
    "or patient.",
)  # fmt: skip
@click.option("--allow-leaks", is_flag=True, help="Take a split although it tears a patient apart.")
@click.option("--seed", type=int, default=0, show_default=True, help="Order of the patients.")
@click.option("--resplit", is_flag=True, help="Forget earlier assignments.")
@click.option(
    "--id-key", metavar="FILE",
    help="Key of the pseudonyms of patients and sites.  [default: a new one, kept in "
    "private/]",
)  # fmt: skip
@click.option(
    "--leak-check/--no-leak-check", default=True, show_default=True,
    help="Look now whether the same picture stands in two folds; else train looks.",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Split:
    """Find the cases below SOURCE and put their patients into folds.

    SOURCE is a CHAOS folder (the whole set, Train_Sets, MR, one patient), a folder of NIfTI
    image/label pairs, of PNG picture/mask pairs, or any DICOM tree (a case for each volume, without
    masks), an archive of one (.zip, .tar, .tar.gz) that stays packed, or a URL of one (s3://, gs://,
    https://). It is only ever read. Splitting a grown folder again keeps every earlier assignment.
    """
    from medprep.stages.split import Split

    return Split(**options)
