"""Stacks that are no even grid: gaps, drift, slices of one place, positions that are none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from dicom_stacks import farthest_mm, plan_of, read_paths, refused, write_slice, write_slices

from medprep.dicom.blobs import Blob
from medprep.dicom.headers import read_slices
from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Policy, lay_out
from medprep.errors import DicomError


def test_a_missing_slice(tmp_path: Path) -> None:
    paths = write_slices(tmp_path, (0, 3, 6, 12, 15))
    error = refused(paths)
    assert error.message.startswith("slices 3 and 4 are 6 mm apart, the others 3 mm")
    assert "--gaps resample" in error.message
    assert "--gaps split" in error.message
    assert error.path == f"{paths[2]} and {paths[3]}"
    assert str(tmp_path) not in error.message


def test_numbers_are_those_of_the_files_not_of_the_heights(tmp_path: Path) -> None:
    paths = write_slices(tmp_path, (15, 12, 6, 3, 0))
    error = refused(paths)
    assert error.message.startswith("slices 3 and 2 are 6 mm apart")
    assert error.path == f"{paths[2]} and {paths[1]}"


def test_a_stack_that_drifts(tmp_path: Path) -> None:
    paths = write_slices(tmp_path, np.cumsum([0] + [3] * 6 + [3.09] * 6))
    error = refused(paths)
    assert error.message.startswith("slice 7 lies 0.27 mm from its place on an even grid")
    assert error.path == f"{paths[0]} and {paths[6]}"


@pytest.mark.parametrize("policy", ["error", "resample", "split"])
@pytest.mark.parametrize("near", [0, 1e-4, 5e-3])
def test_two_slices_of_one_place_are_refused_whatever_the_policy(
    tmp_path: Path, policy: str, near: float
) -> None:
    paths = write_slices(tmp_path, (0, 3, 6, 3 + near))
    error = refused(paths, gaps=policy)
    assert error.message.startswith("slices 2 and 4 share a position")
    assert error.path == f"{paths[1]} and {paths[3]}"


def test_slightly_uneven_is_even(tmp_path: Path) -> None:
    plan = plan_of(write_slices(tmp_path, (0, 3.05, 5.97, 9, 12)))
    assert plan.heights_mm is None
    assert farthest_mm(plan) == pytest.approx(0.05)


def test_gaps_are_filled(tmp_path: Path) -> None:
    paths = write_slices(tmp_path, (0, 3, 6, 12, 15), pixels=lambda n: np.full((4, 6), n * 10))
    series = read_plan(plan_of(paths, gaps="resample"))
    assert series.volume.array[:, 0, 0].tolist() == [0, 10, 20, 25, 30, 40]
    assert series.volume.geometry.spacing_mm[0] == 3
    assert series.volume.geometry.origin_mm == (0, 0, 0)
    assert series.notes[-1].startswith("1 of 6 slices are interpolated")


def test_the_usual_step_fills_even_where_the_first_is_the_gap(tmp_path: Path) -> None:
    plan = plan_of(write_slices(tmp_path, (0, 6, 9, 12)), gaps="resample")
    volume = read_plan(plan).volume
    assert volume.geometry.spacing_mm[0] == 3
    assert volume.array.shape[0] == 5


def test_an_even_stack_is_the_same_under_every_policy(tmp_path: Path) -> None:
    paths = write_slices(tmp_path)
    plans = [
        plan_of(paths, gaps=gaps, tilt=tilt)
        for gaps, tilt in product(("error", "resample", "split"), ("error", "resample", "keep"))
    ]
    assert len({(one.geometry, one.order, one.suffix, one.notes) for one in plans}) == 1
    assert all(one.heights_mm is None and one.shift_mm is None for one in plans)


@pytest.mark.parametrize(
    ("heights", "runs"),
    [
        ((0, 3, 6, 12, 15), [3, 2]),
        ((0, 6, 9, 12), [1, 3]),
        ((0, 3, 6, 12), [3, 1]),
        ((0, 3, 9, 12, 15, 21), [2, 3, 1]),
        ((0, 5, 10, 15, 17, 19, 21), [4, 3]),
        ((0, 3, 6, 50, 53, 56, 100, 103, 106), [3, 3, 3]),
        (np.cumsum([0] + [3] * 6 + [3.09] * 6), [8, 5]),
    ],
)
def test_a_stack_is_parted_at_its_gaps(
    tmp_path: Path, heights: Sequence[float], runs: list[int]
) -> None:
    stack = read_paths(write_slices(tmp_path, heights))
    plans = lay_out(stack, Policy(gaps="split"))
    assert [len(plan.slices) for plan in plans] == runs
    assert [plan.suffix for plan in plans] == [f"_p{n + 1}" for n in range(len(runs))]
    assert [index for plan in plans for index in plan.order] == list(range(len(heights)))
    assert all(f"of {len(runs)} of a stack with gaps" in plan.notes[-1] for plan in plans)
    assert max(map(farthest_mm, plans)) < 0.1


# --- positions that are none


def with_position(folder: Path, text: bytes) -> list[Path]:
    """Write a stack in which one file states this where a number should stand."""
    paths = write_slices(folder)
    write_slice(paths[2], (11111111, 0, 6))
    paths[2].write_bytes(paths[2].read_bytes().replace(b"11111111", text.ljust(8)))
    return paths


@pytest.mark.parametrize("text", [b"NaN", b"inf", b"-Inf", b"abc", b"1,5", b"0x10", b"1e999"])
def test_a_position_that_is_no_number_is_refused(tmp_path: Path, text: bytes) -> None:
    paths = with_position(tmp_path, text)
    with pytest.raises(DicomError, match=r"ImagePositionPatient is .*; wanted are") as raised:
        read_slices(Blob.of(paths[2]))
    assert raised.value.path == str(paths[2])


@pytest.mark.parametrize("text", [b"1e300", b"-1e308", b"1e7"])
@pytest.mark.filterwarnings("error")
def test_a_position_beyond_everything_is_refused(tmp_path: Path, text: bytes) -> None:
    paths = with_position(tmp_path, text)
    for policy in ("error", "resample", "split"):
        error = refused(paths, gaps=policy)
        assert error.message.startswith("slice 3 lies at 1e+")
        assert error.path == str(paths[2])


@pytest.mark.parametrize(
    ("cosines", "said"),
    [
        ("1\\0\\0\\0\\1\\0", []),
        ("0.999999\\0.001414\\0\\-0.001414\\0.999999\\0", []),
        (
            "1\\0.0001\\0\\0\\1\\0",
            ["direction cosines off right angles by less than 1e-04: made exact"],
        ),
    ],
)
def test_directions_that_lean_are_made_exact_and_told(
    tmp_path: Path, cosines: str, said: list[str]
) -> None:
    paths = [
        write_slice(tmp_path / f"{n}", (0, 0, 3.0 * n), ImageOrientationPatient=cosines)
        for n in range(3)
    ]
    plan = plan_of(paths)
    assert [note for note in plan.notes if "cosines" in note] == said
    direction = plan.geometry.direction
    assert np.abs(direction.T @ direction - np.eye(3)).max() < 1e-12
