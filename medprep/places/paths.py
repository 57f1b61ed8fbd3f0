"""Turn text into a path, and give what lies elsewhere the face of a `pathlib.Path`."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from medprep.errors import OptionError

if TYPE_CHECKING:
    from medprep.places.seen import Seen

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SECRET = re.compile(r"(?<=://)[^/@\s]*@|\?\S*")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
"""How names of archives end that are read as folders."""
_INSIDE = "!"
"""Ends the name of an archive whose inside is meant: ``set.zip!/a/b.dcm``."""


@dataclass(frozen=True)
class FarStat:
    """What a file is, as far as one far away says it."""

    st_size: int
    st_mtime_ns: int
    st_mode: int = 0o100444


class FarPath(PurePosixPath):
    """A path behind a URL or inside an archive, with what reading needs of a `pathlib.Path`.

    It is no `os.PathLike`: whoever would open it as a local file fails at once.
    """

    __slots__ = ("_seen",)

    def __str__(self) -> str:
        text = super().__str__()
        head, colon, rest = text.partition(":/")
        return f"{head}://{rest}" if colon and "/" not in head else text

    def __fspath__(self) -> str:
        raise TypeError(f"not a local path: {shown(str(self))}")

    @property
    def seen(self) -> Seen | None:
        """What a listing said of it, or None where no listing gave it."""
        return getattr(self, "_seen", None)

    def with_seen(self, seen: Seen) -> Self:
        """Give it, with what was seen of it."""
        self._seen = seen
        return self

    def split(self) -> tuple[str, str]:
        """Give the archive (or the whole path) as text, and the path inside it or ``""``."""
        for count, part in enumerate(self.parts, 1):
            if part.endswith(_INSIDE) and is_archive_name(part[: -len(_INSIDE)]):
                outer = str(type(self)(*self.parts[:count])).removesuffix(_INSIDE)
                return outer, "/".join(self.parts[count:])
        return str(self), ""

    def _look(self) -> Seen | None:
        from medprep.places.seen import look

        return look(self)

    def exists(self) -> bool:
        """Tell whether there is such a file or folder."""
        return self._look() is not None

    def is_file(self) -> bool:
        """Tell whether there is such a file."""
        seen = self._look()
        return seen is not None and not seen.folder

    def is_dir(self) -> bool:
        """Tell whether there is such a folder."""
        seen = self._look()
        return seen is not None and seen.folder

    def is_symlink(self) -> bool:
        """Tell that it is no link: there are none."""
        return False

    def stat(self) -> FarStat:
        """Give its size and time.

        Raises
        ------
        FileNotFoundError
            If there is no such file or folder.
        """
        seen = self._look()
        if seen is None:
            raise FileNotFoundError(2, "No such file or folder", str(self))
        return FarStat(seen.size, seen.mtime_ns, 0o40555 if seen.folder else 0o100444)

    def iterdir(self) -> Iterator[FarPath]:
        """Yield what lies directly in the folder."""
        from medprep.places.seen import listing

        yield from listing(self)

    def glob(self, pattern: str) -> Iterator[FarPath]:
        """Yield what fits a pattern of ``*``, one level for each part of it."""
        first, _, rest = pattern.partition("/")
        for one in self.iterdir():
            if fnmatch(one.name, first):
                if not rest:
                    yield one
                elif one.is_dir():
                    yield from one.glob(rest)

    def open(self, mode: str = "rb") -> BinaryIO:
        """Open it for reading, by ranges.

        Raises
        ------
        OSError
            If it cannot be read, also later.
        """
        from medprep.places.reading import open_far

        if mode != "rb":
            raise io.UnsupportedOperation(f"a far file is read only, not opened by '{mode}'")
        return open_far(self)

    def read_bytes(self) -> bytes:
        """Give its content."""
        with self.open() as handle:
            return handle.read()

    def read_text(self, encoding: str = "utf-8") -> str:
        """Give its content as text."""
        return self.read_bytes().decode(encoding)

    def resolve(self, strict: bool = False) -> Self:
        """Give the path itself: it is absolute, and there are no links."""
        return self

    absolute = resolve


def path_of(text: str | os.PathLike[str] | FarPath) -> Path:
    """Turn what a user wrote into a path; a `FarPath` counts as one.

    Raises
    ------
    OptionError
        If a URL holds a password or a query: they would end in tables and logs.
    """
    if isinstance(text, FarPath):
        return cast(Path, text)
    name = os.fspath(text)
    if not is_far_text(name):
        return Path(name)
    return cast(Path, _far(name))


def _far(name: str) -> FarPath | Path:
    url = _URL.match(name)
    if url is None:
        return FarPath(name)
    if url[1].casefold() == "file":
        return Path(name[url.end() :])
    if _SECRET.search(name):
        raise OptionError(
            f"{shown(name)}: this URL holds a password, a signature or another query, which would "
            "stand in tables and logs; take it out and give what opens the door by the "
            "environment (see 'Data behind a URL' in docs/scale.md)"
        )
    if not name[url.end() :].strip("/"):
        raise OptionError(f"{name} names no bucket or host")
    return _behind(url)


def recorded_path(text: str) -> Path:
    """Turn what `str` made of a path into that path again; what a user writes is for `path_of`.

    A name that a listing gave may hold a ``?``: nothing of it is a query.
    """
    if not is_far_text(text):
        return Path(text)
    url = _URL.match(text)
    return as_path(FarPath(text) if url is None else _behind(url))


def _behind(url: re.Match[str]) -> FarPath:
    return FarPath(url[1].casefold() + ":", url.string[url.end() :].strip("/"))


def is_far_text(name: str) -> bool:
    """Tell whether text names something that is no local file or folder."""
    if "://" in name:
        return _URL.match(name) is not None
    return f"{_INSIDE}/" in f"{name}/" and _inside_of(name) is not None


def _inside_of(name: str) -> str | None:
    """Give the local archive whose inside a path names; None where it is a folder's own name."""
    parts = name.split("/")
    for count, part in enumerate(parts, 1):
        if part.endswith(_INSIDE) and is_archive_name(part[: -len(_INSIDE)]):
            folder = "/".join(parts[:count])
            return None if os.path.lexists(folder) else folder[: -len(_INSIDE)]
    return None


def as_path(path: FarPath) -> Path:
    """Give a far path the type that readers of paths take."""
    return cast(Path, path)


def far_ones(paths: Iterable[Path]) -> list[FarPath]:
    """Give those that lie elsewhere."""
    return [path for path in cast("Iterable[Any]", paths) if isinstance(path, FarPath)]


def is_far(path: Any) -> bool:
    """Tell whether a path lies elsewhere."""
    return isinstance(path, FarPath)


def is_archive_name(name: str) -> bool:
    """Tell whether a name ends as archives do."""
    return name.casefold().endswith(ARCHIVES)


def inside(path: Path) -> Path:
    """Give the inside of an archive as a folder; whatever is none as it is."""
    if not is_archive_name(path.name):
        return path
    if isinstance(path, FarPath):
        if not path.is_file():
            return path
    elif path.is_file():
        path = path.resolve()
    else:
        return path
    return cast(Path, FarPath(*path.parent.parts, path.name + _INSIDE))


def shown(text: str) -> str:
    """Give text without the passwords, queries and signatures of URLs in it."""
    return _SECRET.sub("", text) if "://" in text else text
