"""``medprep evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.evaluations.options import EvaluateFolders
    from medprep.stages.evaluate import Evaluate

_IN_WORKSPACE = ("extracted", "cleaned")
_FOLDERS_ONLY = ("organs", "grid", "spacing", "resample", "patient_pattern", "output")


@click.command(
    cls=StageCommand, name="evaluate", short_help="Every metric, with intervals and tests."
)
@click.option(
    "--run", multiple=True, metavar="NAME",
    help="Which model of the workspace, or the name before -foldN for those of all folds; "
    "repeatable: several are compared.  [default: what was trained last]",
)  # fmt: skip
@click.option(
    "--reference", default="extracted", show_default=True, metavar="extracted|cleaned|DIR",
    help="Score against the labels as given, or after clean; or, with --predicted, against the "
    "files in DIR (or one file).",
)  # fmt: skip
@click.option(
    "--predicted", multiple=True, metavar="DIR",
    help="Score these files, without a workspace: NIfTI, or folders of PNGs. Repeatable: several "
    "models are compared.",
)  # fmt: skip
@click.option(
    "--metrics", multiple=True, metavar="NAMES",
    help="Names, joined by commas; repeatable.  [default: all that suit the preset]",
)  # fmt: skip
@click.option(
    "--preset", default="medprep", show_default=True, metavar="NAME",
    help="How metrics are defined: medprep, chaos-code, chaos-document, surface-distance, monai, "
    "medpy; with --predicted also tutorial.",
)  # fmt: skip
@click.option(
    "--tolerance", multiple=True, metavar="[ORGAN=]MM",
    help="Of the normalised surface Dice, for all organs or for one; repeatable.  [default: 2]",
)  # fmt: skip
@click.option("--organs", metavar="TABLE", help="With --predicted: names of the labels.")
@click.option(
    "--grid", metavar="DICOM_DIR",
    help="With --predicted: the series that gives PNGs their geometry.",
)  # fmt: skip
@click.option(
    "--spacing", nargs=3, type=float, metavar="SLICE ROW COLUMN",
    help="With --predicted: size of the voxels in mm, where no file tells.",
)  # fmt: skip
@click.option(
    "--resample", is_flag=True,
    help="With --predicted: put predictions on the reference's grid.  [default: refuse another]",
)  # fmt: skip
@click.option(
    "--patient-pattern", metavar="REGEX",
    help="With --predicted: the group is the patient.  [default: each case is one]",
)  # fmt: skip
@click.option("--output", metavar="DIR", help="With --predicted: folder that gets the tables.")
@shared_options
def command(**options: Any) -> Evaluate | EvaluateFolders:
    """Score predictions: overlap, volumes, surfaces; by patient, with intervals.

    In a workspace the predictions of the test patients (else validation, marked; of all folds both,
    apart) are scored; training patients never are. With --reference DIR --predicted DIR any two
    folders are.
    """
    options["metrics"] = tuple(
        name.strip() for said in options["metrics"] for name in said.split(",") if name.strip()
    )
    if options["predicted"]:
        return _folders(options)
    given = [name for name in _FOLDERS_ONLY if options.pop(name)]
    if given or options["reference"] not in _IN_WORKSPACE:
        named = (
            f"--{given[0].replace('_', '-')}" if given else f"--reference {options['reference']}"
        )
        raise click.UsageError(f"{named}: wanted with --predicted DIR only.")
    from medprep.stages.evaluate import Evaluate

    del options["predicted"]
    return Evaluate(**options)


def _folders(options: dict[str, Any]) -> EvaluateFolders:
    from medprep.evaluations.options import EvaluateFolders

    if options.pop("run"):
        raise click.UsageError("--run names a model of a workspace; --predicted files have none.")
    if options["reference"] in _IN_WORKSPACE:
        raise click.UsageError("--predicted DIR: give --reference DIR too.")
    return EvaluateFolders(spacing_mm=options.pop("spacing"), **options)
