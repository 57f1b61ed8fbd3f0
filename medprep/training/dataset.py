"""What a training learns from, as files, and read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.spatial import PICTURE_TYPES
from medprep.errors import TrainingError
from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.models.scaling import Window
from medprep.places.hand import ahead
from medprep.training.cache import Packed, Store, Stored
from medprep.training.online import SliceGrid
from medprep.training.shards import Shard
from medprep.volume import LabelMap, Volume, compact


@dataclass(frozen=True)
class TrainingCase:
    """A volume and its labels as NIfTI.

    Parameters
    ----------
    case
        Its id.
    image
        A file, or one for each channel, all on one grid.
    labels
        On that grid.
    window
        The grey values that may become 0 and 1: two, or two for each channel; None where nobody
        chose them.
    modality
        DICOM's word (``MR``, ``CT``), or ``""``.
    shard
        The same in shards, where there are any; then the NIfTI files are not looked at.
    """

    case: str
    image: Path | tuple[Path, ...]
    labels: Path
    window: Window | tuple[Window, ...] | None = None
    modality: str = ""
    shard: Shard | None = None

    @property
    def images(self) -> tuple[Path, ...]:
        """A file for each channel."""
        return self.image if isinstance(self.image, tuple) else (self.image,)

    @property
    def windows(self) -> tuple[Window, ...]:
        """A window for each channel; none where nobody chose them."""
        if self.window is None:
            return ()
        first, second = self.window[0], self.window[-1]
        if isinstance(first, tuple):
            return self.window  # type: ignore[return-value]
        return ((first, second),) * len(self.images)  # type: ignore[return-value]


@dataclass(frozen=True)
class AugmentedSlices:
    """Augmented slices of a case as PNG, their grid, and the window in the PNGs' own numbers.

    Where they are ``inverted`` they show low numbers bright, which the case itself does not.
    """

    case: str
    images: tuple[Path, ...]
    labels: tuple[Path, ...]
    window: Window
    grid: SliceGrid
    inverted: bool = False


Copies = AugmentedSlices | TrainingCase
"""Augmented copies of a case: its slices, or all of it as a volume."""


@dataclass(frozen=True)
class Decoded:
    """A case or copy as it was read: 8 or 16 bits where it holds whole numbers that fit.

    Parameters
    ----------
    case
        Whose it is.
    own
        Whether it is the case itself, not a copy.
    pictures
        A channel each, ``[slice, row, column]``: uint8, uint16, int16 or float32.
    labels
        uint8 of the same shape.
    grid
        Of its slices.
    geometry
        Of the volume; None of slices that have moved each on its own.
    windows
        For each channel, in the pictures' own numbers; empty where nobody chose them.
    modality
        Or ``""``.
    shard
        Where it came from, if from shards.
    """

    case: str
    own: bool
    pictures: tuple[Stored, ...]
    labels: Stored
    grid: SliceGrid
    geometry: Geometry | None
    windows: tuple[Window, ...]
    modality: str = ""
    shard: Shard | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Slices, rows and columns."""
        return self.labels.shape

    @property
    def has_organ(self) -> bool:
        """Whether any organ is in it."""
        return bool(self.labels.array.any() if self.shard is None else self.shard.planes)


def decode(
    cases: Sequence[TrainingCase], augmented: Sequence[Copies], store: Store
) -> Iterator[Decoded]:
    """Read cases, then copies, one after the other; of shards nothing is read yet.

    Raises
    ------
    TrainingError
        If one holds values that are no finite numbers, or labels above 255.
    FormatError, GeometryError
        If one cannot be read, or its files are not on one grid.
    """
    for case in cases:
        yield _volume(case, True, store) if case.shard is None else _in_shards(case, store)
    for copies in augmented:
        if isinstance(copies, TrainingCase):
            yield _volume(copies, False, store)
        else:
            yield _slices(copies, store)


def read_picture(path: Path, case: str, geometry: Geometry | None = None) -> Volume:
    """Read a channel of a case as it is learnt from.

    Parameters
    ----------
    geometry
        Of its labels, where it is to be on their grid.

    Raises
    ------
    TrainingError
        If it holds values that are no finite numbers.
    FormatError, GeometryError
        If it cannot be read, or is on another grid.
    """
    picture = nifti.read(path)
    if geometry is not None:
        picture.geometry.require_same(geometry)
    return replace(picture, array=_plain(picture.array, case))


def read_labels(path: Path, case: str) -> LabelMap:
    """Read the labels of a case, as uint8.

    Raises
    ------
    TrainingError
        If one is above 255.
    FormatError
        If they cannot be read.
    """
    labels = nifti.read_label_map(path)
    if labels.array.dtype != np.uint8:
        raise TrainingError(f"{case} holds a label of {labels.array.max()}; wanted are 1 to 255")
    return labels


def _volume(case: TrainingCase, own: bool, store: Store) -> Decoded:
    labels = read_labels(case.labels, case.case)
    pictures = tuple(
        store.add(read_picture(path, case.case, labels.geometry).array) for path in case.images
    )
    grid = SliceGrid.of(labels.geometry)
    return Decoded(
        case.case, own, pictures, store.add(labels.array), grid, labels.geometry,
        case.windows, case.modality,
    )  # fmt: skip


def _in_shards(case: TrainingCase, store: Store) -> Decoded:
    shard = case.shard
    assert shard is not None
    shape = shard.geometry.shape
    pictures, labels = (
        tuple(Packed(path, shape, store.recent) for path in paths)
        for paths in (shard.pictures, (shard.labels,))
    )
    return Decoded(
        case.case, True, pictures, labels[0], SliceGrid.of(shard.geometry), shard.geometry,
        case.windows, case.modality, shard,
    )  # fmt: skip


def _slices(copies: AugmentedSlices, store: Store) -> Decoded:
    pictures = np.stack([png.read(path) for path in ahead(copies.images)])
    pictures = ~pictures if copies.inverted else pictures
    labels = np.stack([png.read(path) for path in ahead(copies.labels)])
    if pictures.shape != labels.shape:
        raise TrainingError(
            f"copies of {copies.case}: pictures of {pictures.shape} and labels of {labels.shape} "
            "slices, rows and columns"
        )
    return Decoded(
        copies.case, False, (store.add(pictures),), store.add(labels.astype(np.uint8)),
        copies.grid, None, (copies.window,),
    )  # fmt: skip


def _plain(picture: NDArray[Any], case: str) -> NDArray[Any]:
    """Give a picture as a type that can be augmented; a net sees the same numbers of it."""
    if picture.dtype.kind == "f" and not np.isfinite(picture).all():
        raise TrainingError(
            f"{case} holds grey values that are no finite numbers; mend the picture, or leave the "
            "case out"
        )
    return picture if picture.dtype in PICTURE_TYPES else compact(picture)
