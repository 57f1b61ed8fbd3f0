"""NIfTI-1 (Cox et al. 2004): volumes and label maps, written as a stream and read whole.

Written files hold sform = qform-compatible affines in millimetres, no times, no names. Arrays are
stored with the column index running fastest, so ``[slice, row, column]`` goes to disk untouched.
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from medprep.errors import FormatError, GeometryError
from medprep.formats.deflate import begin, gzip_opened
from medprep.formats.nifti_header import OFFSET, Header, pack
from medprep.geometry import Geometry
from medprep.places.hand import at_hand
from medprep.volume import LabelMap, Volume

_ENDINGS = (".nii", ".gz")
_SUSPECT_BYTES, _SUSPECT_RATIO = 1 << 29, 900
"""Deflate packs at most 1032 to 1: what comes near it and is large is no picture."""


class NiftiWriter:
    """Write voxels as they come; compression runs beside whoever brings them.

    Parameters
    ----------
    path
        ``.nii`` or ``.nii.gz`` (gzip with time 0), or the temporary name of one; the caller sees
        to atomicity.
    geometry
        The grid.
    dtype
        Of the voxels.
    volumes
        Above 1: a fourth axis of so many volumes on the same grid.
    volume_step_s
        Time between volumes.
    colours
        1, or 3 for red, green and blue of uint8 (RGB24).
    sheared
        Allow axes that are not at right angles: then sform alone places the voxels.

    Raises
    ------
    FormatError
        If NIfTI has no such data type or not so many voxels an axis; at the end, if voxels are
        missing.
    GeometryError
        If the axes are not at right angles.
    """

    def __init__(
        self,
        path: Path,
        geometry: Geometry,
        dtype: DTypeLike,
        *,
        volumes: int = 1,
        volume_step_s: float = 0.0,
        colours: int = 1,
        sheared: bool = False,
    ) -> None:
        self._path = path
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._header = pack(
            geometry, np.dtype(dtype), path, volumes=volumes, volume_step_s=volume_step_s,
            colours=colours, sheared=sheared,
        )  # fmt: skip
        colour_axis = (3,) if colours == 3 else ()
        self._plane_shape = (*geometry.shape[1:], *colour_axis)
        self._left = math.prod(geometry.shape) * volumes * colours
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        ending = next((one for one in reversed(self._path.suffixes) if one in _ENDINGS), "")
        opened = gzip_opened(self._path) if ending == ".gz" else self._path.open("wb")
        self._file = self._stack.enter_context(opened)
        begin(self._file, self._header)
        return self

    def write(self, voxels: NDArray[Any]) -> None:
        """Write the next planes.

        Parameters
        ----------
        voxels
            ``[..., row, column]``, in colour with a last axis of 3: one plane or any number.

        Raises
        ------
        FormatError
            If they are of another type or plane than the header says, or too many.
        """
        if voxels.dtype.newbyteorder("<") != self._dtype:
            raise FormatError(
                f"voxels are {voxels.dtype} instead of {self._dtype}", path=self._path
            )
        axes = len(self._plane_shape)
        if voxels.shape[-axes:] != self._plane_shape:
            raise FormatError(
                f"voxels of shape {voxels.shape}; wanted are planes of {self._plane_shape}",
                path=self._path,
            )
        self._left -= voxels.size
        if self._left < 0:
            raise FormatError(f"{-self._left} voxels too many", path=self._path)
        # By planes: the bytes of gzip do not depend on how many come at once, and a view is never
        # copied whole.
        for index in np.ndindex(voxels.shape[:-axes]):
            self._file.write(np.ascontiguousarray(voxels[index], self._dtype).data.cast("B"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            with contextlib.suppress(Exception):  # the first error is the one to tell
                self._stack.close()
            return
        self._stack.close()
        if self._left:
            raise FormatError(f"{self._left} voxels are missing at the end", path=self._path)


def write(path: Path, volume: Volume | LabelMap) -> None:
    """Write a volume or label map; gzip (time 0) where the name ends in ``.gz``.

    Parameters
    ----------
    path
        ``.nii`` or ``.nii.gz``, or the temporary name of one; the caller sees to atomicity.

    Raises
    ------
    FormatError
        If NIfTI has no such data type, or not so many voxels an axis.
    GeometryError
        If the axes are not at right angles.
    """
    with NiftiWriter(path, volume.geometry, volume.array.dtype) as out:
        out.write(volume.array)


def read(path: Path, *, volume: int | None = None) -> Volume:
    """Read a picture with its grid.

    Parameters
    ----------
    volume
        Which one of a file of four axes, from 0; None where there is to be one only.

    Returns
    -------
    Volume
        Stored type where the file has no scaling, else float32. A fourth axis of length 1 is
        dropped.

    Raises
    ------
    FormatError
        If the file is no NIfTI-1, is cut short, or has more than three axes.
    GeometryError
        If its affine is impossible.
    """
    content = _content(path, volume=volume)
    header = Header(content, path, volume)
    if volume is not None and not 0 <= volume < header.volumes:
        raise FormatError(f"no volume {volume}: there are {header.volumes}", path=path)
    array = header.array(content)
    try:
        return Volume(array, Geometry(array.shape, header.affine_lps()))
    except GeometryError as error:
        raise GeometryError(error.message, path=path) from error


def stored_bytes(path: Path) -> int:
    """Give the size of a file unpacked, as its header tells it.

    Raises
    ------
    FormatError
        As `read`, as far as the header shows it.
    """
    return Header(_content(path, head_only=True), path, 0).end


def oddities(path: Path) -> tuple[str, ...]:
    """Say what is odd about a file's grid and how `read` takes it; nothing for most files.

    Raises
    ------
    FormatError, GeometryError
        As `read`, as far as the header shows it.
    """
    try:
        return Header(_content(path, head_only=True), path, 0).notes()
    except GeometryError as error:
        raise GeometryError(error.message, path=path) from error


def read_label_map(path: Path) -> LabelMap:
    """Read a label map with its grid.

    Returns
    -------
    LabelMap
        uint8 where its values fit, else uint16; names are not in the file. Floats within 0.001 of
        a whole number are rounded.

    Raises
    ------
    FormatError
        If a value is no whole number from 0 to 65535.
    """
    volume = read(path)
    array = volume.array
    whole = np.rint(array) if array.dtype.kind == "f" else array
    if not np.isfinite(whole).all() or (array is not whole and np.abs(array - whole).max() > 1e-3):
        raise FormatError(
            "a label map holds values that are no whole numbers; wanted are labels: threshold "
            "or round them first",
            path=path,
        )
    lowest, highest = whole.min(initial=0), whole.max(initial=0)
    if lowest < 0 or highest > 65535:
        raise FormatError(
            f"a label map holds values from {lowest} to {highest}; wanted are 0 to 65535", path=path
        )
    return LabelMap(whole.astype(np.uint8 if highest <= 255 else np.uint16), volume.geometry)


def read_labels(path: Path) -> NDArray[Any]:
    """Read a label map's values only, as `read_label_map` gives them."""
    return read_label_map(path).array


def _require_harmless(end: int, packed: int, path: Path) -> None:
    """Refuse by its size what holds less than it says, or next to nothing."""
    if end > _SUSPECT_BYTES and end > _SUSPECT_RATIO * packed:
        raise FormatError(
            f"{packed:,} packed bytes cannot hold the {end:,} that its header speaks of, or hold "
            "one value only: not unpacked; wanted is the whole file",
            path=path,
        )


def _content(path: Path, *, head_only: bool = False, volume: int | None = None) -> bytes:
    if not path.is_file():  # reading a pipe would wait for ever
        raise FormatError(
            "cannot be read: no regular file but a folder, pipe or device, or nothing", path=path
        )
    from isal import igzip, igzip_lib

    try:
        # Of a far file the whole is fetched at once.
        with at_hand(() if head_only else (path,)), path.open("rb") as handle:
            packed = handle.read(2) == b"\x1f\x8b"
            size = handle.seek(0, os.SEEK_END)
            handle.seek(0)
            if not packed and head_only:
                return handle.read(OFFSET)
            if not packed:
                end = Header(handle.read(OFFSET), path, volume).end
                handle.seek(0)
                return handle.read(min(end, size))  # the memory is taken before a byte is read
            with igzip.open(handle) as unpacked:
                # No more than the header speaks of: a small file may unpack to terabytes. The one
                # byte beyond makes the checksum be checked.
                head: bytes = unpacked.read(OFFSET)
                if head_only:
                    return head
                end = Header(head, path, volume).end
                _require_harmless(end, size, path)
                rest: bytes = unpacked.read(max(0, end - len(head)) + 1)
                return head + rest
    except (OSError, EOFError, igzip_lib.IsalError) as error:  # type: ignore[misc]
        text = getattr(error, "strerror", None) or error  # not the path, which may name a patient
        raise FormatError(f"cannot be read: {text}", path=path) from error
