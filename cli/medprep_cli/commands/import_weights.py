"""``medprep import-weights``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from medprep_cli.chain import StageCommand
from medprep_cli.options import shared, shared_options


def _read_settings(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> dict[str, Any]:
    """Give the values as numbers, lists of numbers or words."""
    found: dict[str, Any] = {}
    for one in value:
        key, equals, text = one.partition("=")
        if not (key and equals and text):
            raise click.BadParameter(f"'{one}' is not like heads=6", ctx, param)
        found[key.strip().replace("-", "_")] = _read_value(text)
    return found


def _read_value(text: str) -> Any:
    try:
        return json.loads(f"[{text}]" if "," in text else text)
    except json.JSONDecodeError:
        return text


@click.command(
    cls=StageCommand, name="import-weights", short_help="Weights made with a net's original code."
)
@click.argument(
    "file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--model", required=True, metavar="NAME", help="See: medprep models.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="OUT",
    help="File to write.  [default: FILE with the ending .safetensors]",
)  # fmt: skip
@click.option(
    "--set", "settings", multiple=True, callback=_read_settings, metavar="KEY=VALUE",
    help="What the net was trained with and no tensor tells, as heads=6 or shape=96,96,96; "
    "repeatable.",
)  # fmt: skip
@shared_options
@click.pass_context
def command(
    ctx: click.Context,
    file: Path | None,
    model: str,
    output: Path | None,
    settings: dict[str, Any],
) -> None:
    """Turn weights that a net's original code saved into a file of medprep.

    FILE is a .pth or .pt of tensors, alone or under "state_dict" or "model_state_dict", or a
    .safetensors, with the original's names or our own. Nothing in it is run. Channels and width
    are read from the tensors' shapes; UNETR's shape is taken to be a cube.
    """
    from medprep.models.foreign import import_weights, read_foreign, rebuild, require_source
    from medprep.models.registry import config_of

    source = require_source(file, model)
    output = output or source.with_suffix(".safetensors")
    options = shared(ctx)
    if options.dry_run:
        config = config_of(rebuild(model, read_foreign(source), **settings))
    else:
        config = import_weights(source, model, output, overwrite=options.overwrite, **settings)
    if options.json:
        found = {"model": model, "config": config, "output": str(output)}
        click.echo(json.dumps(found, indent=2))
        return
    sizes = ", ".join(f"{name} {value}" for name, value in config.items())
    done = "would be written" if options.dry_run else "is written"
    click.echo(f"{model} with {sizes}; {output} {done}", err=True)
