"""What lies behind a URL, through fsspec: S3, Google Cloud Storage, HTTP, memory and the like."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

from medprep.errors import AccessError, LibraryError
from medprep.places.paths import FarPath
from medprep.places.refusals import refused
from medprep.places.seen import Seen

log = logging.getLogger("medprep")
Answer = TypeVar("Answer")

_PAUSES_S = (0.2, 1.0, 3.0)
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5")
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "Last-Modified", "created")
_NEEDED = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs",
    "http": "aiohttp", "https": "aiohttp",
}  # fmt: skip
_EXTRA = ("s3fs", "aiohttp", "fsspec")
"""What ``medprep[remote]`` brings."""


class Behind:
    """All that lies behind the URLs of one kind.

    Raises
    ------
    LibraryError
        If fsspec, or what it needs for this kind, is not installed.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        try:
            import fsspec  # it is large, and most data lie in folders
        except ImportError as error:
            raise _missing(kind, "fsspec") from error
        settings: dict[str, Any] = {"use_listings_cache": False}
        if kind in ("http", "https"):
            settings["client_kwargs"] = {"trust_env": True}  # proxies, and passwords of ~/.netrc
        try:
            self._fs = fsspec.filesystem(kind, **settings)
        except ImportError as error:
            raise _missing(kind, _NEEDED.get(kind, "")) from error
        except ValueError as error:
            known = ", ".join(f"{one}://" for one in ("s3", "gs", "https", "memory"))
            raise LibraryError(
                f"{kind}:// is no kind of URL that fsspec knows; wanted is {known} or a local path"
            ) from error

    def listing(self, folder: FarPath) -> list[FarPath]:
        """Give what lies directly in a folder, each with what is seen of it."""
        key = self._key(folder)
        rows = self._ask(folder, lambda: self._fs.ls(key, detail=True))
        found: dict[str, FarPath] = {}
        strange = 0
        for row in rows:
            below = str(row["name"]).removeprefix(key).strip("/")
            if not below or self._is_no_file(below):
                continue
            if "/" in below or below in (".", "..") or not str(row["name"]).startswith(key):
                strange += 1
                continue
            found[below] = (folder / below).with_seen(_seen(row))
        if strange:
            log.warning("%d names are no paths below %s: passed over", strange, folder)
        return list(found.values())

    def _is_no_file(self, below: str) -> bool:
        return self.kind in ("http", "https") and ("?" in below or below.startswith("#"))

    def look(self, path: FarPath) -> Seen | None:
        """Give what a file or folder is; None where there is none."""
        try:
            row = self._ask(path, lambda: self._fs.info(self._key(path)))
        except FileNotFoundError:
            return None
        except AccessError:
            # The answer to a HEAD request has no body that says why; that to a listing has.
            self.listing(path)
            raise
        seen = _seen(row)
        if seen.size < 0:  # a web server need not say it before it has sent all
            seen = replace(seen, size=len(self._whole(path)))
        web = self.kind in ("http", "https") and not seen.folder
        if web and str(row.get("mimetype", "")) == "text/html" and not path.suffix:
            return Seen(0, folder=True)
        return seen

    def read(self, path: FarPath, at: int, count: int) -> bytes:
        """Give bytes from ``at``; fewer where the file ends before."""
        if count <= 0:
            return b""
        key = self._key(path)
        content: bytes = self._ask(path, lambda: self._fs.cat_file(key, start=at, end=at + count))
        # A server may not know ranges and send the whole file.
        return content if len(content) <= count else content[at : at + count]

    def _whole(self, path: FarPath) -> bytes:
        key = self._key(path)
        content: bytes = self._ask(path, lambda: self._fs.cat_file(key))
        return content

    def member(self, path: FarPath) -> str:
        """Give ``""``: it lies in no archive."""
        return ""

    def put(self, local: Path, path: FarPath) -> None:
        """Make a local file an object, whole."""
        key = self._key(path)
        self._ask(path, lambda: self._fs.put_file(str(local), key), writing=True)

    def below(self, folder: FarPath) -> list[FarPath]:
        """Give all files below a folder; none where there is none."""
        key = self._key(folder)
        try:
            names = self._ask(folder, lambda: self._fs.find(key))
        except FileNotFoundError:
            return []
        inside = (str(name) for name in names if str(name).startswith(f"{key}/"))
        return [folder / name.removeprefix(f"{key}/") for name in inside]

    def remove(self, path: FarPath) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._ask(path, lambda: self._fs.rm_file(self._key(path)), writing=True)

    def _key(self, path: FarPath) -> str:
        return str(self._fs._strip_protocol(str(path))).rstrip("/")

    def _ask(
        self, path: FarPath, question: Callable[[], Answer], *, writing: bool = False
    ) -> Answer:
        """Ask; again where the answer was lost on the way."""
        for pause in (*_PAUSES_S, None):
            try:
                return question()
            except Exception as error:  # each kind raises its own
                told = refused(error, path, self.kind, writing=writing)
                # Not its cause: what libraries say may hold signatures and keys.
                if pause is None or not told.passing:
                    raise told.error from None
            time.sleep(pause)
        raise AssertionError


def _missing(kind: str, package: str) -> LibraryError:
    what = f"'{package}'" if package and package not in _EXTRA else "'medprep[remote]'"
    return LibraryError(f"{kind}:// needs what is not installed: run pip install {what}")


def _seen(row: dict[str, Any]) -> Seen:
    if row.get("type") == "directory":
        return Seen(0, folder=True)
    size = row.get("size")
    version = next((str(row[name]).strip('"') for name in _VERSIONS if row.get(name)), "")
    moment = next((row[name] for name in _TIMES if row.get(name)), None)
    return Seen(-1 if size is None else int(size), _nanoseconds(moment), version)


def _nanoseconds(moment: object) -> int:
    try:
        if isinstance(moment, str):
            moment = _parsed(moment)
        if isinstance(moment, datetime):
            return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1e6) * 1000
        return int(float(moment) * 1e9) if isinstance(moment, int | float) else 0
    except (ValueError, OverflowError):
        return 0


def _parsed(text: str) -> datetime:
    """Read a time as Google writes it, or as HTTP does."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)
