"""Make small multi-frame DICOM files, and hold slices against another program's NIfTI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from dicom_files import AXIAL
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
)

from medprep.dicom.dictionary import Tags

Groups = Mapping[str, Mapping[str, Any] | None]
"""Functional group to its attributes; None takes the group away."""
_CLASSES = {
    ("MR", False): EnhancedMRImageStorage,
    ("CT", False): EnhancedCTImageStorage,
    ("MR", True): LegacyConvertedEnhancedMRImageStorage,
    ("CT", True): LegacyConvertedEnhancedCTImageStorage,
}
_KIND = ("ORIGINAL", "PRIMARY", "VOLUME", "NONE")
_FRAME_TYPE = {
    "FrameType": list(_KIND),
    "PixelPresentation": "MONOCHROME",
    "VolumetricProperties": "VOLUME",
    "VolumeBasedCalculationTechnique": "NONE",
}
_POSITION_TAG, _POSITION_GROUP = 0x00200032, 0x00209113


def write_enhanced(
    path: Path,
    pixels: NDArray[Any],
    positions: Sequence[Sequence[float]],
    orientation: Sequence[float] = AXIAL,
    spacing: Sequence[float] = (1, 1),
    *,
    modality: str = "MR",
    legacy: bool = False,
    shared: Groups | None = None,
    own: Callable[[int], Groups] | None = None,
    **tags: Any,
) -> Path:
    """Write an enhanced file: ``pixels`` are [frame, row, column], with a position each.

    ``shared`` and ``own`` (of a frame, by its number) add to what all such files hold; so do
    ``tags``, where None takes one away.
    """
    dimensions = {
        "DimensionOrganizationUID": "1.2.3.7",
        "DimensionIndexPointer": _POSITION_TAG,
        "FunctionalGroupPointer": _POSITION_GROUP,
    }
    frame_type = dict(_FRAME_TYPE)
    if modality == "MR":
        frame_type |= {"ComplexImageComponent": "MAGNITUDE", "AcquisitionContrast": "UNKNOWN"}
    common = {
        f"{modality}ImageFrameTypeSequence": frame_type,
        "PlaneOrientationSequence": {"ImageOrientationPatient": _decimals(orientation)},
        "PixelMeasuresSequence": {"PixelSpacing": _decimals(spacing), "SliceThickness": "2"},
        "PixelValueTransformationSequence": {
            "RescaleSlope": "1", "RescaleIntercept": "0", "RescaleType": "US",
        },
    }  # fmt: skip
    frames = [
        {
            "FrameContentSequence": {
                "StackID": "1", "InStackPositionNumber": n, "DimensionIndexValues": [n],
            },
            "PlanePositionSequence": {"ImagePositionPatient": _decimals(position)},
            **(own(n - 1) if own else {}),
        }
        for n, position in enumerate(positions, 1)
    ]  # fmt: skip
    values = {
        "Modality": modality,
        "ImageType": list(_KIND),
        "DimensionOrganizationSequence": {"DimensionOrganizationUID": "1.2.3.7"},
        "DimensionIndexSequence": dimensions,
        "SharedFunctionalGroupsSequence": [{**common, **(shared or {})}],
        "PerFrameFunctionalGroupsSequence": frames,
        **{name: frame_type[name] for name in _FRAME_TYPE if name != "FrameType"},
        **tags,
    }
    return write_frames(path, pixels, _CLASSES[modality, legacy], **values)


def write_frames(path: Path, pixels: NDArray[Any], sop_class: str, **tags: Any) -> Path:
    """Write a multi-frame file that holds no more than pixels, and ``tags``."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    bits = pixels.dtype.itemsize * 8
    values = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": "1.2.3.1",
        "SeriesInstanceUID": "1.2.3",
        "FrameOfReferenceUID": "1.2.3.5",
        "InstanceNumber": "1",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "NumberOfFrames": str(pixels.shape[0]),
        "Rows": pixels.shape[1],
        "Columns": pixels.shape[2],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        **tags,
    }
    fill(dataset, values)
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def fill(dataset: Dataset, values: Mapping[str, Any]) -> Dataset:
    """Set attributes: a mapping becomes a sequence of one item, a list of mappings of many."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            setattr(dataset, name, [fill(Dataset(), value)])
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            setattr(dataset, name, [fill(Dataset(), item) for item in value])
        elif value is not None:
            setattr(dataset, name, value)
    return dataset


def _decimals(values: Sequence[float]) -> list[str]:
    return [f"{value:.10g}"[:16] for value in values]


def require_same_places(
    slices: Iterable[tuple[Tags, NDArray[Any]]], reference: NDArray[Any], affine: NDArray[Any]
) -> None:
    """Hold each pixel's place and rescaled value against another program's voxels (RAS mm).

    Places follow the formula of PS3.3 C.7.6.2.1.1. Every voxel must be met once.
    """
    met = np.zeros(reference.shape, int)
    for tags, pixels in slices:
        assert pixels.shape == (tags["Rows"], tags["Columns"])
        row, column = np.indices(pixels.shape)
        cosines = np.array(tags["ImageOrientationPatient"])
        between_rows, between_columns = tags["PixelSpacing"]
        place = (
            np.array(tags["ImagePositionPatient"])
            + (column * between_columns)[..., None] * cosines[:3]
            + (row * between_rows)[..., None] * cosines[3:]
        )
        ras = place * (-1, -1, 1)
        index = nibabel.affines.apply_affine(np.linalg.inv(affine), ras)
        nearest = np.rint(index).astype(int)
        assert np.abs(index - nearest).max() < 0.02, "a pixel lies between voxels"
        assert nearest.min() >= 0
        voxel = tuple(np.moveaxis(nearest, -1, 0))
        value = pixels * tags.get("RescaleSlope", 1.0) + tags.get("RescaleIntercept", 0.0)
        assert np.allclose(reference[voxel], value, rtol=1e-5, atol=1e-3)
        np.add.at(met, voxel, 1)
    assert (met == 1).all(), "a voxel is met by no pixel, or by two"
