"""Which slices belong together: series, sizes, directions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_files import AXIAL
from dicom_stacks import (
    CORONAL,
    HEIGHTS,
    SAGITTAL,
    grouped,
    names,
    read_tree,
    require_none_lost,
    sizes,
    write_slice,
    write_slices,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.dicom.grouping import group
from medprep.dicom.records import SliceHeader
from medprep.dicom.stacks import Policy, lay_out

# --- one volume


def test_a_plain_series_is_one_stack(tmp_path: Path) -> None:
    write_slices(tmp_path)
    (stack,) = grouped(tmp_path)
    assert (stack.suffix, stack.notes, stack.time, len(stack.slices)) == ("", (), 0, 5)


def test_files_are_in_natural_order(tmp_path: Path) -> None:
    write_slices(tmp_path, range(12))
    (stack,) = grouped(tmp_path)
    assert names(stack)[:3] == ["image_1.dcm", "image_2.dcm", "image_3.dcm"]
    assert names(stack)[9] == "image_10.dcm"
    (again,) = group(reversed(stack.slices))
    assert names(again) == names(stack), "the order of the scan must not matter"


def test_an_acquisition_number_that_changes_along_a_ct_parts_nothing(tmp_path: Path) -> None:
    write_slices(
        tmp_path,
        Modality="CT",
        AcquisitionNumber=lambda n: str(1 + n // 2),
        AcquisitionTime=lambda n: f"1200{n:02d}",
        TriggerTime=lambda n: str(n),
    )
    assert sizes(grouped(tmp_path)) == {"": 5}


def test_instance_numbers_tell_nothing(tmp_path: Path) -> None:
    write_slices(tmp_path, InstanceNumber=lambda n: str((1, 3, 5, 2, 4)[n]))
    assert sizes(grouped(tmp_path)) == {"": 5}


def test_every_slice_with_a_uid_of_its_own_is_one_stack(tmp_path: Path) -> None:
    write_slices(
        tmp_path,
        SeriesInstanceUID=lambda n: f"9.8.{n}",
        StudyInstanceUID=lambda n: f"9.9.{n}",
        SeriesNumber="4",
    )
    assert sizes(grouped(tmp_path)) == {"": 5}


def test_uids_of_their_own_do_not_join_two_people(tmp_path: Path) -> None:
    write_slices(
        tmp_path,
        SeriesInstanceUID=lambda n: f"9.8.{n}",
        StudyInstanceUID=lambda n: f"9.9.{n}",
        PatientID=lambda n: f"{n % 2}",
    )
    stacks = group(read_tree(tmp_path))
    assert [len({one.origin.patient for one in stack.slices}) for stack in stacks] == [1] * 3


def test_uids_of_their_own_and_a_missing_slice_are_still_one_stack(tmp_path: Path) -> None:
    write_slices(tmp_path, (0, 3, 6, 12, 15), SeriesInstanceUID=lambda n: f"9.8.{n}")
    (stack,) = group(read_tree(tmp_path))
    assert len(stack.slices) == 5


def test_series_without_a_uid_are_told_apart_by_their_number(tmp_path: Path) -> None:
    write_slices(
        tmp_path,
        [height for height in HEIGHTS for _ in range(3)],
        SeriesInstanceUID=None,
        SeriesNumber=lambda n: str(n % 3 + 4),
    )
    stacks = grouped(tmp_path)
    assert [(stack.suffix, len(stack.slices), stack.notes) for stack in stacks] == [("", 5, ())] * 3
    assert [{one.origin.number for one in stack.slices} for stack in stacks] == [{4}, {5}, {6}]


def test_uids_of_their_own_and_two_echoes(tmp_path: Path) -> None:
    write_slices(
        tmp_path,
        [height for height in HEIGHTS for _ in (1, 2)],
        SeriesInstanceUID=lambda n: f"9.8.{n}",
        EchoTime=lambda n: ("4.6", "2.3")[n % 2],
    )
    assert sizes(grouped(tmp_path)) == {"_e1": 5, "_e2": 5}


def test_single_pictures_that_are_no_stack_stay_apart(tmp_path: Path) -> None:
    write_slices(tmp_path / "two", (0, 3), SeriesInstanceUID=lambda n: f"9.8.{n}")
    write_slices(tmp_path / "far", (0, 3, 90), SeriesInstanceUID=lambda n: f"9.7.{n}")
    for number, view in enumerate((AXIAL, CORONAL, SAGITTAL)):
        write_slices(tmp_path / "views", (0,), view, SeriesInstanceUID=f"9.6.{number}")
    write_slices(
        tmp_path / "numbers",
        SeriesInstanceUID=lambda n: f"9.5.{n}",
        SeriesNumber=lambda n: str(n),
    )
    assert [len(stack.slices) for stack in grouped(tmp_path)] == [1] * (2 + 3 + 3 + 5)


def test_noise_of_header_numbers_parts_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).uniform(-4e-4, 4e-4, (10, 3))
    for echo in (0, 1):
        for n, height in enumerate(HEIGHTS):
            write_slice(
                tmp_path / f"{echo}{n}.dcm",
                np.array((10, 20, height)) + noise[5 * echo + n],
                orientation=(1, noise[n, 0], 0, noise[n, 1], 1, noise[n, 2]),
                spacing=(0.8, 0.7 + noise[n, 0]),
                EchoTime=f"{4.6 - 2.3 * echo + 1e-6 * n:.8f}",
            )
    assert sizes(grouped(tmp_path)) == {"_e1": 5, "_e2": 5}


def test_directions_on_both_sides_of_the_first_are_one_stack(tmp_path: Path) -> None:
    for n, lean in enumerate((9e-4, 0, -9e-4)):
        write_slice(tmp_path / f"b{n}.dcm", (0, 0, 3 * n + 3), orientation=(1, lean, 0, 0, 1, 0))
    write_slice(tmp_path / "a.dcm", (0, 0, 0))
    assert sizes(grouped(tmp_path)) == {"": 4}


def test_slices_of_a_few_micrometres_are_no_copies_of_one_place(tmp_path: Path) -> None:
    write_slices(tmp_path, np.arange(6) * 0.008, spacing=(0.008, 0.008))
    assert sizes(grouped(tmp_path)) == {"": 6}


# --- what is no part of the volume


def test_two_patients_share_a_uid(tmp_path: Path) -> None:
    write_slices(tmp_path / "a", PatientID="A")
    write_slices(tmp_path / "b", np.array(HEIGHTS) + 15, PatientID="B")
    write_slices(tmp_path / "c", PatientName="C^D")
    stacks = grouped(tmp_path)
    assert [len(stack.slices) for stack in stacks] == [5, 5, 5]
    assert [stack.slices[0].origin.patient for stack in stacks] == ["A", "B", "C^D"]


def test_a_slice_of_another_size(tmp_path: Path) -> None:
    write_slices(tmp_path)
    write_slices(tmp_path, (6,), pixels=np.zeros((6, 4), np.int16))
    stacks = grouped(tmp_path)
    assert sizes(stacks) == {"_v1": 5, "_v2": 1}
    assert stacks[1].notes == ("one of 2 sizes, directions or kinds of pixel in its series",)


def test_a_slice_of_another_pixel_size(tmp_path: Path) -> None:
    write_slices(tmp_path)
    write_slices(tmp_path, (6,), spacing=(1, 1.01))
    assert sizes(grouped(tmp_path)) == {"_v1": 5, "_v2": 1}


def test_three_views_under_one_uid(tmp_path: Path) -> None:
    write_slices(tmp_path, HEIGHTS, AXIAL)
    write_slices(tmp_path, HEIGHTS[:4], CORONAL)
    write_slices(tmp_path, HEIGHTS[:3], SAGITTAL)
    stacks = grouped(tmp_path)
    assert sizes(stacks) == {"_v1": 5, "_v2": 4, "_v3": 3}
    views = [lay_out(stack, Policy())[0].geometry.orientation[0] for stack in stacks]
    assert views == ["S", "P", "R"]


def test_slices_without_positions_are_a_volume_for_each_file(tmp_path: Path) -> None:
    for number in range(3):
        tags = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
        write_slice(tmp_path / f"{number}.dcm", (0, 0, 0), **tags)
    stacks = grouped(tmp_path)
    assert sizes(stacks) == {"_n1": 1, "_n2": 1, "_n3": 1}
    (plan,) = lay_out(stacks[0], Policy())
    assert "no position in the header" in plan.notes[0]


def test_one_slice_without_a_position_among_others(tmp_path: Path) -> None:
    write_slices(tmp_path)
    write_slices(tmp_path, (0,), ImagePositionPatient=None)
    assert sizes(grouped(tmp_path)) == {"_v1": 5, "_v2": 1}


def test_stacks_are_in_the_order_of_patients_and_series(tmp_path: Path) -> None:
    for number, (patient, series) in enumerate((("B", 1), ("A", 10), ("A", 9))):
        write_slices(
            tmp_path / f"{number}",
            PatientID=patient,
            SeriesNumber=str(series),
            SeriesInstanceUID=f"7.{number}",
        )
    found = [
        (one.slices[0].origin.patient, one.slices[0].origin.number) for one in grouped(tmp_path)
    ]
    assert found == [("A", 9), ("A", 10), ("B", 1)]


# --- anything at all


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> list[SliceHeader]:
    """Slices of three contents."""
    folder = tmp_path_factory.mktemp("templates")
    for number in range(3):
        write_slice(folder / f"{number}.dcm", (0, 0, 0), pixels=np.full((4, 6), number, np.int16))
    return read_tree(folder)


NUMBER = st.sampled_from([None, 0.0, 1.0, 2.0])
ANY_SLICE = st.fixed_dictionaries(
    {
        "template": st.integers(0, 2),
        "height": st.one_of(st.none(), st.integers(0, 4), st.floats(0, 20)),
        "series": st.sampled_from(["1", "2"]),
        "instance": st.integers(0, 3),
        "turned": st.booleans(),
        "contrast": st.fixed_dictionaries(
            {
                "echo_ms": NUMBER,
                "b_value": NUMBER,
                "temporal": NUMBER,
                "trigger_ms": NUMBER,
                "acquisition": NUMBER,
                "inversion_ms": NUMBER,
                "acquired": st.sampled_from(["", "120000", "120001.5"]),
                "image_type": st.sampled_from([(), ("ORIGINAL", "PRIMARY", "P")]),
                "component": st.sampled_from(["", "PHASE"]),
            }
        ),
    }
)


@given(st.lists(ANY_SLICE, min_size=1, max_size=24))
@settings(max_examples=300)
def test_no_slice_is_ever_lost(templates: list[SliceHeader], wanted: list[dict[str, Any]]) -> None:
    slices = [made(templates[one["template"]], one) for one in wanted]
    stacks = group(slices)
    require_none_lost(slices, stacks)
    assert {len({one.plane for one in stack.slices}) for stack in stacks} == {1}
    by_series: dict[str, list[str]] = {}
    for stack in stacks:
        by_series.setdefault(stack.slices[0].origin.series, []).append(stack.suffix)
    assert all(len(found) == len(set(found)) for found in by_series.values())


def made(template: SliceHeader, wanted: dict[str, Any]) -> SliceHeader:
    height = wanted["height"]
    plane = template.plane
    if wanted["turned"]:
        plane = replace(plane, row_direction=(0.0, 1.0, 0.0), column_direction=(0.0, 0.0, -1.0))
    return replace(
        template,
        plane=plane,
        position_mm=None if height is None else (float(height), 0.0, float(height)),
        origin=replace(template.origin, series=wanted["series"]),
        contrast=replace(template.contrast, **wanted["contrast"]),
        instance=wanted["instance"],
    )
