"""Read a header's wanted tags: by the short reader where it can, by pydicom everywhere else."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

from medprep.dicom.blobs import Blob
from medprep.dicom.dictionary import FLOAT_PIXEL_DATA, MODALITY_LUT, WANTED, Kind, Tags
from medprep.dicom.elements import Damaged, Elements, Unreadable, is_vr, walk
from medprep.errors import DicomError

if TYPE_CHECKING:
    from pydicom import Dataset

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
MARK_AT, MARK = 128, b"DICM"
"""Where a file says what it is (PS3.10 7.1)."""
ENDINGS = (".dcm", ".dicom", ".ima")
"""How names of files end that claim to be DICOM."""
_META_AT = MARK_AT + len(MARK)
_SYNTAX = 0x00020010
_LAST_META = 0x0002FFFF
_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_IMPLICIT_BINARY = {
    0x00189087: "d", 0x00280002: "H", 0x00280006: "H", 0x00280010: "H", 0x00280011: "H",
    0x00280100: "H", 0x00280101: "H", 0x00280102: "H", 0x00280103: "H", 0x00541330: "H",
    0x20011003: "f",
}  # fmt: skip
"""How numbers are stored that are no text, where the header does not say so."""
_LITTLE = {vr.encode(): "<" + form for vr, form in _BINARY.items()}
_IMPLICIT_LITTLE = {tag: "<" + form for tag, form in _IMPLICIT_BINARY.items()}
_LARGEST_INFLATED = 1 << 30


@dataclass(frozen=True, slots=True)
class Record:
    """A file's header.

    Parameters
    ----------
    tags
        The wanted ones.
    pixels_at
        Offset of the pixel data's value in the file; -1 where only pydicom finds it.
    pixels_bytes
        Its length in bytes; -1 for encapsulated frames and where only pydicom finds it, 0 where
        there is none.
    """

    tags: Tags
    pixels_at: int
    pixels_bytes: int


class NoDicomError(Exception):
    """The file does not even claim to be DICOM."""


def read_tags(blob: Blob) -> Record:
    """Read a header.

    Raises
    ------
    NoDicomError
        If the file is something else.
    DicomError
        If it is DICOM and broken.
    """
    with blob.open() as handle:
        try:
            return _short_read(handle, blob)
        except Unreadable as error:
            reason = error
            claimed = _claims_dicom(handle, blob)
    if not claimed:
        raise NoDicomError from None
    if isinstance(reason, Damaged):
        raise DicomError(f"not readable as DICOM ({reason})", path=str(blob)) from reason
    return _by_pydicom(blob, str(reason))


def _claims_dicom(handle: BinaryIO, blob: Blob) -> bool:
    handle.seek(MARK_AT)
    name = (blob.member or blob.path).casefold()
    return handle.read(len(MARK)) == MARK or name.endswith(ENDINGS)


def _short_read(handle: BinaryIO, blob: Blob) -> Record:
    meta = _meta(handle, blob)
    syntax = _syntax(meta)
    if syntax == BIG_ENDIAN:
        raise Unreadable("big-endian")
    if syntax == DEFLATED:
        content = inflated(blob)
        found = walk(io.BytesIO(content), 0, len(content), explicit=_is_explicit(content))
        return _record(found, syntax, meta)
    handle.seek(meta.end)
    explicit = _is_explicit(handle.read(6))
    found = walk(handle, meta.end, blob.size, explicit=explicit)
    if not syntax:
        syntax = EXPLICIT if explicit else IMPLICIT
        if not {0x00080016, 0x00280010} & set(found.values):
            raise Unreadable("nothing that an image or object must hold")
    return _record(found, syntax, meta)


def _meta(handle: BinaryIO, blob: Blob) -> Elements:
    """Read the file meta information (PS3.10 7.1), if any; at its end the data set begins."""
    handle.seek(0)
    head = handle.read(_META_AT)
    if head[MARK_AT:] == MARK:
        return walk(handle, _META_AT, blob.size, explicit=True, last=_LAST_META)
    if head[:2] == b"\x02\x00":
        return walk(handle, 0, blob.size, explicit=True, last=_LAST_META)
    if head[:2] == b"\x08\x00":  # neither preamble nor meta information: old files have this
        return Elements({}, -1, 0, False, 0)
    raise Unreadable("no DICOM mark") if head else Damaged("the file is empty")


def _syntax(meta: Elements) -> str:
    return _text(meta.values.get(_SYNTAX, (b"", b""))[1])


def _is_explicit(head: bytes) -> bool:
    """Tell by a data set's first element, not its syntax: some files are not what they claim."""
    return is_vr(head[4:6])


@lru_cache(maxsize=1)
def inflated(blob: Blob) -> bytes:
    """Give the data set of a deflated file (PS3.5 A.5).

    Raises
    ------
    DicomError
        If it is damaged, or inflates to more than 1 GiB or a thousand times its size.
    """
    content = blob.read()
    try:
        packed = content[_meta(io.BytesIO(content), blob).end :]
    except Unreadable as error:  # pydicom may have read what stands before it
        text = f"nobody knows where its deflated data set begins ({error})"
        raise DicomError(text, path=str(blob)) from error
    most = min(_LARGEST_INFLATED, max(1 << 24, 1000 * len(packed)))
    try:
        content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most)
    except zlib.error as error:
        raise DicomError(f"its deflated data set is damaged ({error})", path=str(blob)) from error
    if len(content) == most:
        raise DicomError(
            f"{len(packed):,} deflated bytes become more than {most:,}: not read", path=str(blob)
        )
    return content


def _record(found: Elements, syntax: str, meta: Elements) -> Record:
    tags: Tags = {}
    for tag, (vr, raw) in (meta.values | found.values).items():
        keyword, kind = WANTED[tag]
        form = _IMPLICIT_LITTLE.get(tag, "") if vr in (b"", b"UN") else _LITTLE.get(vr, "")
        value = _value(raw, kind, form)
        if value is not None:
            tags[keyword] = value
    tags["TransferSyntaxUID"] = syntax
    if found.pixels_vr_float:
        tags["FloatPixels"] = True
    return Record(tags, found.pixels_at, found.pixels_bytes)


@lru_cache(maxsize=8192)  # most values are the same in all files of a series
def _value(raw: bytes, kind: Kind, form: str) -> Any:
    """Turn a value's bytes into what `Tags` promises; None where it is empty."""
    if kind == "bytes":
        return raw
    if kind == "text":
        return _text(raw) or None
    if kind == "texts":
        return tuple(part.strip(" \0") for part in _text(raw).split("\\")) if _text(raw) else None
    try:
        if form:
            count = len(raw) // struct.calcsize(form)
            numbers = tuple(map(float, struct.unpack_from(f"{form[0]}{count}{form[1]}", raw)))
        else:
            numbers = tuple(map(float, _text(raw).split("\\"))) if _text(raw) else ()
    except (ValueError, struct.error):
        return _text(raw)
    if not numbers:
        return None
    return numbers[0] if kind == "number" else numbers


def _text(raw: bytes) -> str:
    try:
        return raw.decode().strip(" \0\r\n\t")
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip(" \0\r\n\t")


def read_dataset(blob: Blob, reason: str = "") -> Dataset:
    """Read a whole header with pydicom, pixels left out; ``reason`` says why it must.

    Raises
    ------
    DicomError
        If pydicom cannot.
    """
    import pydicom

    try:
        with blob.open() as handle:
            if not _is_deflated(handle, blob):
                handle.seek(0)
                return pydicom.dcmread(handle, stop_before_pixels=True, force=True)
        content = inflated(blob)
        dataset = pydicom.filereader.read_dataset(
            io.BytesIO(content), not _is_explicit(content), True, stop_when=_at_pixels
        )
        dataset.ensure_file_meta()
        dataset.file_meta.TransferSyntaxUID = DEFLATED
        return dataset
    except DicomError:
        raise
    except Exception as error:  # pydicom raises many kinds on damaged files
        said = reason or f"{type(error).__name__}: {error}"
        raise DicomError(f"not readable as DICOM ({said})", path=str(blob)) from error


def _is_deflated(handle: BinaryIO, blob: Blob) -> bool:
    try:
        return _syntax(_meta(handle, blob)) == DEFLATED
    except Unreadable:
        return False


def _at_pixels(tag: Any, vr: str | None, length: int) -> bool:
    return int(tag) >= FLOAT_PIXEL_DATA


def _by_pydicom(blob: Blob, reason: str) -> Record:
    dataset = read_dataset(blob, reason)
    tags: Tags = {}
    try:
        for tag, (keyword, kind) in WANTED.items():
            part = dataset.file_meta if tag <= _LAST_META else dataset
            value = _raw_value(part, tag, kind)
            if value is not None:
                tags[keyword] = value
    except Exception as error:  # values are parsed only now
        raise DicomError(f"not readable as DICOM ({reason}; {error})", path=str(blob)) from error
    if not {"SOPClassUID", "MediaStorageSOPClassUID", "Rows"} & set(tags):
        raise DicomError(f"not readable as DICOM ({reason})", path=str(blob))
    implicit, little = dataset.original_encoding
    plain = EXPLICIT if little and not implicit else IMPLICIT if little else BIG_ENDIAN
    tags.setdefault("TransferSyntaxUID", plain)
    return Record(tags, -1, -1)


def _raw_value(dataset: Any, tag: int, kind: Kind) -> Any:
    if tag not in dataset:
        return None
    if tag == MODALITY_LUT:
        return b"" if dataset[tag].value else None
    element = dataset.get_item(tag)
    raw = element.value
    if not isinstance(raw, bytes):  # pydicom has parsed it already
        several = raw if hasattr(raw, "append") else [raw]
        text = "\\".join("" if one is None else str(one) for one in several)
        return _value(text.encode(), kind, "")
    order = "<" if element.is_little_endian else ">"
    known = element.VR not in (None, "UN")
    form = _BINARY.get(element.VR, "") if known else _IMPLICIT_BINARY.get(tag, "")
    return _value(raw, kind, form and order + form)
