"""Options of a training as words, and what they mean."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medprep.errors import CheckpointError, OptionError
from medprep.training.options import TrainingOptions

_FILES = ("weights", "encoder_from")
_OF_SOME = (*_FILES, "block", "clicks", "freeze_encoder", "settings")


def setting(text: str) -> tuple[str, Any]:
    """Read a field of a config and its value, which is a number, several, or a word."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise OptionError(f"--set is '{text}'; wanted is a field and its value, such as heads=6")
    try:
        found = json.loads(f"[{value.rstrip(',')}]" if "," in value else value)
    except json.JSONDecodeError:
        found = value
    return name.strip().replace("-", "_"), tuple(found) if isinstance(found, list) else found


def settings_of(options: TrainingOptions) -> dict[str, Any]:
    """Give what a training's options make it depend on, with the content of files they name.

    What only some nets or sets take is left out where it is not given, so that a run that was
    trained before there was such an option is still up to date. How many processes make the
    batches changes nothing, so 0 stands for any number.
    """
    found = {n: one for n, one in asdict(options).items() if one or n not in _OF_SOME}
    found["workers"] = 0
    for name in _FILES:
        if name in found:
            path = Path(found[name])
            if not path.is_file():
                raise CheckpointError("there is no such file of weights", path=path)
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def sides(name: str, text: str, number: Callable[[str], Any]) -> tuple[Any, ...]:
    """Read numbers with an x between them."""
    try:
        found = tuple(number(one) for one in text.casefold().split("x"))
    except ValueError as error:
        raise OptionError(
            f"--{name} is '{text}'; wanted are numbers with an x between, such as 32x48x32"
        ) from error
    if name == "spacing" and len(found) != 3:
        raise OptionError(f"--spacing is '{text}'; wanted are three: slices, rows, columns")
    return found
