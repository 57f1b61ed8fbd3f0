"""Plant known strings wherever a file has room for text, and look for them in whatever was made."""

from __future__ import annotations

import gzip
import sqlite3
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom._dicom_dict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

SEED = "Zqxv"
"""In every planted string, in upper or lower case."""
DATE, ID = "19470313", "7731905521"
"""Of birth; a number."""
MARKS = (SEED.casefold().encode(), ID.encode(), DATE.encode(), b"1947-03-13", b"1947/03/13")
TEXT = {
    "AE": 16, "CS": 16, "LO": 64, "LT": 200, "PN": 64, "SH": 16, "ST": 200, "UC": 200, "UR": 200,
    "UT": 200,
}  # fmt: skip
_NEEDED = (
    "SpecificCharacterSet", "SOPClassUID", "Modality", "PhotometricInterpretation", "ImageType",
    "PatientPosition", "RescaleType",
)  # fmt: skip
_SEQUENCES = (
    "RequestAttributesSequence", "ReferencedStudySequence", "ReferencedImageSequence",
    "AnatomicRegionSequence", "ContentSequence", "OtherPatientIDsSequence",
)  # fmt: skip
_DEEPER = ("RequestAttributesSequence", "ReferencedImageSequence")
"""These hold one another again."""


def planted_text(tag: int, vr: str) -> str:
    """Give a string that no other tag has; the seed stands in each."""
    text = f"{SEED}{tag:08X}"
    if vr == "UR":
        return f"http://{text.lower()}.example/"
    if vr == "PN":
        return f"{text}^{SEED}ohn"
    if vr in ("AE", "SH", "CS"):
        return text
    return f"{SEED}{tag:08X} {ID}, {SEED}ohn of {DATE}"


def text_tags() -> Iterator[tuple[int, str]]:
    """Yield every tag of the dictionary that holds text, and dates; retired ones too."""
    for tag, (vr, _, _, _, keyword) in DicomDictionary.items():
        group = tag >> 16
        if group >= 8 and keyword not in _NEEDED and (vr in TEXT or vr in ("DA", "DT")):
            yield tag, vr


def plant(dataset: Dataset, sequences: tuple[str, ...] = _SEQUENCES, last: int = 0xFFFF) -> None:
    """Plant strings in every text tag, in private tags and in the items of sequences.

    ``last`` is the last group of tags: many files of all tags take minutes.
    """
    dataset.update({tag: one for tag, one in _template().items() if tag >> 16 <= last})
    block = dataset.private_block(0x0029, f"{SEED} MAKER", create=True)
    for element, vr in ((1, "LO"), (2, "UT"), (3, "OB"), (4, "PN")):
        value: Any = planted_text(element, vr) if vr != "OB" else SEED.encode() * 2
        block.add_new(element, vr, value)
    for keyword in sequences:
        item = Dataset()
        deeper = _DEEPER if len(sequences) > len(_DEEPER) else sequences[1:]
        plant(item, deeper if keyword in _DEEPER else (), last)
        item.ReferencedSOPInstanceUID = "1.2.3.4.5"
        setattr(dataset, keyword, Sequence([item]))


@lru_cache(maxsize=1)
def _template() -> Dataset:
    made = Dataset()
    for tag, vr in text_tags():
        made.add_new(tag, vr, _moment(vr) if vr in ("DA", "DT") else planted_text(tag, vr))
    return made


def _moment(vr: str) -> str:
    return DATE if vr == "DA" else f"{DATE}101112"


_COMMON = 0x0040
_KEPT = (
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SeriesNumber", "SequenceName",
    "ImageType", "MRAcquisitionType",
)  # fmt: skip


def plant_file(path: Path, patient: str) -> None:
    """Plant strings in a file of DICOM; what its picture and grid need stays.

    ``patient`` tells apart whom the file is about.
    """
    dataset = pydicom.dcmread(path)
    kept = [dataset[name] for name in _KEPT if name in dataset]
    plant(dataset, ("RequestAttributesSequence", "ReferencedImageSequence"), _COMMON)
    for element in kept:
        dataset.add(element)
    dataset.PatientID = f"{SEED}{ID}{patient}"
    dataset.PatientName = f"{SEED}{patient}^{SEED}ohn"
    dataset.preamble = (SEED * 32).encode()
    dataset.file_meta.SourceApplicationEntityTitle = f"{SEED}AE"
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.3"
    dataset.file_meta.PrivateInformation = SEED.encode() * 2
    dataset.save_as(path)


def found_in(folder: Path, marks: tuple[bytes, ...] = MARKS) -> list[str]:
    """Give every file below a folder that holds a mark, in its name or unpacked in its bytes."""
    hits = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if "private" in inside.parts:
            continue
        for mark in marks:
            if mark in str(inside).casefold().encode():
                hits.append(f"name: {inside}")
        if path.is_file():
            for form, content in _forms(path):
                lower = content.lower()
                hits += [f"{inside} ({form}): {_around(lower, m)}" for m in marks if m in lower]
    return hits


def _around(content: bytes, mark: bytes) -> bytes:
    at = content.find(mark)
    return content[max(0, at - 40) : at + 60]


def _forms(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield a file's bytes, and what they are once unpacked."""
    content = path.read_bytes()
    yield "bytes", content
    yield "utf-16", content.replace(b"\0", b"")
    if content[:2] == b"\x1f\x8b":
        yield "gzip", gzip.decompress(content)
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _png_texts(path)
    if content[:15] == b"SQLite format 3":
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "sqlite", "\n".join(database.iterdump()).encode(errors="replace")
    if content[:2] == b"PK" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                yield f"zip {name}", name.encode() + packed.read(name)
    if content[128:132] == b"DICM":
        yield "DICOM", "\n".join(_decoded(pydicom.dcmread(path))).encode(errors="replace")


def _png_texts(path: Path) -> Iterator[tuple[str, bytes]]:
    with Image.open(path) as picture:
        picture.load()
        for name, text in picture.info.items():
            yield f"png {name}", str(text).encode(errors="replace")


def _decoded(dataset: Dataset) -> Iterator[str]:
    for element in dataset.iterall():
        if element.VR != "SQ" and element.VR not in ("OW", "OF", "OD"):
            yield f"{element.tag} {element.value}"


def planted_dataset(number: int = 0) -> Dataset:
    """Give a picture with strings everywhere."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import MRImageStorage

    dataset = Dataset()
    plant(dataset)
    dataset.SOPClassUID = MRImageStorage
    dataset.SOPInstanceUID = f"1.2.826.0.77.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.826.0.55", "1.2.826.0.66"
    dataset.Modality, dataset.PhotometricInterpretation = "MR", "MONOCHROME2"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) + number
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 64, 64, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.ImagePositionPatient, dataset.PixelSpacing = [0, 0, 2 * number], [1, 1]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelData = pixels.tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset
