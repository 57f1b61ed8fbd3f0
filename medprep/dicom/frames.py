"""Take a multi-frame file apart: the tags of each frame, as if it were a file of its own.

Enhanced and legacy converted files describe their frames in functional groups (PS3.3 C.7.6.16);
what they say is put under the keywords of single-frame files, so that nothing behind this module
knows the difference.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.dictionary import WANTED, Kind, Tags
from medprep.dicom.values import needed
from medprep.errors import DicomError

if TYPE_CHECKING:
    from pydicom import Dataset

_GROUPS: tuple[tuple[str, str, str], ...] = (
    ("PlanePositionSequence", "ImagePositionPatient", "ImagePositionPatient"),
    ("PlanePositionVolumeSequence", "ImagePositionVolume", "ImagePositionPatient"),
    ("PlaneOrientationSequence", "ImageOrientationPatient", "ImageOrientationPatient"),
    ("PlaneOrientationVolumeSequence", "ImageOrientationVolume", "ImageOrientationPatient"),
    ("PixelMeasuresSequence", "PixelSpacing", "PixelSpacing"),
    ("PixelMeasuresSequence", "SliceThickness", "SliceThickness"),
    ("PixelMeasuresSequence", "SpacingBetweenSlices", "SpacingBetweenSlices"),
    ("PixelValueTransformationSequence", "RescaleSlope", "RescaleSlope"),
    ("PixelValueTransformationSequence", "RescaleIntercept", "RescaleIntercept"),
    ("FrameVOILUTSequence", "WindowCenter", "WindowCenter"),
    ("FrameVOILUTSequence", "WindowWidth", "WindowWidth"),
    ("FrameContentSequence", "StackID", "StackID"),
    ("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"),
    ("FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber"),
    ("FrameContentSequence", "FrameAcquisitionDateTime", "AcquisitionTime"),
    ("MRImageFrameTypeSequence", "FrameType", "ImageType"),
    ("MRImageFrameTypeSequence", "ComplexImageComponent", "ComplexImageComponent"),
    ("CTImageFrameTypeSequence", "FrameType", "ImageType"),
    ("PETFrameTypeSequence", "FrameType", "ImageType"),
    ("MREchoSequence", "EffectiveEchoTime", "EchoTime"),
    ("MRDiffusionSequence", "DiffusionBValue", "DiffusionBValue"),
    ("MRTimingAndRelatedParametersSequence", "RepetitionTime", "RepetitionTime"),
    ("MRTimingAndRelatedParametersSequence", "FlipAngle", "FlipAngle"),
    ("MRTimingAndRelatedParametersSequence", "EchoTrainLength", "EchoTrainLength"),
    ("MRModifierSequence", "InversionTimes", "InversionTime"),
    ("MRFOVGeometrySequence", "InPlanePhaseEncodingDirection", "InPlanePhaseEncodingDirection"),
    ("MRFOVGeometrySequence", "PercentSampling", "PercentSampling"),
    ("MRFOVGeometrySequence", "PercentPhaseFieldOfView", "PercentPhaseFieldOfView"),
    ("MRAveragesSequence", "NumberOfAverages", "NumberOfAverages"),
    ("MRImagingModifierSequence", "PixelBandwidth", "PixelBandwidth"),
    ("MRImagingModifierSequence", "TransmitterFrequency", "ImagingFrequency"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "TriggerTime"),
    ("CTXRayDetailsSequence", "KVP", "KVP"),
    ("CTExposureSequence", "XRayTubeCurrentInmA", "XRayTubeCurrent"),
    ("CTReconstructionSequence", "ConvolutionKernel", "ConvolutionKernel"),
)
"""Functional group, attribute in it, and the single-frame keyword that means the same."""
_GROUP_NAMES = tuple(dict.fromkeys(group for group, _, _ in _GROUPS))
_SINGLE: tuple[str | int, ...] = (
    0x2005140F,
    "UnassignedSharedConvertedAttributesSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
)
"""What keeps single-frame keywords: a private sequence of older Philips files, and the remains of
a conversion from single-frame files (PS3.3 C.7.6.16.2)."""
_FROM_SINGLE = {
    tag: (keyword, kind)
    for tag, (keyword, kind) in WANTED.items()
    if keyword in {
        "AcquisitionDate", "AcquisitionNumber", "AcquisitionTime", "ConvolutionKernel",
        "DiffusionBValue", "EchoNumbers", "EchoTime", "EchoTrainLength", "ExposureTime",
        "FlipAngle", "GEBValue", "ImageIndex", "ImageType", "ImagingFrequency",
        "InPlanePhaseEncodingDirection", "InversionTime", "KVP", "MRAcquisitionType",
        "MagneticFieldStrength", "NumberOfAverages", "NumberOfPhaseEncodingSteps",
        "PercentPhaseFieldOfView", "PercentSampling", "PhilipsBValue", "PixelBandwidth",
        "RepetitionTime", "RescaleIntercept", "RescaleSlope", "ScanOptions", "ScanningSequence",
        "SequenceVariant", "SiemensBValue", "SliceThickness", "SpacingBetweenSlices",
        "TemporalPositionIdentifier", "TriggerTime", "XRayTubeCurrent",
    }
}  # fmt: skip
"""How it was taken; not where it lies: Philips' private positions differ by half a pixel."""
_KINDS: dict[str, Kind] = {**dict(WANTED.values()), "StackID": "text"}
_SAME_MM = 1e-2
_UPRIGHT = 0.999


def frame_tags(dataset: Dataset, tags: Tags, most_frames: int) -> list[Tags]:
    """Give the tags of each frame.

    Parameters
    ----------
    dataset
        The header of the file.
    tags
        What it says once for all frames.
    most_frames
        What its bytes can hold; a header that claims more is refused before memory is taken.

    Returns
    -------
    list of Tags
        In stored order, each with ``FrameIndex``. Frames of which the file does not say where
        they lie have no ImagePositionPatient.

    Raises
    ------
    DicomError
        If the number of frames is impossible or differs from the number of their descriptions.
    """
    count = _count(tags, most_frames)
    try:
        described = dataset.get("PerFrameFunctionalGroupsSequence")
        shared = _item(dataset, "SharedFunctionalGroupsSequence")
        rest, common = ({}, {}) if shared is None else (_single(shared), _groups(shared))
        if described is None:
            return _classic(dataset, {**tags, **rest, **common}, count)
        if len(described) != count:
            raise DicomError(f"{count} frames, but {len(described)} are described")
        top = {key: value for key, value in tags.items() if key != "ImagePositionPatient"} | rest
        frames = ({**top, **_single(own), **common, **_groups(own)} for own in described)
        return [_numbered(frame, number) for number, frame in enumerate(frames)]
    except DicomError:
        raise
    except Exception as error:  # sequences are parsed only now, and pydicom raises many kinds
        raise DicomError(f"its frames cannot be read ({type(error).__name__}: {error})") from error


def _count(tags: Tags, most_frames: int) -> int:
    stated = tags.get("NumberOfFrames", 1.0)
    if not isinstance(stated, float) or not math.isfinite(stated) or stated < 1 or stated % 1:
        raise DicomError(
            f"NumberOfFrames is {str(stated)[:40]!r}; wanted is a whole number from 1 on"
        )
    if stated > max(1, most_frames):
        raise DicomError(f"{stated:.0f} frames, but its bytes hold at most {most_frames}")
    return int(stated)


def _numbered(tags: Tags, number: int) -> Tags:
    return {**tags, "NumberOfFrames": 1.0, "FrameIndex": number}


def _groups(source: Dataset) -> Tags:
    """Give what functional groups say; of two that mean the same, the first in the table."""
    items = {group: _item(source, group) for group in _GROUP_NAMES}
    found: Tags = {}
    for group, attribute, keyword in _GROUPS:
        item = items[group]
        if item is not None and keyword not in found:
            value = _value(item, attribute, _KINDS[keyword])
            if value is not None:
                found[keyword] = value
    if found.get("InPlanePhaseEncodingDirection") == "COLUMN":
        found["InPlanePhaseEncodingDirection"] = "COL"  # the word of single-frame files
    return found


def _item(source: Dataset, name: str) -> Dataset | None:
    items = source.get(name)
    return items[0] if items else None


def _single(source: Dataset) -> Tags:
    """Give what stands under single-frame keywords; a maker's sequence yields to a standard one."""
    found: Tags = {}
    for name in _SINGLE:
        items = source[name].value if name in source else None
        if not items or not hasattr(items[0], "get"):
            continue
        for tag, (keyword, kind) in _FROM_SINGLE.items():
            value = _value(items[0], tag, kind)
            if value is not None:
                found[keyword] = value
    return found


def _value(item: Dataset, name: str | int, kind: Kind) -> Any:
    """Give a value in the type that `Tags` promises; None where it is absent or empty."""
    if name not in item:
        return None
    try:
        value = item[name].value
    except Exception:  # bytes that are no value of its VR: whoever needs them shall say so
        return item.get_item(name).value
    several = list(value) if hasattr(value, "append") else [value]
    if not several or all(one is None or one == "" for one in several):
        return None
    if kind == "texts":
        return tuple(str(one).strip() for one in several)
    text = "\\".join(str(one) for one in several).strip()
    if kind == "text":
        return text
    try:
        numbers = tuple(float(one) for one in several)
    except (TypeError, ValueError):
        return text
    return numbers if kind == "numbers" else numbers[0]


def _classic(dataset: Dataset, tags: Tags, count: int) -> list[Tags]:
    """Give the frames of a file that does not describe them; few kinds say where they lie."""
    frame = {**_detector(dataset), **tags}
    scaling = _value(dataset, "DoseGridScaling", "number")
    if scaling is not None:
        frame["RescaleSlope"] = scaling
    if count == 1:
        return [_numbered(frame, 0)]
    positions = None
    if "ImagePositionPatient" in frame and "ImageOrientationPatient" in frame:
        positions = _positions(dataset, frame, count)
    frame.pop("ImagePositionPatient", None)
    if positions is None:
        return [_numbered(frame, number) for number in range(count)]
    return [
        _numbered({**frame, "ImagePositionPatient": tuple(place)}, number)
        for number, place in enumerate(positions.tolist())
    ]


def _detector(dataset: Dataset) -> Tags:
    """Give where the first frame of a nuclear medicine file lies (PS3.3 C.8.4.11)."""
    items = dataset.get("DetectorInformationSequence") or []
    if len(items) != 1:  # a reconstruction has one; elsewhere each frame has its own
        return {}
    names = ("ImagePositionPatient", "ImageOrientationPatient")
    found = {name: _value(items[0], name, "numbers") for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _positions(dataset: Dataset, tags: Tags, count: int) -> NDArray[np.float64] | None:
    """(frames, 3): where the frames lie, or None where nobody knows."""
    start = np.array(needed(tags, "ImagePositionPatient", 3))
    cosines = np.array(needed(tags, "ImageOrientationPatient", 6))
    normal = np.cross(cosines[:3], cosines[3:])
    grid = _vector(dataset, "GridFrameOffsetVector", count)
    places = _vector(dataset, "SliceVector", count)
    step = tags.get("SpacingBetweenSlices")
    if grid is not None:  # PS3.3 C.8.8.3.2
        if grid[0] == 0:
            return np.asarray(start + np.outer(grid, normal))
        if abs(grid[0] - start[2]) <= _SAME_MM and abs(normal[2]) > _UPRIGHT:
            return np.asarray(start + np.outer(grid - grid[0], (0.0, 0.0, 1.0)))
    elif places is not None and isinstance(step, float) and step != 0:
        # PS3.3 C.8.4.15: slices count from 1, and a step below 0 goes against the normal.
        return np.asarray(start + np.outer((places - 1) * step, normal))
    return None


def _vector(dataset: Dataset, name: str, count: int) -> NDArray[np.float64] | None:
    value = _value(dataset, name, "numbers")
    if value is None:
        return None
    if not isinstance(value, tuple) or len(value) != count:
        found = len(value) if isinstance(value, tuple) else repr(value)[:40]
        raise DicomError(f"{count} frames, but the values of {name} are {found}")
    return np.array(value)
