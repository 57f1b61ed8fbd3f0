"""The inside of an archive as folders."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

from medprep.places.archives import Archive, archive_of
from medprep.places.paths import FarPath
from medprep.places.seen import Seen

log = logging.getLogger("medprep")


class Inside:
    """What an archive holds, by folder.

    Members whose names lead out of it, or bear no name, have no place here.
    """

    def __init__(self, outer: str) -> None:
        self._outer = outer
        self._known: Archive | None = None
        self._folders: dict[str, dict[str, tuple[Seen, str]]] = {}

    def _now(self) -> Archive:
        archive, seen = archive_of(self._outer)
        if archive is not self._known:
            self._folders = _folders(archive, seen)
            self._known = archive
        return archive

    def listing(self, folder: FarPath) -> list[FarPath]:
        """Give what lies directly in a folder, each with what is seen of it."""
        self._now()
        found = self._folders.get(folder.split()[1])
        if found is None:
            raise FileNotFoundError(2, "No such folder in the archive", str(folder))
        return [(folder / name).with_seen(seen) for name, (seen, _) in found.items()]

    def look(self, path: FarPath) -> Seen | None:
        """Give what a file or folder is; None where there is none."""
        try:
            self._now()
        except FileNotFoundError:
            return None
        found = self._found(path.split()[1])
        return None if found is None else found[0]

    def _found(self, inner: str) -> tuple[Seen, str] | None:
        if inner in self._folders:
            return Seen(0, folder=True), inner
        folder, _, name = inner.rpartition("/")
        return self._folders.get(folder, {}).get(name)

    def member(self, path: FarPath) -> str:
        """Give the name that a file has in the archive.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        self._now()
        found = self._found(path.split()[1])
        if found is None or found[0].folder:
            raise FileNotFoundError(2, "No such file in the archive", str(path))
        return found[1]

    def read(self, path: FarPath, at: int, count: int) -> bytes:
        """Give bytes from ``at``; fewer where the file ends before."""
        archive = self._now()
        return archive.read(archive.entry(self.member(path)))[at : at + count]


def _folders(archive: Archive, outer: Seen) -> dict[str, dict[str, tuple[Seen, str]]]:
    folders: dict[str, dict[str, tuple[Seen, str]]] = {"": {}}
    left_out = 0
    for entry in archive.entries:
        parts = PurePosixPath(entry.name).parts
        if not parts or parts[0] == "/" or ".." in parts:
            left_out += 1
            continue
        for count in range(1, len(parts)):
            folder = "/".join(parts[:count])
            if folder not in folders:
                folders[folder] = {}
                folders["/".join(parts[: count - 1])][parts[count - 1]] = Seen(0, folder=True), ""
        version = f"{outer.version}!{entry.name}" if outer.version else ""
        seen = Seen(entry.size, outer.mtime_ns, version)
        folders["/".join(parts[:-1])][parts[-1]] = seen, entry.name
    if left_out:
        log.warning("%d members of an archive have names that lead out of it: left out", left_out)
    return folders
