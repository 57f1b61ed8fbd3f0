"""Volumes cut into small bricks, each packed by itself: a patch costs what it holds.

A file is ``MEDBRICK``, the length of a head, the head (JSON: version, shape, type, brick), where
each brick begins and the last one ends (uint64), and the bricks, in C order, as zlib streams of
their voxels in C order; at the far edges bricks are smaller, and one of zeros takes no
bytes. All numbers are little-endian. Each
stream holds a checksum of what was packed.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError
from medprep.formats.deflate import packed

BRICK = (4, 64, 64)
"""Flat, because nets of slices read these files too: `benchmarks/bench_shards.py`."""
_MAGIC = b"MEDBRICK"
_VERSION = 1
_LONGEST_HEAD = 1000
_LARGEST_BRICK = 1 << 20
_TYPES = ("uint8", "uint16", "int16", "float32")

Box = tuple[slice, slice, slice]
_Place = tuple[int, int, int]


def write(path: Path, array: NDArray[Any]) -> None:
    """Write a volume; equal volumes give equal bytes.

    Parameters
    ----------
    path
        The caller sees to atomicity.
    array
        ``[slice, row, column]`` of uint8, uint16, int16 or float32.

    Raises
    ------
    FormatError
        If it is of another type, or holds nothing.
    """
    if array.ndim != 3 or array.size == 0 or str(array.dtype) not in _TYPES:
        raise FormatError(
            f"an array of {array.dtype} and shape {array.shape}; wanted are three axes of "
            f"{', '.join(_TYPES)}",
            path=path,
        )
    head = {"version": _VERSION, "shape": array.shape, "dtype": str(array.dtype), "brick": BRICK}
    packed_head = json.dumps(head, separators=(",", ":")).encode()
    ends = [0]
    with path.open("wb") as file:
        file.write(_MAGIC + struct.pack("<I", len(packed_head)) + packed_head)
        table = file.tell()
        file.seek(8 * (math.prod(_counts(array.shape, BRICK)) + 1), os.SEEK_CUR)
        for place in product(*map(range, _counts(array.shape, BRICK))):
            inner = tuple(slice(n * b, (n + 1) * b) for n, b in zip(place, BRICK, strict=True))
            voxels = np.ascontiguousarray(array[inner], array.dtype.newbyteorder("<"))
            size = 0
            if voxels.view(np.uint8).any():  # bits, not values: -0.0 is another zero
                size = file.write(packed(voxels.data.cast("B")))
            ends.append(ends[-1] + size)
        file.seek(table)
        file.write(np.asarray(ends, "<u8").tobytes())


class Bricks:
    """A volume in a file of bricks, open to be read in parts.

    Parameters
    ----------
    path
        What `write` wrote.

    Raises
    ------
    FormatError
        If it is no such file, or is cut short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("rb", buffering=0)
            self._read_head()
        except OSError as error:
            raise FormatError(f"it cannot be read ({error.strerror})", path=path) from error
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise FormatError(f"no file of bricks, or damaged: {error}", path=path) from error

    def _read_head(self) -> None:
        file, size = self._file, os.fstat(self._file.fileno()).st_size
        start = file.read(len(_MAGIC) + 4)
        if start[: len(_MAGIC)] != _MAGIC:
            raise ValueError("it begins otherwise")
        (length,) = struct.unpack("<I", start[len(_MAGIC) :])
        if length > _LONGEST_HEAD:
            raise ValueError(f"a head of {length} bytes")
        head = json.loads(file.read(length))
        if head["version"] != _VERSION or head["dtype"] not in _TYPES:
            raise ValueError(f"version {head['version']} of {head['dtype']}")
        self.shape = _sides(head["shape"])
        self.dtype = np.dtype(head["dtype"])
        self._brick = _sides(head["brick"])
        if math.prod(self._brick) > _LARGEST_BRICK:
            raise ValueError("bricks too large")
        self._counts = _counts(self.shape, self._brick)
        table = 8 * (math.prod(self._counts) + 1)
        begin = len(start) + length + table
        if begin > size:
            raise ValueError("it is cut short")
        self._ends = np.frombuffer(file.read(table), "<u8").astype(np.int64) + begin
        if (np.diff(self._ends) < 0).any() or self._ends[0] != begin or self._ends[-1] != size:
            raise ValueError(f"{size} bytes do not fit to its table")

    def part(self, box: Box) -> NDArray[Any]:
        """Give the voxels of a box inside the volume, new and in one piece.

        Raises
        ------
        FormatError
            If a brick is damaged.
        """
        bounds = [one.indices(side)[:2] for one, side in zip(box, self.shape, strict=True)]
        found = np.empty([max(0, stop - start) for start, stop in bounds], self.dtype)
        if not found.size:
            return found
        slices, rows, columns = (
            range(start // side, -(-stop // side))
            for (start, stop), side in zip(bounds, self._brick, strict=True)
        )
        for place, brick in self._unpacked(list(product(slices, rows, columns))):
            into, out = [], []
            for at, side, (start, stop) in zip(place, self._brick, bounds, strict=True):
                first, last = max(at * side, start), min((at + 1) * side, stop)
                into.append(slice(first - start, last - start))
                out.append(slice(first - at * side, last - at * side))
            found[tuple(into)] = brick[tuple(out)]
        return found

    def whole(self) -> NDArray[Any]:
        """Give all voxels, new."""
        return self.part((slice(None), slice(None), slice(None)))

    def _unpacked(self, places: list[_Place]) -> Iterator[tuple[_Place, NDArray[Any]]]:
        """Read bricks that lie side by side in the file at once, and unpack each."""
        _, rows, columns = self._counts
        numbers = [(z * rows + y) * columns + x for z, y, x in places]
        first = 0
        for index in range(1, len(places) + 1):
            if index < len(places) and numbers[index] == numbers[index - 1] + 1:
                continue
            begin, end = int(self._ends[numbers[first]]), int(self._ends[numbers[index - 1] + 1])
            content = memoryview(_read_at(self._file.fileno(), end - begin, begin))
            for which in range(first, index):
                start, stop = self._ends[numbers[which]], self._ends[numbers[which] + 1]
                yield (
                    places[which],
                    self._brick_of(content[start - begin : stop - begin], places[which]),
                )
            first = index

    def _brick_of(self, packed: memoryview, place: _Place) -> NDArray[Any]:
        from isal import isal_zlib

        shape = [
            min(brick, side - at * brick)
            for at, brick, side in zip(place, self._brick, self.shape, strict=True)
        ]
        if not len(packed):
            return np.zeros(shape, self.dtype)
        wanted = math.prod(shape) * self.dtype.itemsize
        unpacking = isal_zlib.decompressobj()
        try:
            # One byte more than there may be: a brick that is a bomb fills no memory.
            content = unpacking.decompress(packed, wanted + 1)
        except isal_zlib.error as error:  # type: ignore[misc]
            raise FormatError(f"a brick is damaged: {error}", path=self._path) from error
        if len(content) != wanted or not unpacking.eof:
            raise FormatError(
                f"a brick of {len(content)} bytes instead of {wanted}", path=self._path
            )
        return np.frombuffer(content, self.dtype.newbyteorder("<")).reshape(shape)


def _counts(shape: tuple[int, ...], brick: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-side // each) for side, each in zip(shape, brick, strict=True))


def _sides(found: Any) -> tuple[int, int, int]:
    slices, rows, columns = found
    if not all(type(side) is int and 0 < side < 1 << 31 for side in found):
        raise ValueError(f"sides of {found}")
    return slices, rows, columns


def _read_at(descriptor: int, size: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, size)
