"""What is known of files without reading them: by listings, one request for many."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from medprep.places.paths import FarPath, is_far_text

if TYPE_CHECKING:
    from concurrent.futures import Future

WORKSPACES = frozenset(("medprep.sqlite", "medprep-workspace.json"))
"""What holds one of these is a workspace, or its place behind a URL, and no part of a source."""
REQUESTS = 16
"""So many are under way at once: what takes the time is that each waits for its answer."""
ETAG = "etag:"
"""Begins what stands for a content that was not read."""
_WORTH_LISTING = 4
"""For fewer files of a folder than this each is asked for by itself: the folder may hold 10^5."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file or folder as a listing has it.

    Parameters
    ----------
    size
        In bytes; -1 where the listing does not say it.
    mtime_ns
        When it was last changed; 0 where nobody says it.
    version
        What changes with its content (an ETag), or ``""``.
    folder
        Whether it is a folder.
    """

    size: int
    mtime_ns: int = 0
    version: str = ""
    folder: bool = False


class Store(Protocol):
    """A place that holds files."""

    def listing(self, folder: FarPath) -> list[FarPath]:
        """Give what lies directly in a folder, each with what is seen of it."""

    def look(self, path: FarPath) -> Seen | None:
        """Give what a file or folder is; None where there is none."""

    def read(self, path: FarPath, at: int, count: int) -> bytes:
        """Give bytes from ``at``; fewer where the file ends before."""

    def member(self, path: FarPath) -> str:
        """Give the name that a file has in its archive; ``""`` where it lies in none."""


@lru_cache(maxsize=256)
def _store(outer: str, inner: bool) -> Store:
    if inner:
        from medprep.places.insides import Inside

        return Inside(outer)
    from medprep.places.urls import Behind

    return Behind(outer)


def store_of(path: FarPath) -> Store:
    """Give the place that holds a path.

    Raises
    ------
    LibraryError
        If what its kind of URL needs is not installed.
    """
    outer, inner = path.split()
    is_inner = bool(inner) or outer != str(path)
    return _store(outer if is_inner else outer.partition("://")[0], is_inner)


class _Remembered(threading.local):
    listings: dict[FarPath, list[FarPath]] | None = None


_remembered = _Remembered()


@contextlib.contextmanager
def listed_once() -> Iterator[None]:
    """Ask for each folder once in a ``with`` block, however often it is walked."""
    before = _remembered.listings
    _remembered.listings = {} if before is None else before
    try:
        yield
    finally:
        _remembered.listings = before


def listing(folder: FarPath) -> list[FarPath]:
    """Give what lies directly in a folder, in no order.

    Raises
    ------
    OSError
        If it cannot be listed, or is none.
    """
    known = _remembered.listings
    if known is None:
        return store_of(folder).listing(folder)
    if folder not in known:
        known[folder] = store_of(folder).listing(folder)
    return known[folder]


def look(path: FarPath) -> Seen | None:
    """Give what a file or folder is; None where there is none."""
    if path.seen is not None and (path.seen.folder or path.seen.size >= 0):
        return path.seen
    if not is_far_text(str(path)):
        return None
    known = _remembered.listings
    if known is not None and path.parent in known:
        found = next((one for one in known[path.parent] if one == path), None)
        if found is None or (found.seen is not None and found.seen.size >= 0):
            return None if found is None else found.seen
    return store_of(path).look(path)


def member_name(path: FarPath) -> str:
    """Give the name that a file has in its archive; ``""`` where it lies in none.

    Raises
    ------
    FileNotFoundError
        If the archive holds no such file.
    """
    return store_of(path).member(path)


def look_all(paths: Sequence[FarPath]) -> list[Seen | None]:
    """Look at files anew, whatever was seen of them: whole folders where that is less to ask.

    Raises
    ------
    OSError
        If a place cannot be asked.
    """
    from concurrent.futures import ThreadPoolExecutor

    if not paths:
        return []
    counts = Counter(path.parent for path in paths)
    several = [folder for folder, count in counts.items() if count >= _WORTH_LISTING]
    single = [path for path in paths if counts[path.parent] < _WORTH_LISTING]
    with ThreadPoolExecutor(REQUESTS) as pool:
        listed = pool.map(lambda one: store_of(one).listing(one), several)
        known = {one: one.seen for found in listed for one in found}
        unknown = [path for path in paths if (seen := known.get(path)) and seen.size < 0]
        single = list(dict.fromkeys([*single, *unknown]))
        known.update(
            zip(single, pool.map(lambda one: store_of(one).look(one), single), strict=True)
        )
    return [known.get(path) for path in paths]


def identity(seen: Seen) -> str:
    """Give what stands for a file's content without reading it, or ``""`` where nothing does."""
    return f"{ETAG}{seen.size}:{seen.version}" if seen.version and seen.size >= 0 else ""


def walk(
    root: FarPath, unreadable: Callable[[OSError], None], order: Callable[[str], object]
) -> Iterator[tuple[FarPath, list[FarPath]]]:
    """Yield a folder and all below it with their files, as `files.walk_folders` does.

    The next folders are listed while one is worked on.
    """
    from concurrent.futures import ThreadPoolExecutor

    waiting: list[tuple[FarPath, Future[list[FarPath]] | None]] = [(root, None)]
    known = _remembered.listings

    def ask(folder: FarPath) -> list[FarPath]:
        found = None if known is None else known.get(folder)
        return store_of(folder).listing(folder) if found is None else found

    with ThreadPoolExecutor(REQUESTS) as pool:
        while waiting:
            for place in range(max(0, len(waiting) - REQUESTS), len(waiting)):
                folder, coming = waiting[place]
                if coming is None:
                    waiting[place] = folder, pool.submit(ask, folder)
            folder, coming = waiting.pop()
            assert coming is not None
            try:
                found = coming.result()
            except OSError as error:
                unreadable(error)
                continue
            if known is not None:
                known[folder] = found
            if folder != root and any(one.name in WORKSPACES for one in found):
                continue
            ordered = sorted(found, key=lambda one: order(one.name))  # type: ignore[arg-type, return-value]
            yield folder, [one for one in ordered if not (one.seen and one.seen.folder)]
            folders = [one for one in ordered if one.seen and one.seen.folder]
            waiting.extend((one, None) for one in reversed(folders))
