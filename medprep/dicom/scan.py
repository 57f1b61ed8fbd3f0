"""Find every DICOM picture in a tree, whatever its files are called and however they are nested."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePath

from medprep.dicom.blobs import Blob, is_archive, members
from medprep.dicom.headers import read_slices
from medprep.dicom.records import SliceHeader
from medprep.dicom.roles import IMAGE
from medprep.dicom.tags import NoDicomError
from medprep.errors import DicomError, SourceError
from medprep.files import walk_folders

_BATCH = 64
_THREADS = 8
_FAR_THREADS, _FAR_AHEAD = 32, 2
_WAITING = 3.0
"""A batch that takes so many times its own computing waited for a disk or a network: from there on
threads read at once. Where nothing waits they would only stand in each other's way."""
_SHADOW = "__MACOSX"


@dataclass(frozen=True)
class Passed:
    """A file that gave no picture. ``path`` is private; ``why`` is a role or an error's text."""

    path: str
    why: str


@dataclass
class Scan:
    """What a tree holds.

    Parameters
    ----------
    slices
        Of every picture that was asked for.
    others
        DICOM objects that are no such picture, with their role.
    broken
        DICOM files that cannot be read, and whatever cannot be opened.
    strangers
        Files that are no DICOM.
    """

    slices: list[SliceHeader] = field(default_factory=list)
    others: list[Passed] = field(default_factory=list)
    broken: list[Passed] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


def scan(
    root: Path,
    *,
    include: Sequence[str] = (),
    advance: Callable[[int], None] | None = None,
    read: Reader | None = None,
    without: Path | None = None,
) -> Scan:
    """Read the headers of a tree, an archive or a single file.

    Parameters
    ----------
    root
        A folder; a file is taken whatever its role.
    include
        Roles of `roles.OPTIONAL` to take besides images.
    advance
        Called with the number of files read, now and then.
    read
        How batches of files are read, in their order; None reads them here.
    without
        A folder below ``root`` to leave out: what is made of the tree may lie there.

    Raises
    ------
    SourceError
        If there is no such folder or file.
    """
    if not root.exists():
        raise SourceError(
            "no such folder or file; see how it is spelt and whether its disk is there", path=root
        )
    found = Scan()
    single = root.is_file() and not is_archive(root)
    wanted = None if single else {IMAGE, *include}
    files = iter([root]) if single else _files(root, found, without)
    read = read or _reader(root)
    for results in read(_batches(files)):
        for result in results:
            _sort_in(result, found, wanted)
        if advance is not None:
            advance(len(results))
    return found


def _files(root: Path, found: Scan, without: Path | None) -> Iterator[Path]:
    def note(error: OSError) -> None:
        found.broken.append(Passed(str(error.filename), f"folder cannot be read: {error.strerror}"))

    if root.is_file():
        yield root
        return
    apart = None if without is None else without.resolve()
    if apart is not None and root.resolve() not in apart.parents:
        apart = None
    for folder, files in walk_folders(root, note):
        own = apart is not None and folder.resolve().is_relative_to(apart)
        if _SHADOW not in folder.parts and not own:
            yield from files


def _reader(root: Path) -> Reader:
    """Give what suits where files lie."""
    return _read_far if "://" in str(root) else _read_batches


def read_group(paths: Sequence[Path]) -> list[_Result]:
    """Read the headers of files in their order, as suits where they lie."""
    batches = _batches(iter(paths))
    return [result for results in _reader(paths[0])(batches) for result in results]


def _batches(files: Iterator[Path]) -> Iterator[list[Path]]:
    while batch := list(islice(files, _BATCH)):
        yield batch


def _read_batches(batches: Iterator[list[Path]]) -> Iterator[list[_Result]]:
    """Read batches in order, by threads as soon as one shows that reading waits."""
    for batch in batches:
        began, worked = time.perf_counter(), time.thread_time()
        yield read_batch(batch)
        if time.perf_counter() - began > _WAITING * (time.thread_time() - worked):
            break
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting = deque(pool.submit(read_batch, one) for one in islice(batches, 2 * _THREADS))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(read_batch, one) for one in islice(batches, 1))


def _read_far(batches: Iterator[list[Path]]) -> Iterator[list[_Result]]:
    """Read batches in order, many files at once: each waits for its answer."""
    with ThreadPoolExecutor(_FAR_THREADS) as pool:
        waiting: deque[list[Future[list[_Result]]]] = deque()
        for batch in batches:
            waiting.append([pool.submit(read_batch, [path]) for path in batch])
            if len(waiting) > _FAR_AHEAD:
                yield [result for one in waiting.popleft() for result in one.result()]
        for futures in waiting:
            yield [result for one in futures for result in one.result()]


@dataclass(frozen=True)
class _Result:
    """What a file is: a role, or why it is none."""

    path: str
    role: str
    slices: Sequence[SliceHeader] = ()
    broken: bool = False


_STRANGER = ""
Reader = Callable[[Iterator[list[Path]]], Iterable[list[_Result]]]
"""What gives for each batch of files what they are: `read_batch` of it, or `unread`."""


def unread(paths: Sequence[Path], why: str) -> list[_Result]:
    """Give the results of files that nobody came to read."""
    return [_Result(str(path), why, broken=True) for path in paths]


def read_batch(paths: Sequence[Path]) -> list[_Result]:
    """Read the headers of files, archives with all their members."""
    results: list[_Result] = []
    for path in paths:
        if is_archive(path):
            results.extend(_read_archive(path))
        else:
            results.append(_read(path))
    return results


def _read_archive(path: Path) -> Iterator[_Result]:
    try:
        for blob in members(path):
            yield _read_blob(blob)
    except DicomError as error:
        yield _Result(str(path), error.message, broken=True)


def _read(path: Path) -> _Result:
    try:
        return _read_blob(Blob.of(path))
    except DicomError as error:
        return _Result(str(path), error.message, broken=True)


def _read_blob(blob: Blob) -> _Result:
    name = PurePath(blob.member or blob.path).name
    if name.startswith("._") or f"{_SHADOW}/" in blob.member:  # what macOS leaves beside a file
        return _Result(str(blob), _STRANGER)
    try:
        role, slices = read_slices(blob)
    except NoDicomError:
        return _Result(str(blob), _STRANGER)
    except DicomError as error:
        return _Result(str(blob), error.message, broken=True)
    except Exception as error:  # a fault of ours: this file is lost, the others are not
        return _Result(str(blob), f"unexpected {type(error).__name__}: {error}", broken=True)
    return _Result(str(blob), role, slices)


def _sort_in(result: _Result, found: Scan, wanted: set[str] | None) -> None:
    if result.broken:
        found.broken.append(Passed(result.path, result.role))
    elif result.role == _STRANGER:
        found.strangers.append(result.path)
    elif result.slices and (wanted is None or result.role in wanted):
        found.slices.extend(result.slices)
    else:
        found.others.append(Passed(result.path, result.role))
