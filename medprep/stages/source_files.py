"""Hash the files of a source: what everything that is made from them is judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from medprep.errors import FormatError
from medprep.execute import usable_cpus
from medprep.places.paths import FarPath
from medprep.places.seen import REQUESTS, identity, look
from medprep.progress import Progress
from medprep.sources.base import SourceCase
from medprep.workspace.ledger import UNREADABLE, LedgerFile


def hash_files(cases: Sequence[SourceCase], progress: Progress) -> list[LedgerFile]:
    """Read every file once; reading is what takes the time, so threads suit.

    A file behind a URL that has an ETag is not read.

    Returns
    -------
    list of LedgerFile
        In the order of the cases, pictures before masks. What cannot be read bears `UNREADABLE`
        for a hash and fails its own case later.
    """
    wanted = [
        (case.case, role, place, path, organs[place] if organs else "")
        for case in cases
        for role, paths, organs in (
            ("picture", case.pictures, ()),
            ("mask", case.masks, case.organs),
        )
        for place, path in enumerate(paths)
    ]
    progress.start("split", len(wanted))
    files: list[LedgerFile] = []
    far = any(isinstance(path, FarPath) for *_, path, _ in wanted[:1])
    with ThreadPoolExecutor(REQUESTS if far else usable_cpus()) as pool:
        for file in pool.map(lambda one: _hash_file(*one[:4]), wanted, chunksize=64):
            files.append(replace(file, organ=wanted[len(files)][4]))
            progress.advance()
    progress.finish()
    return files


def _hash_file(subject: str, role: str, place: int, path: Path) -> LedgerFile:
    try:
        if isinstance(path, FarPath):
            return _far_file(subject, role, place, path)
        if not path.is_file():  # a dangling link, or a FIFO that would block for ever
            return LedgerFile(subject, role, place, str(path), 0, 0, UNREADABLE)
        status = path.stat()
        with path.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
    except (OSError, FormatError):
        return LedgerFile(subject, role, place, str(path), 0, 0, UNREADABLE)
    return LedgerFile(
        subject, role, place, str(path.resolve()), status.st_size, status.st_mtime_ns, content
    )


def _far_file(subject: str, role: str, place: int, path: FarPath) -> LedgerFile:
    """Take a far file's ETag for its content; where there is none the content is read."""
    seen = look(path)
    if seen is None or seen.folder:
        return LedgerFile(subject, role, place, str(path), 0, 0, UNREADABLE)
    content = identity(seen)
    if not content:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    return LedgerFile(subject, role, place, str(path), seen.size, seen.mtime_ns, content)


def drop_old_ledgers(private: Path, keep: str) -> None:
    """Delete the ledgers of earlier states of the source."""
    for path in private.glob("sources-*.sqlite"):
        if path.name != keep:
            path.unlink()
