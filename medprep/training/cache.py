"""Arrays kept at hand for a training: in memory as far as it goes, then mapped from files.

What is kept is what was given, of its own type, byte for byte. What lies in shards stays there, and
is read in parts.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError, WriteError
from medprep.files import PART
from medprep.formats.bricks import Box, Bricks
from medprep.training.shards import Recent

SHARE_OF_MEMORY = 1 / 3
"""Of what is free when a training starts: net, gradients and the system need the rest."""
_UNKNOWN_BYTES = 4 << 30
"""Taken as free memory where the system does not say."""


class Stored:
    """An array that lies in memory or in a file; another process is told of the file only."""

    def __init__(self, array: NDArray[Any] | None, path: Path | None = None) -> None:
        self._array = array
        self._path = path

    @property
    def array(self) -> NDArray[Any]:
        """The array; not to be written to."""
        if self._array is None:
            self._array = np.load(str(self._path), mmap_mode="r")
        return self._array

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.array.shape

    def part(self, box: Box) -> NDArray[Any]:
        """Give a part; not to be written to."""
        return self.array[box]

    @property
    def mapped(self) -> bool:
        """Whether it lies in a file."""
        return self._path is not None

    def __reduce__(self) -> tuple[Callable[..., Stored], tuple[Any, ...]]:
        return Stored, (None if self.mapped else self._array, self._path)


class Packed(Stored):
    """An array in a file of bricks.

    Parameters
    ----------
    path
        The file; opened when it is wanted.
    shape
        Of the array.
    recent
        Keeps it open for a while.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], recent: Recent) -> None:
        self._file, self._shape, self._recent = path, shape, recent

    @property
    def array(self) -> NDArray[Any]:
        """All of it, unpacked anew each time."""
        return self._open().whole()

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self._shape

    def part(self, box: Box) -> NDArray[Any]:
        """Give a part, new; bricks beside it are not read."""
        return self._open().part(box)

    @property
    def mapped(self) -> bool:
        """Whether it lies in a file: it does."""
        return True

    def _open(self) -> Bricks:
        opened = self._recent.get(self._file, Bricks)
        if opened.shape != self._shape:
            raise FormatError(
                f"a shard of shape {opened.shape} instead of {self._shape}; make it again: "
                "medprep convert --shards --overwrite",
                path=self._file,
            )
        return opened

    def __reduce__(self) -> tuple[Callable[..., Stored], tuple[Any, ...]]:
        return Packed, (self._file, self._shape, self._recent)


class Store:
    """Keeps arrays until it is closed.

    Parameters
    ----------
    budget_bytes
        So much is kept in memory; what comes later goes to files. 0 puts all into files, which
        several processes then share. None takes `SHARE_OF_MEMORY` of what is free.
    folder
        Where files go; None takes the system's folder for temporary ones.
    sharers
        Processes on this machine that have a store each.
    """

    def __init__(
        self, budget_bytes: int | None = None, folder: Path | None = None, sharers: int = 1
    ) -> None:
        if budget_bytes is None:
            budget_bytes = int(SHARE_OF_MEMORY * available_bytes()) // sharers
        self._left = budget_bytes
        self._parent = folder
        self._folder: Path | None = None
        self._count = 0
        self.recent = Recent()
        self.held_bytes = 0
        self.mapped_bytes = 0

    def add(self, array: NDArray[Any]) -> Stored:
        """Keep an array.

        Raises
        ------
        WriteError
            If it does not fit into memory and no file can be written.
        """
        if array.nbytes <= self._left:
            self._left -= array.nbytes
            self.held_bytes += array.nbytes
            return Stored(np.ascontiguousarray(array))
        self._left = 0  # what comes later goes to files too, so that their order decides nothing
        path = self._file()
        try:
            np.save(path, array, allow_pickle=False)
        except OSError as error:
            free = shutil.disk_usage(path.parent).free
            raise WriteError(
                f"the training's pictures do not fit into memory, and cannot be written to a file "
                f"({error.strerror or error}; {free:,} bytes are free there)",
                path=path.parent,
            ) from error
        self.mapped_bytes += array.nbytes
        return Stored(None, path)

    def _file(self) -> Path:
        if self._folder is None:
            if self._parent is None:
                self._folder = Path(tempfile.mkdtemp(prefix="medprep-"))
            else:
                # A name by which the next run finds what a killed one has left.
                self._folder = self._parent / f".cache.{os.getpid()}{PART}"
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder.mkdir(parents=True)
            self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._count += 1
        return self._folder / f"{self._count:06d}.npy"

    def close(self) -> None:
        """Delete the files."""
        if self._folder is not None:
            self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def available_bytes() -> int:
    """Give the memory that is free for a new process, within its container's bound."""
    found = []
    lines = _text("/proc/meminfo").splitlines()
    found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    bound, used = (_text(f"/sys/fs/cgroup/memory.{one}").strip() for one in ("max", "current"))
    if bound.isdecimal() and used.isdecimal():
        found.append(max(0, int(bound) - int(used)))
    return min(found, default=_UNKNOWN_BYTES)


def _text(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except OSError:
        return ""
