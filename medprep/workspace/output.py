"""A folder outside any workspace that one process at a time writes to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from medprep.files import remove_parts
from medprep.room import unwritten
from medprep.workspace.lock import LOCK, Lock

_ELSE_DO = (
    "run this again when it has ended, or give another --output; if it is surely gone, remove "
    f"{LOCK} there"
)


@contextlib.contextmanager
def held(folder: Path, private: Path, *, below: bool = False) -> Iterator[None]:
    """Hold a folder, rid of what a killed process left unfinished there.

    Parameters
    ----------
    folder
        Where results go; made, and taken away again if it stays empty.
    private
        Where the accounts of them go.
    below
        Results lie in folders of their own below it.

    Raises
    ------
    LockedError
        If another process holds it.
    WriteError
        If it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritten(error, folder) from error
    try:
        with Lock(folder, else_do=_ELSE_DO):
            remove_parts(folder, below=below)
            remove_parts(private, below=False)
            yield
            remove_parts(folder, below=below)  # of workers on other machines that were killed
    finally:
        with contextlib.suppress(OSError):  # it holds something
            folder.rmdir()
