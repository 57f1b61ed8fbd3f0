"""Make DICOM trees to convert: smooth made-up anatomy with noise, some ninety tags a file.

    python benchmarks/make_dicom.py FOLDER KIND [--size small] [--syntax NAME]

The same kind gives the same bytes. Noise is set so that gzip at level 6 packs the pixels as it
packs real ones: to about 0.52 (MR) and 0.43 (CT). What was made before is used again; it is named
after this file's content. Prints one line of JSON that says where the tree is and what it holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from make_headers import header_of
from numpy.typing import NDArray

SYNTAXES = {
    "rle": "1.2.840.10008.1.2.5",
    "jpeg-lossless": "1.2.840.10008.1.2.4.70",
    "jpeg-ls": "1.2.840.10008.1.2.4.80",
    "jpeg-2000": "1.2.840.10008.1.2.4.90",
}
MR_NOISE, CT_NOISE, CT_AIR_NOISE = 12.5, 9.0, 3.0
NOT_MADE = 3
"""Exit status where nobody here encodes the syntax."""


@dataclass(frozen=True)
class Kind:
    """What a tree holds: series of ``slices`` to ``slices + spread`` pictures."""

    modality: str
    series: int
    slices: int
    side: int
    spread: int = 0


KINDS = {
    "full": {
        "mr": Kind("MR", 20, 30, 256, 11), "ct": Kind("CT", 1, 200, 512),
        "mr3": Kind("MR", 3, 30, 256, 11), "ct40": Kind("CT", 1, 40, 512),
        "few": Kind("MR", 1, 20, 256), "one": Kind("MR", 1, 1, 256), "tiny": Kind("MR", 1, 1, 32),
    },
    "small": {
        "mr": Kind("MR", 3, 6, 64, 2), "ct": Kind("CT", 1, 12, 128),
        "mr3": Kind("MR", 2, 6, 64, 1), "ct40": Kind("CT", 1, 6, 128),
        "few": Kind("MR", 1, 4, 64), "one": Kind("MR", 1, 1, 64), "tiny": Kind("MR", 1, 1, 32),
    },
}  # fmt: skip


def main() -> None:
    """Make a tree, or find it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("kind", choices=KINDS["full"])
    parser.add_argument("--size", choices=KINDS, default="full")
    parser.add_argument("--syntax", choices=SYNTAXES)
    given = parser.parse_args()
    try:
        print(json.dumps(tree(given.folder, given.kind, given.size, given.syntax)))
    except NotImplementedError as error:
        print(error)
        sys.exit(NOT_MADE)


def tree(root: Path, kind: str, size: str, syntax: str | None) -> dict[str, Any]:
    """Give what is known of a tree, and make it where it is not there.

    Raises
    ------
    NotImplementedError
        If nothing here encodes the syntax without loss.
    """
    makers = (Path(__file__), Path(__file__).with_name("make_headers.py"))
    made_by = hashlib.sha256(b"".join(path.read_bytes() for path in makers)).hexdigest()[:8]
    folder = root / "-".join(filter(None, (kind, size, syntax, made_by)))
    known = folder.with_name(f"{folder.name}.json")
    if not known.exists():
        shutil.rmtree(folder, ignore_errors=True)
        if syntax:
            source = tree(root, kind, size, None)
            compress(Path(source["folder"]), folder, SYNTAXES[syntax])
            facts = {**source, "folder": str(folder)}
        else:
            facts = {"folder": str(folder), **write(folder, KINDS[size][kind])}
        known.write_text(json.dumps(facts))
    return dict(json.loads(known.read_text()), folder=str(folder))


def write(folder: Path, kind: Kind) -> dict[str, Any]:
    """Write the series, a folder each, and give their numbers."""
    files = pixel_bytes = 0
    for series in range(kind.series):
        count = kind.slices + (series % (kind.spread + 1))
        target = folder / f"series{series:02d}"
        target.mkdir(parents=True)
        for place, plane in enumerate(pictures(kind, series, count)):
            header = header_of(plane, kind.modality, series, place)
            header.save_as(target / f"IMG{place:04d}.dcm", enforce_file_format=True)
            files, pixel_bytes = files + 1, pixel_bytes + plane.nbytes
    return {"series": kind.series, "files": files, "pixel_bytes": pixel_bytes}


def pictures(kind: Kind, series: int, count: int) -> Iterator[NDArray[np.integer]]:
    """Yield the slices of a series: unsigned 12 bits for MR, signed 16 bits for CT."""
    rng = np.random.default_rng([kind.modality == "CT", kind.side, series])
    shapes = rng.uniform(-1, 1, (9, 6))
    coarse = rng.normal(size=(count // 8 + 3, 18, 18))
    yy, xx = np.mgrid[-1 : 1 : kind.side * 1j, -1 : 1 : kind.side * 1j].astype(np.float32)
    for place in range(count):
        height = 2 * (place + 0.5) / count - 1
        texture = _texture(coarse, place / 8, kind.side)
        body, organs = _anatomy(yy, xx, height, shapes)
        if kind.modality == "MR":
            yield _mr(rng, body, organs, texture, 1 - 0.25 * yy * xx)
        else:
            yield _ct(rng, body, organs, texture)


def _texture(coarse: NDArray[Any], at: float, side: int) -> NDArray[np.float32]:
    """Interpolate a smooth field of unit variance or so at a height."""
    from scipy.ndimage import zoom

    below = int(at)
    plane = coarse[below] * (1 - at + below) + coarse[below + 1] * (at - below)
    return np.asarray(zoom(plane, side / plane.shape[0], order=3), np.float32)[:side, :side]


def _anatomy(
    yy: NDArray[Any], xx: NDArray[Any], height: float, shapes: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the body (0 to 1) and the organs' contrast (about -1 to 1) with soft borders."""
    body = np.clip((1 - (yy / 0.66) ** 2 - (xx / (0.85 - 0.1 * height**2)) ** 2) * 12, 0, 1)
    organs = np.zeros_like(body)
    for middle_y, middle_x, middle_z, width, depth, contrast in shapes:
        radius = 0.2 + 0.07 * width
        inside = 1 - ((height - middle_z * 0.6) / 0.9) ** 2
        inside = inside - ((yy - 0.35 * middle_y) / radius) ** 2
        inside = inside - ((xx - 0.5 * middle_x) / (radius * (1.2 + 0.3 * depth))) ** 2
        organs += contrast * np.clip(inside * 8, 0, 1)
    return body, organs * body


def _mr(
    rng: np.random.Generator, body: NDArray[Any], organs: NDArray[Any], texture: NDArray[Any],
    bias: NDArray[Any],
) -> NDArray[np.integer]:  # fmt: skip
    """Give a magnitude picture: Rician noise, coil bias."""
    signal = body * (320 + 160 * organs + 24 * texture) * bias
    noise = rng.normal(0, MR_NOISE, (2, *body.shape))
    return np.asarray(np.hypot(signal + noise[0], noise[1]).clip(0, 4095), np.uint16)


def _ct(
    rng: np.random.Generator, body: NDArray[Any], organs: NDArray[Any], texture: NDArray[Any]
) -> NDArray[np.integer]:
    """Give Hounsfield units plus 1024, with bone where contrast is highest."""
    bone = np.clip((organs - 0.9) * 4, 0, 1) * 600
    values = -1000 + body * (1030 + 70 * organs + bone + 8 * texture)
    noise = rng.normal(0, 1, body.shape) * (CT_AIR_NOISE + (CT_NOISE - CT_AIR_NOISE) * body)
    return np.asarray((values + noise).round() + 1024, np.int16)


def compress(source: Path, folder: Path, syntax: str) -> None:
    """Write a tree again in another transfer syntax, and see that each file reads the same."""
    import pydicom

    for path in sorted(source.rglob("*.dcm")):
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if syntax == SYNTAXES["jpeg-lossless"]:
            _by_gdcm(path, target)
        else:
            dataset = pydicom.dcmread(path)
            try:
                dataset.compress(syntax, generate_instance_uid=False)
            except RuntimeError as error:
                raise NotImplementedError(f"pydicom finds no encoder: {error}") from error
            dataset.save_as(target, enforce_file_format=True)
        again = pydicom.dcmread(target)
        if again.file_meta.TransferSyntaxUID != syntax or not np.array_equal(
            again.pixel_array, pydicom.dcmread(path).pixel_array
        ):
            raise NotImplementedError("what was encoded reads as something else")


def _by_gdcm(path: Path, target: Path) -> None:
    """Encode JPEG lossless, first-order prediction; pydicom has no encoder for it."""
    try:
        import gdcm
    except ImportError as error:
        raise NotImplementedError("JPEG lossless is encoded by python-gdcm") from error
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(target))
    if reader.Read():
        change.SetInput(reader.GetImage())
        if change.Change():
            writer.SetFile(reader.GetFile())
            writer.SetImage(change.GetOutput())
            if writer.Write():
                return
    raise NotImplementedError("gdcm cannot encode JPEG lossless")


if __name__ == "__main__":
    main()
