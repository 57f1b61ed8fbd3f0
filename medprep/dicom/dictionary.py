"""The tags medprep reads, and what kind of value each holds (PS3.6 chapter 6).

Everything else in a header is skipped without being looked at.
"""

from __future__ import annotations

from typing import Any, Literal

Tags = dict[str, Any]
"""Keyword to value. ``text``: str, stripped; ``texts``: tuple of str; ``number``: float;
``numbers``: tuple of float; ``bytes``: as stored. What is absent or empty has no key; a number
that is none stays the str or bytes it was, so that whoever needs it can say what was found."""

Kind = Literal["text", "texts", "number", "numbers", "bytes"]

PIXEL_DATA = 0x7FE00010
FLOAT_PIXEL_DATA = 0x7FE00008
DOUBLE_PIXEL_DATA = 0x7FE00009
MODALITY_LUT = 0x00283000
"""A sequence: that it is there is all that is kept of it, as empty ``bytes``."""

WANTED: dict[int, tuple[str, Kind]] = {
    0x00020002: ("MediaStorageSOPClassUID", "text"),
    0x00020010: ("TransferSyntaxUID", "text"),
    0x00080008: ("ImageType", "texts"),
    0x00080016: ("SOPClassUID", "text"),
    0x00080020: ("StudyDate", "text"),
    0x00080022: ("AcquisitionDate", "text"),
    0x00080030: ("StudyTime", "text"),
    0x00080032: ("AcquisitionTime", "text"),
    0x00080060: ("Modality", "text"),
    0x00080070: ("Manufacturer", "text"),
    0x0008103E: ("SeriesDescription", "text"),
    0x00089208: ("ComplexImageComponent", "text"),
    0x00100010: ("PatientName", "text"),
    0x00100020: ("PatientID", "text"),
    0x00180020: ("ScanningSequence", "texts"),
    0x00180021: ("SequenceVariant", "texts"),
    0x00180022: ("ScanOptions", "texts"),
    0x00180023: ("MRAcquisitionType", "text"),
    0x00180050: ("SliceThickness", "number"),
    0x00180060: ("KVP", "number"),
    0x00180080: ("RepetitionTime", "number"),
    0x00180081: ("EchoTime", "number"),
    0x00180082: ("InversionTime", "number"),
    0x00180083: ("NumberOfAverages", "number"),
    0x00180084: ("ImagingFrequency", "number"),
    0x00180086: ("EchoNumbers", "number"),
    0x00180087: ("MagneticFieldStrength", "number"),
    0x00180088: ("SpacingBetweenSlices", "number"),
    0x00180089: ("NumberOfPhaseEncodingSteps", "number"),
    0x00180091: ("EchoTrainLength", "number"),
    0x00180093: ("PercentSampling", "number"),
    0x00180094: ("PercentPhaseFieldOfView", "number"),
    0x00180095: ("PixelBandwidth", "number"),
    0x00181060: ("TriggerTime", "number"),
    0x00181150: ("ExposureTime", "number"),
    0x00181151: ("XRayTubeCurrent", "number"),
    0x00181164: ("ImagerPixelSpacing", "numbers"),
    0x00181210: ("ConvolutionKernel", "texts"),
    0x00181312: ("InPlanePhaseEncodingDirection", "text"),
    0x00181314: ("FlipAngle", "number"),
    0x00185100: ("PatientPosition", "text"),
    0x00189087: ("DiffusionBValue", "number"),
    0x0019100C: ("SiemensBValue", "number"),
    0x0020000D: ("StudyInstanceUID", "text"),
    0x0020000E: ("SeriesInstanceUID", "text"),
    0x00200011: ("SeriesNumber", "number"),
    0x00200012: ("AcquisitionNumber", "number"),
    0x00200013: ("InstanceNumber", "number"),
    0x00200032: ("ImagePositionPatient", "numbers"),
    0x00200037: ("ImageOrientationPatient", "numbers"),
    0x00200100: ("TemporalPositionIdentifier", "number"),
    0x00280002: ("SamplesPerPixel", "number"),
    0x00280004: ("PhotometricInterpretation", "text"),
    0x00280006: ("PlanarConfiguration", "number"),
    0x00280008: ("NumberOfFrames", "number"),
    0x00280010: ("Rows", "number"),
    0x00280011: ("Columns", "number"),
    0x00280030: ("PixelSpacing", "numbers"),
    0x00280034: ("PixelAspectRatio", "numbers"),
    0x00280100: ("BitsAllocated", "number"),
    0x00280101: ("BitsStored", "number"),
    0x00280102: ("HighBit", "number"),
    0x00280103: ("PixelRepresentation", "number"),
    0x00281050: ("WindowCenter", "numbers"),
    0x00281051: ("WindowWidth", "numbers"),
    0x00281052: ("RescaleIntercept", "number"),
    0x00281053: ("RescaleSlope", "number"),
    MODALITY_LUT: ("ModalityLUTSequence", "bytes"),
    0x00291010: ("SiemensImageHeader", "bytes"),
    0x00431039: ("GEBValue", "numbers"),
    0x00541330: ("ImageIndex", "number"),
    0x20011003: ("PhilipsBValue", "number"),
}
