"""``medprep convert``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.convert import Convert
    from medprep.trees.options import ConvertTree

_ALONE = ("stack", "colour", "include", "id_key")


@click.command(
    cls=StageCommand, name="convert", short_help="DICOM to NIfTI, PNG slices, NRRD or MetaImage."
)
@click.argument("source", required=False, metavar="[DIR]")
@click.option(
    "-o", "--output", metavar="OUT",
    help="Convert the tree DIR (folder, archive, file or a URL of one) into this folder, without a "
    "workspace.",
)  # fmt: skip
@click.option(
    "--format",
    type=click.Choice(["png", "png16", "nifti", "nii", "nrrd", "mha"]),
    help="In a workspace NIfTI is always written; png adds 8-bit slices, png16 16-bit ones. With "
    "--output one of all: nifti is .nii.gz.  [default: png; nifti with --output]",
)
@click.option(
    "--window", default="auto", show_default=True, metavar="WINDOW",
    help="Grey values that become black and white in 8 bits, one choice per volume: auto, dicom, "
    "percentile:LOW,HIGH or LOW,HIGH. auto is the header's window for CT, else "
    "percentile:0.5,99.5.",
)  # fmt: skip
@click.option(
    "--gaps", type=click.Choice(["error", "resample", "split"]), default="error",
    show_default=True,
    help="Missing or unevenly spaced slices: refuse the series, fill it by interpolation, or part "
    "it at each gap (with --output only).",
)  # fmt: skip
@click.option(
    "--tilt", type=click.Choice(["error", "resample", "keep"]), default="error",
    show_default=True,
    help="Slices that shift sideways (gantry tilt): refuse, straighten, or keep voxels as they "
    "are on a sheared grid (with --output only).",
)  # fmt: skip
@click.option(
    "--shards", is_flag=True,
    help="Also write what training reads in parts: for sets that no memory holds, in a workspace "
    "only.",
)  # fmt: skip
@click.option(
    "--stack", is_flag=True,
    help="Echoes, b-values or time points of one series into one 4D NIfTI; else one file each.",
)  # fmt: skip
@click.option("--colour", is_flag=True, help="Convert pictures in colour too.")
@click.option(
    "--include", multiple=True, type=click.Choice(["localizer", "secondary capture"]),
    help="Convert these too; repeatable.",
)  # fmt: skip
@click.option(
    "--id-key", metavar="FILE",
    help="Key of the patients' pseudonyms, to give the same names in several folders.  [default: "
    "a new one, kept in OUT/private]",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Convert | ConvertTree:
    """Turn DICOM into volumes with exact geometry.

    Without DIR every case of the workspace is converted. With DIR and --output any DICOM tree is
    converted into a folder; what is there already is kept.
    """
    source, output = options.pop("source"), options.pop("output")
    if source is None and output is None:
        return _in_workspace(options)
    if source is None or output is None:
        raise click.UsageError(
            "DIR and --output go together; without both the workspace's cases are converted."
        )
    from medprep.dicom.stacks import Policy
    from medprep.trees.options import ConvertTree

    if options.pop("shards"):
        raise click.UsageError("--shards: wanted in a workspace, without DIR and --output.")
    policy = Policy(options.pop("gaps"), options.pop("tilt"))
    options["format"] = options["format"] or ConvertTree.format
    return ConvertTree(source, output, policy=policy, **options)


def _in_workspace(options: dict[str, Any]) -> Convert:
    from medprep.stages.convert import Convert

    given = [name for name in _ALONE if options.pop(name)]
    if given:
        named = ", ".join("--" + name.replace("_", "-") for name in given)
        raise click.UsageError(f"{named}: wanted with DIR and --output only.")
    options["format"] = options["format"] or Convert.format
    return Convert(**options)
