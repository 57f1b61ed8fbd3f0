"""Several volumes of a series in one 4D file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from dicom_files import write_dicom

from medprep.dicom.stacks import Policy
from medprep.trees.options import ConvertTree
from medprep.trees.run import TreeOutcome, convert_tree

RAMP = np.arange(16, dtype=np.int16).reshape(4, 4)


def stacked(source: Path, output: Path, **options: Any) -> TreeOutcome:
    outcome = convert_tree(ConvertTree(str(source), str(output), stack=True, **options))
    assert not outcome.failed
    return outcome


def only_file(output: Path) -> nibabel.Nifti1Image:
    (path,) = output.glob("*.nii.gz")
    return nibabel.load(path)


def write_times(folder: Path, times: int = 3, places: int = 3, **tags: Any) -> None:
    """Write time points of a sequence with a repetition time of 2.5 s."""
    for time in range(times):
        for place in range(places):
            own = {name: value(time, place) for name, value in tags.items()}
            write_dicom(
                folder / f"{time}-{place}", own.pop("pixels", RAMP + 100 * time + 10 * place),
                own.pop("position", (0, 0, 2 * place)), RepetitionTime="2500",
                **{"TemporalPositionIdentifier": str(time + 1), **own},
            )  # fmt: skip


def test_time_points_in_colour(tmp_path: Path) -> None:
    def pixels(time: int, place: int) -> np.ndarray:
        return np.stack(
            [np.full((4, 4), 60 * time + 20 * place + c, np.uint8) for c in range(3)], -1
        )

    kind = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    same = {name: lambda *_, value=value: value for name, value in kind.items()}
    write_times(tmp_path / "in", pixels=pixels, **same)
    (made,) = stacked(tmp_path / "in", tmp_path / "out", colour=True).made
    assert (made.shape, made.dtype) == ((3, 3, 4, 4, 3), "uint8")
    values = np.asarray(only_file(tmp_path / "out").dataobj)
    assert values.shape == (4, 4, 3, 3)
    for time in range(3):
        for place in range(3):
            for channel, name in enumerate("RGB"):
                assert (values[..., place, time][name] == 60 * time + 20 * place + channel).all()
    assert only_file(tmp_path / "out").header.get_zooms()[3] == pytest.approx(2.5)


def test_a_tilt_that_is_kept(tmp_path: Path) -> None:
    write_times(tmp_path / "in", position=lambda _, place: (0, 0.7 * place, 2 * place))
    (made,) = stacked(tmp_path / "in", tmp_path / "out", policy=Policy(tilt="keep")).made
    assert made.shape == (3, 3, 4, 4)
    image = only_file(tmp_path / "out")
    assert image.affine[:3, 2] == pytest.approx((0, -0.7, 2))
    assert (image.header["qform_code"], image.header["sform_code"] > 0) == (0, True)
    values = np.asarray(image.dataobj)
    for time in range(3):
        for place in range(3):
            assert np.array_equal(values[..., place, time].T, RAMP + 100 * time + 10 * place)


def test_volumes_that_are_no_time_points_have_no_step_of_time(tmp_path: Path) -> None:
    write_times(
        tmp_path / "in",
        EchoTime=lambda time, _: str(5 * (time + 1)),
        TemporalPositionIdentifier=lambda *_: None,
    )
    (made,) = stacked(tmp_path / "in", tmp_path / "out").made
    assert made.shape == (3, 3, 4, 4)
    assert only_file(tmp_path / "out").header["pixdim"][4] == 0
    (sidecar,) = (tmp_path / "out").glob("*.json")
    record = json.loads(sidecar.read_text())
    assert record["volumes"] == [{"echo_ms": 5.0}, {"echo_ms": 10.0}, {"echo_ms": 15.0}]
    assert record["RepetitionTime"] == 2.5


def test_volumes_of_two_types_take_the_wider(tmp_path: Path) -> None:
    write_times(tmp_path / "in", RescaleSlope=lambda time, _: "0.5" if time else "1")
    (made,) = stacked(tmp_path / "in", tmp_path / "out").made
    assert made.dtype == "float32"
    values = np.asarray(only_file(tmp_path / "out").dataobj)
    assert values.dtype == np.float32
    assert np.array_equal(values[..., 2, 0].T, RAMP + 20)
    assert np.array_equal(values[..., 2, 1].T, (RAMP + 120) / 2)


def test_float_noise_in_positions_parts_nothing(tmp_path: Path) -> None:
    write_times(tmp_path / "in", position=lambda time, place: (0, 0, 2 * place + 1e-5 * time))
    (made,) = stacked(tmp_path / "in", tmp_path / "out").made
    assert made.shape == (3, 3, 4, 4)


def test_a_time_point_elsewhere_is_a_file_of_its_own(tmp_path: Path) -> None:
    write_times(tmp_path / "in", position=lambda time, place: (0, 0.3 * (time == 1), 2 * place))
    made = stacked(tmp_path / "in", tmp_path / "out").made
    assert sorted(one.shape for one in made) == [(2, 3, 4, 4), (3, 4, 4)]


def test_grey_and_colour_of_one_place_do_not_share_a_file(tmp_path: Path) -> None:
    colour = np.dstack([RAMP.astype(np.uint8)] * 3)
    for place in range(2):
        write_dicom(tmp_path / "in" / f"grey{place}", RAMP, (0, 0, place))
        write_dicom(
            tmp_path / "in" / f"colour{place}", colour, (0, 0, place), SamplesPerPixel=3,
            PhotometricInterpretation="RGB", PlanarConfiguration=0,
        )  # fmt: skip
    made = stacked(tmp_path / "in", tmp_path / "out", colour=True).made
    assert sorted(one.shape for one in made) == [(2, 4, 4), (2, 4, 4, 3)]


def test_time_points_that_lack_different_slices_are_filled_apart(tmp_path: Path) -> None:
    for time, heights in enumerate(((0, 1, 3, 4), (0, 1, 2, 3))):
        for height in heights:
            write_dicom(
                tmp_path / "in" / f"{time}-{height}", RAMP + height, (0, 0, height),
                TemporalPositionIdentifier=str(time + 1),
            )  # fmt: skip
    policy = Policy(gaps="resample")
    made = stacked(tmp_path / "in", tmp_path / "out", policy=policy).made
    assert sorted(one.shape for one in made) == [(4, 4, 4), (5, 4, 4)]


def test_time_points_that_shift_differently_are_straightened_apart(tmp_path: Path) -> None:
    for time, shift in enumerate((1.0, 1.0, 2.5)):
        for place in range(3):
            aside = shift * (place == 1) + 2.0 * (place == 2)
            write_dicom(
                tmp_path / "in" / f"{time}-{place}", RAMP, (0, aside, 2 * place),
                TemporalPositionIdentifier=str(time + 1),
            )  # fmt: skip
    policy = Policy(tilt="resample")
    made = stacked(tmp_path / "in", tmp_path / "out", policy=policy).made
    assert sorted(one.shape for one in made) == [(2, 3, 6, 4), (3, 7, 4)]
