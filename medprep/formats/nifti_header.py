"""The header of NIfTI-1 (``nifti1.h``), the one place where RAS coordinates exist."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError, GeometryError
from medprep.geometry import SAME_GRID_MM, Geometry

HEADER_BYTES = 348
OFFSET = 352
_TYPES: dict[int, str] = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8",
    1280: "u8",
}  # fmt: skip
CODES = {kind: code for code, kind in _TYPES.items()}
_MILLIMETRES, _SECONDS = 2, 8
_RGB = 128
"""Three bytes a voxel; medprep writes it and does not read it."""
_COLOURS = (_RGB, 2304)
"""The second has transparency too."""
_UNIT_MM = {1: 1000.0, 3: 0.001}
"""Metres and micrometres; anything else is taken for millimetres."""
_SCANNER = 1
_RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SNAP = 1e-3
"""Largest deviation from orthonormal direction cosines that is float noise of a header."""
_LARGEST_BYTES = 1 << 36


class Header:
    """The fields of ``nifti_1_header`` that place voxels; offsets as in ``nifti1.h``."""

    def __init__(self, content: bytes, path: Path, volume: int | None = None) -> None:
        self.path = path
        self._volume = volume
        if len(content) < HEADER_BYTES:
            raise FormatError(
                f"{len(content)} bytes are too short for a NIfTI-1 header; copy the file anew",
                path=path,
            )
        self.order = "<" if struct.unpack_from("<i", content)[0] == HEADER_BYTES else ">"
        if self._get(content, "i", 0)[0] != HEADER_BYTES or content[344:347] != b"n+1":
            raise FormatError("not a single-file NIfTI-1 (.nii, .nii.gz)", path=path)
        dim = self._get(content, "8h", 40)
        self.shape = self._shape(dim)
        code = self._get(content, "h", 70)[0]
        self.kind = _TYPES.get(code, "")
        if not self.kind:
            raise FormatError(
                f"data type {code} is {'in colour' if code in _COLOURS else 'unknown'}; wanted is "
                "one integer or float a voxel: store the file anew in grey",
                path=path,
            )
        self.pixdim = self._get(content, "8f", 76)
        self.unit_mm = _UNIT_MM.get(content[123] & 7, 1.0)
        offset = self._get(content, "f", 108)[0]
        if not HEADER_BYTES <= offset < _LARGEST_BYTES:
            raise FormatError(
                f"voxels cannot begin at byte {offset:g}; wanted is {OFFSET} for most files",
                path=path,
            )
        self.offset = int(offset)
        self.slope, self.intercept = self._get(content, "2f", 112)
        self.qform_code, self.sform_code = self._get(content, "2h", 252)
        self.quaternion = self._get(content, "6f", 256)
        self.sform = np.array(self._get(content, "12f", 280), np.float64).reshape(3, 4)

    def _get(self, content: bytes, form: str, offset: int) -> tuple[Any, ...]:
        return struct.unpack_from(self.order + form, content, offset)

    def _shape(self, dim: tuple[int, ...]) -> tuple[int, int, int]:
        axes = dim[0]
        if not 2 <= axes <= 7 or min(dim[1 : axes + 1]) < 1:
            raise FormatError(
                f"impossible axes {dim}; wanted are 2 to 7 of at least one voxel", path=self.path
            )
        self.volumes = math.prod(dim[4 : axes + 1])
        if self.volumes != 1 and self._volume is None:
            raise FormatError(
                f"{axes} axes {dim[1 : axes + 1]}; wanted is one volume: split the file",
                path=self.path,
            )
        return (dim[3] if axes > 2 else 1, dim[2], dim[1])

    @property
    def end(self) -> int:
        """Where the voxels of all volumes end."""
        bytes_ = self.volumes * math.prod(self.shape) * np.dtype(self.kind).itemsize
        if bytes_ > _LARGEST_BYTES:
            raise FormatError(
                f"impossible size: {self.shape} voxels; at most {_LARGEST_BYTES:,} bytes are read",
                path=self.path,
            )
        return self.offset + bytes_

    def array(self, content: bytes) -> NDArray[Any]:
        """Give the voxels of the volume asked for, scaled where the header says so."""
        if len(content) < self.end:
            raise FormatError(
                f"cut short: {len(content)} bytes, but {self.shape} voxels end at {self.end}",
                path=self.path,
            )
        kind = np.dtype(self.order + self.kind)
        voxels = math.prod(self.shape)
        begin = self.offset + (self._volume or 0) * voxels * kind.itemsize
        array = np.frombuffer(content, kind, voxels, begin).reshape(self.shape)
        array = array.astype(kind.newbyteorder("="), copy=False)
        scaled = np.isfinite(self.slope) and self.slope != 0 and np.isfinite(self.intercept)
        if scaled and (self.slope, self.intercept) != (1.0, 0.0):
            with np.errstate(over="ignore"):  # a slope beyond all floats gives infinity
                array = (array * np.float64(self.slope) + self.intercept).astype(np.float32)
        return array

    def affine_lps(self) -> NDArray[np.float64]:
        """Give the affine from array index to LPS millimetres: of sform, else of qform."""
        return _snapped(self._lps(self._ruling()))

    def notes(self) -> tuple[str, ...]:
        """Say what is odd about the grid: two that disagree, axes a little off right angles."""
        lines = []
        if self.sform_code > 0 and self.qform_code > 0:
            here = Geometry(self.shape, self.affine_lps())
            apart = here.distance_mm(Geometry(self.shape, self._lps(self._qform())))
            if apart > SAME_GRID_MM:
                lines.append(f"sform and qform lie {apart:.3g} mm apart: sform is taken")
        given = self._lps(self._ruling())[:3, :3]
        mended = self.affine_lps()[:3, :3]
        off = np.abs((given - mended) / np.linalg.norm(given, axis=0)).max()
        if off > 0:  # by its size only, so that cases of a set say the same
            bound = 10.0 ** math.ceil(math.log10(off))
            lines.append(f"axes off right angles by less than {bound:.0e}: made exact")
        return tuple(lines)

    def _ruling(self) -> NDArray[np.float64]:
        if self.sform_code > 0:
            return np.vstack([self.sform, [0, 0, 0, 1]])
        return self._qform() if self.qform_code > 0 else np.diag([*self._steps(), 1.0])

    def _lps(self, affine: NDArray[np.float64]) -> NDArray[np.float64]:
        if not np.isfinite(affine).all():
            raise GeometryError("the affine holds numbers that are not finite")
        flipped = _RAS_LPS @ affine[:, [2, 1, 0, 3]]  # array axes are the file's reversed
        flipped[:3] *= self.unit_mm
        return np.asarray(flipped, np.float64)

    def _steps(self) -> list[float]:
        return [abs(float(step)) or 1.0 for step in self.pixdim[1:4]]

    def _qform(self) -> NDArray[np.float64]:
        b, c, d = (float(v) for v in self.quaternion[:3])
        length = b * b + c * c + d * d
        if length > 1.0:  # a half turn, and float noise
            b, c, d = (v / math.sqrt(length) for v in (b, c, d))
        a = math.sqrt(max(0.0, 1.0 - length))
        rotation = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        factor = -1.0 if self.pixdim[0] < 0 else 1.0
        affine = np.eye(4)
        affine[:3, :3] = rotation * self._steps() * [1.0, 1.0, factor]
        affine[:3, 3] = self.quaternion[3:]
        return affine


def _snapped(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make directions that are orthonormal but for float noise exactly so."""
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not (lengths > 0).all():
        raise GeometryError("a voxel of no size: the affine has an empty column")
    direction = affine[:3, :3] / lengths
    left, _, right = np.linalg.svd(direction)
    nearest = left @ right
    if np.abs(nearest - direction).max() > _SNAP:
        raise GeometryError(
            "the axes are not at right angles: resample the file to a rectangular grid first"
        )
    # Within one float32 step the header could not have said it better: keep what it says.
    if np.abs(nearest - direction).max() > 1e-6:
        affine = affine.copy()
        affine[:3, :3] = nearest * lengths
    return affine


def pack(
    geometry: Geometry,
    dtype: np.dtype[Any],
    path: Path,
    *,
    volumes: int = 1,
    volume_step_s: float = 0.0,
    colours: int = 1,
    sheared: bool = False,
) -> bytes:
    """Give the header and the four empty bytes behind it.

    Raises
    ------
    FormatError
        If NIfTI has no such data type, or not so many voxels an axis.
    GeometryError
        If the axes are not at right angles and ``sheared`` is not allowed.
    """
    kind = dtype.str[1:]
    if kind not in CODES or (colours != 1 and (colours, kind) != (3, "u1")):
        raise FormatError(f"NIfTI-1 holds no {dtype} of {colours} colours", path=path)
    if max(*geometry.shape, volumes) > 32767:
        shape = (volumes, *geometry.shape)[volumes == 1 :]
        raise FormatError(f"NIfTI-1 has no room for {shape} voxels", path=path)
    # A quaternion holds a rotation only: refuse here what `read` would.
    placed = geometry.affine if sheared else _snapped(geometry.affine)
    affine = _RAS_LPS @ placed[:, [2, 1, 0, 3]]
    spacing = geometry.spacing_mm[::-1]
    quaternion, factor = ((0.0, 0.0, 0.0), 1.0)
    if not sheared:
        quaternion, factor = _quaternion(affine[:3, :3] / spacing)
    slices, rows, columns = geometry.shape
    axes, step_s = (4, volume_step_s) if volumes > 1 else (3, 0.0)
    header = bytearray(OFFSET)
    struct.pack_into("<i", header, 0, HEADER_BYTES)
    struct.pack_into("<8h", header, 40, axes, columns, rows, slices, volumes, 1, 1, 1)
    code, bits = (_RGB, 24) if colours == 3 else (CODES[kind], dtype.itemsize * 8)
    struct.pack_into("<2h", header, 70, code, bits)
    struct.pack_into("<8f", header, 76, factor, *spacing, step_s, 0, 0, 0)
    struct.pack_into("<3f", header, 108, OFFSET, 1.0, 0.0)
    header[123] = _MILLIMETRES | (_SECONDS if volumes > 1 else 0)
    struct.pack_into("<2h", header, 252, 0 if sheared else _SCANNER, _SCANNER)
    struct.pack_into("<6f", header, 256, *quaternion, *affine[:3, 3])
    struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    return bytes(header)


def _quaternion(rotation: NDArray[np.float64]) -> tuple[tuple[float, float, float], float]:
    """Give b, c, d of the unit quaternion (a >= 0) and the sign of the third axis (qfac)."""
    factor = 1.0 if np.linalg.det(rotation) > 0 else -1.0
    r = rotation * [1.0, 1.0, factor]
    # The eigenvector of the largest eigenvalue is the quaternion: stable for every rotation
    # (Bar-Itzhack 2000), where the formula by the trace loses digits near half turns.
    k = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r.trace()],
        ]
    )
    b, c, d, a = np.linalg.eigh(k / 3.0)[1][:, -1]
    sign = -1.0 if a < 0 else 1.0
    return (sign * float(b), sign * float(c), sign * float(d)), factor
