"""Forms of a training set on disk, that `bench_shards` compares."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from medprep.formats import bricks, nifti
from medprep.formats.bricks import BRICK
from medprep.geometry import Geometry
from medprep.volume import LabelMap, Volume

CHUNK = (32, 128, 128)
"""Of Blosc2: what it packs into blocks of `BRICK`."""
Array = NDArray[Any]
Box = tuple[slice, slice, slice]


class Form(Protocol):
    """A way to keep an array."""

    def write(self, path: Path, array: Array) -> None:
        """Write one."""

    def read(self, path: Path, box: Box) -> Array:
        """Read a box of one."""


class Nifti:
    """As a workspace has it: packed whole, so read whole."""

    def write(self, path: Path, array: Array) -> None:  # noqa: D102
        grid = Geometry.from_parts(array.shape, (1.0, 1.0, 1.0))
        labels = array.dtype == np.uint8
        volume = LabelMap(array, grid) if labels else Volume(array, grid)
        nifti.write(path.with_name(f"{path.name}.nii.gz"), volume)

    def read(self, path: Path, box: Box) -> Array:  # noqa: D102
        return nifti.read(path.with_name(f"{path.name}.nii.gz")).array[box]


class Map:
    """A .npy, mapped."""

    def write(self, path: Path, array: Array) -> None:  # noqa: D102
        np.save(path.with_suffix(".npy"), array)

    def read(self, path: Path, box: Box) -> Array:  # noqa: D102
        return np.array(np.load(path.with_suffix(".npy"), mmap_mode="r")[box])


class Safetensors:
    """The same bytes behind another head."""

    def write(self, path: Path, array: Array) -> None:  # noqa: D102
        from safetensors.numpy import save_file

        save_file({"a": array}, path)

    def read(self, path: Path, box: Box) -> Array:  # noqa: D102
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as opened:
            return opened.get_slice("a")[box]


class Ours:
    """Bricks packed by isal, as medprep writes them."""

    def write(self, path: Path, array: Array) -> None:  # noqa: D102
        bricks.write(path, array)

    def read(self, path: Path, box: Box) -> Array:  # noqa: D102
        return bricks.Bricks(path).part(box)


class Plain:
    """The same bricks, not packed."""

    def write(self, path: Path, array: Array) -> None:  # noqa: D102
        starts, offset = [0], 0
        with path.open("wb") as file:
            for first in np.ndindex(*_counts(array.shape)):
                inner = array[box_of([n * b for n, b in zip(first, BRICK, strict=True)], BRICK)]
                whole = np.zeros(BRICK, array.dtype)
                whole[tuple(slice(0, side) for side in inner.shape)] = inner
                offset += file.write(whole.tobytes())
                starts.append(offset)
        head = {"shape": array.shape, "dtype": str(array.dtype)}
        path.with_suffix(".json").write_text(json.dumps(head))
        np.save(path.with_suffix(".npy"), np.asarray(starts))

    def read(self, path: Path, box: Box) -> Array:  # noqa: D102
        head = json.loads(path.with_suffix(".json").read_text())
        starts = np.load(path.with_suffix(".npy"))
        shape, kind = head["shape"], np.dtype(head["dtype"])
        found = np.empty([one.stop - one.start for one in box], kind)
        counts = _counts(shape)
        every = [range(o.start // b, -(-o.stop // b)) for o, b in zip(box, BRICK, strict=True)]
        with path.open("rb") as file:
            for place in ((z, y, x) for z in every[0] for y in every[1] for x in every[2]):
                number = int(np.ravel_multi_index(place, counts))
                first, last = int(starts[number]), int(starts[number + 1])
                content = os.pread(file.fileno(), last - first, first)
                brick = np.frombuffer(content, kind).reshape(BRICK)
                into, out = [], []
                for at, side, one in zip(place, BRICK, box, strict=True):
                    begin, end = max(at * side, one.start), min((at + 1) * side, one.stop)
                    into.append(slice(begin - one.start, end - one.start))
                    out.append(slice(begin - at * side, end - at * side))
                found[tuple(into)] = brick[tuple(out)]
        return found


class Blosc2:
    """Blosc2's own file of chunks of blocks.

    Parameters
    ----------
    codec
        ``LZ4`` or ``ZSTD``, with the byte shuffle.
    level
        0 packs nothing.
    """

    def __init__(self, codec: str, level: int) -> None:
        self._codec, self._level = codec, level

    def write(self, path: Path, array: Array) -> None:  # noqa: D102
        import blosc2

        chunks = tuple(min(side, most) for side, most in zip(array.shape, CHUNK, strict=True))
        blocks = tuple(min(side, brick) for side, brick in zip(chunks, BRICK, strict=True))
        blosc2.asarray(
            np.ascontiguousarray(array), urlpath=str(path.with_suffix(".b2nd")), mode="w",
            chunks=chunks, blocks=blocks,
            cparams={"codec": blosc2.Codec[self._codec], "clevel": self._level, "nthreads": 1},
        )  # fmt: skip

    def read(self, path: Path, box: Box) -> Array:  # noqa: D102
        import blosc2

        opened = blosc2.open(
            str(path.with_suffix(".b2nd")), mode="r", mmap_mode="r", dparams={"nthreads": 1}
        )
        return opened[box]


def forms() -> dict[str, Form]:
    """Give every form by name."""
    return {
        "nifti": Nifti(),
        "map": Map(),
        "safetensors": Safetensors(),
        "bricks": Ours(),
        "bricks-plain": Plain(),
        "blosc2-lz4": Blosc2("LZ4", 5),
        "blosc2-zstd": Blosc2("ZSTD", 5),
    }


def _counts(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(-(-side // brick) for side, brick in zip(shape, BRICK, strict=True))


def box_of(start: Sequence[int], sides: Sequence[int]) -> Box:
    """Give the slices of a box that begins at ``start``."""
    slices, rows, columns = (slice(a, a + b) for a, b in zip(start, sides, strict=True))
    return slices, rows, columns
