"""Cases put on the net's grid once, by all processes of a training and for all its starts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import CheckpointError
from medprep.files import AtomicFiles, digest, json_bytes
from medprep.geometry import Geometry
from medprep.models.preparation import Preparation
from medprep.training.distributed import Crew
from medprep.training.shards import Shard, write_labels, write_picture

_FOLDER = "prepared-"

Arrays = tuple[Sequence[NDArray[np.float32]], NDArray[np.uint8], Geometry]


class Together:
    """Where prepared cases lie while a training is under way.

    Parameters
    ----------
    folder
        Of the training; every process should see it. One that does not prepares for itself.
    key
        Of the training: what it depends on.
    preparation
        What is done to a case; its patch counts nothing here.
    crew
        Who prepares.
    """

    def __init__(self, folder: Path, key: str, preparation: Preparation, crew: Crew) -> None:
        scalings = [one.to_dict() for one in preparation.scalings]
        name = digest([key, preparation.dimensions, scalings, preparation.spacing_mm])
        self.folder = folder / f"{_FOLDER}{name[:16]}"
        self._crew = crew
        if crew.leads:
            remove_prepared(folder, self.folder)

    def make(self, numbers: Sequence[int], arrays: Callable[[int], Arrays]) -> dict[int, Shard]:
        """Prepare cases, each process its share, and give those that this process sees.

        Parameters
        ----------
        numbers
            Of the cases, the same in every process.
        arrays
            Gives channels and labels of one as the net sees them, and their grid.

        Raises
        ------
        MedprepError
            What preparing one raised, in whichever process.
        """
        if not numbers:
            return {}
        mine = [numbers[place] for place in self._crew.places(len(numbers))]
        parts = self._crew.each(lambda: {number: self._told(number, arrays) for number in mine})
        seen = {path.name for path in self.folder.iterdir()} if self.folder.is_dir() else set()
        told = {number: one for part in parts for number, one in part.items()}
        return {n: self._shard(n, told[n]) for n in numbers if f"{n:06d}.json" in seen}

    def _told(self, number: int, arrays: Callable[[int], Arrays]) -> dict[str, Any]:
        """Give what is known of a prepared case, after preparing it if nobody did."""
        record = self.folder / f"{number:06d}.json"
        if record.is_file():
            try:
                known: dict[str, Any] = json.loads(record.read_bytes())
                self._shard(number, known)
                return known
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise CheckpointError(
                    f"a prepared case cannot be read ({error}); delete its folder", path=record
                ) from error
        pictures, labels, geometry = arrays(number)
        *channels, marked, marks = self._paths(number, len(pictures))
        with AtomicFiles(durable=False) as files:
            told = [
                write_picture(files.file(path), picture)
                for path, picture in zip(channels, pictures, strict=True)
            ]
            found = write_labels(files.file(marked), files.file(marks), labels, pictures, geometry)
            known = {"pictures": told, "labels": found}
            files.file(record).write_bytes(json_bytes(known))
        return known

    def _paths(self, number: int, channels: int) -> list[Path]:
        names = [*(f"{channel}.bricks" for channel in range(channels)), "l.bricks", "m.npz"]
        return [self.folder / f"{number:06d}-{name}" for name in names]

    def _shard(self, number: int, known: dict[str, Any]) -> Shard:
        *channels, labels, marks = self._paths(number, len(known["pictures"]))
        return Shard.of(channels, labels, marks, known["pictures"], known["labels"])


def remove_prepared(folder: Path, spare: Path | None = None) -> None:
    """Delete the prepared cases of a training that is over, or of other ones."""
    for path in folder.glob(f"{_FOLDER}*"):
        if path != spare:
            shutil.rmtree(path, ignore_errors=True)
