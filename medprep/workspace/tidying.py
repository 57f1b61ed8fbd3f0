"""Remove what a killed process left unfinished, where it can lie, and nowhere else.

A case's folder is looked into only if the case was in hand when the process ended: looking into
those of a hundred thousand cases takes longer than what a resumed run has to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from medprep.files import remove_parts
from medprep.workspace.layout import Layout

_FLAT = ("images", "labels", "cleaned", "fingerprints", "metrics", "shards", "private")
_OF_CASES = ("slices", "augmented")
"""Hold a folder for each case, and in it what is made at once."""
_OF_RUNS = "predictions"
_WHOLE = ("check", "models")


def tidy(layout: Layout, in_hand: Iterable[str]) -> None:
    """Remove temporary files.

    Parameters
    ----------
    layout
        Of the workspace. Its root may be a folder with other things.
    in_hand
        The subjects that were worked since it was tidied last.
    """
    for folder in (layout.root, *(layout.root / name for name in (*_FLAT, *_OF_CASES, _OF_RUNS))):
        _tidy_one(folder)
    for name in _WHOLE:
        remove_parts(layout.root / name)
    runs = set()
    for subject in in_hand:
        run, _, case = subject.rpartition("/")
        runs.add(run)
        for name in _OF_CASES:
            _tidy_one(layout.root / name / case)
    for run in runs - {""}:
        _tidy_one(layout.root / _OF_RUNS / run)


def _tidy_one(folder: Path) -> None:
    try:
        first = min(os.listdir(folder), default="x")  # noqa: PTH208 - as quick as can be
    except (FileNotFoundError, NotADirectoryError):
        return
    if first[0] <= ".":  # what is hidden comes before letters and digits
        remove_parts(folder, below=False)
