"""Read damaged DICOM in a process of its own: ``python fuzz_dicom.py FOLDER COUNT SEED``.

Prints the seconds of the slowest file and the largest memory in MiB; any error but ours ends it.
"""

from __future__ import annotations

import random
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from dicom_files import write_dicom
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import group
from medprep.dicom.headers import read_slices
from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Policy, lay_out
from medprep.dicom.tags import NoDicomError
from medprep.errors import MedprepError

PIXEL_DATA = b"\xe0\x7f\x10\x00"
SAMPLES = (
    "MR_small_bigendian.dcm", "image_dfl.dcm", "MR_small_jpeg_ls_lossless.dcm", "emri_small.dcm",
    "rtdose_1frame.dcm", "JPEG2000.dcm", "liver_1frame.dcm", "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm", "SC_rgb_jpeg_gdcm.dcm", "SC_rgb_small_odd_jpeg.dcm",
    "JPGExtended.dcm", "JPEGLSNearLossless_08.dcm", "MR_small_expb.dcm",
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
    whole.compress(RLELossless)
    whole.save_as(folder / "rle.dcm")
    yield (folder / "rle.dcm").read_bytes()
    data = Path(pydicom.__file__).parent / "data" / "test_files"
    yield from ((data / name).read_bytes() for name in SAMPLES if (data / name).is_file())


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Change, cut out and double bytes, in the header or where the pixel data begins."""
    made = bytearray(content)
    pixels = max(0, made.rfind(PIXEL_DATA))
    begin = pixels if pixels and chance.random() < 0.3 else 0
    for _ in range(chance.randint(1, 6)):
        end = min(len(made), begin + (400 if begin else 3000))
        at = chance.randrange(min(begin, end - 1), end)
        kind = chance.randrange(4)
        if kind == 0:
            made[at] = chance.randrange(256)
        elif kind == 1:
            words = (b"\xff" * 4, b"\0" * 4, b"\xff\xff\0\0", b"9999")
            made[at : at + 4] = chance.choice(words)
        elif kind == 2:
            del made[at : at + chance.randint(1, 40)]
        else:
            made[at:at] = made[at : at + chance.randint(1, 40)]
    cut = chance.randint(140, len(made)) if chance.random() < 0.2 else len(made)
    return bytes(made[:cut])


def convert(path: Path) -> None:
    """Do with a file all that a conversion does but writing."""
    try:
        _, slices = read_slices(Blob.of(path))
        for stack in group(slices):
            for plan in lay_out(stack, Policy("resample", "resample")):
                read_plan(plan)
    except (MedprepError, NoDicomError):
        pass


def main(folder: Path, count: int, seed: int) -> None:
    """Convert ``count`` damaged files."""
    warnings.simplefilter("ignore")
    chance = random.Random(seed)
    corpus = list(seeds(folder))
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    slowest = 0.0
    for number in range(count):
        path = folder / f"x{number % 3}.dcm"
        path.write_bytes(mutated(chance.choice(corpus), chance))
        start = time.monotonic()
        try:
            convert(path)
        except Exception:
            path.rename(folder / "culprit.dcm")
            raise
        slowest = max(slowest, time.monotonic() - start)
    # ru_maxrss would count what the parent held when it forked.
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
    print(f"{slowest:.1f} {peak:.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
