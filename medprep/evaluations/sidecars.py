"""What stands beside predictions: a word on what the weights that made them have seen."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from medprep.evaluations.pairs import Pair

_OF_FOLDER = "prediction.json"
"""What ``medprep predict`` writes of a folder."""


def contamination_of(predicted: Path, pairs: Iterable[Pair]) -> str:
    """Give what the makers of predictions say of patients their weights may have seen.

    Parameters
    ----------
    predicted
        The file or folder of them.
    pairs
        What is scored; beside a prediction ``medprep prompt`` writes a JSON of its name.

    Returns
    -------
    str
        Empty where nothing is said.
    """
    beside = [predicted / _OF_FOLDER, predicted.parent / _OF_FOLDER]
    for pair in pairs:
        if pair.predicted is not None and pair.predicted.kind == "nifti":
            path = pair.predicted.path
            beside.append(path.with_name(path.name.removesuffix(".gz")).with_suffix(".json"))
    return "; ".join(dict.fromkeys(filter(None, map(_said, beside))))


def _said(path: Path) -> str:
    try:
        found: Any = json.loads(path.read_text("utf-8"))
        said = found["contamination"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""  # most files have none; any other JSON says nothing of it
    return said if isinstance(said, str) else ""
