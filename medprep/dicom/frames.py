"""Take a multi-frame file apart: the tags of each frame, as if it were a file of its own.

Enhanced and legacy converted files describe their frames in functional groups (PS3.3 C.7.6.16);
what they say is put under the keywords of single-frame files, so that nothing behind this module
knows the difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from medprep.dicom.dictionary import Tags
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
    ("FrameContentSequence", "InStackPositionNumber", "InStackPositionNumber"),
    ("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"),
    ("FrameContentSequence", "FrameAcquisitionNumber", "AcquisitionNumber"),
    ("FrameContentSequence", "FrameAcquisitionDateTime", "AcquisitionTime"),
    ("FrameContentSequence", "DimensionIndexValues", "DimensionIndexValues"),
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
_PHILIPS = 0x2005140F
"""Older Philips files keep each frame's single-frame header in this private sequence."""
_TEXTS = ("ImageType", "ConvolutionKernel", "ScanOptions")
_ROWS = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "WindowCenter",
    "WindowWidth", "DimensionIndexValues",
)  # fmt: skip


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
    count = _count(dataset, tags, most_frames)
    try:
        described = dataset.get("PerFrameFunctionalGroupsSequence")
        if described is None:
            return list(_classic(dataset, tags, count))
        if len(described) != count:
            raise DicomError(f"{count} frames, but {len(described)} are described")
        shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), None)
        return [_frame(tags, shared, own, number) for number, own in enumerate(described)]
    except DicomError:
        raise
    except Exception as error:  # values are parsed only now, and pydicom raises many kinds
        raise DicomError(f"its frames cannot be read ({type(error).__name__}: {error})") from error


def _count(dataset: Dataset, tags: Tags, most_frames: int) -> int:
    stated = tags.get("NumberOfFrames", 1.0)
    if not isinstance(stated, float) or not math.isfinite(stated) or stated < 1:
        raise DicomError(f"NumberOfFrames is {str(stated)[:40]!r}; wanted is 1 or more")
    if stated > max(1, most_frames):
        raise DicomError(f"{stated:.0f} frames, but its bytes hold at most {most_frames}")
    return int(stated)


def _frame(tags: Tags, shared: Dataset | None, own: Dataset, number: int) -> Tags:
    """Collect one frame: its own groups rule over the shared ones, those over the file's tags."""
    frame = {key: value for key, value in tags.items() if key not in _PLACE}
    frame.update(NumberOfFrames=1.0, FrameIndex=number)
    for source in (shared, own):
        if source is not None:
            frame.update(_philips(source))
    for group, attribute, keyword in _GROUPS:
        for source in (own, shared):
            items = source.get(group) if source is not None else None
            value = items[0].get(attribute) if items else None
            if value is not None and value != "":
                converted = _converted(keyword, value)
                if converted is not None:
                    frame[keyword] = converted
                break
    return frame


_PLACE = ("ImagePositionPatient",)


def _philips(source: Dataset) -> Tags:
    from medprep.dicom.dictionary import WANTED

    if _PHILIPS not in source:
        return {}
    items = source[_PHILIPS].value
    if not items or not hasattr(items[0], "get"):
        return {}
    found = {}
    for keyword, _ in WANTED.values():
        if keyword in _FROM_PHILIPS and items[0].get(keyword) not in (None, ""):
            value = _converted(keyword, items[0].get(keyword))
            if value is not None:
                found[keyword] = value
    return found


_FROM_PHILIPS = {
    "RescaleSlope", "RescaleIntercept", "ImageType", "EchoTime", "TemporalPositionIdentifier",
    "TriggerTime", "SpacingBetweenSlices", "SliceThickness", "InversionTime", "FlipAngle",
    "RepetitionTime", "AcquisitionNumber",
}  # fmt: skip


def _converted(keyword: str, value: Any) -> Any:
    """Bring a value as pydicom gives it into the type that `Tags` promises."""
    several = list(value) if hasattr(value, "append") or isinstance(value, tuple) else [value]
    if keyword in _TEXTS:
        return tuple(str(one) for one in several)
    if keyword in _ROWS:
        return tuple(float(one) for one in several) or None
    first = several[0] if several else None
    if isinstance(first, (int, float)) or _is_number(first):
        return float(first)  # type: ignore[arg-type]
    return None if first is None else str(first)


def _is_number(value: object) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, str)


def _classic(dataset: Dataset, tags: Tags, count: int) -> Iterator[Tags]:
    """Give the frames of a file without functional groups; few kinds say where they lie."""
    offsets = _offsets_mm(dataset, tags, count)
    start = tags.get("ImagePositionPatient")
    normal = _normal(tags)
    for number in range(count):
        frame = {**tags, "NumberOfFrames": 1.0, "FrameIndex": number}
        if offsets is not None and normal is not None and start is not None:
            place = np.asarray(start) + offsets[number] * normal
            frame["ImagePositionPatient"] = tuple(place.tolist())
        elif count > 1:
            frame.pop("ImagePositionPatient", None)
        yield frame


def _offsets_mm(dataset: Dataset, tags: Tags, count: int) -> list[float] | None:
    """Give how far each frame lies from the first along the normal, or None where nobody knows."""
    given = dataset.get("GridFrameOffsetVector")
    if given is not None and len(given) == count:
        # PS3.3 C.8.8.3.2: from the first frame, or (if the first is not 0) patient z.
        return [float(one) - float(given[0]) for one in given]
    step = tags.get("SpacingBetweenSlices")
    by_slice = dataset.get("SliceVector")
    if by_slice is not None and isinstance(step, float) and len(by_slice) == count:
        return [(int(one) - 1) * step for one in by_slice]
    return None


def _normal(tags: Tags) -> Any:
    cosines = tags.get("ImageOrientationPatient")
    if not isinstance(cosines, tuple) or len(cosines) != 6:
        return None
    return np.cross(cosines[:3], cosines[3:])
