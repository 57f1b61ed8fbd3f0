"""Options of the commands that read masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


def mask_options(function: Function) -> Function:
    """Add what ``extract`` and ``extract-liver`` both take."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = (
    click.option(
        "--table", metavar="NAME|FILE",
        help="A known table (chaos-mr, chaos-ct, chaos-submission, btcv, amos, msd-liver, ...) or "
        "a file .toml in place of the data set's own.",
    ),
    click.option(
        "--unmapped", type=click.Choice(["error", "background"]), default="error",
        show_default=True, help="What a grey level in no organ's range is.",
    ),
    click.option(
        "--snap", is_flag=True,
        help="Set blurred edges (interpolated or JPEG masks) to what is beside them, and count.",
    ),
    click.option(
        "--mask-order", type=click.Choice(["given", "reversed"]), default="given",
        show_default=True, help="reversed: the last mask belongs to the first slice.",
    ),
    click.option(
        "--mask-flip", type=click.Choice(["x", "y"]), multiple=True,
        help="Mirror the masks' columns (x) or rows (y); repeatable.",
    ),
    click.option("--mask-transpose", is_flag=True, help="Exchange the masks' rows and columns."),
    click.option(
        "--strict", is_flag=True,
        help="A mask that does not sit on its picture fails its case; else it is told.",
    ),
    click.option(
        "--format", type=click.Choice(["nifti", "png"]), default="nifti", show_default=True,
        help="png: write label slices beside the NIfTI file.",
    ),
)  # fmt: skip
