"""A data set that is about to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medprep.exports.gather import FileJob


@dataclass(frozen=True)
class Planned:
    """What one folder will hold.

    Parameters
    ----------
    folder
        Its name.
    jobs
        The files.
    documents
        JSON files by name.
    notes
        What a person should know.
    """

    folder: str
    jobs: tuple[FileJob, ...]
    documents: Mapping[str, Any]
    notes: tuple[str, ...]
