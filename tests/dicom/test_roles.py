"""What kind of object a file is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from pydicom import uid

from medprep.dicom import roles
from medprep.dicom.blobs import Blob
from medprep.dicom.headers import read_slices
from medprep.dicom.roles import COLOUR, IMAGE, LOCALIZER, NO_PIXELS, SECONDARY_CAPTURE, role_of
from medprep.errors import DicomError

PIXELS = np.arange(6, dtype=np.int16).reshape(2, 3)
SIZE = {"Rows": 2.0, "Columns": 3.0}
PLACE = {"ImagePositionPatient": (0, 0, 0), "ImageOrientationPatient": (1, 0, 0, 0, 1, 0)}


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (uid.MediaStorageDirectoryStorage, "DICOMDIR"),
        (uid.BasicTextSRStorage, "structured report (SR)"),
        (uid.Comprehensive3DSRStorage, "structured report (SR)"),
        (uid.KeyObjectSelectionDocumentStorage, "key object selection"),
        (uid.GrayscaleSoftcopyPresentationStateStorage, "presentation state (PR)"),
        (uid.SegmentationStorage, "segmentation (SEG)"),
        (uid.SurfaceSegmentationStorage, "surface segmentation"),
        (uid.SpatialRegistrationStorage, "registration"),
        (uid.DeformableSpatialRegistrationStorage, "registration"),
        (uid.TractographyResultsStorage, "tractography"),
        (uid.RawDataStorage, "raw data"),
        (uid.RealWorldValueMappingStorage, "real world value map"),
        (uid.ParametricMapStorage, "parametric map"),
        (uid.RTDoseStorage, "RT dose"),
        (uid.RTImageStorage, "RT image"),
        (uid.RTStructureSetStorage, "RT structure set (RTSTRUCT)"),
        (uid.RTPlanStorage, "RT plan or record"),
        (uid.RTIonPlanStorage, "RT plan or record"),
        (uid.EncapsulatedPDFStorage, "PDF document"),
        (uid.EncapsulatedCDAStorage, "document"),
        (uid.TwelveLeadECGWaveformStorage, "waveform"),
        (uid.MRSpectroscopyStorage, "MR spectroscopy"),
        (uid.MicroscopyBulkSimpleAnnotationsStorage, "annotations"),
        (uid.VLWholeSlideMicroscopyImageStorage, "whole-slide microscopy"),
        (uid.VideoEndoscopicImageStorage, "video"),
        (uid.StereometricRelationshipStorage, "stereometric relationship"),
        ("1.2.840.10008.5.1.4.1.1.8", "overlay"),
    ],
)
def test_what_is_no_picture_is_named_whatever_it_holds(kind: str, role: str) -> None:
    for more in ({}, {**SIZE, **PLACE}):
        assert role_of({"SOPClassUID": str(kind), **more}) == role


IMAGES = [
    uid.CTImageStorage, uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage,
    uid.MRImageStorage, uid.EnhancedMRImageStorage, uid.LegacyConvertedEnhancedMRImageStorage,
    uid.PositronEmissionTomographyImageStorage, uid.EnhancedPETImageStorage,
    uid.NuclearMedicineImageStorage, uid.UltrasoundImageStorage,
    uid.UltrasoundMultiFrameImageStorage, uid.ComputedRadiographyImageStorage,
    uid.DigitalXRayImageStorageForPresentation, uid.XRayAngiographicImageStorage,
    uid.DigitalMammographyXRayImageStorageForPresentation, uid.BreastTomosynthesisImageStorage,
    uid.XRay3DAngiographicImageStorage, uid.OphthalmicTomographyImageStorage,
    uid.EnhancedMRColorImageStorage, uid.EnhancedUSVolumeStorage,
]  # fmt: skip


@pytest.mark.parametrize("kind", IMAGES, ids=lambda kind: kind.name)
def test_pictures(kind: uid.UID) -> None:
    assert role_of({"SOPClassUID": str(kind), **SIZE}) == IMAGE
    assert roles.claims_picture({"SOPClassUID": str(kind)})


def test_an_unknown_class_with_pixels_is_a_picture() -> None:
    assert role_of({"SOPClassUID": "1.3.6.1.4.1.99", **SIZE}) == IMAGE
    assert role_of(SIZE) == IMAGE
    assert role_of({"SOPClassUID": "1.3.12.2.1107.5.9.1"}) == NO_PIXELS
    assert not roles.claims_picture({"SOPClassUID": "1.3.12.2.1107.5.9.1"})


def test_the_class_of_the_file_stands_in_for_that_of_the_object() -> None:
    assert role_of({"MediaStorageSOPClassUID": "1.2.840.10008.1.3.10"}) == "DICOMDIR"


@pytest.mark.parametrize(
    ("image_type", "role"),
    [
        (("ORIGINAL", "PRIMARY", "LOCALIZER"), LOCALIZER),
        (("ORIGINAL", "PRIMARY", "AXIAL"), IMAGE),
        (("DERIVED", "SECONDARY", "NOLOCALIZERHERE"), IMAGE),
    ],
)
def test_a_localizer(image_type: tuple[str, ...], role: str) -> None:
    assert (
        role_of({"SOPClassUID": str(uid.CTImageStorage), "ImageType": image_type, **SIZE}) == role
    )


@pytest.mark.parametrize(
    "kind",
    [
        uid.SecondaryCaptureImageStorage,
        uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
    ],
)
def test_a_secondary_capture_with_a_place_is_an_image(kind: uid.UID) -> None:
    tags: dict[str, Any] = {"SOPClassUID": str(kind), **SIZE}
    assert role_of(tags) == SECONDARY_CAPTURE
    assert role_of({**tags, "ImagePositionPatient": (0, 0, 0)}) == SECONDARY_CAPTURE
    assert role_of({**tags, **PLACE}) == IMAGE
    colour = {"SamplesPerPixel": 3.0, "PhotometricInterpretation": "RGB"}
    assert role_of({**tags, **PLACE, **colour}) == COLOUR


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL_422", "PALETTE COLOR"])
def test_colour(photometric: str) -> None:
    samples = 1.0 if photometric == "PALETTE COLOR" else 3.0
    tags = {"SamplesPerPixel": samples, "PhotometricInterpretation": photometric, **SIZE}
    assert role_of({"SOPClassUID": str(uid.UltrasoundImageStorage), **tags}) == COLOUR


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_grey(kind: str) -> None:
    assert role_of({"PhotometricInterpretation": kind, **SIZE}) == IMAGE


def test_slices_of_what_may_be_taken(tmp_path: Path) -> None:
    placeless = {"ImagePositionPatient": None}
    capture = {"SOPClassUID": uid.SecondaryCaptureImageStorage, **placeless}
    for role, tags in (
        (IMAGE, {}),
        (LOCALIZER, {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}),
        (SECONDARY_CAPTURE, capture),
    ):
        found, slices = read_slices(Blob.of(write_dicom(tmp_path / "a.dcm", PIXELS, **tags)))
        assert (found, len(slices)) == (role, 1)
        assert slices[0].origin.role == role
    other = write_dicom(tmp_path / "a.dcm", PIXELS, SOPClassUID=uid.SegmentationStorage)
    assert read_slices(Blob.of(other)) == ("segmentation (SEG)", [])


@pytest.mark.parametrize("lost", ["Rows", "Columns"])
def test_a_picture_that_lost_its_size_is_broken_and_no_other_object(
    tmp_path: Path, lost: str
) -> None:
    path = write_dicom(tmp_path / "a.dcm", PIXELS, **{lost: None})
    with pytest.raises(DicomError, match="without Rows or Columns"):
        read_slices(Blob.of(path))


def test_a_picture_cut_short_between_elements_is_broken(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", PIXELS)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\x28\x00\x02\x00US")])
    with pytest.raises(DicomError, match="without Rows or Columns"):
        read_slices(Blob.of(path))


@pytest.mark.parametrize("name", ["DICOMDIR", "DICOMDIR-bigEnd", "DICOMDIR-implicit"])
def test_the_directory_of_a_disc(name: str) -> None:
    folder = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"
    assert read_slices(Blob.of(folder / name)) == ("DICOMDIR", [])
