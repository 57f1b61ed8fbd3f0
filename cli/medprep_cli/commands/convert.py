"""``medprep convert``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.convert import Convert


@click.command(cls=StageCommand, name="convert", short_help="DICOM to NIfTI and PNG slices.")
@click.option(
    "--format",
    type=click.Choice(["png", "png16", "nifti"]),
    default="png",
    show_default=True,
    help="NIfTI is always written; png adds 8-bit slices, png16 16-bit ones.",
)
@click.option(
    "--window", default="auto", show_default=True, metavar="WINDOW",
    help="Grey values that become black and white in 8 bits, one choice per volume: auto, dicom, "
    "percentile:LOW,HIGH or LOW,HIGH. auto is the header's window for CT, else "
    "percentile:0.5,99.5.",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Convert:
    """Turn every case into a NIfTI volume with exact geometry, and into PNG slices."""
    from medprep.stages.convert import Convert

    return Convert(**options)
