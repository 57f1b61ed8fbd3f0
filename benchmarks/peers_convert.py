"""The peers of ``medprep convert``, each as a program: ``python peers_convert.py NAME IN OUT``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

NEEDS = {
    "simpleitk": ("SimpleITK",),
    "pydicom_nibabel": ("pydicom", "nibabel"),
    "dicom2nifti": ("dicom2nifti",),
    "pydicom_cv2": ("pydicom", "cv2"),
    "imsave": ("pydicom", "matplotlib"),
    "savefig": ("pydicom", "matplotlib"),
    "limit": ("isal",),
}
"""Name of a peer to the modules that it is made of."""

_CHUNK_FILES = 8


def series_folders(source: Path) -> Iterator[Path]:
    """Yield the folders that hold files; here each is one series."""
    yield from sorted({path.parent for path in source.rglob("*.dcm")})


def simpleitk(source: Path, output: Path) -> None:
    """Read by ImageSeriesReader with GDCM's sorting, write .nii.gz."""
    import SimpleITK as sitk

    for number, folder in enumerate(series_folders(source)):
        reader = sitk.ImageSeriesReader()
        (uid,) = reader.GetGDCMSeriesIDs(str(folder))
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), uid))
        sitk.WriteImage(reader.Execute(), str(output / f"{number}.nii.gz"))


def pydicom_nibabel(source: Path, output: Path) -> None:
    """Read by pydicom, sort by position, write by nibabel at its default level."""
    import nibabel
    import numpy as np
    import pydicom

    for number, folder in enumerate(series_folders(source)):
        slices = [pydicom.dcmread(path) for path in folder.iterdir()]
        slices.sort(key=lambda one: float(one.ImagePositionPatient[2]))
        first, last = slices[0], slices[-1]
        values = np.stack([one.pixel_array for one in slices])
        if shift := int(first.get("RescaleIntercept", 0)):
            values = values + np.int16(shift)
        along, down = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
        start = np.array(first.ImagePositionPatient, float)
        step = (np.array(last.ImagePositionPatient, float) - start) / (len(slices) - 1)
        affine = np.eye(4)
        affine[:3, 0] = along * float(first.PixelSpacing[1])
        affine[:3, 1] = down * float(first.PixelSpacing[0])
        affine[:3, 2], affine[:3, 3] = step, start
        affine[:2] *= -1  # LPS to RAS
        nibabel.save(nibabel.Nifti1Image(values.T, affine), output / f"{number}.nii.gz")


def dicom2nifti(source: Path, output: Path) -> None:
    """Convert folder by folder, with its defaults."""
    import dicom2nifti as peer

    for number, folder in enumerate(series_folders(source)):
        peer.dicom_series_to_nifti(str(folder), str(output / f"{number}.nii.gz"))


def pydicom_cv2(source: Path, output: Path) -> None:
    """Write 8-bit PNG of each file, from its lowest to its highest value."""
    import cv2
    import numpy as np
    import pydicom

    for number, path in enumerate(sorted(source.rglob("*.dcm"))):
        pixels = pydicom.dcmread(path).pixel_array.astype(np.float32)
        low, high = pixels.min(), pixels.max()
        scaled = (pixels - low) * (255 / max(1, high - low))
        cv2.imwrite(str(output / f"{number:05d}.png"), scaled.astype(np.uint8))


def imsave(source: Path, output: Path) -> None:
    """Save each file's picture by matplotlib's imsave."""
    import matplotlib as mpl
    import pydicom

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    for number, path in enumerate(sorted(source.rglob("*.dcm"))):
        plt.imsave(output / f"{number:05d}.png", pydicom.dcmread(path).pixel_array, cmap="gray")


def savefig(source: Path, output: Path) -> None:
    """Save a new figure for each file, as tutorials do."""
    import matplotlib as mpl
    import pydicom

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    for number, path in enumerate(sorted(source.rglob("*.dcm"))):
        plt.figure()
        plt.axis("off")
        plt.imshow(pydicom.dcmread(path).pixel_array, cmap="gray")
        plt.savefig(output / f"{number:05d}.png", bbox_inches="tight", pad_inches=0)
        plt.close()


def limit(source: Path, output: Path) -> None:
    """Read every file and pack its pixels by igzip level 2 in two threads; write nothing.

    No header is understood: the made-up files end with their pixels, whose length is in their
    last element. A converter by these means cannot take less.
    """
    from concurrent.futures import ThreadPoolExecutor

    from isal import isal_zlib

    def pack(chunk: list[Path]) -> int:
        packer = isal_zlib.compressobj(2, isal_zlib.DEFLATED, 31)
        packed = 0
        for path in chunk:
            held = path.read_bytes()
            at = held.rindex(b"\xe0\x7f\x10\x00OW\x00\x00") + 12
            packed += len(packer.compress(memoryview(held)[at:]))
        return packed + len(packer.flush())

    files = sorted(source.rglob("*.dcm"))
    chunks = [files[at : at + _CHUNK_FILES] for at in range(0, len(files), _CHUNK_FILES)]
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(pack, chunks)) > 0


PEERS = (simpleitk, pydicom_nibabel, dicom2nifti, pydicom_cv2, imsave, savefig, limit)


if __name__ == "__main__":
    name, source_, output_ = sys.argv[1:]
    next(peer for peer in PEERS if peer.__name__ == name)(Path(source_), Path(output_))
