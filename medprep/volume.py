"""Pictures and labels: arrays that never travel without their grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError, LabelError
from medprep.geometry import Geometry


@dataclass(frozen=True, eq=False)
class Volume:
    """A picture: grey values on a grid.

    Parameters
    ----------
    array
        ``[slice, row, column]``, any integer or float type; in colour a last axis of 3.
    geometry
        The grid; its shape is the array's.
    modality
        DICOM modality (``"MR"``, ``"CT"``), or ``""`` where nobody knows.
    """

    array: NDArray[Any]
    geometry: Geometry
    modality: str = ""

    def __post_init__(self) -> None:
        array = self.array
        _require_shape(array[..., 0] if array.ndim == 4 else array, self.geometry)

    def label(self, mask: NDArray[Any], names: Mapping[int, str]) -> LabelMap:
        """Give the label map that lies on this picture's grid."""
        return LabelMap(mask, self.geometry, names)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label for each voxel: 0 is background, every other value has a name.

    Parameters
    ----------
    array
        ``[slice, row, column]``, uint8 or uint16.
    geometry
        The grid; its shape is the array's.
    names
        Label value to organ name, without the background.

    Raises
    ------
    LabelError
        If the array is of another type.
    """

    array: NDArray[Any]
    geometry: Geometry
    names: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_shape(self.array, self.geometry)
        if self.array.dtype not in (np.uint8, np.uint16):
            raise LabelError(f"labels are uint8 or uint16, not {self.array.dtype}")
        object.__setattr__(self, "names", MappingProxyType(dict(self.names)))

    def __reduce__(self) -> tuple[Any, ...]:
        # A read-only mapping cannot be pickled, and label maps go to other processes.
        return LabelMap, (self.array, self.geometry, dict(self.names))


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """Store whole numbers in 16 bits where they fit: int16, else uint16; else float32."""
    whole = values.dtype.kind != "f" or (np.isfinite(values) & (values == np.rint(values))).all()
    if not whole:
        return values.astype(np.float32)
    low, high = values.min(initial=0), values.max(initial=0)
    for kind in (np.int16, np.uint16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values.astype(np.float32)


def _require_shape(array: NDArray[Any], geometry: Geometry) -> None:
    if array.shape != geometry.shape:
        raise GeometryError(f"an array of shape {array.shape} is not on a grid {geometry.shape}")
