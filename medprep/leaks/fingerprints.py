"""What is kept of a case to find its pictures again: some 4.7 kilobytes a slice."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError
from medprep.geometry import Geometry
from medprep.leaks import forms
from medprep.leaks.thumbnails import SAMPLES, SIDE, as_grey, sample, thumbnail
from medprep.turns import Turn

_VERSION = 1
_SHAPES: dict[str, tuple[tuple[int, ...], type[np.generic]]] = {
    "blank": ((), np.bool_),
    "order_digests": ((forms.DIGEST,), np.uint8),
    "level_digests": ((forms.DIGEST,), np.uint8),
    "ways": ((), np.uint8),
    "levels": ((), np.uint32),
    "shapes": ((2,), np.uint32),
    "samples": ((SAMPLES, SAMPLES), np.uint16),
    "thumbnails": ((SIDE, SIDE), np.uint8),
}


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """What is kept of all slices of one case; the first axis of each array counts slices.

    Parameters
    ----------
    blank
        bool: the slice is constant or nearly so and matches nothing.
    order_digests, level_digests, ways, levels
        As `medprep.leaks.forms.Exact` has them: uint8 ``[slice, 16]`` twice, uint8, uint32.
    shapes
        uint32 ``[slice, 2]``: rows and columns of the picture.
    samples
        uint16 ``[slice, 16, 16]``: ranks of single pixels among themselves.
    thumbnails
        uint8 ``[slice, 64, 64]``; zeros for a blank slice.
    """

    blank: NDArray[np.bool_]
    order_digests: NDArray[np.uint8]
    level_digests: NDArray[np.uint8]
    ways: NDArray[np.uint8]
    levels: NDArray[np.uint32]
    shapes: NDArray[np.uint32]
    samples: NDArray[np.uint16]
    thumbnails: NDArray[np.uint8]

    def __post_init__(self) -> None:
        for name, (shape, kind) in _SHAPES.items():
            array = getattr(self, name)
            if array.shape != (len(self.blank), *shape) or array.dtype != kind:
                raise FormatError(
                    f"'{name}' of a fingerprint is {array.shape} of {array.dtype}; wanted is "
                    f"{(len(self.blank), *shape)} of {np.dtype(kind)}"
                )

    def __len__(self) -> int:
        return len(self.blank)

    def to_bytes(self) -> bytes:
        """Give the content of an npz file: equal fingerprints give equal bytes."""
        target = io.BytesIO()
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(target, version=np.array(_VERSION), **arrays)
        return target.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Fingerprint:
        """Read what `to_bytes` gave.

        Raises
        ------
        FormatError
            If it is damaged, or of another version of medprep.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as stored:
                version = int(stored["version"])
                if version == _VERSION:
                    return cls(**{name: stored[name] for name in _SHAPES})
        except FormatError:
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise FormatError(f"not a readable fingerprint: {type(error).__name__}") from error
        raise FormatError(
            f"a fingerprint of version {version}; wanted is {_VERSION}: make it anew from the "
            "pictures"
        )


def fingerprint(slices: Iterable[NDArray[Any]]) -> Fingerprint:
    """Take the fingerprint of a case.

    Parameters
    ----------
    slices
        Planes ``[row, column]`` of bool, integers or floats, or ``[row, column, 3 or 4]`` in
        colour, taken as grey. None at all gives a fingerprint of no slices.

    Raises
    ------
    FormatError
        If a plane has other axes or holds no real numbers.
    """
    rows = [_of_slice(as_grey(plane)) for plane in slices]
    arrays = {
        name: np.array([row[name] for row in rows], dtype=kind).reshape(len(rows), *shape)
        for name, (shape, kind) in _SHAPES.items()
    }
    return Fingerprint(**arrays)


def planes(array: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """Give a volume as it is compared, however its axes are stored; a view, not a copy.

    Slices lie across the axis with fewer than half as many voxels as each of the others, and where
    there is none, across the patient's head to foot. Rows and columns keep the order head-foot,
    front-back, left-right. No axis is turned round.

    Parameters
    ----------
    array
        ``[slice, row, column]``.
    geometry
        Its grid.

    Returns
    -------
    ndarray
        ``[slice, row, column]``: of most stacks the array itself.
    """
    order = Turn.to_ras(geometry).order[::-1]
    fewest, other, _ = sorted(geometry.shape)
    axis = geometry.shape.index(fewest) if 2 * fewest < other else order[0]
    return array.transpose(axis, *(one for one in order if one != axis))


def _of_slice(grey: NDArray[Any]) -> dict[str, Any]:
    small = thumbnail(grey)
    row: dict[str, Any] = {
        name: np.zeros(shape, dtype=kind) for name, (shape, kind) in _SHAPES.items()
    }
    row["shapes"] = np.array(grey.shape)
    if small is None:
        return {**row, "blank": True}
    ranks, levels = forms.ranks_of(grey)
    exact = forms.exact(ranks, levels)
    _, order = np.unique(sample(ranks), return_inverse=True)
    return {
        **row,
        "order_digests": np.frombuffer(exact.order_digest, np.uint8),
        "level_digests": np.frombuffer(exact.level_digest, np.uint8),
        "ways": exact.way,
        "levels": exact.levels,
        "samples": order.reshape(SAMPLES, SAMPLES),
        "thumbnails": small,
    }
