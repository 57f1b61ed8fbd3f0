"""``medprep deidentify``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.confidentiality.options import Deidentify


@click.command(
    cls=StageCommand, name="deidentify", short_help="DICOM by the PS3.15 confidentiality profile."
)
@click.argument("source", metavar="DIR")
@click.option(
    "-o", "--output", required=True, metavar="OUT",
    help="Folder of what is written, under names that tell nothing.",
)  # fmt: skip
@click.option(
    "--retain", multiple=True, type=click.Choice(["uids", "dates", "device", "patient"]),
    help="An option of the profile: keep UIDs, dates and times, what tells the device, or the "
    "patient's characteristics (sex, age, size, weight). Repeatable.",
)  # fmt: skip
@click.option(
    "--clean", multiple=True, type=click.Choice(["descriptors"]),
    help="Descriptions keep their imaging words; else they go.",
)  # fmt: skip
@click.option(
    "--shift-dates", is_flag=True,
    help="Move all dates of a patient by the same 1 to 3650 days, which only the key tells.",
)  # fmt: skip
@click.option(
    "--id-key", metavar="FILE",
    help="Key of pseudonyms, UIDs and days, the same as for convert.  [default: id-key beside the "
    "key file; made if it is missing]",
)  # fmt: skip
@click.option(
    "--key-file", metavar="FILE",
    help="Where the way back to the patients is written, readable by you alone and outside OUT.  "
    "[default: OUT.private/reidentification.csv]",
)  # fmt: skip
@shared_options
def command(**options: Any) -> Deidentify:
    """Write DICOM without what tells who the patient is (PS3.15 Annex E).

    DIR is a folder, a zip archive or a file. The result is not anonymous: text in pictures is
    only suspected, and faces can be seen in scans of heads. What is there already is kept. Exit
    status 8 where a file was refused.
    """
    from medprep.confidentiality.options import Deidentify

    return Deidentify(**options)
