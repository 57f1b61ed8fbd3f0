"""Fetch the files of a case together, before they are read one by one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from medprep.places.paths import FarPath, far_ones
from medprep.places.seen import REQUESTS, look, store_of

_hand: dict[FarPath, bytes] = {}


@contextlib.contextmanager
def at_hand(paths: Iterable[Path]) -> Iterator[None]:
    """Hold the content of far files in memory for a ``with`` block; local ones are read as ever.

    Several requests are under way at once. A file that cannot be fetched is not held: whoever
    reads it is told why.
    """
    far = [path for path in dict.fromkeys(far_ones(paths)) if path not in _hand]
    if not far:
        yield
        return
    from concurrent.futures import ThreadPoolExecutor

    try:
        with ThreadPoolExecutor(REQUESTS) as pool:
            for path, content in zip(far, pool.map(_fetched, far), strict=True):
                if content is not None:
                    _hand[path] = content
        yield
    finally:
        for path in far:
            _hand.pop(path, None)


def ahead(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield paths; far files are fetched together, some at a time, before their turn."""
    coming = iter(paths)
    while batch := list(islice(coming, REQUESTS)):
        with at_hand(batch):
            yield from batch


@contextlib.contextmanager
def on_disk(path: Path) -> Iterator[Path]:
    """Give a local file with the same content, for who reads no other; gone after the block.

    Raises
    ------
    OSError
        If it cannot be fetched.
    """
    if not isinstance(path, FarPath):
        yield path
        return
    from medprep.places.sending import new_folder

    folder = new_folder()
    try:
        local = folder / path.name
        local.write_bytes(path.read_bytes())
        yield local
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def holds_any() -> bool:
    """Tell whether anything is held."""
    return bool(_hand)


def in_hand(path: FarPath) -> bytes | None:
    """Give a file's content where it is held."""
    return _hand.get(path)


def _fetched(path: FarPath) -> bytes | None:
    try:
        seen = look(path)
        if seen is None or seen.folder:
            return None
        content = store_of(path).read(path, 0, seen.size)
    except OSError:
        return None
    return content if len(content) == seen.size else None
