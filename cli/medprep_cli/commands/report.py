"""``medprep report``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared_options

if TYPE_CHECKING:
    from medprep.stages.report import Report


@click.command(cls=StageCommand, name="report", short_help="One page of everything.")
@shared_options
def command() -> Report:
    """Write report.html: one page, no network, everything that was done and found."""
    from medprep.stages.report import Report

    return Report()
