"""``medprep``: the group of all commands, and the one place where errors become text."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

from medprep import interrupts
from medprep_cli import crew
from medprep_cli.chain import ChainGroup
from medprep_cli.options import Shared, shared, shared_options
from medprep_cli.streams import let_go_of_stderr

if TYPE_CHECKING:
    from medprep.stages.base import Stage

IN_CHAIN = (
    "split", "convert", "extract", "extract-liver", "clean", "check", "augment", "train",
    "predict", "dice", "evaluate", "report",
)  # fmt: skip
ALONE = (
    "scan", "deidentify", "export", "status", "models", "import-weights", "prompt", "sample-data",
)  # fmt: skip

PAGE = "docs/errors.md"
"""What each code of an error means and what to do about it."""

HELP = """From a folder of DICOM with organ masks to a trained model and a Dice to trust.

\b
Commands follow each other in one line, or run one by one:
    medprep split CHAOS/ convert extract-liver clean augment train dice report
Each runs what it needs before it. What is up to date is not made again.

\b
Exit status: 0 all well, 1 nothing could be done or told, 2 wrong usage,
8 some cases failed (they are listed), 130/143 stopped by a signal.
"""


@click.group(
    cls=ChainGroup,
    in_chain=IN_CHAIN,
    alone=ALONE,
    help=HELP,
    subcommand_metavar="COMMAND [ARGS]... [COMMAND [ARGS]...]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@shared_options
@click.version_option(package_name="medprep")
def cli() -> None:
    """Hold the shared options; the commands do the rest."""


@cli.result_callback()
@click.pass_context
def run_chain(ctx: click.Context, results: list[Any]) -> None:
    """Run the stages that the commands returned."""
    stages = [one for one in results if one is not None]
    alone = [one for one in stages if not hasattr(one, "perform")]
    if alone and len(stages) > 1:
        raise click.UsageError(
            f"{alone[0].name} on files outside a workspace stands alone: it makes none."
        )
    if alone:
        _run_alone(alone[0], shared(ctx))
    elif stages:
        run_stages(stages, shared(ctx))


def _run_alone(asked: Any, options: Shared) -> None:
    """Do what needs no workspace."""
    if options.artifacts is not None:
        raise click.UsageError(
            f"--artifacts goes with a workspace; '{asked.name}' of folders needs none"
        )
    given = [options.case_timeout, options.max_memory]
    if asked.name in ("predict", "evaluate") and any(one is not None for one in given):
        raise click.UsageError(
            f"--case-timeout and --max-memory have no meaning for '{asked.name}' of folders; they "
            "are for the cases of a workspace, for 'convert DIR' and 'deidentify'"
        )
    if asked.name == "convert":
        from medprep_cli.show_tree import run_tree

        run_tree(asked, options)
    elif asked.name == "deidentify":
        from medprep_cli.show_deidentified import run_deidentify

        run_deidentify(asked, options)
    elif asked.name == "predict":
        from medprep_cli.show_prediction import run_prediction

        run_prediction(asked, options)
    else:
        from medprep_cli.show_evaluation import run_folders

        run_folders(asked, options)


def run_stages(stages: Sequence[Stage], options: Shared) -> None:
    """Run or plan a chain, print its outcome, and exit with its status unless that is 0."""
    from medprep import order, pipeline
    from medprep_cli.show import Terminal

    order.check_order(stages)
    terminal = Terminal()
    if options.verbose:
        logging.getLogger("medprep").addHandler(logging.StreamHandler())
    if options.dry_run:
        from medprep.plan import plan

        rows = plan(stages, options.workspace, jobs=options.jobs, max_memory_gib=options.max_memory)
        if options.json:
            click.echo(json.dumps([row.to_dict() for row in rows], indent=2))
        else:
            for row in rows:
                click.echo(str(row))
        return
    outcome = pipeline.run(
        stages,
        options.workspace,
        jobs=options.jobs,
        overwrite=options.overwrite,
        wait_s=options.wait,
        break_lock=options.break_lock,
        case_timeout_s=options.case_timeout,
        max_memory_gib=options.max_memory,
        cluster=options.place,
        artifacts=options.artifacts,
        progress=terminal,
    )
    if options.json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    if outcome.exit_code:
        failures = [one for summary in outcome.summaries for one in summary.failed.values()]
        codes = ", ".join(f"{PAGE}#{code}" for code in sorted({one.code for one in failures}))
        click.echo(f"{len(failures)} failed, listed above; everything else is done", err=True)
        click.echo(f"More: {codes}", err=True)
        raise SystemExit(outcome.exit_code)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        from medprep.errors import MedprepError

        let_go_of_stderr()
        interrupts.received.clear()
        if sys.unraisablehook is sys.__unraisablehook__:  # else somebody else listens
            sys.unraisablehook = interrupts.pass_over
        signal.signal(signal.SIGTERM, interrupts.heed)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
            signal.signal(signal.SIGINT, interrupts.heed)
        # NumPy would start a thread for each processor to multiply 3 x 3 matrices.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        # What pydicom finds odd in a header is said in our own words where it matters.
        warnings.filterwarnings("ignore", module="pydicom")
        # standalone_mode=False: Click would turn Ctrl-C into exit status 1.
        status = crew.run(lambda: cli.main(args=args, prog_name="medprep", standalone_mode=False))
        interrupts.go_on()
        sys.exit(status if isinstance(status, int) else 0)
    except (KeyboardInterrupt, click.Abort):
        _end_stopped()
    except MedprepError as error:
        if interrupts.received:  # a library took what stopped it for an error of its own
            _end_stopped()
        where = f"[{error.stage}] " if error.stage else ""
        click.echo(f"Error: {where}{error}", err=True)
        click.echo(f"More: {PAGE}#{error.code}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception:
        if interrupts.received:  # the same, with an error of the library's
            _end_stopped()
        raise


def _end_stopped() -> NoReturn:
    click.echo("Stopped; the same command goes on from here.", err=True)
    sys.exit(128 + (interrupts.received or [signal.SIGINT])[0])


if __name__ == "__main__":
    main()
