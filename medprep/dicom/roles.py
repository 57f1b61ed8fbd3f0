"""What kind of object a DICOM file is (PS3.4 table B.5-1, PS3.6 table A-1)."""

from __future__ import annotations

from medprep.dicom.dictionary import Tags

STORAGE = "1.2.840.10008.5.1.4.1.1."
_BY_CLASS: tuple[tuple[str, str], ...] = (
    ("1.2.840.10008.1.3.10", "DICOMDIR"),
    (STORAGE + "88.59", "key object selection"),
    (STORAGE + "88.", "structured report (SR)"),
    (STORAGE + "11.", "presentation state (PR)"),
    (STORAGE + "66.4", "segmentation (SEG)"),
    (STORAGE + "66.7", "segmentation (SEG)"),
    (STORAGE + "66.1", "registration"),
    (STORAGE + "66.3", "registration"),
    (STORAGE + "66.5", "surface segmentation"),
    (STORAGE + "66.6", "tractography"),
    (STORAGE + "66", "raw data"),
    (STORAGE + "67", "real world value map"),
    (STORAGE + "68.", "surface scan"),
    (STORAGE + "30", "parametric map"),
    (STORAGE + "481.2", "RT dose"),
    (STORAGE + "481.1", "RT image"),
    (STORAGE + "481.3", "RT structure set (RTSTRUCT)"),
    (STORAGE + "481.", "RT plan or record"),
    (STORAGE + "104.1", "PDF document"),
    (STORAGE + "104.", "document"),
    (STORAGE + "9.", "waveform"),
    (STORAGE + "4.2", "MR spectroscopy"),
    (STORAGE + "8", "overlay"),
    (STORAGE + "91.", "annotations"),
    (STORAGE + "77.1.6", "whole-slide microscopy"),
    (STORAGE + "77.1.5.3", "stereometric relationship"),
    (STORAGE + "77.1.1.1", "video"),
    (STORAGE + "77.1.2.1", "video"),
    (STORAGE + "77.1.4.1", "video"),
)
_PICTURES = frozenset(("1", "2", "3", "4", "6", "7", "12", "13", "20", "77", "128", "130"))
"""First numbers behind `STORAGE` of the classes that are pictures once those above are taken."""
_CAPTURES = "7"
NO_PIXELS = "object without pixels"
SECONDARY_CAPTURE = "secondary capture"
LOCALIZER = "localizer"
COLOUR = "colour picture"
OPTIONAL = (LOCALIZER, SECONDARY_CAPTURE, COLOUR)
"""Roles that hold pictures and are taken when they are asked for."""
IMAGE = "image"


def claims_picture(tags: Tags) -> bool:
    """Tell whether its storage class is one of pictures, whatever else the header holds."""
    return _family(_class_of(tags)) in _PICTURES


def _class_of(tags: Tags) -> str:
    return str(tags.get("SOPClassUID", tags.get("MediaStorageSOPClassUID", "")))


def _family(uid: str) -> str:
    """Give the first number behind `STORAGE`, or ``""`` for another class."""
    return uid[len(STORAGE) :].partition(".")[0] if uid.startswith(STORAGE) else ""


def role_of(tags: Tags) -> str:
    """Tell what a file is: `IMAGE`, one of `OPTIONAL`, or the name of something else.

    A secondary capture that states where it lies in the patient counts as an image: that is how
    programs store what they have computed.
    """
    uid = _class_of(tags)
    for prefix, role in _BY_CLASS:
        if uid == prefix or (prefix.endswith(".") and uid.startswith(prefix)):
            return role
    if "Rows" not in tags or "Columns" not in tags:
        return NO_PIXELS
    if "LOCALIZER" in tags.get("ImageType", ()):
        return LOCALIZER
    placed = "ImagePositionPatient" in tags and "ImageOrientationPatient" in tags
    if _family(uid) == _CAPTURES and not placed:
        return SECONDARY_CAPTURE
    colours = str(tags.get("PhotometricInterpretation", "MONOCHROME2"))
    if tags.get("SamplesPerPixel", 1.0) != 1.0 or not colours.startswith("MONOCHROME"):
        return COLOUR
    return IMAGE
