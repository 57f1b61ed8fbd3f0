"""Series whose headers lie: `fuzz.py` says how to run it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from dicom_files import write_dicom
from fuzz import ForbiddenError
from pydicom.config import IGNORE, settings

from medprep.dicom.stacks import Policy
from medprep.errors import MedprepError
from medprep.trees.options import ConvertTree
from medprep.trees.run import convert_tree

_NUMBERS = (
    "", "0", "-0", "-1", "1", "1e-9", "1e9", "1e300", "1e999", "nan", "inf", "text", "1,5",
    "0x10", "1\\2",
)  # fmt: skip
_NAMES = (
    "", "../../etc/x", "/etc/passwd", "C:\\Windows", "CON", "x" * 64, "trailing.", "anna", "ANNA",
    "\N{GRINNING FACE}", "a/b", "..", ".", "-", "a\nb",
)  # fmt: skip
_CHANGES: dict[str, tuple[str, ...]] = {
    "ImagePositionPatient": (
        "0\\0\\nan", "1\\2", "text", "", "0\\0\\1e300", "0\\0\\inf", "0\\0\\0\\0", "1e6\\0\\0",
    ),
    "ImageOrientationPatient": (
        "1\\0\\0\\1\\0\\0", "0\\0\\0\\0\\0\\0", "2\\0\\0\\0\\2\\0", "1\\0\\0\\0\\1",
        "nan\\0\\0\\0\\1\\0",
        "0.9\\0.1\\0\\0\\1\\0", "1e300\\0\\0\\0\\1e300\\0", "0\\1\\0\\1\\0\\0", "",
    ),
    "PixelSpacing": ("0\\0", "-1\\1", "1", "nan\\1", "text", "", "1e-30\\1e-30", "1e30\\1"),
    "SliceThickness": _NUMBERS, "SpacingBetweenSlices": _NUMBERS, "RescaleSlope": _NUMBERS,
    "RescaleIntercept": _NUMBERS, "EchoTime": _NUMBERS, "InstanceNumber": _NUMBERS,
    "AcquisitionNumber": _NUMBERS, "NumberOfFrames": (*_NUMBERS, "3", "2000000000"),
    "SeriesNumber": _NUMBERS, "TemporalPositionIdentifier": _NUMBERS, "WindowWidth": _NUMBERS,
    "PatientID": _NAMES, "PatientName": _NAMES, "SeriesDescription": _NAMES, "StudyID": _NAMES,
    "SeriesInstanceUID": ("", "1.2.3", "1.2.4", "no uid", "1." * 31 + "1"),
    "ImageType": ("", "ORIGINAL\\PRIMARY", "DERIVED\\SECONDARY\\LOCALIZER", "A" * 16,
    "ORIGINAL\\PRIMARY\\M"),
    "PhotometricInterpretation": ("MONOCHROME1", "RGB", "PALETTE COLOR", "YBR_FULL", "", "X"),
    "Modality": ("CT", "PT", "SR", "", "SEG"),
    "SpecificCharacterSet": ("ISO_IR 192", "ISO 2022 IR 87", "rubbish", ""),
}  # fmt: skip
_WORDS = {
    "Rows": (0, 1, 3, 65535), "Columns": (0, 1, 9, 65535), "BitsAllocated": (0, 1, 8, 12, 32, 64),
    "BitsStored": (0, 1, 12, 16, 255), "HighBit": (0, 15, 255), "PixelRepresentation": (0, 1, 7),
    "SamplesPerPixel": (0, 1, 3, 4, 65535), "PlanarConfiguration": (0, 1, 9),
}  # fmt: skip


def make(folder: Path) -> Callable[[random.Random], None]:
    """Give a case: a tree of a few slices, converted."""
    settings.writing_validation_mode = IGNORE  # else pydicom would write none of these
    source, output = folder / "in", folder / "out"

    def case(chance: random.Random) -> None:
        for place in (source, output):
            shutil.rmtree(place, ignore_errors=True)
        usual = _tags(chance, chance.randint(0, 1))
        for number in range(chance.randint(1, 6)):
            _write(source, number, usual | _tags(chance, chance.choice((0, 0, 1, 2))), chance)
        before = {path for path in folder.rglob("*") if output not in path.parents}
        options = ConvertTree(
            str(source), str(output), chance.choice(("nifti", "nii", "png", "mha")),
            policy=Policy(
                chance.choice(("error", "resample", "split")), chance.choice(("error", "resample"))
            ),
        )  # fmt: skip
        try:
            outcome = convert_tree(options, jobs=1)
        except MedprepError:
            return
        for failure in outcome.failed.values():
            if failure.code in ("internal", "worker"):
                raise ForbiddenError(failure.detail)
        after = {path for path in folder.rglob("*") if output not in path.parents} - {output}
        if after != before - {output}:
            raise ForbiddenError(f"written outside: {after - before}")

    return case


def _tags(chance: random.Random, count: int) -> dict[str, Any]:
    words = {name: chance.choice(_WORDS[name]) for name in chance.sample(list(_WORDS), count)}
    texts = chance.sample(list(_CHANGES), count)
    pick = chance.random()
    made: dict[str, Any] = {name: _split(chance.choice(_CHANGES[name])) for name in texts}
    if pick < 0.3:
        made |= words
    if pick > 0.9:
        made |= dict.fromkeys(chance.sample(list(_CHANGES), 2))
    return made


def _split(text: str) -> Any:
    return text.split("\\") if "\\" in text and not text.startswith("C:") else text


def _write(source: Path, number: int, tags: dict[str, Any], chance: random.Random) -> None:
    pixels = np.full((6, 5), number, chance.choice((np.int16, np.uint8)))
    position = (0, 0, chance.choice((number, number, number, number // 2, 2 * number)))
    path = source / f"{number}.dcm"
    try:
        write_dicom(path, pixels, position, **tags)
    except (ValueError, TypeError, OverflowError, AttributeError):
        write_dicom(path, pixels, position)  # no writer can say this
