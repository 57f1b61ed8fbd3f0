"""One phantom slice as DICOM, one mask as PNG: the same bytes wherever they are written."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry
from medprep.sources.phantom_anatomy import Floats

if TYPE_CHECKING:
    from pydicom import Dataset

Modality = Literal["MR", "CT"]
Syntax = Literal["implicit", "explicit", "rle"]

_SOP_CLASS = {"MR": "1.2.840.10008.5.1.4.1.1.4", "CT": "1.2.840.10008.5.1.4.1.1.2"}
_IMPLEMENTATION = "MEDPREP_PHANTOM"
_EMPTY = (
    "InstanceCreationDate", "InstanceCreationTime", "StudyDate", "SeriesDate", "AcquisitionDate",
    "ContentDate", "StudyTime", "AcquisitionTime", "ContentTime", "AccessionNumber", "Manufacturer",
    "InstitutionName", "ReferringPhysicianName", "StudyDescription", "SeriesDescription",
    "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "BodyPartExamined",
)  # fmt: skip
"""What the anonymised headers of CHAOS hold without a value."""


@dataclass(frozen=True)
class Patient:
    """Whose slices they are; chance and UIDs come from these alone."""

    modality: Modality
    number: int
    seed: int

    def chance(self, stream: int) -> np.random.Generator:
        """Give a generator of this patient's own; another stream is independent."""
        return np.random.default_rng([self.seed, self.modality == "CT", self.number, stream])

    def uid(self, *parts: object) -> str:
        """Give the UID of what the parts name."""
        from pydicom.uid import generate_uid

        words = ("medprep phantom", self.seed, self.modality, self.number, *parts)
        return str(generate_uid(entropy_srcs=["/".join(map(str, words))]))


@dataclass(frozen=True)
class Series:
    """What the headers of one series have in common.

    Parameters
    ----------
    acquisition
        Its name. Series that share it share the SeriesInstanceUID, as the echoes of T1DUAL do.
    own_uids
        Each file has a SeriesInstanceUID of its own.
    origin_mm
        Added to the grid's positions: where the scanner counts from.
    window
        WindowCenter and WindowWidth.
    echo_ms, echo
        MR: EchoTime and EchoNumbers.
    intercept
        CT: RescaleIntercept. MR has no rescale.
    """

    patient: Patient
    acquisition: str
    grid: Geometry
    syntax: Syntax
    window: tuple[float, float]
    own_uids: bool = False
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    echo_ms: float = 0.0
    echo: int = 1
    intercept: int = 0

    def write(self, path: Path, values: Floats, place: int, number: int) -> None:
        """Write a slice.

        Parameters
        ----------
        values
            ``[row, column]``, whole numbers; what 16 bits cannot hold is clipped.
        place
            Its index on the grid.
        number
            Its InstanceNumber.
        """
        from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

        dataset = self._dataset(place, number)
        stored = np.clip(values, 0, 65535).astype("<u2")
        dataset.Rows, dataset.Columns = stored.shape
        dataset.PixelData = stored.tobytes()
        implicit = self.syntax == "implicit"
        dataset.file_meta.TransferSyntaxUID = (
            ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        )
        if self.syntax == "rle":
            # Other encoders may be installed, and need not give the same bytes.
            dataset.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        dataset.save_as(path, enforce_file_format=True)

    def _dataset(self, place: int, number: int) -> Dataset:
        from pydicom import Dataset
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import generate_uid

        dataset = Dataset()
        for name in _EMPTY:
            setattr(dataset, name, "")
        mine = self._mr() if self.patient.modality == "MR" else self._ct()
        for name, value in {**self._common(place, number), **mine}.items():
            setattr(dataset, name, value)
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        # pydicom's own would change with its version.
        meta.ImplementationClassUID = generate_uid(entropy_srcs=[_IMPLEMENTATION])
        meta.ImplementationVersionName = _IMPLEMENTATION
        dataset.file_meta = meta
        return dataset

    def _common(self, place: int, number: int) -> dict[str, object]:
        patient, affine = self.patient, self.grid.affine
        position = affine[:3, 3] + place * affine[:3, 0] + self.origin_mm
        across, down = self.grid.direction[:, 2], self.grid.direction[:, 1]
        own = (number,) if self.own_uids else ()
        return {
            "SpecificCharacterSet": "ISO_IR 100",
            "SOPClassUID": _SOP_CLASS[patient.modality],
            "SOPInstanceUID": patient.uid(self.acquisition, "slice", number),
            "Modality": patient.modality,
            "PatientName": f"PHANTOM^{patient.modality}_SET_{patient.number}",
            "ProtocolName": self.acquisition,
            "StudyInstanceUID": patient.uid("study"),
            "SeriesInstanceUID": patient.uid(self.acquisition, "series", *own),
            "FrameOfReferenceUID": patient.uid("frame"),
            "StudyID": "1",
            "SeriesNumber": 1,
            "InstanceNumber": number,
            "ImagePositionPatient": _decimals(position, 4),
            "ImageOrientationPatient": _decimals(np.concatenate([across, down]), 6),
            "PixelSpacing": _decimals(self.grid.spacing_mm[1:], 4),
            "SamplesPerPixel": 1,
            "PhotometricInterpretation": "MONOCHROME2",
            "BitsAllocated": 16,
            "BitsStored": 16,
            "HighBit": 15,
            "PixelRepresentation": 0,
        }

    def _mr(self) -> dict[str, object]:
        step_mm = self.grid.spacing_mm[0]
        return {
            "ImageType": ["ORIGINAL", "PRIMARY", "M_FFE", "M", "FFE"],
            "ScanningSequence": "GR",
            "SequenceVariant": "SS",
            "SliceThickness": round(0.8 * step_mm, 1),
            "SpacingBetweenSlices": round(step_mm, 2),
            "EchoTime": self.echo_ms,
            "EchoNumbers": self.echo,
            "MagneticFieldStrength": 1.5,
            "PatientPosition": "HFS",
            "WindowCenter": round(self.window[0], 1),
            "WindowWidth": round(self.window[1], 1),
        }

    def _ct(self) -> dict[str, object]:
        # SliceThickness is not the step, and no SpacingBetweenSlices tells it: positions do.
        return {
            "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL", "HELIX"],
            "SliceThickness": round(1.6 * self.grid.spacing_mm[0], 1),
            "KVP": 120,
            "PatientPosition": "FFS",
            "WindowCenter": [self.window[0], self.window[0]],
            "WindowWidth": [self.window[1], self.window[1]],
            "RescaleIntercept": self.intercept,
            "RescaleSlope": 1,
        }


def write_mask(path: Path, values: NDArray[np.uint8], bits: Literal[1, 8]) -> None:
    """Write a grey PNG of 1 or 8 bits a pixel; values are ``[row, column]``.

    ``formats.png`` packs faster and tighter, but not to the same bytes on every machine; the
    run-length strategy of zlib leaves no build a choice.
    """
    rows, columns = values.shape
    packed = np.packbits(values, axis=1) if bits == 1 else values
    lines = np.pad(packed, ((0, 0), (1, 0)))  # filter 0 before each row
    deflate = zlib.compressobj(level=9, strategy=zlib.Z_RLE)
    body = deflate.compress(lines.tobytes()) + deflate.flush()
    header = struct.pack(">IIBBBBB", columns, rows, bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    content = b"".join(_chunk(name, part) for name, part in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _decimals(values: Iterable[float], digits: int) -> list[float]:
    """Round to what a DS of 16 characters holds; adding 0 turns -0 into 0."""
    return [round(float(value), digits) + 0.0 for value in values]
