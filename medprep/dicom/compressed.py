"""Decode one compressed frame (PS3.5 annex A.4 and 8.2).

One decoder for each transfer syntax: of the wheels at hand those that survive damaged pictures.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.codestream import plain_j2k, plain_jpeg, require_rle
from medprep.dicom.records import Encoding

RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
_EXTENDED = _JPEG + "51"
_JPEG_2000 = frozenset(_JPEG + part for part in ("90", "91", "92", "93", "201", "202", "203"))
_JPEG_LS = frozenset((_JPEG + "80", _JPEG + "81"))
_DECODERS = {
    RLE: "pylibjpeg",
    _JPEG + "50": "pillow",
    _EXTENDED: "pillow",
    _JPEG + "57": "gdcm",
    _JPEG + "70": "gdcm",
    **dict.fromkeys(_JPEG_LS, "pyjpegls"),
    **dict.fromkeys(_JPEG_2000, "pylibjpeg"),
}
"""Transfer syntax to pydicom's name of the decoder (PS3.6 table A-1)."""
BEYOND_BITS_STORED = _JPEG_2000 | _JPEG_LS
"""Transfer syntaxes whose pictures state their bits themselves, maybe more than the header does."""


def decode(
    content: bytes, encoding: Encoding, rows: int, columns: int, frame: int, frames: int
) -> NDArray[Any]:
    """Decode a frame of encapsulated pixel data.

    Parameters
    ----------
    content
        The items, from the basic offset table on; what follows them does no harm.
    frame, frames
        Which of how many.

    Returns
    -------
    ndarray
        ``[row, column]`` or ``[row, column, 3]``, colours as RGB; unused bits are as they came.

    Raises
    ------
    ValueError
        If the transfer syntax is unknown or the picture is damaged or of another size. Decoders
        raise kinds of their own.
    """
    from pydicom.encaps import encapsulate, get_frame
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    if encoding.syntax not in _DECODERS:
        raise ValueError(f"transfer syntax {encoding.syntax} is not read")
    plugin = _DECODERS[encoding.syntax]
    picture = get_frame(content, frame, number_of_frames=frames)
    size = rows, columns, encoding.samples
    if encoding.syntax == RLE:
        require_rle(picture, encoding.samples * encoding.allocated // 8)
    elif encoding.syntax in _JPEG_2000:
        picture = plain_j2k(picture, *size)
    elif encoding.syntax == _EXTENDED and encoding.stored > 8 and encoding.samples == 1:
        return _twelve_bits(plain_jpeg(picture, *size, 12), encoding, rows, columns)
    elif plugin != "pillow":  # which looks for itself, and needs remarks to tell colours
        picture = plain_jpeg(picture, *size, encoding.allocated)
    array, _ = get_decoder(UID(encoding.syntax)).as_array(
        encapsulate([picture]),
        index=0,
        decoding_plugin=plugin,
        rows=rows,
        columns=columns,
        samples_per_pixel=encoding.samples,
        photometric_interpretation=encoding.photometric,
        planar_configuration=encoding.planar,
        bits_allocated=encoding.allocated,
        bits_stored=encoding.stored,
        pixel_representation=int(encoding.signed),
        number_of_frames=1,
        pixel_keyword="PixelData",
        correct_unused_bits=False,
    )
    return np.asarray(array)


def _twelve_bits(picture: bytes, encoding: Encoding, rows: int, columns: int) -> NDArray[Any]:
    """Decode a grey JPEG of 9 to 12 bits; pydicom has no decoder for it."""
    import gdcm  # type: ignore[import-not-found, import-untyped, unused-ignore]

    item = gdcm.Fragment()
    item.SetByteStringValue(picture)
    items = gdcm.SequenceOfFragments.New()
    items.AddFragment(item)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(items.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((columns, rows, 1))
    image.SetPixelFormat(
        gdcm.PixelFormat(1, 16, encoding.stored, encoding.stored - 1, int(encoding.signed))
    )
    grey = gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    image.SetPhotometricInterpretation(grey)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetDataElement(element)
    text = image.GetBuffer()
    if text is None:
        raise ValueError("its JPEG is damaged")
    # The wrapper gives bytes as text.
    content = text.encode("utf-8", "surrogateescape")
    return np.frombuffer(content, "<i2" if encoding.signed else "<u2").reshape(rows, columns)
