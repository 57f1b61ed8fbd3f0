"""Read the stored numbers of one slice (PS3.3 C.7.6.3, PS3.5 chapter 8)."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.blobs import Blob
from medprep.dicom.codestream import first_picture, size_of
from medprep.dicom.records import Encoding, SliceHeader
from medprep.dicom.tags import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, inflated
from medprep.errors import DicomError

_NATIVE = (IMPLICIT, EXPLICIT, DEFLATED)
_EXTENDED_JPEG = "1.2.840.10008.1.2.4.51"
_JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
_RESCALE = {"0028|1053": 1.0, "0028|1052": 0.0}
"""Slope and intercept, which SimpleITK has applied, and what stands for them where absent."""
_UNSUSPECTED_BYTES = 1 << 26
_LARGEST_RATIO = 4000
"""A constant JPEG 2000 picture packs some thousand times; a larger picture in fewer bytes is a
header that lies."""
_BITWISE = (*_NATIVE, BIG_ENDIAN, "1.2.840.10008.1.2.5")
"""Transfer syntaxes that keep bits above those stored: overlays, rubbish."""


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
        ``[row, column]``, or ``[row, column, 3]`` in colour; unsigned or signed as the header has
        it, little-endian. It may be a view of read-only memory.

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
    shape = (rows, columns) if encoding.samples == 1 else (rows, columns, encoding.samples)
    plain = encoding.samples == 1 or (encoding.photometric == "RGB" and encoding.planar == 0)
    simple = encoding.allocated > 1 and plain
    if encoding.syntax in _NATIVE and at >= 0 and simple:
        stored = _native(blob, encoding, at, size, shape, frame, into)
    else:
        stored = _decoded(blob, encoding, at, rows, columns, frame, frames)
    if stored.shape != shape:
        raise DicomError(f"pixels are {stored.shape}, but the header says {shape}", path=str(blob))
    return _without_unused_bits(stored, encoding)


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
    with blob.open() as handle:
        handle.seek(at + begin)
        if handle.readinto(stored.data.cast("B")) < wanted:  # type: ignore[attr-defined]
            raise DicomError("pixel data is cut short", path=str(blob))
    return stored


def _decoded(
    blob: Blob, encoding: Encoding, at: int, rows: int, columns: int, frame: int, frames: int
) -> NDArray[Any]:
    """Decode with pydicom and its plugins."""
    whole = rows * columns * encoding.samples * encoding.allocated // 8
    if encoding.syntax in (*_NATIVE, BIG_ENDIAN):
        if whole * frames > 2 * blob.size:
            raise DicomError(f"{blob.size:,} bytes cannot hold its pixels", path=str(blob))
    elif whole > _UNSUSPECTED_BYTES and whole > _LARGEST_RATIO * blob.size:
        raise DicomError(
            f"{rows} x {columns} pixels in {blob.size:,} bytes of compressed data: not decoded",
            path=str(blob),
        )
    try:
        if encoding.syntax == _EXTENDED_JPEG and encoding.stored > 8:
            return _by_simpleitk(blob, frame)
        if at < 0 or encoding.syntax in _NATIVE:
            return _by_dataset(blob, frame, frames)
        return _by_decoder(blob, encoding, at, rows, columns, frame, frames)
    except (DicomError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # every decoder raises its own kinds, and Rust's is no Exception
        first_line = (str(error).splitlines() or [""])[0]
        raise DicomError(
            f"pixels cannot be decoded ({type(error).__name__}: {first_line})", path=str(blob)
        ) from error


def _by_decoder(
    blob: Blob, encoding: Encoding, at: int, rows: int, columns: int, frame: int, frames: int
) -> NDArray[Any]:
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    content = _encapsulated(blob, at)
    size = size_of(first_picture(content))
    if size not in (None, (rows, columns)):
        raise DicomError(
            f"its compressed picture is of {size} pixels, but the header says {rows} x {columns}",
            path=str(blob),
        )
    decoder = get_decoder(UID(encoding.syntax))
    # CharLS takes seconds to find a damaged picture damaged; GDCM cannot read fewer than 8 bits.
    first = "gdcm" if encoding.syntax in _JPEG_LS and encoding.stored >= 8 else ""
    array, _ = decoder.as_array(
        content,
        decoding_plugin=first if first in decoder.available_plugins else "",
        index=frame,
        rows=rows,
        columns=columns,
        samples_per_pixel=encoding.samples,
        photometric_interpretation=encoding.photometric,
        planar_configuration=encoding.planar,
        bits_allocated=encoding.allocated,
        bits_stored=encoding.stored,
        pixel_representation=int(encoding.signed),
        number_of_frames=frames,
        pixel_keyword="PixelData",
    )
    return np.asarray(array)


def _by_simpleitk(blob: Blob, frame: int) -> NDArray[Any]:
    """Decode JPEG of 12 bits, which none of pydicom's free plugins does."""
    import SimpleITK as sitk

    if blob.member:
        raise DicomError("JPEG of 12 bits in a zip archive: unpack it first", path=str(blob))
    picture = sitk.ReadImage(blob.path)
    tags = {key: float(picture.GetMetaData(key)) for key in _RESCALE if picture.HasMetaDataKey(key)}
    slope, intercept = (tags.get(key, default) for key, default in _RESCALE.items())
    values = (sitk.GetArrayViewFromImage(picture)[frame] - intercept) / slope
    return np.asarray(np.rint(values), np.int32)


@lru_cache(maxsize=1)
def _encapsulated(blob: Blob, at: int) -> bytes:
    with blob.open() as handle:
        handle.seek(at)
        return handle.read()


def _by_dataset(blob: Blob, frame: int, frames: int) -> NDArray[Any]:
    pixels = _whole(blob)
    return np.asarray(pixels[frame] if frames > 1 else pixels)


@lru_cache(maxsize=1)
def _whole(blob: Blob) -> NDArray[Any]:
    import pydicom

    with blob.open() as handle:
        return np.asarray(pydicom.dcmread(io.BytesIO(handle.read()), force=True).pixel_array)


def _without_unused_bits(stored: NDArray[Any], encoding: Encoding) -> NDArray[Any]:
    """Keep the bits that BitsStored and HighBit name (PS3.5 8.1.1); the rest may be rubbish."""
    full = encoding.stored == encoding.allocated
    if full or encoding.syntax not in _BITWISE or stored.dtype.kind not in "iu":
        return stored
    above = encoding.allocated - 1 - encoding.high_bit
    below = encoding.high_bit + 1 - encoding.stored
    out = stored if stored.flags.writeable else None
    if stored.dtype.kind == "u":
        mask = stored.dtype.type((1 << encoding.stored) - 1)
        moved = np.right_shift(stored, below, out=out) if below else stored
        return np.asarray(np.bitwise_and(moved, mask, out=out))
    return np.asarray(np.right_shift(np.left_shift(stored, above, out=out), above + below, out=out))
