"""Make the header of a made-up slice: some ninety tags, a sequence and a private block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

_STORAGE = {"MR": MRImageStorage, "CT": CTImageStorage}
_STEP_MM = {"MR": 6.0, "CT": 1.5}
_FIELD_MM = {"MR": 320.0, "CT": 384.0}
_ROOT = "1.2.826.0.1.3680043.10.543"
_MR = {
    "ScanningSequence": "GR", "SequenceVariant": "SP", "ScanOptions": "FS",
    "MRAcquisitionType": "2D", "SequenceName": "*fl2d1", "AngioFlag": "N",
    "RepetitionTime": "110", "EchoTime": "4.6", "NumberOfAverages": "1",
    "ImagingFrequency": "63.8", "ImagedNucleus": "1H", "EchoNumbers": "1",
    "MagneticFieldStrength": "1.5", "SpacingBetweenSlices": "6",
    "NumberOfPhaseEncodingSteps": "192", "EchoTrainLength": "1", "PercentSampling": "80",
    "PercentPhaseFieldOfView": "100", "PixelBandwidth": "260", "TransmitCoilName": "Body",
    "ReceiveCoilName": "BodyArray",
    "AcquisitionMatrix": [0, 256, 192, 0], "InPlanePhaseEncodingDirection": "ROW",
    "FlipAngle": "80", "VariableFlipAngleFlag": "N", "SAR": "0.6", "dBdt": "0",
}  # fmt: skip
_CT = {
    "ScanOptions": "HELICAL", "KVP": "120", "DataCollectionDiameter": "500",
    "ReconstructionDiameter": "384", "DistanceSourceToDetector": "1085",
    "DistanceSourceToPatient": "595", "GantryDetectorTilt": "0", "TableHeight": "150",
    "RotationDirection": "CW", "ExposureTime": "500", "XRayTubeCurrent": "220", "Exposure": "110",
    "FilterType": "BODY FILTER", "GeneratorPower": "26", "FocalSpots": "1.2",
    "ConvolutionKernel": "B30f", "RevolutionTime": 0.5, "SingleCollimationWidth": 0.6,
    "TotalCollimationWidth": 38.4, "TableSpeed": 46.0, "TableFeedPerRotation": 23.0,
    "SpiralPitchFactor": 0.6, "RescaleIntercept": "-1024", "RescaleSlope": "1",
    "RescaleType": "HU", "ContrastBolusAgent": "APPLIED", "ContrastBolusVolume": "90",
}  # fmt: skip


def header_of(plane: NDArray[np.integer], modality: str, series: int, place: int) -> FileDataset:
    """Give the data set of a slice, explicit little endian, not yet on disk."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = _STORAGE[modality]
    meta.MediaStorageSOPInstanceUID = f"{_ROOT}.1.{series}.{place + 1}"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    given = {**_who(modality, series, place), **(_MR if modality == "MR" else _CT)}
    for name, value in (given | _where(plane, modality, place)).items():
        setattr(dataset, name, value)
    dataset.ReferencedImageSequence = list(_references(series))
    block = dataset.private_block(0x0029, "MADE UP PRIVATE", create=True)
    for number in range(20):
        block.add_new(number, "LO", f"private value {number}")
    block.add_new(0x20, "OB", bytes(2000))
    dataset.PixelData = plane.astype(plane.dtype.newbyteorder("<")).tobytes()
    return dataset


def _references(series: int) -> Iterator[Dataset]:
    for number in range(3):
        item = Dataset()
        item.ReferencedSOPClassUID = MRImageStorage
        item.ReferencedSOPInstanceUID = f"{_ROOT}.5.{series}.{number + 1}"
        yield item


def _who(modality: str, series: int, place: int) -> dict[str, Any]:
    """Give patient, study, equipment."""
    when = {
        f"{what}{kind}": value
        for what in ("Study", "Series", "Acquisition", "Content")
        for kind, value in (("Date", "20200101"), ("Time", "101010.5"))
    }
    return when | {
        "SpecificCharacterSet": "ISO_IR 100", "SOPClassUID": _STORAGE[modality],
        "SOPInstanceUID": f"{_ROOT}.1.{series}.{place + 1}",
        "ImageType": ["ORIGINAL", "PRIMARY", "M" if modality == "MR" else "AXIAL"],
        "AccessionNumber": "1", "Modality": modality, "Manufacturer": "SIEMENS",
        "InstitutionName": "Made-up Hospital",
        "ReferringPhysicianName": "Made^Up", "StationName": "MADEUP01",
        "StudyDescription": "Abdomen", "SeriesDescription": f"made up {modality}",
        "InstitutionalDepartmentName": "Radiology", "PerformingPhysicianName": "Made^Up",
        "OperatorsName": "MU", "ManufacturerModelName": "Phantom",
        "PatientName": f"Made^Up{series}", "PatientID": f"P{series:03d}",
        "PatientBirthDate": "19700101", "PatientSex": "O", "PatientAge": "050Y",
        "PatientSize": "1.75", "PatientWeight": "70",
        "BodyPartExamined": "ABDOMEN", "DeviceSerialNumber": "12345", "SoftwareVersions": "1.0",
        "ProtocolName": f"abdomen_{modality.lower()}", "PatientPosition": "HFS",
        "StudyInstanceUID": f"{_ROOT}.2.{series}", "SeriesInstanceUID": f"{_ROOT}.3.{series}",
        "StudyID": "1", "SeriesNumber": f"{series + 1}", "AcquisitionNumber": "1",
        "InstanceNumber": f"{place + 1}", "FrameOfReferenceUID": f"{_ROOT}.4.{series}",
        "PerformedStationAETitle": "MADEUP01", "PerformedProcedureStepStartDate": "20200101",
        "PerformedProcedureStepDescription": "Abdomen",
    }  # fmt: skip


def _where(plane: NDArray[np.integer], modality: str, place: int) -> dict[str, Any]:
    """Give the grid and the kind of pixels."""
    step, field = _STEP_MM[modality], _FIELD_MM[modality]
    spacing = field / plane.shape[0]
    signed = plane.dtype.kind == "i"
    stored = 16 if signed else 12
    return {
        "SliceThickness": f"{step:g}", "SliceLocation": f"{place * step:g}",
        "ImagePositionPatient": [f"{-field / 2:g}", f"{-field / 2:g}", f"{place * step:g}"],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2",
        "Rows": plane.shape[0], "Columns": plane.shape[1],
        "PixelSpacing": [f"{spacing:g}", f"{spacing:g}"],
        "BitsAllocated": 16, "BitsStored": stored, "HighBit": stored - 1,
        "PixelRepresentation": int(signed), "SmallestImagePixelValue": int(plane.min()),
        "LargestImagePixelValue": int(plane.max()),
        "WindowCenter": "40" if signed else "400", "WindowWidth": "400" if signed else "800",
    }  # fmt: skip
