"""Cases in shards: what a training reads of them, in parts and prepared once.

Three files a case: its picture and its labels in bricks, and its marks (voxels of each organ, grey
values inside). What is small (grid, moments, which slices hold organs) goes with the case itself,
so that a training begins without a look at any voxel.
"""

from __future__ import annotations

import platform
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError, TrainingError
from medprep.formats import bricks
from medprep.geometry import Geometry
from medprep.models.scaling import Scaling
from medprep.training.marks import greys_of, places_of

OPEN = 128
"""Shards that a process keeps open; a case has up to three files."""

_BAD = (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error)

T = TypeVar("T")


class Recent:
    """Keeps what was opened last; another process begins with nothing."""

    def __init__(self) -> None:
        self._held: OrderedDict[Path, Any] = OrderedDict()

    def get(self, path: Path, make: Callable[[Path], T]) -> T:
        """Give what was made of a file, or make it."""
        if path not in self._held:
            while len(self._held) >= OPEN:
                self._held.popitem(last=False)
            self._held[path] = make(path)
        self._held.move_to_end(path)
        found: T = self._held[path]
        return found

    def __reduce__(self) -> tuple[type[Recent], tuple[()]]:
        return Recent, ()


@dataclass(frozen=True)
class Shard:
    """A case in shards.

    Parameters
    ----------
    pictures
        A file of bricks for each channel.
    labels
        One of uint8.
    marks
        A file of what `write_labels` found.
    geometry
        Of all of them.
    moments
        Mean and standard deviation of each channel.
    planes
        Runs of slices that hold an organ: first, and one behind the last.
    values
        Labels that occur.
    """

    pictures: tuple[Path, ...]
    labels: Path
    marks: Path
    geometry: Geometry
    moments: tuple[tuple[float, float], ...]
    planes: tuple[tuple[int, int], ...]
    values: tuple[int, ...]

    @classmethod
    def of(
        cls,
        pictures: Sequence[Path],
        labels: Path,
        marks: Path,
        told: Sequence[Mapping[str, Any]],
        marked: Mapping[str, Any],
    ) -> Self:
        """Read what `write_picture` told of each channel, and `write_labels` of the labels."""
        return cls(
            tuple(pictures), labels, marks, Geometry.from_dict(dict(marked["grid"])),
            tuple((one["mean"], one["sd"]) for one in told),
            tuple((first, behind) for first, behind in marked["planes"]),
            tuple(marked["values"]),
        )  # fmt: skip

    @property
    def files(self) -> tuple[Path, ...]:
        """All its files."""
        return (*self.pictures, self.labels, self.marks)

    def with_organ(self) -> NDArray[np.bool_]:
        """Tell of each slice whether it holds an organ."""
        found = np.zeros(self.geometry.shape[0], bool)
        for first, behind in self.planes:
            found[first:behind] = True
        return found

    def greys(self) -> tuple[NDArray[Any], ...]:
        """Give `medprep.training.marks.greys_of` of it."""
        return tuple(_mark(self.marks, f"greys-{n}") for n in range(len(self.pictures)))


def require_shards(shards: Mapping[str, Shard]) -> None:
    """Refuse to begin where files are missing.

    Parameters
    ----------
    shards
        By the names of their cases.

    Raises
    ------
    TrainingError
        If one is; says on which machine.
    """
    for case, shard in shards.items():
        for path in shard.files:
            if not path.is_file():
                raise TrainingError(
                    f"{platform.node()} does not see the shards of {case}; wanted is the "
                    "workspace under the same path on every machine, or a copy of its shards/ "
                    "there (or make them again: medprep convert --shards clean)",
                    path=path,
                )


class Places(Sequence[NDArray[np.int64]]):
    """`medprep.training.marks.places_of` of a shard, an organ at a time, read when it is wanted."""

    def __init__(self, shard: Shard, recent: Recent) -> None:
        self._shard, self._recent = shard, recent

    def __len__(self) -> int:
        return len(self._shard.values)

    def __getitem__(self, number: Any) -> Any:
        found = self._recent.get(self._shard.marks, _places)
        return found[self._shard.values[number]]

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        return (self[number] for number in range(len(self)))


def write_picture(path: Path, picture: NDArray[Any]) -> dict[str, Any]:
    """Write a channel; give what `Shard.of` wants to know of it."""
    bricks.write(path, picture)
    scale = Scaling("z-score").settle(picture)
    return {"mean": scale.shift, "sd": scale.unit}


def write_labels(
    path: Path,
    marks: Path,
    labels: NDArray[np.uint8],
    pictures: Sequence[NDArray[Any]],
    geometry: Geometry,
) -> dict[str, Any]:
    """Write labels and marks; give what `Shard.of` wants to know of them.

    Parameters
    ----------
    pictures
        The channels of the same case, for their grey values.
    geometry
        As the labels' file has it.
    """
    bricks.write(path, labels)
    places = places_of(labels)
    arrays = {f"places-{label}": voxels for label, voxels in places.items()}
    arrays |= {f"greys-{n}": values for n, values in enumerate(greys_of(labels, pictures))}
    with marks.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    marked = np.concatenate(([0], labels.any(axis=(1, 2)), [0]))
    ends = np.flatnonzero(np.diff(marked))
    return {
        "grid": geometry.to_dict(),
        "planes": ends.reshape(-1, 2).tolist(),
        "values": list(places),
    }


def _places(path: Path) -> dict[int, NDArray[np.int64]]:
    try:
        with np.load(path, allow_pickle=False) as found:
            names = [name for name in found.files if name.startswith("places-")]
            return {int(name.removeprefix("places-")): found[name] for name in names}
    except _BAD as error:
        raise _damaged(path, error) from error


def _mark(path: Path, name: str) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as found:
            values: NDArray[Any] = found[name]
            return values
    except _BAD as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> FormatError:
    return FormatError(f"a shard's marks cannot be read: {error}", path=path)
