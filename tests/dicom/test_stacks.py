"""A stack on its grid: where each voxel lies, and what is done about gaps and tilt."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import AXIAL
from dicom_stacks import (
    farthest_mm,
    plan_of,
    read_paths,
    refused,
    write_slice,
    write_slices,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Policy, lay_out
from medprep.errors import OptionError

SPACING = (0.8, 0.7)
AXES = [tuple(sign * axis) for axis in np.eye(3) for sign in (1, -1)]
VIEWS = [(*row, *column) for row, column in permutations(AXES, 2) if np.dot(row, column) == 0]
SAME_MM = 1e-3
CONFIRMED = "SliceThickness is not their step, which positions and SpacingBetweenSlices agree on"


def sheared(folder: Path, shift: Sequence[float] = (0, 0.5), count: int = 5) -> list[Path]:
    """Write a stack of which each slice lies aside of the one below."""
    return write_slices(
        folder,
        range(count),
        spacing=SPACING,
        position=lambda n: (n * shift[0], n * shift[1], 3 * n),
    )


# --- where voxels lie


@pytest.mark.parametrize("view", VIEWS)
def test_all_views_along_the_axes(tmp_path: Path, view: tuple[float, ...]) -> None:
    paths = write_slices(tmp_path, (6, 0, 9, 3), view, spacing=SPACING)
    plan = plan_of(paths)
    assert plan.order == (1, 3, 0, 2)
    assert farthest_mm(plan) < 1e-9
    assert plan.geometry.spacing_mm == pytest.approx((3, *SPACING))
    array = read_plan(plan).volume.array
    for plane, index in zip(array, plan.order, strict=True):
        assert np.array_equal(plane, pydicom.dcmread(paths[index]).pixel_array)


def test_there_are_24_views() -> None:
    assert len(set(VIEWS)) == 24


@given(seed=st.integers(0, 2**32), count=st.integers(1, 5))
@settings(max_examples=40)
def test_any_oblique_stack(tmp_path_factory: pytest.TempPathFactory, seed: int, count: int) -> None:
    chance = np.random.default_rng(seed)
    turned = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    start, step = chance.uniform(-300, 300, 3), chance.uniform(0.5, 8)
    normal = np.cross(turned[0], turned[1])
    paths = write_slices(
        tmp_path_factory.mktemp("oblique"),
        range(count),
        (*turned[0], *turned[1]),
        spacing=chance.uniform(0.3, 2, 2).round(3),
        position=lambda n: start + n * step * normal,
        SpacingBetweenSlices=f"{step:.8f}",
    )
    paths = [paths[index] for index in chance.permutation(count)]
    plan = plan_of(paths)
    assert farthest_mm(plan) < SAME_MM
    assert not plan.notes or count == 1
    assert plan.geometry.spacing_mm[0] == pytest.approx(step, abs=1e-4)
    assert np.allclose(plan.geometry.direction.T @ plan.geometry.direction, np.eye(3), atol=1e-12)


def test_cosines_of_three_digits_do_not_stretch_the_stack(tmp_path: Path) -> None:
    normal = np.array((0, -np.sqrt(0.5), np.sqrt(0.5)))
    paths = write_slices(
        tmp_path, range(20), (1, 0, 0, 0, 0.707, 0.707), position=lambda n: 3 * n * normal
    )
    assert plan_of(paths).geometry.spacing_mm[0] == pytest.approx(3, abs=1e-6)


def test_a_stack_that_leans_less_than_half_a_pixel_stands_straight(tmp_path: Path) -> None:
    plan = plan_of(sheared(tmp_path, (0.06, 0)))
    assert plan.shift_mm is None
    assert not plan.sheared
    assert farthest_mm(plan) == pytest.approx(0.24)
    assert plan.notes == (
        "slices lie up to 0.24 mm beside their straight grid: less than half a pixel",
    )
    assert plan_of(sheared(tmp_path / "less", (0.02, 0))).notes == ()


def test_one_slice(tmp_path: Path) -> None:
    (path,) = write_slices(tmp_path, (5,), SliceThickness="4", SpacingBetweenSlices="4.5")
    plan = plan_of([path])
    assert plan.geometry.spacing_mm[0] == 4.5
    assert farthest_mm(plan) == 0


# --- three sources of the spacing


@pytest.mark.parametrize(
    ("between", "thickness", "notes"),
    [
        ("3", "3", []),
        (None, None, []),
        ("3.05", "2.95", []),
        ("-3", "3", []),
        ("2", "3", ["positions step by 3 mm, SpacingBetweenSlices is 2 mm: positions rule"]),
        ("3", "5", [f"slices overlap: {CONFIRMED}"]),
        ("3", "1", [f"slices leave gaps: {CONFIRMED}"]),
        (
            "1.5",
            "2",
            [
                "positions step by 3 mm, SpacingBetweenSlices is 1.5 mm: positions rule",
                "positions step by 3 mm, SliceThickness is 2 mm: slices leave gaps",
            ],
        ),
    ],
)
def test_positions_rule(
    tmp_path: Path, between: str | None, thickness: str | None, notes: list[str]
) -> None:
    paths = write_slices(tmp_path, SpacingBetweenSlices=between, SliceThickness=thickness)
    plan = plan_of(paths)
    assert plan.geometry.spacing_mm[0] == 3
    assert list(plan.notes) == notes


def test_what_spacings_that_agree_have_to_say_is_one_line_for_all_series(tmp_path: Path) -> None:
    notes = set()
    for step in (3, 4.25):
        between, thickness = f"{step}", f"{step * 0.8:.1f}"
        paths = write_slices(
            tmp_path / between,
            np.arange(5) * step,
            SpacingBetweenSlices=between,
            SliceThickness=thickness,
        )
        notes.add(plan_of(paths).notes)
    assert len(notes) == 1
    assert notes.pop()[0].startswith("slices leave gaps")


# --- tilt


def test_a_tilted_stack_is_refused(tmp_path: Path) -> None:
    paths = sheared(tmp_path)
    error = refused(paths)
    assert error.message.startswith("the stack is sheared: slices 1 and 5 lie 2 mm sideways")
    assert "--tilt resample" in error.message
    assert "--tilt keep" in error.message
    assert error.path == f"{paths[0]} and {paths[4]}"


@pytest.mark.parametrize("shift", [(0, 0.5), (0.4, 0), (-1.3, 0.77)])
def test_a_kept_tilt_places_every_slice_where_its_file_says(
    tmp_path: Path, shift: tuple[float, float]
) -> None:
    plan = plan_of(sheared(tmp_path, shift), tilt="keep")
    assert plan.sheared
    assert plan.shift_mm is None
    assert farthest_mm(plan) < SAME_MM
    assert f"sheared by {max(map(abs, shift)):.3g} mm a slice" in plan.notes[0]


def test_a_kept_tilt_of_an_oblique_stack(tmp_path: Path) -> None:
    turned = np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))[0]
    step = 3 * np.cross(turned[0], turned[1]) + 0.6 * turned[0] - 0.9 * turned[1]
    view = (*turned[0], *turned[1])
    paths = write_slices(tmp_path, range(9), view, spacing=SPACING, position=lambda n: n * step)
    assert farthest_mm(plan_of(paths, tilt="keep")) < SAME_MM


def test_a_shift_that_is_no_tilt_cannot_be_kept(tmp_path: Path) -> None:
    paths = write_slices(
        tmp_path, range(5), spacing=SPACING, position=lambda n: (0, 2.0 * (n == 2), 3 * n)
    )
    error = refused(paths, tilt="keep")
    assert error.message.startswith("slice 3 lies 2 mm beside the sheared grid of the others")
    assert error.path == f"{paths[0]} and {paths[2]}"
    assert plan_of(paths, tilt="resample").shift_mm is not None


def test_a_kept_tilt_with_a_gap(tmp_path: Path) -> None:
    paths = sheared(tmp_path, (0.3, 0.5), 7)
    del paths[3]
    parts = lay_out(read_paths(paths), Policy(gaps="split", tilt="keep"))
    assert max(map(farthest_mm, parts)) < SAME_MM
    plan = plan_of(paths, gaps="resample", tilt="keep")
    volume = read_plan(plan).volume
    assert volume.array.shape == (7, 4, 6)
    assert np.allclose(volume.geometry.affine[:3, 0], (0.3, 0.5, 3))


def smooth(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of a phantom without edges, LPS millimetres to about -1000..1000."""
    x, y, z = np.moveaxis(points, -1, 0)
    return 600 * np.sin(x / 19) * np.cos(y / 23 + z / 31) + 400 * np.cos(z / 17 - x / 29)


def write_tilted_phantom(folder: Path) -> list[Path]:
    rows, columns = 40, 48
    for n in range(8):
        start = np.array((-17 - 0.3 * n, -15 - 0.9 * n, 2.5 * n))
        row, column = np.mgrid[:rows, :columns]
        zero = np.zeros_like(row)
        offset = np.stack([column * SPACING[1], row * SPACING[0], zero], axis=-1)
        pixels = np.rint(smooth(start + offset)).astype(np.int16)
        write_slice(folder / f"{n}.dcm", start, spacing=SPACING, pixels=pixels)
    return sorted(folder.iterdir())


def test_a_straightened_tilt_is_the_phantom_itself(tmp_path: Path) -> None:
    series = read_plan(plan_of(write_tilted_phantom(tmp_path), tilt="resample"))
    array, affine = series.volume.array, series.volume.geometry.affine
    index = np.stack([*np.indices(array.shape), np.ones(array.shape)], axis=-1)
    expected = smooth((index @ affine.T)[..., :3])
    inside = (slice(None), slice(9, -9), slice(4, -4))
    assert np.abs(array[inside] - expected[inside]).max() < 1.5
    assert series.notes[-1].startswith("straightened: slices were moved by up to 6.3 mm")
    direction = series.volume.geometry.direction
    assert np.allclose(direction, np.array(((0, 0, 1), (0, 1, 0), (1, 0, 0))), atol=1e-12)


def test_a_straightened_tilt_is_what_simpleitk_makes_of_it(tmp_path: Path) -> None:
    paths = write_tilted_phantom(tmp_path)
    volume = read_plan(plan_of(paths, tilt="resample")).volume
    z, y, x = volume.array.shape
    for number, path in enumerate(paths):
        header = pydicom.dcmread(path)
        plane = sitk.GetImageFromArray(header.pixel_array.astype(np.float64))
        plane.SetSpacing(SPACING[::-1])
        plane.SetOrigin([float(value) for value in header.ImagePositionPatient[:2]])
        origin = volume.geometry.origin_mm
        moved = sitk.Resample(
            plane, (x, y), sitk.Transform(), sitk.sitkLinear, origin[:2], SPACING[::-1]
        )
        theirs = sitk.GetArrayFromImage(moved)
        # Beyond the outermost pixels' centres each has its own habit.
        inside = np.ones((y, x), bool)
        for axis in (0, 1):
            step, pixels = SPACING[1 - axis], header.pixel_array.shape[1 - axis]
            begin = (origin[axis] - float(header.ImagePositionPatient[axis])) / step
            place = begin + np.arange((x, y)[axis])
            among = (place >= -1e-6) & (place <= pixels - 1 + 1e-6)
            inside &= among if axis == 0 else among[:, None]
        assert inside.sum() >= 39 * 47
        assert np.abs(volume.array[number] - theirs)[inside].max() <= 0.5 + 1e-6
        assert origin[2] + number * 2.5 == header.ImagePositionPatient[2]
    assert z == len(paths)


# --- options


@pytest.mark.parametrize(("name", "value"), [("gaps", "fill"), ("tilt", ""), ("gaps", "Error")])
def test_a_policy_that_does_not_exist(name: str, value: str) -> None:
    with pytest.raises(OptionError, match=f"--{name} is '{value}'; wanted is error, resample or"):
        Policy(**{name: value})


def test_the_default_is_to_refuse() -> None:
    assert Policy() == Policy(gaps="error", tilt="error")
    assert AXIAL in {tuple(map(int, view)) for view in VIEWS}
