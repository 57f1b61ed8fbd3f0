"""Small files that speak of much: ``python bombs.py FOLDER`` reads each.

Each must end in an error of ours, and none may take the memory it speaks of: prints how many there
were, and the most MiB that one took beyond what the process held before.
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from dicom_files import write_dicom
from fuzz import peak_mib
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit

from medprep.dicom.blobs import Blob, members
from medprep.dicom.grouping import group
from medprep.dicom.headers import read_slices
from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Policy, lay_out
from medprep.errors import MedprepError
from medprep.formats import nifti, png
from medprep.formats.nifti_header import pack
from medprep.geometry import Geometry
from medprep.models.checkpoint import load_model, save_model
from medprep.models.foreign import read_foreign
from medprep.models.registry import build

_ZEROS = bytes(1 << 20)
_PIXELS = np.zeros((16, 32), np.uint16)


def nifti_head(shape: tuple[int, int, int]) -> bytes:
    return pack(Geometry.from_parts(shape, (1, 1, 1)), np.dtype("u1"), Path("x"))


def volumes(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield names and readings: heads that lie, and zeros without end."""
    for name, shape, mib in (("lies", (4000, 4000, 4000), 0), ("zeros", (1000, 1000, 730), 700)):
        path = folder / f"{name}.nii.gz"
        with gzip.open(path, "wb", compresslevel=6) as out:
            out.write(nifti_head(shape))
            for _ in range(mib):
                out.write(_ZEROS)
        yield f"nifti {name}", lambda path=path: nifti.read(path)
    path = folder / "lies.nii"
    path.write_bytes(nifti_head((4000, 4000, 4000)))
    yield "nifti plain", lambda: nifti.read(path)


def pictures(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield names and readings: PNG of zeros, of few and of many pixels."""
    for depth, kind, channels in ((8, 0, 1), (8, 6, 4), (16, 2, 3), (1, 0, 1)):
        for side in (12_000, 2**31 - 1):
            path = folder / f"{depth}-{kind}-{side}.png"
            path.write_bytes(png_of(side, depth, kind, channels if side < 20_000 else 0))
            yield path.name, lambda path=path: png.read(path)


def png_of(side: int, depth: int, kind: int, channels: int) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + (side if channels else 0) * channels * depth // 8)
    body = b"".join(packer.compress(row) for _ in range(side if channels else 1)) + packer.flush()
    parts = (b"IHDR", struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0)), (b"IDAT", body)
    made = b"\x89PNG\r\n\x1a\n"
    for name, content in (*parts, (b"IEND", b"")):
        made += struct.pack(">I", len(content)) + name + content
        made += struct.pack(">I", zlib.crc32(name + content))
    return made


def dicom(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield names and readings: sizes that lie, and a deflated data set of zeros."""
    for rows, columns, frames in (
        (65535, 65535, "1"),
        (16, 32, "2000000000"),
        (16384, 16384, "99"),
    ):
        for syntax in (None, JPEGBaseline8Bit):
            path = write_dicom(folder / f"{rows}-{frames}-{syntax is None}.dcm", _PIXELS, Rows=rows,
                               Columns=columns, NumberOfFrames=frames)  # fmt: skip
            if syntax is not None:
                content = path.read_bytes()
                path.write_bytes(
                    content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.4.50")
                )
            yield path.name, lambda path=path: converted(path)
    plain = write_dicom(folder / "plain.dcm", _PIXELS).read_bytes()
    head = plain[: plain.index(b"\x08\x00")]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = b"".join(packer.compress(_ZEROS) for _ in range(1500)) + packer.flush()
    uid = DeflatedExplicitVRLittleEndian.encode()
    path = folder / "deflated.dcm"
    path.write_bytes(head.replace(b"1.2.840.10008.1.2.1\0", uid) + body)
    yield "dicom deflated", lambda: converted(path)
    archive = folder / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.dcm", plain + _ZEROS * 600)
    yield "zip", lambda: [blob.read() for blob in members(archive)]


def converted(path: Path) -> None:
    from medprep.dicom.tags import NoDicomError

    try:
        for stack in group(read_slices(Blob.of(path))[1]):
            for plan in lay_out(stack, Policy()):
                read_plan(plan)
    except NoDicomError as error:
        raise MedprepError("no DICOM") from error


def weights(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield names and readings: heads and configs that lie, and packed zeros."""
    own = folder / "own.safetensors"
    save_model(own, "unet2d", build("unet2d", width=2), {})
    size = struct.unpack_from("<Q", own.read_bytes())[0]
    head, body = json.loads(own.read_bytes()[8 : 8 + size]), own.read_bytes()[8 + size :]
    for name, config in (
        ("unet2d", {"width": 256}),
        ("unet2d", {"width": 10**6}), ("unet3d", {"width": 10**5}), ("unet2d", {"width": 2**62}),
        ("sam-med3d", {"depth": 10**12}), ("sam-med3d", {"depth": 10**6, "global_blocks": []}),
        ("sam-med3d", {"image_size": 2**20}), ("unetr", {"shape": [2**14] * 3}),
    ):  # fmt: skip
        record = json.dumps({"model": name, "config": config})
        packed = json.dumps({**head, "__metadata__": {"medprep": record}}).encode()
        path = folder / f"{name}-{'-'.join(map(str, config.values()))[:20]}.safetensors"
        path.write_bytes(struct.pack("<Q", len(packed)) + packed + body)
        yield f"{name} {config}", lambda path=path: load_model(path, torch.device("cpu"))
    for length in (2**40, 2**63, 2**64 - 1, 99_000_000):
        path = folder / f"{length}.safetensors"
        path.write_bytes(struct.pack("<Q", length) + b"{" * 1000)
        yield f"head of {length}", lambda path=path: load_model(path, torch.device("cpu"))
    plain, path = folder / "plain.pth", folder / "packed.pth"
    torch.save({"a": torch.zeros(1 << 26)}, plain)
    with zipfile.ZipFile(plain) as found, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name in found.namelist():
            with found.open(name) as source, made.open(name, "w") as target:
                while block := source.read(1 << 20):
                    target.write(block)
    plain.unlink()
    yield "packed pth", lambda: read_foreign(path)


def taken_mib(read: Callable[[], object]) -> float:
    """Read, and give the memory that it took at its peak."""
    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak begins anew
    before = peak_mib()
    try:
        read()
    except MedprepError:
        return peak_mib() - before
    raise AssertionError("it was read")


def main(folder: Path) -> None:
    """Read them all; a bomb that is read ends it."""
    taken: dict[str, float] = {}
    for kind in (volumes, pictures, dicom, weights):
        for name, read in kind(folder):
            try:
                taken[name] = taken_mib(read)
            except AssertionError as error:
                sys.exit(f"{name}: {error}")
    worst = max(taken, key=lambda name: taken[name])
    print(f"{len(taken)} bombs, worst: {worst}", file=sys.stderr)
    print(f"{taken[worst]:.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
