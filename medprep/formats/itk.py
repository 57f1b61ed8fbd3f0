"""NRRD and MetaImage, through SimpleITK."""

from __future__ import annotations

import os
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError, GeometryError, WriteError
from medprep.formats.itk_header import require_sane
from medprep.geometry import Geometry
from medprep.places.paths import is_far

_WRITERS = {".nrrd": "NrrdImageIO", ".mha": "MetaImageIO"}
_HEAD_BYTES = 4096
_SIZE_OF_MHA = re.compile(rb"CompressedDataSize = (\d+)\n.*?ElementDataFile = LOCAL\n", re.DOTALL)


def write(path: Path, array: NDArray[Any], geometry: Geometry) -> None:
    """Write a volume, compressed, in one file; equal volumes give equal bytes.

    Parameters
    ----------
    path
        ``.nrrd`` or ``.mha``, or the temporary name of one; the caller sees to atomicity.
    array
        ``[slice, row, column]``, in colour with a last axis of 3.
    geometry
        Its grid, sheared or not; LPS is ITK's own system.

    Raises
    ------
    FormatError
        If the name tells no format, or ITK has no such data type.
    GeometryError
        If the array is not of the grid's shape, or ITK takes no such grid.
    WriteError
        If the file cannot be written whole.
    """
    import SimpleITK as sitk

    ending = next((one for one in reversed(path.suffixes) if one in _WRITERS), None)
    if ending is None:
        raise FormatError(f"wanted is one of {', '.join(_WRITERS)}", path=path)
    if array.shape not in (geometry.shape, (*geometry.shape, 3)):
        raise GeometryError(f"{array.shape} voxels on a grid of {geometry.shape}", path=path)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    try:
        picture = sitk.GetImageFromArray(native, isVector=array.ndim == 4)
    except TypeError as error:
        raise FormatError(f"ITK holds no {array.dtype}", path=path) from error
    _place(picture, geometry, path)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO(_WRITERS[ending])
    writer.SetUseCompression(True)
    # MetaImageIO makes two files of a name that does not end in .mha.
    named = path.with_name(path.name + ending)
    writer.SetFileName(str(named))
    try:
        writer.Execute(picture)
        if not _is_whole(named, array.nbytes):
            raise RuntimeError("the file is cut short")
        named.replace(path)
    except RuntimeError as error:  # its text holds the path, which may name a patient
        raise WriteError(
            "SimpleITK cannot write it: see whether the folder is there and has room", path=path
        ) from error
    finally:
        named.unlink(missing_ok=True)


def _place(picture: Any, geometry: Geometry, path: Path) -> None:
    try:
        picture.SetSpacing(geometry.spacing_mm[::-1])
        picture.SetOrigin(geometry.origin_mm)
        picture.SetDirection(geometry.direction[:, ::-1].ravel().tolist())
    except RuntimeError as error:
        raise GeometryError(
            f"ITK takes no grid with steps of {geometry.spacing_mm} mm; take another --format, and "
            "see whether the header's numbers can be",
            path=path,
        ) from error


def _is_whole(path: Path, voxel_bytes: int) -> bool:
    """Tell whether the last bytes reached the disk, which ITK does not ask."""
    with path.open("rb") as handle:
        head = handle.read(_HEAD_BYTES)
        size = handle.seek(0, os.SEEK_END)
        if path.suffix == ".mha":
            said = _SIZE_OF_MHA.search(head)
            return said is not None and size == said.end() + int(said[1])
        handle.seek(max(0, size - 4))  # gzip ends with the size of what it holds
        return handle.read(4) == (voxel_bytes & 0xFFFFFFFF).to_bytes(4, "little")


def read(path: Path) -> tuple[NDArray[Any], Geometry]:
    """Read a volume with one number a voxel, and its grid.

    Returns
    -------
    array, Geometry
        ``[slice, row, column]`` in the file's own type.

    Raises
    ------
    FormatError
        If it is no regular file, ITK finds no picture, or it has other axes or colours.
    GeometryError
        If its axes span no space.
    """
    import SimpleITK as sitk

    if is_far(path):
        with TemporaryDirectory() as folder:  # ITK reads files only
            copy = Path(folder, f"copy{path.suffix}")
            copy.write_bytes(path.read_bytes())
            try:
                return read(copy)
            except (FormatError, GeometryError) as error:
                raise type(error)(error.message, path=path) from error
    if not path.is_file():  # reading a pipe would wait for ever
        raise FormatError(
            "cannot be read: no regular file but a folder, pipe or device, or nothing", path=path
        )
    require_sane(path)
    try:
        picture = sitk.ReadImage(str(path))
    except RuntimeError as error:  # its text holds the path, which may name a patient
        raise FormatError(
            "cannot be read: SimpleITK finds no picture in it; copy it anew", path=path
        ) from error
    axes, components = picture.GetDimension(), picture.GetNumberOfComponentsPerPixel()
    if axes != 3 or components != 1:
        raise FormatError(
            f"{axes} axes and {components} numbers a voxel; wanted are 3 axes and one number",
            path=path,
        )
    array = sitk.GetArrayFromImage(picture)
    direction = np.array(picture.GetDirection()).reshape(3, 3)[:, ::-1]
    try:
        geometry = Geometry.from_parts(
            array.shape, picture.GetSpacing()[::-1], picture.GetOrigin(), direction
        )
    except GeometryError as error:
        raise GeometryError(error.message, path=path) from error
    return array, geometry
