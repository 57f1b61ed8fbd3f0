"""Text burned into pictures: suspected, never found for sure and never ruled out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.confidentiality.elements import texts_of, vr_of
from medprep.confidentiality.pictures import NATIVE

_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.7": "secondary capture",
    "1.2.840.10008.5.1.4.1.1.3.1": "ultrasound",
    "1.2.840.10008.5.1.4.1.1.6.": "ultrasound",
    "1.2.840.10008.5.1.4.1.1.77.": "photograph or microscope",
    "1.2.840.10008.5.1.4.1.1.104.": "document",
    "1.2.840.10008.5.1.4.1.1.88.": "structured report",
}
_MODALITIES = {
    "US": "ultrasound", "IVUS": "ultrasound", "ES": "endoscopy", "XC": "photograph",
    "GM": "microscope", "SC": "secondary capture", "OT": "modality OT", "DOC": "document",
}  # fmt: skip
_CONVERSIONS = {
    "DV": "digitised video", "DI": "digital interface", "DF": "digitised film",
    "WSD": "workstation", "SD": "scanned document", "SI": "scanned image", "DRW": "drawing",
}  # fmt: skip
_SCREENS = ("SCREEN", "DOSE_INFO", "PROTOCOL", "REPORT", "SUMMARY", "CAPTURE")


def suspicions(dataset: Any) -> tuple[str, ...]:
    """Give the reasons to suspect text in the picture, in words of ours; read before cleaning.

    None of them is proof, and a picture without any may hold text all the same.
    """
    found = []
    if _word(dataset, "BurnedInAnnotation") == "YES":
        found.append("BurnedInAnnotation is YES")
    if _word(dataset, "RecognizableVisualFeatures") == "YES":
        found.append("RecognizableVisualFeatures is YES")
    uid = _word(dataset, "SOPClassUID")
    for prefix, what in _CLASSES.items():
        if uid == prefix or uid.startswith(prefix if prefix.endswith(".") else prefix + "."):
            found.append(what)
    for keyword, known in (("Modality", _MODALITIES), ("ConversionType", _CONVERSIONS)):
        if _word(dataset, keyword) in known:
            found.append(known[_word(dataset, keyword)])
    told = " ".join(_word(dataset, name) for name in ("ImageType", "SeriesDescription"))
    if any(word in told for word in _SCREENS):
        found.append("described as a screen or report")
    if _looks_like_text(dataset):
        found.append("small bright strokes near a border")
    return tuple(dict.fromkeys(found))


def _word(dataset: Any, keyword: str) -> str:
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    if tag not in dataset:
        return ""
    element = dataset.get_item(tag)
    return "\\".join(texts_of(element, vr_of(element))).upper()


_BORDER, _ROWS_OF_TEXT, _STROKES, _WIDEST_STROKE = 5, 5, 6, 12
_SMALLEST_PICTURE = 64
_BRIGHT, _MOST_BRIGHT = 0.9, 0.05


def _looks_like_text(dataset: Any) -> bool:
    """Look for rows of short bright runs in the first frame, if it is native."""
    try:
        if str(dataset.file_meta.TransferSyntaxUID) not in NATIVE or "PixelData" not in dataset:
            return False
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        samples, bits = int(dataset.get("SamplesPerPixel", 1)), int(dataset.BitsAllocated)
        if min(rows, columns) < _SMALLEST_PICTURE or samples != 1 or bits not in (8, 16):
            return False
        order = "<" if dataset.original_encoding[1] else ">"
        kind = "i" if int(dataset.PixelRepresentation) else "u"
        frame = np.frombuffer(
            dataset.PixelData, f"{order}{kind}{bits // 8}", count=rows * columns
        ).reshape(rows, columns)
    except Exception:  # what is odd here is refused later, with its reason
        return False
    return has_strokes(frame)


def has_strokes(frame: NDArray[Any]) -> bool:
    """Tell whether lines near the upper or lower border look like bright text.

    Parameters
    ----------
    frame
        (row, column).
    """
    low, high = float(frame.min()), float(frame.max())
    brightest = frame >= low + _BRIGHT * (high - low)
    if brightest.mean() > _MOST_BRIGHT:  # flat, or noise
        return False
    edges = np.diff(np.pad(brightest, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    height = len(frame) // _BORDER
    in_a_row = 0
    for row in (*range(height), *range(len(frame) - height, len(frame))):
        if row == len(frame) - height:
            in_a_row = 0
        begins, ends = (np.flatnonzero(edges[row] == sign) for sign in (1, -1))
        strokes = int((ends - begins <= _WIDEST_STROKE).sum())
        in_a_row = in_a_row + 1 if strokes >= _STROKES else 0
        if in_a_row >= _ROWS_OF_TEXT:
            return True
    return False
