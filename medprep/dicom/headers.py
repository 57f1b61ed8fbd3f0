"""What one DICOM file says about its slice (PS3.3 C.7.6.2, C.11.1, C.11.2)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medprep.errors import DicomError

if TYPE_CHECKING:
    from pydicom import Dataset

_MAGIC_AT = 128
LARGEST_SIDE = 16384
"""Rows or columns above this are refused before memory is taken; no scanner makes them."""


@dataclass(frozen=True)
class SliceHeader:
    """Where a slice lies and how its stored numbers become values.

    Parameters
    ----------
    rows, columns
        Size in pixels.
    position_mm
        LPS position of the first pixel's centre (0020,0032).
    row_direction, column_direction
        Unit vectors along a row and along a column (0020,0037).
    spacing_mm
        Distance between rows and between columns (0028,0030).
    slope, intercept
        Rescale (0028,1053), (0028,1052); 1 and 0 where absent.
    step_mm
        Distance to the next slice as the header claims it: (0018,0088), else (0018,0050), else 0.
        Positions rule; this serves a single slice and as a cross-check.
    echo_time_ms
        (0018,0081), or None.
    window
        VOI window as (low, high) in rescaled values (0028,1050), (0028,1051), or None.
    modality
        (0008,0060).
    """

    rows: int
    columns: int
    position_mm: tuple[float, ...]
    row_direction: tuple[float, ...]
    column_direction: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    slope: float
    intercept: float
    step_mm: float
    echo_time_ms: float | None
    window: tuple[float, float] | None
    modality: str


def looks_like_dicom(path: Path) -> bool:
    """Tell whether a file bears DICOM's mark (PS3.10 7.1) or claims to by its name."""
    if path.suffix.casefold() in (".dcm", ".dicom", ".ima"):
        return True
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        handle.seek(_MAGIC_AT)
        return handle.read(4) == b"DICM"


def read_dataset(path: Path, *, pixels: bool = True) -> Dataset:
    """Read a file with pydicom.

    Raises
    ------
    DicomError
        If it is no DICOM file or cannot be read.
    """
    import pydicom

    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except Exception as error:  # pydicom raises many kinds on damaged files
        raise DicomError(
            f"not readable as DICOM ({type(error).__name__}: {error})", path=path
        ) from error


def slice_header(dataset: Dataset, path: Path) -> SliceHeader:
    """Take the slice's header out of a dataset.

    Raises
    ------
    DicomError
        If size, position or orientation is missing or impossible.
    """
    rows, columns = (_numbers(dataset, name, path, 1)[0] for name in ("Rows", "Columns"))
    if not (0 < rows <= LARGEST_SIDE and 0 < columns <= LARGEST_SIDE):
        raise DicomError(f"{rows:g} x {columns:g} pixels; at most {LARGEST_SIDE} a side", path=path)
    orientation = np.array(_numbers(dataset, "ImageOrientationPatient", path, 6))
    along_row, along_column = orientation[:3], orientation[3:]
    lengths = np.linalg.norm(along_row), np.linalg.norm(along_column)
    if max(abs(n - 1) for n in lengths) > 1e-2 or abs(along_row @ along_column) > 1e-2:
        raise DicomError(
            f"direction cosines are not orthonormal: {orientation.tolist()}", path=path
        )
    spacing = _numbers(dataset, "PixelSpacing", path, 2)
    if min(spacing) <= 0:
        raise DicomError(f"pixel spacing {spacing}; wanted is above 0", path=path)
    slope = _number(dataset, "RescaleSlope", path)
    step = _number(dataset, "SpacingBetweenSlices", path) or _number(
        dataset, "SliceThickness", path
    )
    return SliceHeader(
        int(rows),
        int(columns),
        _numbers(dataset, "ImagePositionPatient", path, 3),
        tuple(along_row.tolist()),
        tuple(along_column.tolist()),
        spacing,
        1.0 if slope in (None, 0) else float(slope or 1),
        _number(dataset, "RescaleIntercept", path) or 0.0,
        abs(step or 0.0),
        _number(dataset, "EchoTime", path),
        _window(dataset, path),
        str(dataset.get("Modality", "")),
    )


def _window(dataset: Dataset, path: Path) -> tuple[float, float] | None:
    centre, width = (_first(dataset, name, path) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width < 1:
        return None
    # Bounds of the linear function of PS3.3 C.11.2.1.2.1.
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2


def _first(dataset: Dataset, name: str, path: Path) -> float | None:
    value = dataset.get(name)
    several = value if isinstance(value, (list, tuple)) or hasattr(value, "__iter__") else [value]
    if isinstance(value, str):
        several = [value]
    return _as_float(next(iter(several), None), name, path)


def _number(dataset: Dataset, name: str, path: Path) -> float | None:
    return _as_float(dataset.get(name), name, path)


def _numbers(dataset: Dataset, name: str, path: Path, count: int) -> tuple[float, ...]:
    value = dataset.get(name)
    several = [value] if count == 1 else list(value or [])
    numbers = [_as_float(one, name, path) for one in several]
    if len(numbers) != count or any(one is None for one in numbers):
        raise DicomError(f"{name} is {value!r}; wanted are {count} numbers", path=path)
    return tuple(one for one in numbers if one is not None)


def _as_float(value: Any, name: str, path: Path) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise DicomError(f"{name} is {value!r}, not a number", path=path) from error
    if not np.isfinite(number):
        raise DicomError(f"{name} is {number}, not a finite number", path=path)
    return number
