"""Large DICOM trees, quickly: one file is made by pydicom, the others by changing bytes in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from dicom_files import write_dicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

_SERIES, _HEIGHT, _PATIENT = "1.2.3.100000", "000000.00", "PATIENT000"


def write_tree(root: Path, series: int, slices: int, *, side: int = 4) -> list[Path]:
    """Write ``series`` series of ``slices`` slices 2 mm apart, nested, in files without endings.

    Slice ``k`` of series ``n`` holds the number ``n + k`` everywhere but a zero in its corner.
    """
    pixels = np.full((side, side), 7, np.uint16)
    template = write_dicom(
        root / "template",
        pixels,
        SeriesInstanceUID=_SERIES,
        SeriesNumber="1000",
        PatientID=_PATIENT,
        ImagePositionPatient=f"0\\0\\{_HEIGHT}",
    )
    content = template.read_bytes()
    template.unlink()
    head, tail = content[: -pixels.nbytes], content[-pixels.nbytes :]
    assert tail == pixels.tobytes()
    written = []
    for number in range(series):
        folder = root / f"patient{number % 10}" / f"s{number}" / "deep"
        folder.mkdir(parents=True)
        own = head.replace(_SERIES.encode(), f"1.2.3.{100000 + number}".encode())
        own = own.replace(b"1000", f"{1000 + number}".encode(), 1) if number else own
        own = own.replace(_PATIENT.encode(), f"PATIENT{number % 10:03d}".encode())
        for place in range(slices):
            values = np.full((side, side), number + place, np.uint16)
            values[0, 0] = 0
            path = folder / f"f{slices - place}"
            height = f"{place * 2:09.2f}".encode()
            path.write_bytes(own.replace(_HEIGHT.encode(), height) + values.tobytes())
            written.append(path)
    return written


def write_objects(folder: Path, count: int) -> list[Path]:
    """Write DICOM objects that are no pictures, of five kinds in turn."""
    classes = (
        BasicTextSRStorage,
        GrayscaleSoftcopyPresentationStateStorage,
        SegmentationStorage,
        RTStructureSetStorage,
        EncapsulatedPDFStorage,
    )
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number in range(count):
        dataset = Dataset()
        dataset.SOPClassUID = classes[number % len(classes)]
        dataset.SOPInstanceUID = f"1.2.9.{number}"
        dataset.PatientID = "PATIENT000"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"object{number}"
        dataset.save_as(path, enforce_file_format=True)
        written.append(path)
    return written


def zip_tree(root: Path, archive: Path) -> Path:
    """Pack a tree."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                packed.write(path, path.relative_to(root))
    return archive
