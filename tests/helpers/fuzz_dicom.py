"""Damaged DICOM files, one at a time: `fuzz.py` says how to run it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
from dicom_files import write_dicom
from mutations import damaged
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import group
from medprep.dicom.headers import read_slices
from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Policy, lay_out
from medprep.dicom.tags import NoDicomError
from medprep.errors import MedprepError

_PIXEL_DATA = b"\xe0\x7f\x10\x00"
_SAMPLES = (
    "MR_small_bigendian.dcm", "image_dfl.dcm", "MR_small_jpeg_ls_lossless.dcm", "emri_small.dcm",
    "rtdose_1frame.dcm", "JPEG2000.dcm", "liver_1frame.dcm", "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_small_odd_jpeg.dcm",
    "JPGExtended.dcm", "JPEGLSNearLossless_08.dcm", "MR_small_expb.dcm", "DICOMDIR",
    "nested_priv_SQ.dcm", "no_meta.dcm", "ExplVR_LitEndNoMeta.dcm", "UN_sequence.dcm",
)  # fmt: skip


def seeds(folder: Path) -> Iterator[bytes]:
    """Yield sound files of several kinds."""
    pixels = np.arange(64, dtype=np.int16).reshape(8, 8)
    plain = write_dicom(folder / "plain.dcm", pixels, EchoTime="4.6", RescaleSlope="1")
    yield plain.read_bytes()
    whole = pydicom.dcmread(plain)
    whole.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    pydicom.dcmwrite(folder / "implicit.dcm", whole, implicit_vr=True, little_endian=True)
    yield (folder / "implicit.dcm").read_bytes()
    whole = pydicom.dcmread(plain)
    whole.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    whole.save_as(folder / "deflated.dcm")
    yield (folder / "deflated.dcm").read_bytes()
    whole = pydicom.dcmread(plain)
    whole.compress(RLELossless)
    whole.save_as(folder / "rle.dcm")
    yield (folder / "rle.dcm").read_bytes()
    data = Path(pydicom.__file__).parent / "data" / "test_files"
    yield from ((data / name).read_bytes() for name in _SAMPLES if (data / name).is_file())


def make(folder: Path) -> Callable[[random.Random], None]:
    """Give a case: all that a conversion does with a file, but writing."""
    corpus = list(seeds(folder))

    def case(chance: random.Random) -> None:
        content = chance.choice(corpus)
        pixels = max(0, content.rfind(_PIXEL_DATA))
        at_pixels = pixels > 0 and chance.random() < 0.3
        span = 400 if at_pixels else 3000
        path = folder / f"x{chance.randrange(3)}.dcm"
        path.write_bytes(damaged(content, chance, pixels if at_pixels else 0, span))
        convert(path)

    return case


def convert(path: Path) -> None:
    """Read a file's volumes; an error of ours is an answer."""
    try:
        _, slices = read_slices(Blob.of(path))
        for stack in group(slices):
            for plan in lay_out(stack, Policy("resample", "resample")):
                read_plan(plan)
    except (MedprepError, NoDicomError):
        pass
