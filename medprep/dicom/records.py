"""What is known of each slice, before a pixel is read.

What many slices share (`Plane`, `Encoding`, `Origin`, `Contrast`) is kept once: a tree of a
hundred thousand files fits in memory, and slices are grouped by comparing these records.
"""

from __future__ import annotations

from dataclasses import dataclass

from medprep.dicom.blobs import Blob


@dataclass(frozen=True, slots=True)
class Plane:
    """Size and direction of a slice.

    Parameters
    ----------
    rows, columns
        In pixels.
    row_direction, column_direction
        LPS unit vectors along a row and along a column (0020,0037).
    spacing_mm
        Distance between rows and between columns (0028,0030).
    spacing_known
        False where the header has none and 1 mm stands in.
    """

    rows: int
    columns: int
    row_direction: tuple[float, ...]
    column_direction: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    spacing_known: bool = True


@dataclass(frozen=True, slots=True)
class Encoding:
    """How stored numbers lie in the file (PS3.3 C.7.6.3)."""

    syntax: str
    samples: int
    photometric: str
    planar: int
    allocated: int
    stored: int
    high_bit: int
    signed: bool
    is_float: bool

    @property
    def colour(self) -> bool:
        """Whether a pixel is more than one grey value."""
        return self.samples != 1 or not self.photometric.startswith("MONOCHROME")


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose picture it is, and of which series. Private, all of it."""

    patient: str
    study: str
    study_time: str
    series: str
    number: int
    modality: str
    description: str
    role: str


@dataclass(frozen=True, slots=True)
class Contrast:
    """What tells apart two pictures of one place; None or empty where the header is silent."""

    image_type: tuple[str, ...]
    component: str
    echo_ms: float | None
    b_value: float | None
    inversion_ms: float | None
    stack: str
    temporal: float | None
    trigger_ms: float | None
    acquisition: float | None
    acquired: str


@dataclass(frozen=True, slots=True)
class SliceHeader:
    """One slice: a file, or one frame or tile of it.

    Parameters
    ----------
    blob
        The file.
    frame
        Index of the frame in it.
    tile
        Of a mosaic: row and column of the first pixel in the whole picture, and the whole
        picture's rows and columns; else None.
    frames
        Number of frames in the file.
    plane, encoding, origin, contrast
        What it shares with others.
    position_mm
        LPS position of the first pixel's centre (0020,0032), or None.
    slope, intercept
        Rescale (0028,1053), (0028,1052); 1 and 0 where absent.
    thickness_mm, between_mm
        (0018,0050) and (0018,0088), or 0. Positions rule; these are cross-checks.
    window
        VOI window as (low, high) in rescaled values (0028,1050), (0028,1051), or None.
    instance
        (0020,0013), or 0.
    pixels_at, pixels_bytes
        Where the pixel data lies, as in `Record`.
    modality_lut
        Whether a table says what stored numbers mean (0028,3000).
    """

    blob: Blob
    frame: int
    tile: tuple[int, int, int, int] | None
    frames: int
    plane: Plane
    encoding: Encoding
    origin: Origin
    contrast: Contrast
    position_mm: tuple[float, ...] | None
    slope: float
    intercept: float
    thickness_mm: float
    between_mm: float
    window: tuple[float, float] | None
    instance: int
    pixels_at: int
    pixels_bytes: int
    modality_lut: bool
