"""Options that every command takes, before the first command or after any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Shared:
    """What was given, wherever it stood; the last word counts."""

    workspace: Path = Path("medprep-work")
    jobs: int = 0
    wait: float = 0.0
    case_timeout: float | None = None
    max_memory: float | None = None
    scheduler: str | None = None
    cluster: str | None = None
    artifacts: str | None = None
    verbose: int = 0
    dry_run: bool = False
    json: bool = False
    overwrite: bool = False
    break_lock: bool = False

    @property
    def most_bytes(self) -> int | None:
        """What all cases worked at once may take in memory."""
        return None if self.max_memory is None else int(self.max_memory * 2**30)

    @property
    def place(self) -> str | None:
        """Where cases are worked: a cluster, or None for here."""
        if self.scheduler is not None and self.cluster is not None:
            raise click.UsageError("--scheduler and --cluster exclude each other: give one.")
        place = self.scheduler or self.cluster
        if place is not None and self.jobs:
            raise click.UsageError(
                "--jobs is the number of processes here; on a cluster its workers say how many."
            )
        return place


def there(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Refuse a local path that is not there; a URL is asked for when it is read."""
    if "://" not in value and "!/" not in value:
        click.Path(exists=True).convert(value, param, ctx)
    return value


def shared_options(function: Function) -> Function:
    """Add the shared options to a command or to the group."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def shared(ctx: click.Context) -> Shared:
    """Give the shared options of this call."""
    found: Shared = ctx.find_root().ensure_object(Shared)
    return found


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    source = ctx.get_parameter_source(str(param.name))
    if source is click.core.ParameterSource.COMMANDLINE:
        setattr(shared(ctx), str(param.name), value)


def _option(*names: str, **settings: Any) -> Callable[[Function], Function]:
    return click.option(*names, expose_value=False, callback=_keep, **settings)


_OPTIONS = (
    _option(
        "-w",
        "--workspace",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Folder of everything that is made.  [default: medprep-work]",
    ),
    _option(
        "-j", "--jobs", type=click.IntRange(min=0), metavar="N",
        help="Number of processes; 0 for as many as suit.  [default: 0]",
    ),
    _option("--dry-run", is_flag=True, help="Say what would be done, and do nothing."),
    _option("--json", is_flag=True, help="One JSON document on stdout, all else on stderr."),
    _option("-v", "--verbose", count=True, help="Show the cause of each failure in full."),
    _option("--overwrite", is_flag=True, help="Make again what is up to date."),
    _option(
        "--wait", type=click.FloatRange(min=0), metavar="SECONDS",
        help="Wait for another process in the workspace.  [default: 0]",
    ),
    _option(
        "--case-timeout", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
        help="Stop a case that takes longer; it fails, the others go on.  [default: none]",
    ),
    _option(
        "--max-memory", type=click.FloatRange(min=0, min_open=True), metavar="GIB",
        help="Work no more cases at once than fit, by estimate.  [default: as --jobs says]",
    ),
    _option(
        "--scheduler", metavar="ADDRESS",
        help="Work cases on the Dask cluster of this scheduler, as tcp://host:8786.",
    ),
    _option(
        "--cluster", metavar="local:N",
        help="Work cases on a Dask cluster of N workers on this machine.",
    ),
    _option(
        "--artifacts", metavar="URL",
        help="Keep files of single cases there, as s3://bucket/folder; said once for a workspace.",
    ),
    _option("--break-lock", is_flag=True, help="Take the workspace from a process that is gone."),
)  # fmt: skip
