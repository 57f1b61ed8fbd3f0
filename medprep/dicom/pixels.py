"""Decode one slice's pixels into values (PS3.3 C.7.6.3, C.11.1.1.2)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.headers import SliceHeader, tag
from medprep.errors import DicomError

if TYPE_CHECKING:
    from pydicom import Dataset


def decode(dataset: Dataset, header: SliceHeader, path: Path) -> NDArray[Any]:
    """Give the rescaled values of a single-frame grey-scale slice.

    Returns
    -------
    ndarray
        ``[row, column]``; int32 where slope and intercept are whole numbers and it holds the
        values, else float64.

    Raises
    ------
    DicomError
        If the pixels cannot be decoded, or are in colour, inverted or in several frames.
    """
    samples = tag(dataset, "SamplesPerPixel", path) or 1
    meaning = str(tag(dataset, "PhotometricInterpretation", path) or "MONOCHROME2")
    if samples != 1 or meaning != "MONOCHROME2":
        raise DicomError(f"pixels are {meaning} with {samples} samples, not MONOCHROME2", path=path)
    frames = tag(dataset, "NumberOfFrames", path) or 1
    if str(frames) != "1":  # before memory is taken for them
        raise DicomError(f"{frames} frames in one file; wanted is one slice", path=path)
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
    largest = max(-int(stored.min()), int(stored.max())) * abs(header.slope)
    whole = header.slope.is_integer() and header.intercept.is_integer()
    if whole and largest + abs(header.intercept) < 2**31:
        return np.asarray(stored.astype(np.int32) * int(header.slope) + int(header.intercept))
    return np.asarray(stored * header.slope + header.intercept)


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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
