"""Several pictures of one place: echoes, kinds, b-values, time points, copies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_stacks import (
    add_private,
    grouped,
    read_tree,
    require_none_lost,
    sizes,
    write_slices,
)

from medprep.dicom.grouping import group
from medprep.dicom.series import read_plan
from medprep.dicom.stacks import Policy, lay_out

TIMES = (1, 2, 3)


# --- echoes, kinds, b-values


def test_two_echoes_of_one_uid(tmp_path: Path) -> None:
    write_slices(tmp_path, EchoTime="4.6")
    write_slices(tmp_path, EchoTime="2.3")
    stacks = grouped(tmp_path)
    assert sizes(stacks) == {"_e1": 5, "_e2": 5}
    assert {one.contrast.echo_ms for one in stacks[0].slices} == {2.3}
    assert {one.contrast.echo_ms for one in stacks[1].slices} == {4.6}


def test_two_echoes_between_each_other(tmp_path: Path) -> None:
    write_slices(tmp_path, (0, 3, 6, 9), EchoTime="4.6")
    write_slices(tmp_path, (1.5, 4.5, 7.5), EchoTime="2.3")
    assert sizes(grouped(tmp_path)) == {"_e1": 3, "_e2": 4}


def test_an_echo_time_that_wavers_along_one_stack_parts_nothing(tmp_path: Path) -> None:
    write_slices(tmp_path, range(8), EchoTime=lambda n: ("98.1", "98.4")[n in (1, 2, 5)])
    assert sizes(grouped(tmp_path)) == {"": 8}


@pytest.mark.parametrize(
    ("kinds", "suffixes"),
    [
        ((["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]), {"", "_ph"}),
        ((["ORIGINAL", "PRIMARY", "M_FFE", "M"], ["ORIGINAL", "PRIMARY", "REAL"]), {"", "_real"}),
        ((["DERIVED", "PRIMARY", "IN_PHASE"], ["DERIVED", "PRIMARY", "WATER"]), {"_in", "_water"}),
        ((["DERIVED", "SECONDARY", "ADC"], ["DERIVED", "SECONDARY", "TRACEW"]), {"_i1", "_i2"}),
        ((["ORIGINAL", "PRIMARY", "M", "ND"], ["ORIGINAL", "PRIMARY", "M"]), {"_i1", "_i2"}),
    ],
)  # fmt: skip
def test_two_image_types(tmp_path: Path, kinds: tuple[list[str], ...], suffixes: set[str]) -> None:
    for kind in kinds:
        write_slices(tmp_path, ImageType=kind)
    found = sizes(grouped(tmp_path))
    assert set(found) == suffixes
    assert set(found.values()) == {5}


def test_the_complex_component_tells_where_the_image_type_does_not(tmp_path: Path) -> None:
    for component in ("MAGNITUDE", "PHASE"):
        write_slices(tmp_path, ComplexImageComponent=component)
    assert sizes(grouped(tmp_path)) == {"": 5, "_ph": 5}


def test_echoes_and_phases_at_once(tmp_path: Path) -> None:
    for echo in ("2.3", "4.6"):
        for kind in ("M", "P"):
            write_slices(tmp_path, EchoTime=echo, ImageType=["ORIGINAL", "PRIMARY", kind])
    assert sizes(grouped(tmp_path)) == {"_e1": 5, "_ph_e1": 5, "_e2": 5, "_ph_e2": 5}


@pytest.mark.parametrize(
    ("maker", "tag", "vr", "values"),
    [
        ("", 0x00189087, "FD", (0.0, 50.0, 800.0)),
        ("SIEMENS", 0x0019100C, "IS", ("0", "50", "800")),
        ("GE MEDICAL SYSTEMS", 0x00431039, "IS", ([0, 8, 0, 0], [1000000050, 8], [1000000800, 8])),
        ("Philips Medical Systems", 0x20011003, "FL", (0.0, 50.0, 800.0)),
    ],
)
def test_b_values(tmp_path: Path, maker: str, tag: int, vr: str, values: tuple[Any, ...]) -> None:
    for value in values:
        add_private(write_slices(tmp_path, Manufacturer=maker), tag, vr, value)
    stacks = grouped(tmp_path)
    assert sizes(stacks) == {"_b0": 5, "_b50": 5, "_b800": 5}
    assert [stack.slices[0].contrast.b_value for stack in stacks] == [0, 50, 800]


def test_directions_of_one_b_value(tmp_path: Path) -> None:
    write_slices(tmp_path, DiffusionBValue=None, AcquisitionNumber="1")
    for number in TIMES:
        write_slices(tmp_path, DiffusionBValue=1000.0, AcquisitionNumber=str(number + 1))
    assert sizes(grouped(tmp_path)) == {"_b0": 5, "_b1000_a1": 5, "_b1000_a2": 5, "_b1000_a3": 5}


def test_a_kind_that_is_there_beside_time_points(tmp_path: Path) -> None:
    for time in TIMES:
        write_slices(tmp_path, TemporalPositionIdentifier=str(time))
    write_slices(tmp_path, (15, 18, 21), ImageType=["DERIVED", "SECONDARY", "MEAN"])
    found = grouped(tmp_path)
    assert sorted(len(stack.slices) for stack in found) == [3, 5, 5, 5]


# --- copies


def test_exact_copies_are_passed_over_and_counted(tmp_path: Path) -> None:
    paths = write_slices(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for path in paths[:2]:
        shutil.copy(path, tmp_path / "b")
        shutil.copy(path, tmp_path / "b" / f"again_{path.name}")
    (stack,) = grouped(tmp_path)
    assert len(stack.slices) == 5
    assert stack.notes == ("4 slices are there twice; the copies were passed over",)


def test_copies_under_new_uids_are_copies(tmp_path: Path) -> None:
    for _ in (1, 2):
        pixels = np.random.default_rng(1).integers(0, 99, (5, 4, 6), np.int16)
        write_slices(tmp_path, pixels=lambda n, pixels=pixels: pixels[n])
    assert sizes(grouped(tmp_path)) == {"": 5}


def test_two_pictures_of_one_place_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    write_slices(tmp_path)
    write_slices(tmp_path, (6,))
    slices = read_tree(tmp_path)
    (stack,) = group(slices)
    require_none_lost(slices, [stack])
    with pytest.raises(ValueError, match=r"slices 3 and 6 share a position"):
        lay_out(stack, Policy())


def test_a_copy_that_cannot_be_read_stops_nothing(tmp_path: Path) -> None:
    paths = write_slices(tmp_path)
    shutil.copy(paths[2], tmp_path / "copy.dcm")
    slices = read_tree(tmp_path)
    (tmp_path / "copy.dcm").unlink()
    require_none_lost(slices, group(slices))


def test_each_stack_reads_its_own_pixels(tmp_path: Path) -> None:
    for time in TIMES:
        pixels = np.full((4, 6), time, np.int16)
        write_slices(tmp_path, pixels=pixels, InstanceNumber=str(time))
    for number, stack in enumerate(grouped(tmp_path), 1):
        (plan,) = lay_out(stack, Policy())
        assert (read_plan(plan).volume.array == number).all()
