"""What a DICOM file says about each slice in it (PS3.3 C.7.6.2, C.11.1, C.11.2)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from medprep.dicom.blobs import Blob
from medprep.dicom.dictionary import Tags
from medprep.dicom.makers import b_value
from medprep.dicom.records import Contrast, Encoding, Origin, Plane, SliceHeader
from medprep.dicom.roles import IMAGE, NO_PIXELS, OPTIONAL, STORAGE, claims_picture, role_of
from medprep.dicom.tags import ENDINGS, MARK, MARK_AT, Record, read_dataset, read_tags
from medprep.dicom.values import hint, hints, needed, needed_if_there, whole_hint
from medprep.errors import DicomError

LARGEST_SIDE = 16384
"""Rows or columns above this are refused before memory is taken; no scanner makes them."""
_FRAMED = {"2.1", "2.2", "4.1", "4.3", "4.4", "6.2", "12.1.1", "12.2.1", "13.1.1", "128.1", "130"}
"""Storage classes whose frames are described one by one (PS3.3 C.7.6.16): Enhanced CT, MR, ..."""
_FLOAT_NOISE = 1e-2


def read_slices(blob: Blob) -> tuple[str, list[SliceHeader]]:
    """Read a file's header.

    Returns
    -------
    str
        Its role, as `role_of` names it.
    list of SliceHeader
        One for each slice, in stored order; none where the role is no picture.

    Raises
    ------
    NoDicomError
        If it is no DICOM file.
    DicomError
        If it is broken, or sizes or directions are impossible.
    """
    record = read_tags(blob)
    role = role_of(record.tags)
    with _naming(blob):
        if role == NO_PIXELS and claims_picture(record.tags):
            raise DicomError("a picture without Rows or Columns: is the file cut short?")
        if role != IMAGE and role not in OPTIONAL:
            return role, []
        if record.pixels_bytes == 0:
            raise DicomError("a picture without pixel data: is the file cut short?")
        return role, [_slice(tags, record, blob, role) for tags in slice_tags(record, blob)]


@contextmanager
def _naming(blob: Blob) -> Iterator[None]:
    """Name the file in errors that do not."""
    try:
        yield
    except DicomError as error:
        if error.path:
            raise
        raise DicomError(error.message, path=str(blob)) from error


def looks_like_dicom(path: Path) -> bool:
    """Tell whether a file bears DICOM's mark (PS3.10 7.1) or claims to by its name.

    What cannot be read counts as DICOM: then it fails its case and is not passed over. What macOS
    leaves beside a file (``._IMG-1.dcm``) does not.
    """
    if path.name.startswith("._"):
        return False
    if path.name.casefold().endswith(ENDINGS):
        return True
    if not path.is_file():
        return False
    try:
        with path.open("rb") as handle:
            handle.seek(MARK_AT)
            return handle.read(len(MARK)) == MARK
    except OSError:
        return True


def slice_tags(record: Record, blob: Blob) -> list[Tags]:
    """Give the tags of each slice in a file: of its frames, of its tiles, or of itself.

    Raises
    ------
    DicomError
        If the header does not say how the slices lie in the file.
    """
    tags = record.tags
    frames = tags.get("NumberOfFrames", 1.0)
    with _naming(blob):
        if frames != 1.0 or str(tags.get("SOPClassUID", "")).removeprefix(STORAGE) in _FRAMED:
            from medprep.dicom.frames import frame_tags

            return frame_tags(read_dataset(blob), tags, _most_frames(record, blob))
        if "MOSAIC" in tags.get("ImageType", ()):
            from medprep.dicom.mosaic import tile_tags

            return tile_tags(tags)
    return [tags]


def _most_frames(record: Record, blob: Blob) -> int:
    """Give how many frames the bytes can hold at most."""
    tags = record.tags
    if record.pixels_bytes < 0 or record.pixels_at < 0:  # each frame is an item of eight bytes
        return blob.size // 8
    size = _positive(tags, "Rows") * _positive(tags, "Columns")
    bits = size * _positive(tags, "SamplesPerPixel") * _positive(tags, "BitsAllocated")
    return max(1, int(record.pixels_bytes * 8 // bits)) if bits else 1


def _positive(tags: Tags, name: str) -> float:
    value = hint(tags, name)
    return value if value is not None and value > 0 else 1.0


def _slice(tags: Tags, record: Record, blob: Blob, role: str) -> SliceHeader:
    position = None
    if "ImagePositionPatient" in tags and "ImageOrientationPatient" in tags:
        position = needed(tags, "ImagePositionPatient", 3)
    slope = needed_if_there(tags, "RescaleSlope")
    tile = None
    if "TileRow" in tags:
        whole = (int(record.tags["Rows"]), int(record.tags["Columns"]))
        tile = (tags["TileRow"], tags["TileColumn"], *whole)
    return SliceHeader(
        blob,
        tags.get("FrameIndex", 0),
        tile,
        whole_hint(record.tags, "NumberOfFrames") or 1,
        _plane(tags, placed=position is not None),
        _encoding(tags),
        _origin(tags, role),
        _contrast(tags),
        position,
        1.0 if slope is None or slope == 0 else slope,
        needed_if_there(tags, "RescaleIntercept") or 0.0,
        abs(hint(tags, "SliceThickness") or 0.0),
        abs(hint(tags, "SpacingBetweenSlices") or 0.0),
        _window(tags),
        whole_hint(tags, "InstanceNumber"),
        record.pixels_at,
        record.pixels_bytes,
        "ModalityLUTSequence" in tags,
    )


@lru_cache(maxsize=4096)
def _shared(record: Any) -> Any:
    """Give the one copy of a record that many slices hold."""
    return record


def _plane(tags: Tags, *, placed: bool) -> Plane:
    rows, columns = (needed(tags, name, 1)[0] for name in ("Rows", "Columns"))
    if not (1 <= rows <= LARGEST_SIDE and 1 <= columns <= LARGEST_SIDE):
        raise DicomError(f"{rows:g} x {columns:g} pixels; at most {LARGEST_SIDE} a side")
    along_row, along_column = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
    if placed:
        cosines = needed(tags, "ImageOrientationPatient", 6)
        along_row, along_column = cosines[:3], cosines[3:]  # type: ignore[assignment]
        lengths = math.hypot(*along_row), math.hypot(*along_column)
        lean = sum(a * b for a, b in zip(along_row, along_column, strict=True))
        if max(abs(n - 1) for n in lengths) > _FLOAT_NOISE or abs(lean) > _FLOAT_NOISE:
            raise DicomError(f"direction cosines are not orthonormal: {list(cosines)}")
    spacing, known = _spacing(tags, placed=placed)
    return _shared(Plane(int(rows), int(columns), along_row, along_column, spacing, known))  # type: ignore[no-any-return]


def _spacing(tags: Tags, *, placed: bool) -> tuple[tuple[float, ...], bool]:
    """Give the pixel spacing; a projection may state it at the detector (0018,1164)."""
    if placed or "PixelSpacing" in tags:
        spacing = needed(tags, "PixelSpacing", 2)
        if min(spacing) <= 0:
            raise DicomError(f"pixel spacing {spacing}; wanted is above 0")
        return spacing, True
    at_detector = hints(tags, "ImagerPixelSpacing")
    if len(at_detector) == 2 and min(at_detector) > 0:
        return at_detector, True
    aspect = hints(tags, "PixelAspectRatio")
    if len(aspect) == 2 and min(aspect) > 0:
        return (aspect[0] / aspect[1], 1.0), False
    return (1.0, 1.0), False


def _encoding(tags: Tags) -> Encoding:
    numbers = {
        name: int(needed_if_there(tags, name) or default)
        for name, default in (
            ("SamplesPerPixel", 1), ("PlanarConfiguration", 0), ("BitsAllocated", 16),
            ("PixelRepresentation", 0),
        )
    }  # fmt: skip
    allocated = numbers["BitsAllocated"]
    stored = int(needed_if_there(tags, "BitsStored") or allocated)
    high = needed_if_there(tags, "HighBit")
    high_bit = stored - 1 if high is None else int(high)
    known = (32, 64) if "FloatPixels" in tags else (1, 8, 16, 32, 64)
    if allocated not in known or not 0 < stored <= allocated:
        raise DicomError(f"{stored} bits stored in {allocated}; wanted are no more than allocated")
    if not stored - 1 <= high_bit < allocated:
        high_bit = stored - 1
    record = Encoding(
        str(tags["TransferSyntaxUID"]),
        numbers["SamplesPerPixel"],
        str(tags.get("PhotometricInterpretation", "MONOCHROME2")),
        numbers["PlanarConfiguration"],
        allocated,
        stored,
        high_bit,
        numbers["PixelRepresentation"] == 1,
        "FloatPixels" in tags,
    )
    return _shared(record)  # type: ignore[no-any-return]


def patient_of(tags: Tags) -> str:
    """Give what a patient is known by; private.

    Who has neither id nor name is told apart by study: better two than two people as one.
    """
    named = (tags.get(name) for name in ("PatientID", "PatientName", "StudyInstanceUID"))
    return str(next(filter(None, named), ""))


def _origin(tags: Tags, role: str) -> Origin:
    time = f"{tags.get('StudyDate', '')}{tags.get('StudyTime', '')}"
    record = Origin(
        patient_of(tags),
        str(tags.get("StudyInstanceUID", "")),
        time,
        str(tags.get("SeriesInstanceUID", "")),
        whole_hint(tags, "SeriesNumber"),
        str(tags.get("Modality", "")),
        str(tags.get("SeriesDescription", "")),
        role,
    )
    return _shared(record)  # type: ignore[no-any-return]


def _contrast(tags: Tags) -> Contrast:
    component = str(tags.get("ComplexImageComponent", ""))
    kinds = tags.get("ImageType", ())
    record = Contrast(
        tuple(kinds) if isinstance(kinds, tuple) else (str(kinds),),
        component,
        hint(tags, "EchoTime") or None,  # computed pictures write 0
        b_value(tags),
        hint(tags, "InversionTime"),
        str(tags.get("StackID", "")),
        _first(hint(tags, name) for name in ("TemporalPositionIdentifier", "ImageIndex")),
        hint(tags, "TriggerTime"),
        hint(tags, "AcquisitionNumber"),
        f"{tags.get('AcquisitionDate', '')}{tags.get('AcquisitionTime', '')}",
    )
    return _shared(record)  # type: ignore[no-any-return]


def _first(values: Iterable[float | None]) -> float | None:
    return next((value for value in values if value is not None), None)


def _window(tags: Tags) -> tuple[float, float] | None:
    centre, width = (hints(tags, name) for name in ("WindowCenter", "WindowWidth"))
    if not centre or not width or width[0] < 1:
        return None
    # Bounds of the linear function of PS3.3 C.11.2.1.2.1.
    return centre[0] - 0.5 - (width[0] - 1) / 2, centre[0] - 0.5 + (width[0] - 1) / 2
