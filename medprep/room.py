"""What to say where something cannot be written: which path, how much, and what is free there."""

from __future__ import annotations

import shutil
from pathlib import Path

from medprep.errors import WriteError


def unwritten(error: OSError, path: Path | None, most_bytes: int | None = None) -> WriteError:
    """Give the error that says what could not be written, and what room there is.

    Parameters
    ----------
    path
        Of what was to be; None where nobody knows.
    most_bytes
        How much was to be written, where that is known.
    """
    return WriteError(f"cannot write: {error.strerror or error}{room(path, most_bytes)}", path=path)


def room(path: Path | None, most_bytes: int | None = None) -> str:
    """Say how much was to be written at a path, and how much is free there."""
    wanted = "" if most_bytes is None else f"; up to {most_bytes:,} bytes were to be written"
    folder = path
    while folder is not None and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if folder is None:
        return wanted
    return f"{wanted}; {shutil.disk_usage(folder).free:,} bytes are free there"
