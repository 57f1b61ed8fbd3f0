"""Gather what the workspace knows and write it as one page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medprep.files import write_bytes
from medprep.stages.base import Context, Summary
from medprep.stages.report_data import gather
from medprep.version import VERSION


@dataclass(frozen=True)
class Report:
    """``report`` has no options."""

    name: ClassVar[str] = "report"
    needs: ClassVar[tuple[str, ...]] = ()

    def perform(self, context: Context) -> Summary:
        """Write ``report.html``."""
        from medprep.reporting.html import render

        workspace = context.workspace
        data = gather(workspace, VERSION)
        write_bytes(workspace.layout.report, render(data).encode())
        return Summary("report", made=["report.html"], lines=[str(workspace.layout.report)])
