"""Send finished files to a place behind a URL: each object appears whole, under its own name."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from medprep.errors import AccessError, OptionError
from medprep.places.paths import FarPath, shown
from medprep.places.seen import REQUESTS, store_of
from medprep.places.urls import Behind

_BEGINNING = "medprep-unsent-"
_LEFT_S = 24 * 3600.0
"""What is older was left by a process that was killed: no case takes so long."""
_READ_ONLY = ("http", "https")


def send(local: Path, final: FarPath) -> None:
    """Make a local file, or all files of a folder, objects behind a URL.

    Of a folder that is there already those objects go that are none of the new ones. Until all is
    there, others see some objects of the old folder and some of the new.

    Raises
    ------
    AccessError
        If they cannot be written; some of a folder's may be there then.
    """
    if not local.is_dir():
        _put(local, final)
        return
    store = _behind(final)
    new = {final / one.relative_to(local).as_posix(): one for one in _files(local)}
    stale = [one for one in store.below(final) if one not in new]
    _each(new.items(), lambda pair: _put(pair[1], pair[0]))
    _each(stale, store.remove)


def _behind(path: FarPath) -> Behind:
    store = store_of(path)
    assert isinstance(store, Behind), "see require_writable"
    return store


def _files(folder: Path) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file())


def _each(tasks: Iterable[Any], work: Callable[[Any], None]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(REQUESTS)
    try:
        for _ in pool.map(work, tasks):
            pass
    finally:
        pool.shutdown(cancel_futures=True)  # who was stopped does not send the rest


def _put(local: Path, final: FarPath) -> None:
    try:
        _behind(final).put(local, final)
    except FileNotFoundError:
        if not local.exists():
            raise
        raise AccessError(
            f"there is no bucket '{final.parts[1]}' (any more); make it, or see how it is spelt",
            path=shown(str(final)),
        ) from None


def write(final: FarPath, content: bytes) -> None:
    """Write a small object.

    Raises
    ------
    AccessError
        If it cannot be written.
    """
    folder = new_folder()
    try:
        local = folder / "object"
        local.write_bytes(content)
        send(local, final)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove(final: FarPath) -> None:
    """Remove an object, if it is there."""
    _behind(final).remove(final)


def new_folder() -> Path:
    """Make a folder for files that will be sent; whoever asked removes it.

    Only this user can look into it.
    """
    _sweep()
    return Path(tempfile.mkdtemp(prefix=_BEGINNING))


@lru_cache(maxsize=1)
def _sweep() -> None:
    """Remove what killed processes left, once in the life of this one."""
    for one in Path(tempfile.gettempdir()).glob(f"{_BEGINNING}*"):
        try:
            old = time.time() - one.stat().st_mtime > _LEFT_S
        except OSError:
            continue
        if old:
            shutil.rmtree(one, ignore_errors=True)


def require_writable(place: Path | FarPath, text: str) -> FarPath:
    """Give a place where objects can be written, as far as its kind says it.

    Raises
    ------
    OptionError
        If it is a local folder, a web server or the inside of an archive.
    """
    kind = str(place).partition("://")[0]
    if not isinstance(place, FarPath) or place.split()[1] or kind in _READ_ONLY:
        raise OptionError(
            f"--artifacts is '{shown(text)}'; wanted is a URL that can be written to, such as "
            "s3://bucket/folder or gs://bucket/folder (a local or shared folder is --workspace)"
        )
    return place
