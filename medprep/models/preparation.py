"""From pictures to what a net sees, and from its labels back: the same in training and prediction.

All that is fitted is fitted on the training fold and goes with the weights, as a record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from medprep.errors import CheckpointError, FormatError, GeometryError, OptionError
from medprep.models.resampling import Shape, resample, resample_labels, shape_at
from medprep.models.scaling import Scaling, Window
from medprep.models.targets import Targets

Spacing = tuple[float, float, float]
_OLD_PATCH = (256, 256)


class Shaped(Protocol):
    """What has the shape of an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Give it."""


@dataclass(frozen=True)
class Preparation:
    """How pictures become a net's input.

    Parameters
    ----------
    dimensions
        2 for slices, 3 for volumes.
    scalings
        One for each channel.
    spacing_mm
        Distance of slices, rows and columns in what the net sees; None leaves every volume on its
        own grid. With 2 dimensions slices stay as they are, and the first number counts nothing.
    patch
        Rows and columns, or slices, rows and columns, that the net was shown.
    targets
        What it is asked for.

    Raises
    ------
    OptionError
        If there is no channel, or the patch is of other dimensions.
    """

    dimensions: Literal[2, 3]
    scalings: tuple[Scaling, ...]
    spacing_mm: Spacing | None
    patch: tuple[int, ...]
    targets: Targets

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise OptionError(f"{self.dimensions} dimensions; wanted are 2 or 3")
        if not self.scalings:
            raise OptionError("a net without a channel; wanted is a scaling for each")
        if len(self.patch) != self.dimensions or min(self.patch) < 1:
            raise OptionError(
                f"a patch of {self.patch}; wanted are {self.dimensions} sides above 0"
            )
        spacing = self.spacing_mm
        if spacing is not None and (
            len(spacing) != 3 or not all(0 < step < math.inf for step in spacing)
        ):
            raise OptionError(f"spacing is {spacing} mm; wanted are three numbers above 0")

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises
        ------
        CheckpointError
            If it is none.
        """
        try:
            spacing = record["spacing_mm"]
            return cls(
                record["dimensions"],
                tuple(Scaling.from_dict(one) for one in record["scalings"]),
                None if spacing is None else tuple(spacing),
                tuple(record["patch"]),
                Targets.from_dict(record["targets"]),
            )
        except (KeyError, TypeError, OptionError) as error:
            raise CheckpointError(f"no preparation in this record: {error}") from error

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read the record of a net's file; one without a preparation is an older one's.

        Those nets were shown slices through each volume's own window.

        Raises
        ------
        CheckpointError
            If it says neither.
        """
        if "preparation" in record:
            return cls.from_dict(record["preparation"])
        try:
            patch = tuple(record.get("resolved", {}).get("patch", _OLD_PATCH))
            targets = Targets.from_dict({"names": record["organs"], "regions": {}})
            return cls(2, (Scaling("window"),), None, patch, targets)
        except (KeyError, TypeError, OptionError) as error:
            raise CheckpointError(f"no organs in this record: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values for JSON; nothing is lost."""
        return {
            "dimensions": self.dimensions,
            "scalings": [scaling.to_dict() for scaling in self.scalings],
            "spacing_mm": None if self.spacing_mm is None else list(self.spacing_mm),
            "patch": list(self.patch),
            "targets": self.targets.to_dict(),
        }

    def shape_in_net(self, shape: Sequence[int], spacing_mm: Sequence[float]) -> Shape:
        """Give slices, rows and columns of a volume as the net sees it."""
        if self.spacing_mm is None:
            return shape[0], shape[1], shape[2]
        wanted = list(self.spacing_mm)
        if self.dimensions == 2:
            wanted[0] = spacing_mm[0]
        return shape_at(shape, spacing_mm, wanted)

    def to_net(
        self,
        pictures: Sequence[NDArray[Any]],
        spacing_mm: Sequence[float],
        windows: Sequence[Window] = (),
    ) -> NDArray[np.float32]:
        """Scale a volume's channels, then bring them to the net's spacing.

        Parameters
        ----------
        pictures
            A channel each, ``[slice, row, column]`` on one grid, any type of finite numbers.
        spacing_mm
            Of slices, rows and columns.
        windows
            One for each channel, where the net takes each volume's own.

        Returns
        -------
        ndarray
            ``[channel, slice, row, column]``. On the own grid every voxel stays a voxel.

        Raises
        ------
        OptionError
            If the channels are too few or many, or a window is missing.
        GeometryError
            If they are not on one grid.
        FormatError
            If a picture holds what is no finite number.
        """
        self.require_channels(pictures)
        shape = self.shape_in_net(pictures[0].shape, spacing_mm)
        seen = np.empty((len(pictures), *shape), np.float32)
        for channel, picture in enumerate(pictures):
            window = windows[channel] if windows else None
            scale = self.scalings[channel].settle(picture, window)
            seen[channel] = resample(scale.apply(picture), shape)
        if not np.isfinite(seen).all():
            raise FormatError("a picture holds values that are no finite numbers")
        return seen

    def require_channels(self, pictures: Sequence[Shaped]) -> None:
        """Refuse other channels than the net's, as `to_net` does."""
        if len(pictures) != len(self.scalings):
            raise OptionError(f"{len(pictures)} channels; the net takes {len(self.scalings)}")
        shapes = {picture.shape for picture in pictures}
        if len(shapes) > 1 or len(pictures[0].shape) != 3:
            raise GeometryError(
                f"channels of {', '.join(map(str, sorted(shapes)))} voxels; wanted is one grid of "
                "slices, rows and columns"
            )

    def labels_to_net(self, labels: NDArray[Any], spacing_mm: Sequence[float]) -> NDArray[np.uint8]:
        """Bring labels ``[slice, row, column]`` to the net's spacing, by the nearest voxel."""
        shape = self.shape_in_net(labels.shape, spacing_mm)
        return resample_labels(labels, shape).astype(np.uint8, copy=False)

    def to_grid(self, labels: NDArray[np.uint8], shape: Sequence[int]) -> NDArray[np.uint8]:
        """Bring labels that the net gave back to a volume's own grid, by the nearest voxel."""
        return np.asarray(resample_labels(labels, shape))

    def padded(self, array: NDArray[Any]) -> NDArray[Any]:
        """Continue ``[..., slice, row, column]`` by its last voxels until a patch fits.

        As smaller volumes are shown in training; one that is large enough is given back itself.
        """
        missing = [
            max(0, side - have)
            for side, have in zip(self.patch, array.shape[-self.dimensions :], strict=True)
        ]
        if not any(missing):
            return array
        ahead = [(0, 0)] * (array.ndim - self.dimensions)
        return np.pad(array, [*ahead, *((0, more) for more in missing)], mode="edge")
