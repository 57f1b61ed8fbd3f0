"""Overlays and montages: small files, exact colours, nothing hidden."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.geometry import Geometry
from medprep.reporting import overlay as overlay_module
from medprep.reporting.canvas import Words, palette_png, shortened, width_of, write
from medprep.reporting.montage import chosen, montage_png, thumbnail_png
from medprep.reporting.overlay import overlay_png
from medprep.reporting.quality import Thumbnail

NAMES = {1: "liver", 2: "left_kidney", 3: "spleen"}
COLOURS = {1: (230, 159, 0), 2: (0, 158, 115), 3: (240, 228, 66)}
WINDOW = (0.0, 200.0)


def case(shape: tuple[int, int, int] = (12, 64, 80)) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    rng = np.random.default_rng(3)
    labels = np.zeros(shape, np.uint8)
    slices, rows, columns = shape
    labels[2 : slices - 1, 8 : rows // 2, 6 : columns // 2] = 1
    labels[3 : slices - 2, rows // 2 + 2 : rows - 8, columns // 2 + 3 : columns - 8] = 2
    picture = rng.normal(60, 5, shape) + 50 * (labels == 1) + 90 * (labels == 2)
    return picture.astype(np.int16), labels


GRID = Geometry.from_parts((12, 64, 80), (6.0, 2.0, 2.0))


def pixels(png: bytes) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def chunks(png: bytes) -> list[bytes]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    names, place = [], 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        names.append(png[place + 4 : place + 8])
        place += 12 + length
    return names


def count(shown: NDArray[np.uint8], colour: tuple[int, int, int]) -> int:
    return int((shown == colour).all(axis=2).sum())


def test_equal_input_gives_equal_bytes_without_text() -> None:
    png = overlay_png(*case(), GRID, NAMES, COLOURS, WINDOW)
    assert png == overlay_png(*case(), GRID, NAMES, COLOURS, WINDOW)
    assert chunks(png) == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]


def test_outlines_have_exactly_the_colours_of_the_legend() -> None:
    shown = pixels(overlay_png(*case(), GRID, NAMES, COLOURS, WINDOW))
    assert count(shown, COLOURS[1]) > 500
    assert count(shown, COLOURS[2]) > 500
    assert count(shown, COLOURS[3]) == 0  # the case has none


def test_outlines_are_not_filled() -> None:
    picture, labels = case()
    shown = pixels(overlay_png(picture, labels, GRID, NAMES, COLOURS, WINDOW))
    colourful = (shown != shown[..., :1]).any(axis=2).mean()
    assert 0.005 < colourful < 0.06


@pytest.mark.parametrize("spacing", [(6.0, 2.0, 2.0), (1.0, 2.0, 2.0), (30.0, 1.0, 3.0)])
def test_proportions_are_those_of_the_patient(spacing: tuple[float, float, float]) -> None:
    """A box outlined in all planes is as wide as high as its millimetres say."""
    labels = np.zeros((12, 64, 80), np.uint8)
    labels[3:9, 16:48, 20:60] = 1
    picture = np.zeros(labels.shape)
    grid = Geometry.from_parts(labels.shape, spacing)
    shown = pixels(overlay_png(picture, labels, grid, {1: "a"}, {1: COLOURS[1]}, WINDOW))
    mm = [n * s for n, s in zip(labels.shape, spacing, strict=True)]
    scale = 640 / max(mm[2] + mm[1], mm[0] + mm[1])
    coronal = shown[: round(mm[0] * scale), : round(mm[2] * scale)]
    where = np.argwhere((coronal == COLOURS[1]).all(axis=2))
    high, wide = where.max(axis=0) - where.min(axis=0)
    assert high == pytest.approx(6 * spacing[0] * scale, abs=4)
    assert wide == pytest.approx(40 * spacing[2] * scale, abs=4)


def test_mirrored_storage_gives_the_same_picture() -> None:
    picture, labels = case()
    affine = GRID.affine.copy()
    affine[:, 3] += affine[:, 2] * (labels.shape[2] - 1)
    affine[:, 2] *= -1
    mirrored = Geometry(labels.shape, affine)
    flipped = (picture[:, :, ::-1], labels[:, :, ::-1], mirrored)
    one = pixels(overlay_png(picture, labels, GRID, NAMES, COLOURS, WINDOW))
    other = pixels(overlay_png(*flipped, NAMES, COLOURS, WINDOW))
    differing = (one != other).any(axis=2).mean()
    assert one.shape == other.shape
    assert differing < 0.01  # the sagittal plane's number alone, written below it


def test_noise_stays_small() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 200, (200, 200, 200)).astype(np.int16)
    labels = np.zeros(picture.shape, np.uint8)
    labels[50:90, 40:120, 60:150] = 1
    png = overlay_png(picture, labels, None, NAMES, COLOURS, WINDOW)
    assert len(png) <= 60_000


def words_of(monkeypatch: pytest.MonkeyPatch, *args: Any) -> list[str]:
    seen: list[str] = []
    monkeypatch.setattr(
        overlay_module,
        "write",
        lambda canvas, lines: seen.extend(one.text for one in lines) or write(canvas, lines),
    )
    overlay_png(*args, WINDOW)
    return list(dict.fromkeys(seen))


def test_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    picture, labels = case()
    labels[0, 0, 0] = 3
    found = words_of(
        monkeypatch, picture, labels, GRID, {**NAMES, 4: "aorta"}, {**COLOURS, 4: (1, 1, 9)}
    )
    for letter in "RLAPSI":
        assert letter in found
    assert "axial, slice 7 of 12" in found
    assert "liver" in found
    assert "left kidney" in found
    assert "spleen (elsewhere)" in found
    assert "aorta: none" in found
    assert not [one for one in found if "oblique" in one or "unknown" in one]


def test_unknown_grid_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = words_of(monkeypatch, *case(), None, NAMES, COLOURS)
    assert "grid and sides unknown" in found
    assert "slice 7 of 12" in found
    assert not set("RLAPSI") & set(found)


def test_oblique_grid_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = np.deg2rad(12)
    direction = [[0, 0, 1], [-np.sin(turn), np.cos(turn), 0], [np.cos(turn), np.sin(turn), 0]]
    tilted = Geometry.from_parts(GRID.shape, GRID.spacing_mm, (0, 0, 0), direction)
    found = words_of(monkeypatch, *case(), tilted, NAMES, COLOURS)
    assert "oblique by 12°: nearest axes" in found


def test_many_organs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {n: f"organ_{n}" for n in range(1, 31)}
    found = words_of(monkeypatch, *case(), GRID, names, dict.fromkeys(names, (9, 99, 199)))
    assert "and 12 more" in found
    assert "organ 18: none" in found
    assert "organ 19: none" not in found


@pytest.mark.parametrize("shape", [(1, 30, 40), (30, 1, 40), (2, 3, 2), (1, 1, 5)])
def test_thin_volumes(shape: tuple[int, int, int]) -> None:
    labels = np.zeros(shape, np.uint8)
    labels[0, 0, 1:] = 1
    for grid in (None, Geometry.from_parts(shape, (5, 1, 1))):
        assert pixels(overlay_png(labels, labels, grid, NAMES, COLOURS, WINDOW)).size
        assert pixels(thumbnail_png(labels, labels, grid, COLOURS, WINDOW)).size


def test_labels_that_do_not_fit_are_refused() -> None:
    picture, labels = case()
    with pytest.raises(LabelError, match=r"labels \[2\] have no name or no colour"):
        overlay_png(picture, labels, GRID, {1: "liver"}, COLOURS, WINDOW)
    with pytest.raises(LabelError, match=r"labels \[2\] have no name or no colour"):
        thumbnail_png(picture, labels, GRID, {1: COLOURS[1]}, WINDOW)


def test_thumbnail_is_small_and_outlined() -> None:
    png = thumbnail_png(*case(), GRID, COLOURS, WINDOW)
    shown = pixels(png)
    assert max(shown.shape) == 160
    assert shown.shape[0] / shown.shape[1] == pytest.approx(64 / 80, rel=0.02)
    assert count(shown, COLOURS[1]) > 50
    assert len(png) < 15_000


def thumbnails(number: int) -> list[Thumbnail]:
    png = thumbnail_png(*case(), GRID, COLOURS, WINDOW)
    return [Thumbnail(f"mr{n:02d}", png, ("too small",) if n == 1 else ()) for n in range(number)]


MARK = (255, 170, 60)


def test_montage_holds_all_and_frames_the_flagged() -> None:
    shown = pixels(montage_png(thumbnails(10)))
    single = count(pixels(thumbnails(1)[0].png), COLOURS[1])
    assert count(shown, COLOURS[1]) == 10 * single
    assert shown.shape[1] == 8 * 168
    framed = np.argwhere((shown == MARK).all(axis=2))
    assert framed[:, 1].min() >= 168
    assert framed[:, 1].max() < 2 * 168
    assert len(framed) > 1000
    assert not count(pixels(montage_png(thumbnails(1))), MARK)


def test_montage_of_few_and_none() -> None:
    assert pixels(montage_png(thumbnails(3))).shape[1] == 3 * 168
    assert pixels(montage_png([])).shape == (1, 1, 3)
    assert montage_png(thumbnails(3)) == montage_png(thumbnails(3))


def test_flagged_cases_are_drawn_first_then_evenly() -> None:
    cases = [f"c{n}" for n in range(10)]
    assert chosen(cases, {"c9", "c3"}, 4) == ["c0", "c3", "c5", "c9"]
    assert chosen(cases, cases, 3) == ["c0", "c1", "c2"]
    assert chosen(cases, (), 99) == cases
    assert chosen([], (), 3) == []


@given(st.integers(0, 60), st.integers(0, 12), st.sets(st.integers(0, 59)))
def test_as_many_as_asked(number: int, most: int, flagged: set[int]) -> None:
    cases = [str(n) for n in range(number)]
    taken = chosen(cases, {str(n) for n in flagged}, most)
    assert len(taken) == len(set(taken)) == min(most, number)
    left_out = {str(n) for n in flagged} & set(cases) - set(taken)
    assert not left_out or all(int(case) in flagged for case in taken)


def test_palette_keeps_colours_and_rounds_greys() -> None:
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[0, 0] = COLOURS[1]
    picture[0, 1] = 255
    picture[1, 2] = 100
    shown = pixels(palette_png(picture, list(COLOURS.values()), 16))
    assert tuple(shown[0, 0]) == COLOURS[1]
    assert tuple(shown[0, 1]) == (255,) * 3
    assert tuple(shown[1, 2]) == (102,) * 3
    assert tuple(shown[1, 1]) == (0,) * 3


@pytest.mark.parametrize("count_of_colours", [5, 60, 240])
def test_as_many_colours_as_a_palette_holds(count_of_colours: int) -> None:
    colours = [(n, n // 2, 200) for n in range(count_of_colours)]
    shown = pixels(palette_png(np.array([colours], np.uint8), colours, 16))
    assert [tuple(one) for one in shown[0]] == colours


def test_more_colours_than_a_palette_holds_become_near_ones() -> None:
    colours = [(n // 2, n // 2, 200) for n in range(400)]
    shown = pixels(palette_png(np.array([colours], np.uint8), colours, 16))
    assert [tuple(one) for one in shown[0, :240]] == colours[:240]


@given(st.text(max_size=40), st.integers(10, 200))
def test_shortened_text_fits(text: str, width: int) -> None:
    short = shortened(text, width, 13)
    assert width_of(short, 13) <= width or len(short) <= 3
    assert short == text or "…" in short


def test_words_have_a_dark_rim() -> None:
    white = np.full((40, 200, 3), 255, np.uint8)
    shown = write(white, [Words("organ", 10, 10)])
    assert (shown == 0).any()
    assert (white == 255).all()
