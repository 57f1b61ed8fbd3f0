"""``medprep check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.check import Check


@click.command(cls=StageCommand, name="check", short_help="Masks on pictures, sides, leaks.")
@click.option("--strict", is_flag=True, help="What is found fails its case; else it is told.")
@shared_options
def command(**options: Any) -> Check:
    """Look at the data: whether masks sit on their pictures, and what stands in two folds.

    Writes check/ (labels.csv, findings.csv, montage.png, an overlay of each case) and leaks.csv.
    """
    from medprep.stages.check import Check

    return Check(**options)
