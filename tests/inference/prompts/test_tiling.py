"""Windows around points, and what they mark on the volume's own grid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from typing import Any

import cc3d
import numpy as np
import pytest
import torch
from prompt_bodies import BALL_MM, centroid_mm, ellipsoid, train_on_ellipsoids

from medprep.errors import FormatError, LabelError, OptionError
from medprep.geometry import Geometry
from medprep.inference.prompts import tiling
from medprep.inference.prompts.painting import Marked, paint
from medprep.inference.prompts.points import Point
from medprep.inference.prompts.tiling import PromptedVolume
from medprep.models.sam_med3d import SamMed3d
from medprep.volume import Volume


class Ideal:
    """Stands for a net that marks what is bright and in one piece with a positive point."""

    side = 32

    def __init__(self) -> None:
        self.seen: list[list[Any]] = []
        self.embedded = 0

    def embed(self, picture: np.ndarray) -> torch.Tensor:
        self.embedded += 1
        return torch.from_numpy(picture)

    def after(self, embedding: torch.Tensor, spots: list[Any]) -> np.ndarray:
        self.seen.append(spots)
        grey = embedding.numpy()
        bright = grey > (grey.min() + grey.max()) / 2
        pieces = cc3d.connected_components(bright, connectivity=6)
        wanted = {int(pieces[tuple(int(n) for n in s.place)]) for s in spots if s.positive} - {0}
        return np.where(np.isin(pieces, list(wanted)), 1.0, -1.0).astype(np.float32)


def prompted(volume: Volume, net: SamMed3d) -> tuple[PromptedVolume, Ideal]:
    one, ideal = PromptedVolume(net, volume), Ideal()
    one.segmenter = ideal  # type: ignore[assignment]
    return one, ideal


def dice(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(bool), other.astype(bool)
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def copies(volume: Volume) -> Iterator[tuple[tuple[int, ...], list[int], Volume]]:
    """Give all 48 ways to store a volume, none of which moves it in the patient."""
    grid = volume.geometry
    for order in permutations(range(3)):
        for signs in product((False, True), repeat=3):
            array, affine = volume.array.transpose(order), grid.affine.copy()
            affine[:3, :3] = grid.affine[:3, list(order)]
            flipped = [axis for axis in range(3) if signs[axis]]
            for axis in flipped:
                affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
                affine[:3, axis] *= -1
            stored = np.ascontiguousarray(np.flip(array, flipped))
            yield order, flipped, Volume(stored, Geometry(array.shape, affine))


def test_all_flips_and_permutations_mark_the_same_places(net: SamMed3d, volume: Volume) -> None:
    points = [Point((-30.3, -24.1, -30.4)), Point((-36.0, -42.5, -51.1), positive=False)]
    masks = []
    for order, flipped, stored in copies(volume):
        mask = paint({1: PromptedVolume(net, stored).mark(points)}, stored.geometry)
        assert mask.shape == stored.array.shape
        masks.append(np.flip(mask, flipped).transpose(np.argsort(order)))
    assert len(masks) == 48
    assert 0.02 < masks[0].mean() < 0.98
    assert min(dice(masks[0], mask) for mask in masks) >= 0.999


LONG = Geometry.from_parts((60, 30, 24), (4.0, 2.0, 2.5), (0.0, 0.0, 0.0))
"""240 x 60 x 60 mm."""


def long_volume(*, gap: bool = False) -> tuple[Volume, np.ndarray]:
    """A bright rod of 200 mm from below up, in the dark."""
    z, y, x = np.indices(LONG.shape)
    rod = (np.abs(z - 30) <= 25) & (np.abs(y - 15) < 4) & (np.abs(x - 12) < 4)
    if gap:
        rod &= z != 40
    return Volume((10 + 90 * rod).astype(np.float32), LONG), rod


def test_windows_follow_a_large_organ_to_its_ends(net: SamMed3d) -> None:
    volume, rod = long_volume()
    one, ideal = prompted(volume, net)
    marked = one.mark([Point((30.0, 30.0, 120.0))])
    # 200 mm are 133 voxels; windows of 32 are 16 apart: 4 of them on either side of the first.
    assert marked.windows == 9
    assert not marked.cut
    assert dice(paint({1: marked}, LONG), rod) > 0.97
    # Both neighbours see the first click at their edge, the next ones a place they were told.
    assert sorted(spots[1].place[2] for spots in ideal.seen[1:3]) == [0, 31]
    assert [len(spots) for spots in ideal.seen] == [1, 2, 2, *[1] * 6]


def test_windows_stop_where_the_organ_ends(net: SamMed3d) -> None:
    volume, rod = long_volume(gap=True)
    one, _ = prompted(volume, net)
    mask = paint({1: one.mark([Point((30.0, 30.0, 120.0))])}, LONG)
    assert mask[:39].any()
    assert not mask[42:].any()
    assert dice(mask, rod & (np.indices(LONG.shape)[0] < 40)) > 0.97


def test_a_stray_piece_at_the_edge_leads_nowhere(
    net: SamMed3d, monkeypatch: pytest.MonkeyPatch
) -> None:
    def everything(self: Ideal, embedding: torch.Tensor, spots: list[Any]) -> np.ndarray:
        grey = embedding.numpy()
        return np.where(grey > (grey.min() + grey.max()) / 2, 1.0, -1.0).astype(np.float32)

    monkeypatch.setattr(Ideal, "after", everything)
    z, y, x = np.indices((60, 30, 30))
    ball = (z - 30) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 < 36
    stray = (z > 42) & (np.abs(y - 15) < 3) & (np.abs(x - 15) < 3)
    grid = Geometry.from_parts(z.shape, (1.5, 1.5, 1.5))
    one, _ = prompted(Volume((10 + 90 * (ball | stray)).astype(np.float32), grid), net)
    marked = one.mark([Point((22.5, 22.5, 45.0))])
    assert marked.windows == 1


def test_windows_end_with_the_volume(net: SamMed3d) -> None:
    """The organ touches the first cube's edge where the volume ends there too: nothing beyond."""
    z, y, x = np.indices((24, 20, 20))
    grid = Geometry.from_parts(z.shape, (1.5, 1.5, 1.5))
    rod = (np.abs(y - 10) < 4) & (np.abs(x - 10) < 4) & (z > 7)
    one, ideal = prompted(Volume((10 + 90 * rod).astype(np.float32), grid), net)
    marked = one.mark([Point((15.0, 15.0, 12.0))])  # its cube ends with the last slice
    assert (marked.windows, ideal.embedded) == (1, 1)
    assert dice(paint({1: marked}, grid), rod) > 0.97


def test_too_many_windows_are_cut_and_said(net: SamMed3d, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "MOST_WINDOWS", 3)
    one, _ = prompted(long_volume()[0], net)
    marked = one.mark([Point((30.0, 30.0, 120.0))])
    assert (marked.windows, marked.cut) == (3, True)


def test_a_positive_point_far_away_gets_its_window(net: SamMed3d) -> None:
    volume, rod = long_volume(gap=True)
    one, _ = prompted(volume, net)
    marked = one.mark([Point((30.0, 30.0, 120.0)), Point((30.0, 30.0, 200.0))])
    assert dice(paint({1: marked}, LONG), rod) > 0.97


def test_embeddings_are_made_once(net: SamMed3d, volume: Volume) -> None:
    one, ideal = prompted(volume, net)
    first = [Point(BALL_MM)]
    one.mark(first)
    made = ideal.embedded
    one.mark([*first, Point((-30.0, -20.0, -28.0)), Point((-35.0, -45.0, -50.0), False)])
    assert ideal.embedded == made >= 1


def test_the_first_point_is_the_middle_of_the_first_window(net: SamMed3d, volume: Volume) -> None:
    one, ideal = prompted(volume, net)
    one.mark([Point((-33.0, -27.0, -24.0), False), Point(BALL_MM)])
    negative, positive = ideal.seen[0]
    assert positive.place == (16, 16, 16)
    # To the left and behind is backwards in RAS; 6 mm up are 4 voxels.
    expected = (16 + 2.75 / 1.5, 16 + 2.5 / 1.5, 20)
    assert negative.place == pytest.approx(expected)
    assert (negative.positive, positive.positive) == (False, True)


def test_simulated_clicks_lie_in_the_patient(net: SamMed3d, volume: Volume) -> None:
    mask = ellipsoid(volume.geometry, BALL_MM, (9.0, 9.0, 9.0))
    rng = np.random.default_rng(0)
    points = PromptedVolume(net, volume).simulate(mask, 4, "random", lambda n: int(rng.integers(n)))
    assert len(points) == 4
    for point in points:
        apart = np.linalg.norm(np.subtract(point.place_mm, BALL_MM))
        assert apart < 10.6 if point.positive else apart > 7.4
    with pytest.raises(LabelError, match="empty"):
        PromptedVolume(net, volume).simulate(np.zeros_like(mask), 1, "random", lambda n: 0)


def test_of_two_organs_the_surer_one_has_the_voxel() -> None:
    grid = Geometry.from_parts((4, 5, 6), (1.5, 1.5, 1.5))
    ones = np.ones((6, 5, 4), np.float32)
    frame = Geometry(ones.shape, grid.affine[:, [2, 1, 0, 3]])
    half = ones.copy()
    half[3:] = 3.0
    marks = {7: Marked(2 * ones, frame, 1, False), 300: Marked(half, frame, 1, False)}
    labels = paint(marks, grid)
    assert labels.dtype == np.uint16
    assert (labels[:, :, :3] == 7).all()
    assert (labels[:, :, 3:] == 300).all()
    assert not paint({1: Marked(0 * ones, frame, 1, False)}, grid).any()


def refused(array: np.ndarray, net: SamMed3d) -> None:
    PromptedVolume(net, Volume(array, Geometry.from_parts(array.shape[:3], (1, 1, 1))))


def test_what_is_no_volume_is_refused(net: SamMed3d) -> None:
    with pytest.raises(FormatError, match="2D picture"):
        refused(np.zeros((1, 64, 64), np.int16), net)
    with pytest.raises(FormatError, match="64 x 7 x 64 voxels; wanted are at least 8"):
        refused(np.zeros((64, 7, 64), np.int16), net)
    with pytest.raises(FormatError, match="colour"):
        refused(np.zeros((9, 9, 9, 3), np.uint8), net)
    bad = np.zeros((9, 9, 9), np.float32)
    bad[0, 0, :2] = (np.nan, np.inf)
    with pytest.raises(FormatError, match="2 voxels are NaN"):
        refused(bad, net)


def test_points_that_tell_nothing_are_refused(net: SamMed3d, volume: Volume) -> None:
    one = PromptedVolume(net, volume)
    with pytest.raises(OptionError, match="outside"):
        one.mark([Point((0.0, 0.0, 0.0))])
    with pytest.raises(OptionError, match="in the organ"):
        one.mark([Point(BALL_MM, False)])
    dark = PromptedVolume(
        net, Volume(np.zeros((9, 9, 9), np.int16), Geometry.from_parts((9, 9, 9), (1, 1, 1)))
    )
    with pytest.raises(FormatError, match="above 0"):
        dark.mark([Point((4.0, 4.0, 4.0))])


def turned(degrees: float, axis: int) -> np.ndarray:
    matrix = np.eye(3)
    one, other = (k for k in range(3) if k != axis)
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix[one, one] = matrix[other, other] = cosine
    matrix[one, other], matrix[other, one] = -sine, sine
    return matrix


@pytest.mark.slow
def test_oblique_and_coarse_copies_mark_the_same_place() -> None:
    """With a net that was taught to mark: 20 degrees about two axes, and voxels twice as large."""
    net = train_on_ellipsoids(200)
    middle, axial = (3.0, -2.0, 4.0), np.array(((0, 0, 1), (0, 1, 0), (1, 0, 0)), float)
    middles, overlaps = [], []
    for direction, spacing in (
        (axial, 1.0), (turned(20, 0) @ axial, 1.0), (turned(20, 2) @ turned(20, 1) @ axial, 1.0),
        (axial, 2.0),
    ):  # fmt: skip
        shape = (round(60 / spacing),) * 3
        origin = -direction @ ((np.array(shape) - 1) / 2 * spacing)
        grid = Geometry.from_parts(shape, (spacing,) * 3, origin, direction)
        organ = ellipsoid(grid, middle, (10, 8, 7))
        noise = np.random.default_rng(len(middles)).normal(0, 10, shape)
        volume = Volume((100 + 100 * organ + noise).astype(np.float32), grid)
        mask = paint({1: PromptedVolume(net, volume).mark([Point((4.0, -1.0, 5.0))])}, grid)
        middles.append(centroid_mm(mask, grid))
        overlaps.append(dice(mask, organ))
    assert min(overlaps) > 0.75
    assert max(np.linalg.norm(one - middles[0]) for one in middles) < 3
    assert np.linalg.norm(middles[0] - middle) < 3
