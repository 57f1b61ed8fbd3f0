"""Pictures of one place at several times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_stacks import (
    HEIGHTS,
    add_private,
    grouped,
    read_tree,
    sizes,
    write_slice,
    write_slices,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.dicom.contrasts import Stack
from medprep.dicom.grouping import group
from medprep.dicom.records import SliceHeader

TIMES = (1, 2, 3)


def require_times(stacks: list[Stack], count: int = 3, slices: int = 5) -> None:
    assert [len(stack.slices) for stack in stacks] == [slices] * count
    for number, stack in enumerate(stacks, 1):
        assert {one.instance % 10 for one in stack.slices} == {number}, stack.suffix


@pytest.mark.parametrize(
    "tag", ["TemporalPositionIdentifier", "TriggerTime", "AcquisitionNumber", "InversionTime"]
)
def test_time_points_by_one_number(tmp_path: Path, tag: str) -> None:
    for time in (2, 3, 1):
        write_slices(tmp_path, InstanceNumber=str(time), **{tag: str(time * 100)})
    require_times(grouped(tmp_path))


def test_time_points_by_the_instance_number_alone(tmp_path: Path) -> None:
    for time in (2, 1, 3):
        write_slices(tmp_path, InstanceNumber=lambda n, time=time: str(100 * time + 10 * n + time))
    stacks = grouped(tmp_path)
    require_times(stacks)
    assert [(stack.suffix, stack.time) for stack in stacks] == [
        ("_t001", 1), ("_t002", 2), ("_t003", 3)
    ]  # fmt: skip


def doubts(folder: Path) -> set[str]:
    return {note for stack in grouped(folder) for note in stack.notes}


def test_pictures_that_nothing_tells_apart_are_told_of(tmp_path: Path) -> None:
    for _ in TIMES:
        write_slices(tmp_path, InstanceNumber=lambda n: str(n))
    (note,) = doubts(tmp_path)
    assert note.startswith("nothing in the headers tells pictures of one place apart")


def test_slices_that_all_claim_one_position_are_told_of(tmp_path: Path) -> None:
    write_slices(tmp_path / "a", position=lambda _: (0, 0, 7), InstanceNumber=str)
    (note,) = doubts(tmp_path / "a")
    assert note.startswith("5 slices at one position, told apart by InstanceNumber only")
    for tag in ("TriggerTime", "TemporalPositionIdentifier", "AcquisitionTime"):
        folder = tmp_path / tag
        write_slices(folder, position=lambda _: (0, 0, 7), **{tag: lambda n: f"{120000 + n}"})
        assert doubts(folder) == set(), "a film of one slice is nothing odd"


def test_time_points_numbered_slice_by_slice(tmp_path: Path) -> None:
    for time in (2, 1, 3):
        write_slices(tmp_path, InstanceNumber=lambda n, time=time: str(10 * n + time))
    require_times(grouped(tmp_path))


def test_one_slice_again_and_again_is_a_film(tmp_path: Path) -> None:
    for time in TIMES:
        write_slices(tmp_path, (0,), InstanceNumber=str(time))
    require_times(grouped(tmp_path), slices=1)


def test_trigger_times_that_differ_from_slice_to_slice(tmp_path: Path) -> None:
    for time in TIMES:
        write_slices(
            tmp_path,
            InstanceNumber=str(time),
            TriggerTime=lambda n, time=time: f"{(time - 1) * (400 + 7 * n)}",
        )
    require_times(grouped(tmp_path))


def test_each_slice_with_a_time_of_its_own(tmp_path: Path) -> None:
    for time in TIMES:
        write_slices(
            tmp_path,
            InstanceNumber=str(time),
            AcquisitionTime=lambda n, time=time: f"12{time:02d}{10 + 7 * n % 5:02d}",
        )
    require_times(grouped(tmp_path))


def test_noise_of_positions_between_time_points(tmp_path: Path) -> None:
    noise = np.random.default_rng(5).uniform(-2e-3, 2e-3, (3, 5))
    for time in TIMES:
        write_slices(tmp_path, np.array(HEIGHTS) + noise[time - 1], InstanceNumber=str(time))
    require_times(grouped(tmp_path))


def test_what_is_silent_comes_first(tmp_path: Path) -> None:
    write_slices(tmp_path, EchoTime="4.6")
    write_slices(tmp_path, EchoTime=None)
    silent, _ = grouped(tmp_path)
    assert silent.suffix == "_e1"
    assert silent.slices[0].contrast.echo_ms is None


def test_an_image_index_counts_all_slices_of_all_times(tmp_path: Path) -> None:
    for time in TIMES:
        paths = write_slices(tmp_path, Modality="PT", InstanceNumber=str(time))
        for n, path in enumerate(paths):
            add_private([path], 0x00541330, "US", (time - 1) * 5 + n + 1)
    require_times(grouped(tmp_path))


def test_acquisitions_along_the_stack_and_in_time(tmp_path: Path) -> None:
    for time in TIMES:
        write_slices(
            tmp_path,
            range(6),
            InstanceNumber=str(time),
            AcquisitionNumber=lambda n, time=time: str(3 * time + n // 2),
        )
    require_times(grouped(tmp_path), slices=6)


def test_acquisitions_that_overlap_at_their_ends(tmp_path: Path) -> None:
    for number in range(3):
        heights = np.arange(5 * number, 5 * number + 6)
        write_slices(tmp_path, heights, AcquisitionNumber=str(number + 1))
    assert sizes(grouped(tmp_path)) == {"_a1": 6, "_a2": 6, "_a3": 6}


@pytest.mark.parametrize("told", ["TemporalPositionIdentifier", "InstanceNumber"])
def test_an_incomplete_last_time_point(tmp_path: Path, told: str) -> None:
    for time in TIMES:
        heights = HEIGHTS if time < 3 else HEIGHTS[:2]
        tags: dict[str, Any] = {"TemporalPositionIdentifier": str(time)}
        if told == "InstanceNumber":
            tags = {told: lambda n, time=time: str(5 * time + n)}
        write_slices(tmp_path, heights, **tags)
    stacks = grouped(tmp_path)
    assert [len(stack.slices) for stack in stacks] == [5, 5, 2]
    assert [stack.time for stack in stacks] == [1, 2, 3]
    assert [bool(stack.notes) for stack in stacks] == [False, False, True]
    assert "2 slices, where others of its series have 5" in stacks[2].notes


def test_slices_of_nothing_at_all_are_time_points_too(tmp_path: Path) -> None:
    """Edges without signal: equal pixels at every time are no copies of a file."""
    empty = np.zeros((4, 6), np.int16)
    for time in TIMES:
        write_slices(tmp_path, (0, 3, 6), InstanceNumber=str(time))
        write_slices(tmp_path, (9, 12), InstanceNumber=str(time), pixels=empty)
    require_times(grouped(tmp_path))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SliceHeader:
    folder = tmp_path_factory.mktemp("template")
    write_slice(folder / "a.dcm", (0, 0, 0))
    return read_tree(folder)[0]


@given(
    times=st.integers(1, 4),
    slices=st.integers(2, 6),
    echoes=st.integers(1, 3),
    told=st.sampled_from(["temporal", "trigger_ms", "acquisition", "acquired", "instance"]),
    seed=st.integers(0, 999),
)
@settings(max_examples=100)
def test_any_number_of_echoes_and_times_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    times: int,
    slices: int,
    echoes: int,
    told: str,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("any", numbered=True)
    write_slice(folder / "a.dcm", (0, 0, 0))
    (template,) = read_tree(folder)
    made_up = []
    for time in range(times):
        for echo in range(echoes):
            for number in range(slices):
                value: Any = f"{time:03d}" if told == "acquired" else float(time)
                contrast = {"echo_ms": 2.5 + echo, **({told: value} if told != "instance" else {})}
                made_up.append(
                    replace(
                        template,
                        position_mm=(0.0, 0.0, 3.0 * number),
                        contrast=replace(template.contrast, **contrast),
                        instance=time * slices + number if told == "instance" else 1,
                        window=(echo, time),
                    )
                )
    order = np.random.default_rng(seed).permutation(len(made_up))
    stacks = group([made_up[index] for index in order])
    assert len(stacks) == times * echoes
    for stack in stacks:
        assert len({one.window for one in stack.slices}) == 1
        assert len(stack.slices) == slices
