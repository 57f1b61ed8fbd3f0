"""Volumes in bricks: exact in every part, and damage is told."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib

from medprep.errors import FormatError
from medprep.formats import bricks
from medprep.formats.bricks import BRICK, Bricks

TYPES = ("uint8", "uint16", "int16", "float32")


def volume(shape: tuple[int, ...], kind: str = "int16", seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(0, 400, shape)).astype(kind)


def written(path: Path, array: np.ndarray) -> Bricks:
    bricks.write(path, array)
    return Bricks(path)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_part_comes_back(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shape = tuple(data.draw(st.integers(1, 2 * side + 3)) for side in BRICK)
    array = volume(shape, data.draw(st.sampled_from(TYPES)))
    found = written(tmp_path_factory.mktemp("b") / "a.bricks", array)
    box = []
    for side in shape:
        start = data.draw(st.integers(0, side))
        box.append(slice(start, data.draw(st.integers(start, side))))
    part = found.part((box[0], box[1], box[2]))
    assert found.shape == shape and part.dtype == array.dtype and part.flags.c_contiguous
    assert np.array_equal(part, array[tuple(box)])
    assert np.array_equal(found.whole(), array)


def test_empty_bricks_take_no_room(tmp_path: Path) -> None:
    array = np.zeros((9, 130, 70), np.float32)
    array[0, 0, 0] = -0.0
    found = written(tmp_path / "a", array)
    assert np.array_equal(np.signbit(found.whole()), np.signbit(array))
    array[0, 0, 0] = 0.0
    assert not written(tmp_path / "b", array).whole().any()
    assert (tmp_path / "b").stat().st_size < (tmp_path / "a").stat().st_size < 400


def test_a_box_that_runs_past_the_end_is_cut_as_numpy_does(tmp_path: Path) -> None:
    array = volume((5, 6, 7))
    found = written(tmp_path / "a", array)
    assert np.array_equal(found.part((slice(3, 9), slice(0, 99), slice(6, 8))), array[3:9, :, 6:8])


def test_a_part_reads_no_brick_beside_it(tmp_path: Path) -> None:
    array = volume((8, 128, 128))
    bricks.write(tmp_path / "a", array)
    content = bytearray((tmp_path / "a").read_bytes())
    content[-20:] = bytes(20)  # the last brick
    (tmp_path / "a").write_bytes(content)
    found = Bricks(tmp_path / "a")
    assert np.array_equal(found.part((slice(0, 4), slice(0, 64), slice(0, 128))), array[:4, :64])
    with pytest.raises(FormatError, match="a brick"):
        found.whole()


def test_equal_volumes_give_equal_bytes(tmp_path: Path) -> None:
    array = volume((9, 70, 70))
    bricks.write(tmp_path / "a", array)
    bricks.write(tmp_path / "b", np.asfortranarray(array.astype(">i2").astype("<i2")))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2)), np.zeros((2, 2, 2)), np.zeros((0, 2, 2), np.uint8)]
)
def test_what_no_training_reads_is_refused(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(FormatError, match="three axes of uint8"):
        bricks.write(tmp_path / "a", array)


@pytest.mark.parametrize("cut", [0, 5, 11, 40, 90, -1], ids=lambda cut: f"cut at {cut}")
def test_a_file_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    bricks.write(tmp_path / "a", volume((5, 66, 66)))
    (tmp_path / "a").write_bytes((tmp_path / "a").read_bytes()[:cut])
    with pytest.raises(FormatError, match="damaged"):
        Bricks(tmp_path / "a")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="No such file"):
        Bricks(tmp_path / "a")


@pytest.mark.parametrize("head", [
    {"version": 2}, {"dtype": "object"}, {"dtype": "float64"}, {"shape": [4, 64]},
    {"shape": [4, -64, 64]}, {"shape": [4, 64, 1 << 40]}, {"brick": [1 << 10, 1 << 10, 1 << 10]},
    {"shape": [4.0, 64, 64]}, {"brick": [0, 1, 1]}, {"shape": None}, {"shape": [1 << 20] * 3},
])  # fmt: skip
def test_a_head_that_lies_is_refused(tmp_path: Path, head: dict[str, object]) -> None:
    good = {"version": 1, "shape": [4, 64, 64], "dtype": "int16", "brick": [4, 64, 64]}
    text = json.dumps(good | head).encode()
    packed = isal_zlib.compress(bytes(4 * 64 * 64 * 2))
    table = np.asarray([0, len(packed)], "<u8").tobytes()
    start = b"MEDBRICK" + struct.pack("<I", len(text))
    (tmp_path / "a").write_bytes(start + text + table + packed)
    with pytest.raises(FormatError, match="damaged"):
        Bricks(tmp_path / "a")


def test_a_brick_that_holds_more_than_it_says_fills_no_memory(tmp_path: Path) -> None:
    bricks.write(tmp_path / "a", np.ones((4, 64, 64), np.uint8))
    content = (tmp_path / "a").read_bytes()
    (length,) = struct.unpack("<I", content[8:12])
    bomb = isal_zlib.compress(bytes(1 << 24))
    table = np.asarray([0, len(bomb)], "<u8").tobytes()
    (tmp_path / "a").write_bytes(content[: 12 + length] + table + bomb)
    with pytest.raises(FormatError, match="a brick of 16385 bytes instead of 16384"):
        Bricks(tmp_path / "a").whole()
