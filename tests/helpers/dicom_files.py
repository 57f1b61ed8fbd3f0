"""Make small DICOM files and CHAOS folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
)

from medprep.dicom.assemble import assemble
from medprep.dicom.blobs import Blob
from medprep.dicom.contrasts import Stack
from medprep.dicom.headers import read_slices
from medprep.dicom.pixels import read_stored
from medprep.dicom.records import SliceHeader
from medprep.dicom.stacks import Policy, lay_out

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


def slices_of(path: Path) -> list[SliceHeader]:
    """Give the headers of a file's slices."""
    return read_slices(Blob.of(path))[1]


def stored_in(path: Path) -> np.ndarray:
    """Give the stored numbers of a file's slices, or of its one."""
    planes = [read_stored(one) for one in slices_of(path)]
    return planes[0] if len(planes) == 1 else np.stack(planes)


def decoded(*paths: Path) -> np.ndarray:
    """Give the values of single-frame files, slice by slice where there are several."""
    slices = [one for path in paths for one in read_slices(Blob.of(path))[1]]
    (plan,) = lay_out(Stack(tuple(slices)), Policy())
    array, _ = assemble(plan)
    return array[0] if len(paths) == 1 else array


def resaved(path: Path, syntax: str) -> Path:
    """Write a native file again in another native transfer syntax."""
    whole = pydicom.dcmread(path)
    whole.file_meta.TransferSyntaxUID = UID(syntax)
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    if whole.BitsAllocated == 8:
        whole["PixelData"].VR = "OB"  # as words the bytes of big-endian files change places
    elif not little:
        numbers = np.frombuffer(whole.PixelData, f"<u{whole.BitsAllocated // 8}")
        whole.PixelData = numbers.astype(numbers.dtype.newbyteorder(">")).tobytes()
    pydicom.dcmwrite(path, whole, implicit_vr=implicit, little_endian=little)
    return path


def changed_picture(path: Path, syntax: str, change: Callable[[bytearray], bytes]) -> Path:
    """Compress a file's picture and change the compressed bytes."""
    whole = pydicom.dcmread(path)
    whole.compress(syntax)
    frame = get_frame(whole.PixelData, 0, number_of_frames=1)
    whole.PixelData = encapsulate([change(bytearray(frame))])
    whole.save_as(path)
    return path
