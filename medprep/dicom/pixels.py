"""Read the stored numbers of one slice (PS3.3 C.7.6.3, PS3.5 chapter 8)."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.blobs import Blob
from medprep.dicom.compressed import BEYOND_BITS_STORED, RLE, decode
from medprep.dicom.records import Encoding, SliceHeader
from medprep.dicom.tags import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, inflated, read_dataset
from medprep.errors import DicomError

if TYPE_CHECKING:
    from pydicom import Dataset

_NATIVE = (IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN)
_BITWISE = (*_NATIVE, RLE)
"""Transfer syntaxes that keep bits above those stored: overlays, rubbish."""
_UNSUSPECTED_BYTES = 1 << 26
_LARGEST_RATIO = 4000
"""A constant JPEG 2000 picture packs some thousand times; a larger picture in fewer bytes is a
header that lies."""
_LONGEST_TEXT = 200
PALETTE = "PALETTE COLOR"
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def read_stored(one: SliceHeader, into: NDArray[Any] | None = None) -> NDArray[Any]:
    """Give a slice's numbers as stored, unused bits removed.

    Parameters
    ----------
    one
        The slice.
    into
        A contiguous array whose memory may be used if the numbers just fit; what is returned is
        then a view of it.

    Returns
    -------
    ndarray
        ``[row, column]``, or ``[row, column, 3]`` in colour (RGB); unsigned or signed as the header
        has it, little-endian; uint8 from a palette. It may be a view of read-only memory.

    Raises
    ------
    DicomError
        If the pixel data is cut short or cannot be decoded.
    """
    if one.tile is not None:
        row, column, rows, columns = one.tile
        whole = _mosaic(one.blob, one.encoding, one.pixels_at, one.pixels_bytes, rows, columns)
        return whole[row : row + one.plane.rows, column : column + one.plane.columns]
    return _picture(
        one.blob, one.encoding, one.pixels_at, one.pixels_bytes, one.plane.rows,
        one.plane.columns, one.frame, one.frames, into,
    )  # fmt: skip


def stored_pixels(one: SliceHeader) -> bytes:
    """Give a slice's numbers as bytes, so that two files of one picture can be told.

    The same for every transfer syntax that loses nothing.
    """
    stored = read_stored(one)
    return np.ascontiguousarray(stored, stored.dtype.newbyteorder("<")).tobytes()


@lru_cache(maxsize=2)
def _mosaic(
    blob: Blob, encoding: Encoding, at: int, size: int, rows: int, columns: int
) -> NDArray[Any]:
    return _picture(blob, encoding, at, size, rows, columns, 0, 1, None)


def _picture(
    blob: Blob, encoding: Encoding, at: int, size: int, rows: int, columns: int, frame: int,
    frames: int,
    into: NDArray[Any] | None,
) -> NDArray[Any]:  # fmt: skip
    _require_known(blob, encoding)
    shape = (rows, columns) if encoding.samples == 1 else (rows, columns, encoding.samples)
    simple = encoding.samples == 1 or (encoding.planar == 0 and encoding.photometric == "RGB")
    if encoding.syntax in _NATIVE and at >= 0 and simple and encoding.allocated > 1:
        stored = _native(blob, encoding, at, size, shape, frame, into)
    else:
        stored = _decoded(blob, encoding, at, rows, columns, frame, frames)
    if stored.shape != shape:
        raise DicomError(f"pixels are {stored.shape}, but the header says {shape}", path=str(blob))
    if (stored.dtype.kind == "f") != encoding.is_float:
        raise DicomError(f"pixels are {stored.dtype}; the header says otherwise", path=str(blob))
    plain = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    plain = _without_unused_bits(plain, encoding)
    return _painted(blob, plain) if encoding.photometric == PALETTE else plain


def _require_known(blob: Blob, encoding: Encoding) -> None:
    photometric, samples = encoding.photometric, encoding.samples
    grey = photometric.startswith("MONOCHROME") or photometric == PALETTE
    if not (samples == 1 and grey) and not (samples == 3 and photometric in _COLOURS):
        raise DicomError(
            f"a pixel is {photometric[:40]} with {samples} samples; wanted is MONOCHROME2 with 1 "
            "or RGB with 3",
            path=str(blob),
        )


def _native(
    blob: Blob,
    encoding: Encoding,
    at: int,
    size: int,
    shape: tuple[int, ...],
    frame: int,
    into: NDArray[Any] | None,
) -> NDArray[Any]:
    kind = "f" if encoding.is_float else "i" if encoding.signed else "u"
    dtype = np.dtype(f"<{kind}{encoding.allocated // 8}")
    wanted = math.prod(shape) * dtype.itemsize
    begin = frame * wanted
    whole = len(inflated(blob)) if encoding.syntax == DEFLATED else blob.size
    found = min(size, whole - at)
    if begin + wanted > found:
        raise DicomError(
            f"pixel data is cut short: {found:,} bytes, wanted are {begin + wanted:,}",
            path=str(blob),
        )
    if encoding.syntax == DEFLATED:
        content = inflated(blob)[at + begin : at + begin + wanted]
        return np.frombuffer(content, dtype).reshape(shape)
    fits = into is not None and into.nbytes == wanted
    stored = (
        into.view(dtype).reshape(shape) if fits and into is not None else np.empty(shape, dtype)
    )
    if blob.read_into(stored.data.cast("B"), at + begin) < wanted:
        raise DicomError("pixel data is cut short; copy the file anew", path=str(blob))
    return stored


def _decoded(
    blob: Blob, encoding: Encoding, at: int, rows: int, columns: int, frame: int, frames: int
) -> NDArray[Any]:
    """Decode what does not lie in plain rows of little-endian numbers."""
    whole = rows * columns * encoding.samples * encoding.allocated // 8
    if encoding.syntax in _NATIVE:
        held = len(inflated(blob)) if encoding.syntax == DEFLATED else blob.size
        if whole * frames > 2 * held:
            raise DicomError(
                f"{held:,} bytes cannot hold its {whole * frames:,} of pixels; copy the file anew",
                path=str(blob),
            )
    elif whole > _UNSUSPECTED_BYTES and whole > _LARGEST_RATIO * blob.size:
        raise DicomError(
            f"{rows} x {columns} pixels in {blob.size:,} bytes of compressed data: not decoded",
            path=str(blob),
        )
    try:
        if encoding.syntax in _NATIVE:
            return _by_dataset(blob, encoding, frame if frames > 1 else None)
        content = _encapsulated(blob, at) if at >= 0 else _dataset(blob).PixelData
        return decode(content, encoding, rows, columns, frame, frames)
    except DicomError:
        raise
    except BaseException as error:  # every decoder raises its own kinds, one a panic of Rust
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        said = " ".join(str(error).split())[:_LONGEST_TEXT]
        raise DicomError(
            f"pixels cannot be decoded ({type(error).__name__}: {said})", path=str(blob)
        ) from error


@lru_cache(maxsize=1)
def _encapsulated(blob: Blob, at: int) -> bytes:
    return blob.read(at)


def _by_dataset(blob: Blob, encoding: Encoding, frame: int | None) -> NDArray[Any]:
    """Decode what is not compressed: bits, planes of colours, big-endian numbers."""
    from pydicom.pixels import pixel_array

    dataset = _dataset(blob)
    dataset.file_meta.TransferSyntaxUID = encoding.syntax  # old files have none
    return np.asarray(pixel_array(dataset, index=frame, correct_unused_bits=False))


@lru_cache(maxsize=1)
def _dataset(blob: Blob) -> Dataset:
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(blob.read()), force=True)
    dataset.ensure_file_meta()
    return dataset


def _painted(blob: Blob, indices: NDArray[Any]) -> NDArray[Any]:
    """Look the colours up in the header's palette (PS3.3 C.7.6.3.1.5)."""
    from pydicom.pixels import apply_color_lut

    try:
        colours = np.asarray(apply_color_lut(indices, read_dataset(blob)))[..., :3]
    except DicomError:
        raise
    except Exception as error:  # no palette, or one cut short
        raise DicomError(f"its palette cannot be used ({error})", path=str(blob)) from error
    return colours if colours.dtype.itemsize == 1 else (colours >> 8).astype(np.uint8)


def _without_unused_bits(stored: NDArray[Any], encoding: Encoding) -> NDArray[Any]:
    """Keep the bits that BitsStored and HighBit name (PS3.5 8.1.1); the rest may be rubbish."""
    full = encoding.stored == encoding.allocated
    if full or encoding.syntax in BEYOND_BITS_STORED or stored.dtype.kind not in "iu":
        return stored
    high_bit = encoding.high_bit if encoding.syntax in _BITWISE else encoding.stored - 1
    above = stored.dtype.itemsize * 8 - 1 - high_bit
    below = high_bit + 1 - encoding.stored
    out = stored if stored.flags.writeable else None
    if stored.dtype.kind == "u":
        mask = stored.dtype.type((1 << encoding.stored) - 1)
        moved = np.right_shift(stored, below, out=out) if below else stored
        return np.asarray(np.bitwise_and(moved, mask, out=out))
    return np.asarray(np.right_shift(np.left_shift(stored, above, out=out), above + below, out=out))
