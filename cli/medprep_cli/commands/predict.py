"""``medprep predict``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.predictions.options import PredictFolder
    from medprep.stages.predict import Predict

_FOLDER_ONLY = ("output", "checkpoint", "window", "gaps", "tilt", "id_key")


@click.command(
    cls=StageCommand, name="predict", short_help="Label maps of held-out patients, or of a folder."
)
@click.option(
    "--run", metavar="NAME",
    help="Which model of the workspace, or the name before -foldN for those of all folds.  "
    "[default: what was trained last; with --input none]",
)  # fmt: skip
@click.option(
    "--cases",
    type=click.Choice(["held-out", "all"]),
    help="In a workspace. held-out: test, validation and unlabelled patients; all: the training "
    "fold too.  [default: held-out]",
)
@click.option(
    "--input", "source", metavar="DIR",
    help="Predict DICOM or NIfTI that is in no workspace: a folder, an archive of DICOM, a "
    "file, or a URL of one.",
)  # fmt: skip
@click.option("-o", "--output", metavar="DIR", help="With --input: folder that gets the labels.")
@click.option(
    "--checkpoint", multiple=True, metavar="FILE",
    help="With --input: weights, instead of --run; repeatable: probabilities are averaged.",
)  # fmt: skip
@click.option(
    "--format", type=click.Choice(["nifti", "png", "chaos"]), default="nifti", show_default=True,
    help="png: palette slices; chaos, with --input: a submission's grey slices, of CHAOS alone. "
    "In a workspace NIfTI is always written, and png adds slices.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto",
    show_default=True, help="Where to compute.",
)  # fmt: skip
@click.option(
    "--overlap", type=click.FloatRange(0, 1, max_open=True), default=0.5, show_default=True,
    help="Of the windows of a net for volumes, as a share of their sides.",
)  # fmt: skip
@click.option(
    "--mirror", multiple=True, type=click.Choice(["slices", "rows", "columns"]),
    help="Look at mirror images along this axis too; repeatable. Left and right organs are "
    "exchanged back. For nets that were trained with such flips.",
)  # fmt: skip
@click.option(
    "--window", metavar="WINDOW",
    help="With --input, of nets trained with a window of each volume, as for convert.  "
    "[default: auto]",
)  # fmt: skip
@click.option(
    "--gaps", type=click.Choice(["error", "resample", "split"]),
    help="With --input: missing or unevenly spaced slices, as for convert.  [default: error]",
)  # fmt: skip
@click.option(
    "--tilt", type=click.Choice(["error", "resample", "keep"]),
    help="With --input: slices that shift sideways, as for convert.  [default: error]",
)  # fmt: skip
@click.option(
    "--id-key", metavar="FILE",
    help="With --input: key of the patients' pseudonyms.  [default: a new one, kept in "
    "DIR/private]",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Predict | PredictFolder:
    """Predict label maps on the original grids.

    In a workspace those of its cases, with pictures of them slice by slice; after train --fold all
    each by nets that did not learn from its patient. With --input DIR
    --output DIR those of any DICOM tree or NIfTI files; what is there already is kept, and a case
    that fails stops no other.
    """
    options["mirror"] = tuple(options["mirror"])
    if options["source"] is not None:
        return _of_folder(options)
    del options["source"]
    given = [name for name in _FOLDER_ONLY if options.pop(name)]
    if given:
        raise click.UsageError(f"--{given[0].replace('_', '-')}: wanted with --input DIR only.")
    from medprep.stages.predict import Predict

    options["cases"] = options["cases"] or Predict.cases
    return Predict(**options)


def _of_folder(options: dict[str, Any]) -> PredictFolder:
    from medprep.dicom.stacks import Policy
    from medprep.predictions.options import PredictFolder

    if options["output"] is None:
        raise click.UsageError("--input DIR: give --output DIR too.")
    if options.pop("cases") is not None:
        raise click.UsageError("--cases chooses among those of a workspace; --input has none.")
    policy = Policy(options.pop("gaps") or "error", options.pop("tilt") or "error")
    options["window"] = options["window"] or PredictFolder.window
    return PredictFolder(policy=policy, **options)
