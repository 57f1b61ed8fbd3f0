"""Files that are finished but do not bear their names yet.

A process on another machine may be thought dead and yet live: what it wrote must not appear after
somebody else has done its work. So it keeps its files as drafts, and the one process that records
them gives them their names (`land`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medprep.room import unwritten


@dataclass(frozen=True)
class Draft:
    """A file or folder under its temporary name.

    Parameters
    ----------
    temporary, final
        Its name now and the one it shall have.
    durable
        It was synced, and its folder wants to be.
    """

    temporary: Path
    final: Path
    durable: bool


_kept: list[Draft] | None = None
_mark = ""


@contextlib.contextmanager
def kept(unique: str) -> Iterator[list[Draft]]:
    """Keep what `AtomicFiles` write in this block as drafts; a process has one block at a time.

    Parameters
    ----------
    unique
        Letters and digits that no other process uses, on whatever machine.
    """
    global _kept, _mark
    _kept, _mark = [], f"-{unique}"
    try:
        yield _kept
    finally:
        _kept, _mark = None, ""


def mark() -> str:
    """Give what a temporary name holds behind the number of the process."""
    return _mark


def keep(pending: Sequence[tuple[Path, Path]], *, durable: bool) -> bool:
    """Take finished files as drafts; False where nobody keeps any, and they shall appear now."""
    if _kept is None:
        return False
    _kept.extend(Draft(one.absolute(), final.absolute(), durable) for one, final in pending)
    return True


def land(drafts: Iterable[Draft]) -> None:
    """Give drafts that another process kept their final names.

    Raises
    ------
    WriteError
        If one cannot be renamed; no draft is left.
    """
    final = None
    try:
        for one in drafts:
            final = one.final
            give_names([(one.temporary, final)], durable=one.durable)
    except OSError as error:
        drop(drafts)
        raise unwritten(error, final) from error


def drop(drafts: Iterable[Draft]) -> None:
    """Remove drafts that nobody wants."""
    for one in drafts:
        remove(one.temporary)


def give_names(pending: Sequence[tuple[Path, Path]], *, durable: bool) -> None:
    """Rename each temporary file or folder, and sync their folders if that is wanted."""
    for temporary, final in pending:
        if final.is_dir() and temporary.is_dir():
            # Aside first: nobody ever sees a folder that is half deleted.
            aside = temporary.with_name(f".old{temporary.name}")
            final.replace(aside)
            try:
                temporary.replace(final)
            except OSError:
                aside.replace(final)
                raise
            remove(aside)
        else:
            temporary.replace(final)
    if durable:
        for parent in {final.parent for _, final in pending}:
            sync(parent)


def sync(path: Path) -> None:
    """Bring a file or folder to the disk."""
    windows = os.name == "nt"
    if windows and path.is_dir():  # Windows cannot open a folder
        return
    descriptor = os.open(path, os.O_RDWR if windows else os.O_RDONLY)  # and syncs what it may write
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
