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
    """Tell whether a file bears DICOM's mark (PS3.10 7.1) or claims to by its name.

    What cannot be read counts as DICOM: then it fails its case and is not passed over. What macOS
    leaves beside a file (``._IMG-1.dcm``) does not.
    """
    if path.name.startswith("._"):
        return False
    if path.suffix.casefold() in (".dcm", ".dicom", ".ima"):
        return True
    if not path.is_file():
        return False
    try:
        with path.open("rb") as handle:
            handle.seek(_MAGIC_AT)
            return handle.read(4) == b"DICM"
    except OSError:
        return True


def read_dataset(path: Path, *, pixels: bool = True) -> Dataset:
    """Read a file with pydicom.

    Raises
    ------
    DicomError
        If it is no DICOM file or cannot be read.
    """
    import pydicom

    if not path.is_file():  # reading a pipe would wait for ever
        raise DicomError("not readable as DICOM: no regular file", path=path)
    try:
        return pydicom.dcmread(path, stop_before_pixels=not pixels)
    except OSError as error:  # its own text holds the path
        raise DicomError(f"cannot be read: {error.strerror}", path=path) from error
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
    step = _hint(dataset, "SpacingBetweenSlices", path) or _hint(dataset, "SliceThickness", path)
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
        _hint(dataset, "EchoTime", path),
        _window(dataset, path),
        str(tag(dataset, "Modality", path) or ""),
    )


def _window(dataset: Dataset, path: Path) -> tuple[float, float] | None:
    centre, width = (_hint(dataset, name, path) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width < 1:
        return None
    # Bounds of the linear function of PS3.3 C.11.2.1.2.1.
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2


def tag(dataset: Dataset, name: str, path: Path) -> Any:
    """Give a tag's value as pydicom reads it, or None where it is absent.

    Raises
    ------
    DicomError
        If it is damaged.
    """
    try:
        return dataset.get(name)
    except Exception as error:  # values are parsed only now, and pydicom raises many kinds
        raise DicomError(f"{name} cannot be read ({error})", path=path) from error


def _hint(dataset: Dataset, name: str, path: Path) -> float | None:
    """Give the first number of a tag that no voxel depends on; None where it is unusable."""
    try:
        return next(iter(_values(dataset, name, path)), None)
    except DicomError:
        return None


def _number(dataset: Dataset, name: str, path: Path) -> float | None:
    return None if tag(dataset, name, path) in (None, "") else _numbers(dataset, name, path, 1)[0]


def _numbers(dataset: Dataset, name: str, path: Path, count: int) -> tuple[float, ...]:
    numbers = _values(dataset, name, path)
    if len(numbers) != count:
        value = tag(dataset, name, path)
        raise DicomError(f"{name} is {value!r}; wanted are {count} numbers", path=path)
    return numbers


def _values(dataset: Dataset, name: str, path: Path) -> tuple[float, ...]:
    """Give a tag's finite numbers, none where it is absent or empty."""
    value = tag(dataset, name, path)
    if value is None or value == "":
        return ()
    several = value if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    try:
        numbers = tuple(float(one) for one in several)
    except (TypeError, ValueError) as error:
        raise DicomError(f"{name} is {value!r}; wanted are numbers", path=path) from error
    if not np.isfinite(numbers).all():
        raise DicomError(f"{name} is {value!r}; wanted are finite numbers", path=path)
    return numbers
