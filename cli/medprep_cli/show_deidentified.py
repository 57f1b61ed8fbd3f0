"""What a person sees of a de-identified tree."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import click

from medprep_cli.options import Shared
from medprep_cli.show import Terminal

if TYPE_CHECKING:
    from medprep.confidentiality.options import Deidentify
    from medprep.confidentiality.run import DeidentifyOutcome

_NAMED = 100
"""So many files of a kind are named; the tables name them all."""


def run_deidentify(asked: Deidentify, options: Shared) -> None:
    """De-identify or plan a tree, print its outcome, and exit with its status unless that is 0."""
    from medprep.confidentiality.run import deidentify, look_at

    terminal = Terminal()
    if options.dry_run:
        found = look_at(asked, terminal)
        if options.json:
            click.echo(json.dumps(found.to_dict(), indent=2))
            return
        patients = len({one.pseudonym for one in found.written})
        click.echo(f"{len(found.written)} files of {patients} patients would be written")
        _show_passed(found)
        return
    outcome = deidentify(
        asked, jobs=options.jobs, overwrite=options.overwrite,
        case_timeout_s=options.case_timeout, most_bytes=options.most_bytes,
        cluster=options.place, progress=terminal,
    )  # fmt: skip
    if options.json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    _show(outcome, asked)
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)


def _show(outcome: DeidentifyOutcome, asked: Deidentify) -> None:
    _show_passed(outcome)
    reasons = Counter(why for one in outcome.suspected for why in one.suspected)
    if outcome.suspected:
        click.echo(
            f"SUSPECTED: {len(outcome.suspected)} pictures may hold text; look at them "
            "(suspected.csv):",
            err=True,
        )
        for why, count in sorted(reasons.items()):
            click.echo(f"    {count} x {why}", err=True)
    click.echo(
        f"{len(outcome.written)} files written, {len(outcome.kept)} kept, {len(outcome.refused)} "
        "refused. This is no proof that nobody can be recognised.",
        err=True,
    )
    click.echo(f"The way back to the patients: {asked.way_back}; keep it apart.", err=True)


def _show_passed(outcome: DeidentifyOutcome) -> None:
    for path, failure in list(outcome.refused.items())[:_NAMED]:
        click.echo(f"REFUSED {path}: {failure.message}", err=True)
    if len(outcome.refused) > _NAMED:
        click.echo(f"... and {len(outcome.refused) - _NAMED} more refused", err=True)
    for path in outcome.indexes[:_NAMED]:
        click.echo(f"{path}: DICOMDIR, an index of patients; not written", err=True)
    if outcome.strangers:
        click.echo(f"{outcome.strangers} files are no DICOM; not written", err=True)
