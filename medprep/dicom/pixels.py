"""Decode one slice's pixels into values (PS3.3 C.7.6.3, C.11.1.1.2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.headers import SliceHeader
from medprep.errors import DicomError

if TYPE_CHECKING:
    from pydicom import Dataset


def decode(dataset: Dataset, header: SliceHeader, path: Path) -> NDArray[Any]:
    """Give the rescaled values of a single-frame grey-scale slice.

    Returns
    -------
    ndarray
        ``[row, column]``; int32 where slope and intercept are whole numbers, else float64.

    Raises
    ------
    DicomError
        If the pixels cannot be decoded, or are in colour, inverted or in several frames.
    """
    samples = dataset.get("SamplesPerPixel", 1)
    meaning = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    if samples != 1 or meaning != "MONOCHROME2":
        raise DicomError(f"pixels are {meaning} with {samples} samples, not MONOCHROME2", path=path)
    try:
        stored = dataset.pixel_array
    except Exception as error:  # every decoder raises its own kinds
        raise DicomError(
            f"pixels cannot be decoded ({type(error).__name__}: {_first_line(error)})", path=path
        ) from error
    if stored.shape != (header.rows, header.columns):
        raise DicomError(
            f"pixels are {stored.shape}, but the header says {header.rows} x {header.columns}",
            path=path,
        )
    if header.slope.is_integer() and header.intercept.is_integer():
        return np.asarray(stored.astype(np.int32) * int(header.slope) + int(header.intercept))
    return np.asarray(stored * header.slope + header.intercept)


def compact(values: NDArray[Any]) -> NDArray[Any]:
    """Store whole numbers in 16 bits where they fit: int16, else uint16; else float32."""
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or not (values == np.rint(values)).all():
            return values.astype(np.float32)
    low, high = values.min(initial=0), values.max(initial=0)
    for kind in (np.int16, np.uint16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values.astype(np.float32)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
