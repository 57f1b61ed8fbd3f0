"""PNG written by us and read by others, and the other way round."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from medprep.colours import PALETTE, palette_of
from medprep.errors import FormatError
from medprep.formats import png
from medprep.opencv import load_cv2

GREY = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)
DEEP = (np.arange(240, dtype=np.uint16) * 271).reshape(12, 20)

sides = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)
pictures = st.sampled_from([np.uint8, np.uint16]).flatmap(lambda kind: arrays.arrays(kind, sides))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("png") / "a.png"


def raw_png(rows: bytes, width: int, height: int, depth: int, kind: int) -> bytes:
    """Give a PNG of unfiltered rows (each begins with a 0)."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@given(pictures)
@settings(max_examples=60)
def test_grey_is_what_others_read(path: Path, pixels: np.ndarray) -> None:
    cv2 = load_cv2()
    png.write_grey(path, pixels)
    with Image.open(path) as picture:
        assert picture.mode == ("L" if pixels.dtype == np.uint8 else "I;16")
        assert np.array_equal(np.array(picture), pixels)
    witness = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert witness.dtype == pixels.dtype
    assert np.array_equal(witness, pixels)
    assert png.read(path).dtype == pixels.dtype
    assert np.array_equal(png.read(path), pixels)


@given(arrays.arrays(np.uint8, sides))
@settings(max_examples=30)
def test_labels_are_palette_indices(path: Path, labels: np.ndarray) -> None:
    png.write_labels(path, labels)
    with Image.open(path) as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.array(picture), labels)
        colours = np.array(picture.convert("RGB"))
    assert np.array_equal(colours, np.array(palette_of({}), np.uint8)[labels])
    cv2 = load_cv2()
    assert np.array_equal(cv2.imread(str(path))[..., ::-1], colours)
    assert np.array_equal(png.read(path), labels)


def test_colours_are_fixed_and_the_first_ones_differ() -> None:
    colours = palette_of({})
    assert colours[:8] == [(0, 0, 0), *PALETTE[:7]]
    assert len(set(colours[:8])) == 8
    assert len(colours) == 256
    assert (0, 0, 0) not in colours[1:], "no label looks like background"


def test_equal_pixels_give_equal_bytes(tmp_path: Path) -> None:
    png.write_grey(tmp_path / "a.png", GREY)
    png.write_grey(tmp_path / "b.png", np.asfortranarray(GREY))
    png.write_grey(tmp_path / "c.png", np.repeat(GREY, 2, axis=1)[:, ::2])
    contents = {(tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png")}
    assert len(contents) == 1


@pytest.mark.parametrize("dtype", [np.int16, np.float32, bool, np.int64])
def test_grey_of_another_type_is_refused(tmp_path: Path, dtype: type) -> None:
    with pytest.raises(FormatError, match=np.dtype(dtype).name):
        png.write_grey(tmp_path / "a.png", GREY.astype(dtype))
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("value", [-1, 256])
def test_labels_beyond_a_byte_are_refused(tmp_path: Path, value: int) -> None:
    with pytest.raises(FormatError, match="0 to 255"):
        png.write_labels(tmp_path / "a.png", np.full((2, 2), value))


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "LA", "1"])
def test_masks_of_others_are_read(tmp_path: Path, mode: str) -> None:
    mask = np.where(GREY % 3 == 0, 255, 0).astype(np.uint8)
    picture = Image.fromarray(mask).convert(mode)
    if mode == "P":
        picture.putpalette([value for n in range(256) for value in (n, 0, 255 - n)])
    picture.save(tmp_path / "a.png")
    wanted = mask // 255 if mode == "1" else mask
    assert np.array_equal(png.read(tmp_path / "a.png"), wanted)
    assert png.read(tmp_path / "a.png").dtype == np.uint8


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_small_palettes_are_read_as_indices(tmp_path: Path, bits: int) -> None:
    mask = (GREY % 2**bits).astype(np.uint8)
    picture = Image.fromarray(mask, "P")
    picture.putpalette([value for n in range(2**bits) for value in (200, n, 7)])
    picture.save(tmp_path / "a.png", bits=bits)
    assert (tmp_path / "a.png").read_bytes()[24] == bits
    assert np.array_equal(png.read(tmp_path / "a.png"), mask)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_not_cut_whatever_the_channels(tmp_path: Path, channels: int) -> None:
    planes = [DEEP] * min(channels, 3) + [np.full_like(DEEP, 65535)] * (channels == 4)
    assert load_cv2().imwrite(str(tmp_path / "a.png"), np.dstack(planes))
    found = png.read(tmp_path / "a.png")
    assert found.dtype == np.uint16
    assert np.array_equal(found, DEEP)


def test_16_bits_with_alpha_are_not_cut(tmp_path: Path) -> None:
    both = np.dstack([DEEP, np.full_like(DEEP, 65535)]).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in both)
    (tmp_path / "a.png").write_bytes(raw_png(rows, 20, 12, 16, 4))
    assert np.array_equal(png.read(tmp_path / "a.png"), DEEP)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_colour_is_refused(tmp_path: Path, kind: type) -> None:
    cv2 = load_cv2()
    for channel in range(3):
        pixels = np.zeros((4, 4, 3), kind)
        pixels[2, 1, channel] = 1
        cv2.imwrite(str(tmp_path / "a.png"), pixels)
        with pytest.raises(FormatError, match=r"in colour.*a.png"):
            png.read(tmp_path / "a.png")
    Image.new("CMYK", (2, 2)).save(tmp_path / "a.tif")
    with pytest.raises(FormatError, match="CMYK"):
        png.read(tmp_path / "a.tif")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FormatError, match="not a readable picture"):
        png.read(tmp_path / "a.png")
    with pytest.raises(FormatError, match="not a readable picture"):
        png.read(tmp_path / "missing.png")


def test_half_a_picture_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (60, 60, 3), np.uint16)
    noise[...] = noise[..., :1]
    for pixels in (noise[..., 0], noise):
        load_cv2().imwrite(str(tmp_path / "a.png"), pixels)
        content = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
        with pytest.raises(FormatError, match="not a readable picture"):
            png.read(tmp_path / "a.png")


@given(st.data())
@settings(max_examples=150)
def test_damage_is_never_a_crash(path: Path, data: st.DataObject) -> None:
    png.write_labels(path, GREY)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        png.read(path)
    except FormatError as error:
        assert error.path == str(path)


@pytest.mark.parametrize(
    ("palette", "wanted"),
    [
        ([0, 0, 0, 63, 63, 63, 252, 252, 252], [[0, 63], [252, 63]]),
        ([0, 0, 0, 230, 159, 0, 86, 180, 233], [[0, 1], [2, 1]]),
    ],
    ids=["greys", "colours"],
)
def test_a_palette_of_greys_is_a_way_to_store_greys(
    tmp_path: Path, palette: list[int], wanted: list[list[int]]
) -> None:
    picture = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    picture.putpalette(palette)
    picture.save(tmp_path / "mask.png")
    assert png.read(tmp_path / "mask.png").tolist() == wanted


@pytest.mark.parametrize("entries", [3, 256])
@pytest.mark.parametrize(
    "palette",
    [
        [(0, 0, 0), (255, 255, 255), (255, 0, 0)],
        [(255, 255, 255), (0, 0, 0), (0, 0, 255)],
    ],
    ids=["red last", "white first"],
)
def test_a_palette_means_the_same_in_every_slice(
    tmp_path: Path, palette: list[tuple[int, int, int]], entries: int
) -> None:
    for plane in ([[0, 0]], [[0, 1]], [[1, 1]], [[0, 2]], [[2, 1]]):
        picture = Image.fromarray(np.array(plane, np.uint8), "P")
        padded = palette + [(0, 0, 0)] * (entries - len(palette))
        picture.putpalette([value for colour in padded for value in colour])
        picture.save(tmp_path / "a.png")
        assert png.read(tmp_path / "a.png").tolist() == plane


def test_a_short_palette_of_greys_is_not_filled_up_with_colours(tmp_path: Path) -> None:
    """What a program that saves space writes: the levels that are there, and one bit or two."""
    for bits, levels in ((1, (0, 255)), (2, (0, 63, 126, 252)), (8, (0, 200, 63))):
        indices = np.arange(12).reshape(3, 4).astype(np.uint8) % len(levels)
        picture = Image.fromarray(indices, "P")
        picture.putpalette([level for level in levels for _ in "rgb"])
        picture.save(tmp_path / "a.png", bits=bits)
        assert np.array_equal(png.read(tmp_path / "a.png"), np.array(levels)[indices])


def test_a_jpeg_is_read_as_grey(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16), 63, np.uint8)).save(tmp_path / "a.jpg", quality=95)
    Image.fromarray(np.full((16, 16, 3), 63, np.uint8)).save(tmp_path / "b.jpg", quality=95)
    for name in ("a.jpg", "b.jpg"):
        assert abs(png.read(tmp_path / name).astype(int) - 63).max() <= 1
