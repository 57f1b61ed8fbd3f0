"""Make small DICOM files and CHAOS folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

AXIAL = (1, 0, 0, 0, 1, 0)


def write_dicom(
    path: Path,
    pixels: np.ndarray,
    position: Sequence[float] = (0, 0, 0),
    orientation: Sequence[float] = AXIAL,
    spacing: Sequence[float] = (1, 1),
    **tags: Any,
) -> Path:
    """Write one slice; a tag of value None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    bits = pixels.dtype.itemsize * 8
    values = {
        "SOPClassUID": MRImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "Modality": "MR",
        "SeriesInstanceUID": "1.2.3",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "ImagePositionPatient": [f"{value:.8g}" for value in position],
        "ImageOrientationPatient": [f"{value:.8f}" for value in orientation],
        "PixelSpacing": list(spacing),
        **tags,
    }
    for name, value in values.items():
        if value is not None:
            setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_mask(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    """Write a mask by Pillow, so that our own writer is not its own witness."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture if mode is None else picture.convert(mode)).save(path)
    return path


def add_slices(folder: Path, numbers: Sequence[int], *, step_mm: float = 2, **tags: Any) -> None:
    """Write a slice for each number: its pixels hold the number, its z is number x step."""
    for number in numbers:
        pixels = np.full((4, 6), number, np.int16)
        path = folder / f"IMG-0001-{number:05d}.dcm"
        write_dicom(path, pixels, (0, 0, number * step_mm), **tags)


def add_masks(folder: Path, numbers: Sequence[int]) -> None:
    """Write a mask for each number: as many liver pixels as the number says."""
    for number in numbers:
        pixels = np.zeros(24, np.uint8)
        pixels[:number] = 63
        write_mask(folder / f"IMG-0001-{number:05d}.png", pixels.reshape(4, 6))


def add_patient(root: Path, sequence: str, patient: int | str, *, labelled: bool = True) -> Path:
    """Add a patient's ``t1``, ``t2`` or ``ct`` below a set's folder, and give its folder."""
    names = {"t1": ("MR", "T1DUAL"), "t2": ("MR", "T2SPIR"), "ct": ("CT", "")}[sequence]
    place = root / names[0] / str(patient) / names[1]
    pictures = place / "DICOM_anon"
    if sequence == "t1":
        add_slices(pictures / "InPhase", (2, 4, 6), EchoTime="4.6")
        add_slices(pictures / "OutPhase", (1, 3, 5), EchoTime="2.3")
    else:
        add_slices(pictures, (2, 4, 6))
    if labelled:
        add_masks(place / "Ground", (2, 4, 6))
    return place
