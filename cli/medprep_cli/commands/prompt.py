"""``medprep prompt``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared, shared_options

if TYPE_CHECKING:
    from medprep.prompting import Outcome


def _read_points(
    ctx: click.Context, param: click.Parameter, values: Sequence[str]
) -> tuple[tuple[float, ...], ...]:
    """Give the three numbers that stand between commas in each."""
    points = []
    for value in values:
        try:
            numbers = tuple(float(word) for word in value.split(","))
        except ValueError:
            numbers = ()
        if len(numbers) != 3:
            raise click.BadParameter(f"'{value}' is no point such as 12,-34,56", ctx, param)
        points.append(numbers)
    return tuple(points)


@click.command(
    cls=StageCommand, name="prompt", short_help="Mark organs in a scan by points (SAM-Med3D)."
)
@click.argument("source", metavar="SCAN")
@click.option(
    "--point", "points", multiple=True, callback=_read_points, metavar="X,Y,Z",
    help="A place in the organ; repeatable.",
)  # fmt: skip
@click.option(
    "--negative", multiple=True, callback=_read_points, metavar="X,Y,Z",
    help="A place beside it; repeatable.",
)  # fmt: skip
@click.option(
    "--prompts", metavar="FILE",
    help='Several organs, as JSON: {"liver": [[12, -34, 56]], "spleen": {"points": [...], '
    '"negative": [...]}}.',
)  # fmt: skip
@click.option(
    "--clicks-from", metavar="LABELS", help="A point at the centroid of each label of a label map."
)
@click.option(
    "--from-reference", metavar="LABELS", help="Simulate clicks for each label of a label map."
)
@click.option(
    "--clicks", type=click.IntRange(min=1), default=1, show_default=True,
    help="With --from-reference: how many for each label.",
)  # fmt: skip
@click.option(
    "--strategy", type=click.Choice(["random", "ritm"]), default="random", show_default=True,
    help="With --from-reference: any wrong voxel, or one in the middle of what is wrong.",
)  # fmt: skip
@click.option("--box", multiple=True, hidden=True)
@click.option(
    "--space", type=click.Choice(["lps", "ras", "voxel"]),
    help="Of points: millimetres, or column,row,slice from 0.  [default: ras for NIfTI, lps for "
    "all else]",
)  # fmt: skip
@click.option(
    "--crop", type=click.Choice(["prompt", "official"]), default="prompt", show_default=True,
    help="What the net sees: cubes around the first point, or with --from-reference one as the "
    "authors' inference cuts it.",
)  # fmt: skip
@click.option("--checkpoint", metavar="FILE", help="Weights that train or import-weights wrote.")
@click.option(
    "-o", "--output", default="prompt.nii.gz", show_default=True, metavar="FILE",
    help="Label map to write, with a JSON of its names beside it.",
)  # fmt: skip
@shared_options
@click.pass_context
def command(ctx: click.Context, /, box: Sequence[str], **given: Any) -> None:
    """Mark organs in a scan by points.

    SCAN is a NIfTI, NRRD or MetaImage file, or the folder of one DICOM series. The label map lies
    on its grid. Exit status 8 where some of the organs could not be marked.
    """
    from medprep.inference.prompts.points import refuse_boxes
    from medprep.prompting import Prompting, prompt

    if box:
        refuse_boxes()
    options = shared(ctx)
    asked = Prompting(**given)
    outcome = prompt(asked, overwrite=options.overwrite, dry_run=options.dry_run)
    if options.json:
        click.echo(json.dumps(outcome.to_dict(), indent=2))
    _show(outcome, options.dry_run)
    if outcome.exit_code:
        raise SystemExit(outcome.exit_code)


def _show(outcome: Outcome, planned: bool) -> None:
    for note in outcome.notes:
        click.echo(note, err=True)
    for organ in outcome.organs:
        for point in organ.points:
            places = [
                f"{name} {_listed(point[key])}"
                for name, key in (("RAS", "ras_mm"), ("LPS", "lps_mm"), ("voxel", "voxel"))
            ]
            sign = "+" if point["positive"] else "-"
            grey = "outside" if point["grey"] is None else f"grey {point['grey']:g}"
            click.echo(f"{organ.name} {sign} {'; '.join(places)}; {grey}", err=True)
        if organ.failure:
            click.echo(f"FAILED {organ.name}: {organ.failure}", err=True)
        elif not planned:
            cut = "; it went on beyond the last of them" if organ.cut else ""
            size = f"{organ.voxels} voxels, {organ.ml:g} ml"
            click.echo(f"{organ.name}: {size}, {organ.windows} window(s){cut}", err=True)
    done = "would be written" if planned else "is written"
    click.echo(f"{outcome.output} {done}", err=True)


def _listed(numbers: Sequence[float]) -> str:
    return ",".join(f"{one:g}" for one in numbers)
