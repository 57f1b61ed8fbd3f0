"""Cut, scale, click and bring back as the authors' code does with TorchIO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import official_case as case
import pytest

from medprep.errors import FormatError, LabelError
from medprep.geometry import Geometry
from medprep.models.prompts.clicks import next_click, official_draw
from medprep.models.prompts.framing import Frame, official_back, official_frame
from medprep.volume import Volume

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "sam_official.npz")


def made(name: str) -> tuple[Volume, Frame]:
    shape, spacing, direction, _ = case.CASES[name]
    geometry = Geometry.from_parts(shape, spacing, case.ORIGIN_MM, direction)
    volume = Volume(case.picture(name), geometry)
    return volume, official_frame(volume, case.mask(name) == 1, case.SIDE)


def unpacked(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.unpackbits(GOLDEN[name])[: np.prod(shape)].reshape(shape).astype(bool)


@pytest.mark.parametrize("name", case.CASES)
def test_the_cube_is_torchios(name: str) -> None:
    _, frame = made(name)
    assert frame.picture.dtype == np.float32
    np.testing.assert_array_equal(frame.picture[::3, ::3, ::3], GOLDEN[f"{name}_picture"])
    np.testing.assert_array_equal(frame.mask, unpacked(f"{name}_mask", (case.SIDE,) * 3))
    assert frame.geometry.orientation == "RAS"


@pytest.mark.parametrize("name", case.CASES)
def test_a_mask_comes_back_as_torchios(name: str) -> None:
    volume, frame = made(name)
    back = official_back(np.roll(frame.mask, 3, 0), frame.geometry, volume.geometry)
    np.testing.assert_array_equal(back, unpacked(f"{name}_back", volume.geometry.shape))


@pytest.mark.parametrize("name", case.CASES)
def test_clicks_are_the_authors(name: str) -> None:
    _, frame = made(name)
    draw = official_draw()
    clicks = [
        next_click(predicted, frame.mask, strategy, draw)
        for strategy in ("random", "ritm")
        for predicted in case.predictions(frame.mask)
    ]
    assert [(*one.place, int(one.positive)) for one in clicks] == [
        tuple(row) for row in GOLDEN[f"{name}_clicks"].tolist()
    ]


@pytest.mark.parametrize(
    ("voxels", "side", "corner"),
    [((20, 20), 8, 16), ((20, 21), 8, 17), ((20, 22), 8, 17), ((20, 22), 9, 17), ((20, 21), 9, 16)],
)
def test_the_middle_of_even_and_odd_boxes(voxels: tuple[int, int], side: int, corner: int) -> None:
    """Of an even box the voxel before the middle counts where the cube is even too."""
    geometry = Geometry.from_parts((40, 40, 40), (1.5, 1.5, 1.5))
    grey = np.arange(40.0**3, dtype=np.float32).reshape(geometry.shape)
    mask = np.zeros(geometry.shape, bool)
    mask[voxels[0] : voxels[1] + 1, 20, 20] = True
    frame = official_frame(Volume(grey, geometry), mask, side)
    assert frame.geometry.origin_mm[2] == pytest.approx(corner * 1.5)


def test_scaling_divides_by_one_less_and_leaves_zero_out() -> None:
    geometry = Geometry.from_parts((8, 8, 8), (1.5, 1.5, 1.5))
    grey = np.full(geometry.shape, -5.0, np.float32)
    grey[4, 4, 3:5] = (2.0, 4.0)
    frame = official_frame(Volume(grey, geometry), grey > 0, 8)
    # 0 is what lies beyond the volume: it is moved with the rest, and counts nothing itself.
    expected = {(v - 3) / np.sqrt(2) for v in (-5.0, 0.0, 2.0, 4.0)}
    assert np.unique(frame.picture) == pytest.approx(sorted(expected))


def test_what_has_no_organ_or_no_greys_is_refused() -> None:
    geometry = Geometry.from_parts((8, 8, 8), (1.5, 1.5, 1.5))
    volume = Volume(np.zeros(geometry.shape, np.int16), geometry)
    mask = np.zeros(geometry.shape, bool)
    with pytest.raises(LabelError, match="no voxel at"):
        official_frame(volume, mask, 8)
    mask[4, 4, 4] = True
    with pytest.raises(FormatError, match="above 0"):
        official_frame(volume, mask, 8)
    thin = Volume(volume.array, Geometry.from_parts((8, 8, 8), (0.1, 1.5, 1.5)))
    with pytest.raises(FormatError, match="thinner"):
        official_frame(thin, mask, 8)
