from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from medprep.dicom.resample import fill_gaps, straighten
from medprep.errors import GeometryError

STEPS = st.lists(st.floats(0.3, 9.0), min_size=1, max_size=7)
SHIFTS = st.lists(st.floats(-3.0, 3.0), min_size=4, max_size=4)
WHOLE_SHIFTS = st.lists(st.integers(-4, 4), min_size=4, max_size=4)
KINDS = st.sampled_from([np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32])


def noise(shape: tuple[int, ...], kind: Any = np.int16, seed: int = 0) -> NDArray[Any]:
    """Give random values over the whole range of a type."""
    rng = np.random.default_rng(seed)
    if np.dtype(kind).kind == "f":
        return rng.normal(size=shape).astype(kind)
    return rng.integers(np.iinfo(kind).min, np.iinfo(kind).max, shape, dtype=kind, endpoint=True)


def smooth(z: NDArray[Any], y: NDArray[Any], x: NDArray[Any]) -> NDArray[np.float64]:
    return np.sin(z / 7) * np.cos(y / 5 + 0.3) + 0.5 * np.sin(x / 6 + z / 9)


# --- fill_gaps


@given(STEPS, st.floats(0.3, 5.0))
def test_fill_gaps_reproduces_a_ramp(steps: list[float], step: float) -> None:
    heights = 3.0 + np.concatenate([[0.0], np.cumsum(steps)])
    ramp = heights[:, None, None] * 2 + np.arange(6).reshape(2, 3)
    even, made_up = fill_gaps(ramp, heights, step)
    new = heights[0] + step * np.arange(len(even))
    expected = new[:, None, None] * 2 + np.arange(6).reshape(2, 3)
    on_a_slice = np.abs(new[:, None] - heights).min(axis=1) <= 1e-3 * step
    assert np.array_equal(made_up, ~on_a_slice)
    np.testing.assert_allclose(even[made_up], expected[made_up], atol=1e-9)
    np.testing.assert_allclose(even, expected, atol=2.1e-3 * step)  # copies keep their values
    assert new[-1] <= heights[-1] + 1e-3 * step < new[-1] + step + 1e-9


@given(KINDS, st.integers(1, 6), st.floats(0.2, 9), st.integers(0, 99))
def test_even_slices_are_copied(kind: Any, count: int, step: float, seed: int) -> None:
    array = noise((count, 3, 4), kind, seed)
    even, made_up = fill_gaps(array, 5 - 2 * step + step * np.arange(count))
    assert even.dtype == array.dtype
    assert np.array_equal(even, array)
    assert not made_up.any()


@given(KINDS, STEPS, st.integers(0, 99))
def test_whole_numbers_are_rounded_to_nearest(kind: Any, steps: list[float], seed: int) -> None:
    heights = np.concatenate([[0.0], np.cumsum(steps)])
    array = noise((len(heights), 2, 3), kind, seed)
    even, _ = fill_gaps(array, heights, 0.7)
    exact, _ = fill_gaps(array.astype(np.float64), heights, 0.7)
    assert even.dtype == array.dtype
    allowed = 1e-6 if even.dtype.kind == "f" else 0.5
    assert np.abs(even.astype(np.float64) - exact).max() <= allowed


def test_a_missing_slice_is_made_up_from_its_neighbours() -> None:
    array = noise((5, 4, 4))
    even, made_up = fill_gaps(np.delete(array, 2, axis=0), [0, 2, 6, 8])
    assert made_up.tolist() == [False, False, True, False, False]
    assert np.array_equal(even[[0, 1, 3, 4]], array[[0, 1, 3, 4]])
    middle = (array[1].astype(float) + array[3]) / 2
    assert np.array_equal(even[2], np.rint(middle))


def test_noise_of_headers_makes_nothing_up() -> None:
    array = noise((4, 2, 2))
    even, made_up = fill_gaps(array, [0, 2.0009, 3.9991, 5.9999], 2.0)
    assert np.array_equal(even, array)
    assert not made_up.any()


def test_colours_and_nan_next_door() -> None:
    colours = noise((3, 2, 2, 3), np.uint8)
    even, made_up = fill_gaps(colours, [0, 1, 3], 1.0)
    assert even.shape == (4, 2, 2, 3)
    assert made_up.tolist() == [False, False, True, False]
    floats = np.zeros((2, 2, 2), np.float32)
    floats[1, 0, 0] = np.nan
    even, _ = fill_gaps(floats, [0, 2], 1.0)
    assert np.isnan(even[:, 0, 0]).tolist() == [False, True, True]


def test_fill_gaps_agrees_with_simpleitk() -> None:
    heights = np.array([0.0, 2.1, 4.0, 9.7, 12.2, 14.1, 18.5, 20.0])
    z, y, x = np.meshgrid(heights, np.arange(20.0), np.arange(24.0), indexing="ij")
    array = smooth(z, y, x).astype(np.float32)
    even, _ = fill_gaps(array, heights, 1.3)
    for index, height in enumerate(1.3 * np.arange(len(even))):
        above = max(1, int(np.searchsorted(heights, height)))
        pair = sitk.GetImageFromArray(array[above - 1 : above + 1])
        pair.SetOrigin((0, 0, heights[above - 1]))
        pair.SetSpacing((1, 1, heights[above] - heights[above - 1]))
        wanted = sitk.Image(24, 20, 1, sitk.sitkFloat32)
        wanted.SetOrigin((0, 0, height))
        theirs = sitk.GetArrayFromImage(sitk.Resample(pair, wanted, sitk.Transform()))
        assert np.abs(even[index] - theirs[0]).max() <= 1e-3 * np.ptp(array)


@pytest.mark.parametrize(
    ("heights", "step"),
    [
        ([0, 1], None), ([0, 2, 1], None), ([0, 1, 1], None), ([0, 1, np.nan], None),
        ([0, 1, np.inf], None), ([0, 1, 2], 0.0), ([0, 1, 2], -1.0), ([0, 1, 2], np.nan),
        ([0, 1, 1e300], 1.0), ([0, 1, 1e300], 1e-300),
    ],
)  # fmt: skip
def test_impossible_heights_are_refused(heights: list[float], step: float | None) -> None:
    with pytest.raises(GeometryError):
        fill_gaps(np.zeros((3, 64, 64), np.int16), heights, step)


def test_no_slice_is_refused() -> None:
    with pytest.raises(GeometryError, match="0 slices"):
        fill_gaps(np.zeros((0, 2, 2)), [])
    with pytest.raises(GeometryError, match="0 slices"):
        straighten(np.zeros((0, 2, 2)), [], [], 0)


# --- straighten


@given(SHIFTS, SHIFTS)
def test_straighten_reproduces_a_ramp(rows: list[float], columns: list[float]) -> None:
    moved = [np.where(np.abs(np.rint(s) - s) <= 1e-3, np.rint(s), s) for s in (rows, columns)]
    y, x = np.meshgrid(np.arange(12.0), np.arange(14.0), indexing="ij")
    sheared = np.stack([3 * (y + a) - 2 * (x + b) for a, b in zip(*moved, strict=True)])
    straight, top, left = straighten(sheared, rows, columns, 0)
    inside = straight[:, top + 3 : top + 9, left + 3 : left + 11]
    y, x = y[3:9, 3:11], x[3:9, 3:11]
    np.testing.assert_allclose(inside, np.broadcast_to(3 * y - 2 * x, inside.shape), atol=1e-9)


@given(KINDS, WHOLE_SHIFTS, WHOLE_SHIFTS, st.integers(0, 99))
def test_whole_shifts_keep_every_voxel(
    kind: Any, rows: list[int], columns: list[int], seed: int
) -> None:
    array = noise((4, 3, 5), kind, seed)
    fill = array.min()
    straight, top, left = straighten(array, np.add(rows, 1e-9), columns, fill)
    assert straight.dtype == array.dtype
    for number, (row, column) in enumerate(zip(rows, columns, strict=True)):
        place = slice(top + row, top + row + 3), slice(left + column, left + column + 5)
        assert np.array_equal(straight[number][place], array[number])
        rest = np.ones(straight.shape[1:], bool)
        rest[place] = False
        assert (straight[number][rest] == fill).all()
    assert straight.shape[1:] == (3 + _reach(rows), 5 + _reach(columns))


def _reach(shifts: list[int]) -> int:
    return max(0, *shifts) - min(0, *shifts)


@given(SHIFTS, SHIFTS, st.integers(0, 99))
def test_nothing_is_cut_off(rows: list[float], columns: list[float], seed: int) -> None:
    array = noise((4, 3, 5), np.float64, seed)
    fill = array.min()
    straight, _, _ = straighten(array, rows, columns, fill)
    before, after = ((one - fill).sum(axis=(1, 2)) for one in (array, straight))
    np.testing.assert_allclose(after, before, atol=1e-9)


@given(KINDS, st.integers(0, 99))
def test_an_unsheared_stack_is_left_as_it_is(kind: Any, seed: int) -> None:
    array = noise((4, 3, 5), kind, seed)
    straight, top, left = straighten(array, np.zeros(4), np.zeros(4), array.min())
    assert np.array_equal(straight, array)
    assert (straight.dtype, top, left) == (array.dtype, 0, 0)


@given(KINDS, SHIFTS, SHIFTS, st.integers(0, 99))
def test_straighten_rounds_to_nearest(
    kind: Any, rows: list[float], columns: list[float], seed: int
) -> None:
    array = noise((4, 3, 5), kind, seed)
    straight, _, _ = straighten(array, rows, columns, array.min())
    exact, _, _ = straighten(array.astype(np.float64), rows, columns, float(array.min()))
    assert straight.dtype == array.dtype
    allowed = 1e-6 if straight.dtype.kind == "f" else 0.5
    assert np.abs(straight.astype(np.float64) - exact).max() <= allowed


def test_colours_are_straightened() -> None:
    colours = noise((2, 3, 4, 3), np.uint8)
    straight, top, left = straighten(colours, [0, 0.5], [0, -1], 0)
    grey, _, _ = straighten(colours[..., 1], [0, 0.5], [0, -1], 0)
    assert (straight.shape, top, left) == ((2, 4, 5, 3), 0, 1)
    assert np.array_equal(straight[..., 1], grey)


def test_nan_stays_where_it_is() -> None:
    floats = np.zeros((1, 4, 4), np.float32)
    floats[0, 1, 1] = np.nan
    straight, _, _ = straighten(floats, [0.0], [0.5], 0)
    assert np.argwhere(np.isnan(straight[0])).tolist() == [[1, 1], [1, 2]]


def test_straighten_agrees_with_simpleitk() -> None:
    z, y, x = np.meshgrid(np.arange(9.0), np.arange(40.0), np.arange(44.0), indexing="ij")
    array = smooth(z, y, x).astype(np.float32)
    lean_rows, lean_columns = 0.73, -0.41
    straight, top, left = straighten(
        array, lean_rows * np.arange(9), lean_columns * np.arange(9), array.min()
    )
    sheared = sitk.AffineTransform(3)  # a point of the result to a point of the stack
    sheared.SetMatrix((1, 0, -lean_columns, 0, 1, -lean_rows, 0, 0, 1))
    wanted = sitk.Image(straight.shape[::-1], sitk.sitkFloat32)
    wanted.SetOrigin((-left, -top, 0))
    image = sitk.GetImageFromArray(array)
    theirs = sitk.GetArrayFromImage(sitk.Resample(image, wanted, sheared, sitk.sitkLinear, -9))
    inside = theirs != -9
    border = inside & np.roll(inside, 2, 1) & np.roll(inside, -2, 1)
    away = border & np.roll(border, 2, 2) & np.roll(border, -2, 2)
    assert away.mean() > 0.5
    assert np.abs(straight - theirs)[away].max() <= 1e-3 * np.ptp(array)


@pytest.mark.parametrize("rows", [[0, 1], [0, 1, np.nan], [0, 1, np.inf], [0, 1, 1e300]])
def test_impossible_shifts_are_refused(rows: list[float]) -> None:
    with pytest.raises(GeometryError):
        straighten(np.zeros((3, 2, 2), np.int16), rows, [0, 0, 0], 0)
