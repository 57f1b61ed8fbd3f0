"""What one DICOM file says about its slice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.dicom.blobs import Blob
from medprep.dicom.headers import looks_like_dicom, read_slices
from medprep.dicom.records import SliceHeader
from medprep.dicom.tags import NoDicomError
from medprep.errors import DicomError

PIXELS = np.arange(6, dtype=np.int16).reshape(2, 3)


def header(path: Path, **changes: object) -> SliceHeader:
    return read(write_dicom(path / "a.dcm", PIXELS, **changes))


def read(path: Path) -> SliceHeader:
    role, slices = read_slices(Blob.of(path))
    assert role == "image"
    (found,) = slices
    return found


def test_a_plain_slice(tmp_path: Path) -> None:
    found = header(
        tmp_path,
        position=(-1.5, 2, 30),
        spacing=(0.5, 0.25),
        orientation=(0, 1, 0, 0, 0, -1),
        Modality="CT",
        SliceThickness="3.2",
        EchoTime="4.6",
        RescaleSlope="2",
        RescaleIntercept="-1000",
        WindowCenter="40",
        WindowWidth="400",
    )
    plane = found.plane
    assert (plane.rows, plane.columns) == (2, 3)
    assert found.position_mm == (-1.5, 2, 30)
    assert (plane.row_direction, plane.column_direction) == ((0, 1, 0), (0, 0, -1))
    assert plane.spacing_mm == (0.5, 0.25)
    assert (found.slope, found.intercept) == (2, -1000)
    assert (found.thickness_mm, found.between_mm) == (3.2, 0)
    assert found.contrast.echo_ms == 4.6
    assert found.origin.modality == "CT"
    assert found.window == (-160, 239)  # PS3.3 C.11.2.1.2.1: 400 values, 39.5 is their middle


def test_what_is_absent(tmp_path: Path) -> None:
    found = header(tmp_path, Modality=None, RescaleIntercept="")
    assert (found.slope, found.intercept, found.thickness_mm) == (1, 0, 0)
    assert (found.contrast.echo_ms, found.window, found.origin.modality) == (None, None, "")


def test_a_spacing_below_zero_is_a_spacing(tmp_path: Path) -> None:
    found = header(tmp_path, SliceThickness="5", SpacingBetweenSlices="-6.5")
    assert (found.thickness_mm, found.between_mm) == (5, 6.5)


def test_the_first_of_several_windows_counts(tmp_path: Path) -> None:
    assert header(tmp_path, WindowCenter=["0.5", "9"], WindowWidth=["2", "9"]).window == (-0.5, 0.5)
    assert header(tmp_path, WindowCenter="5", WindowWidth="0").window is None
    assert header(tmp_path, WindowCenter="5", WindowWidth="1").window == (4.5, 4.5)


def test_a_slope_of_zero_would_lose_everything(tmp_path: Path) -> None:
    assert header(tmp_path, RescaleSlope="0").slope == 1


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"position": (1, 2)}, "ImagePositionPatient .* wanted are 3 finite numbers"),
        ({"position": (1, 2, float("inf"))}, "ImagePositionPatient .* finite"),
        ({"orientation": (0, 0, 0, 0, 0, 0)}, "orthonormal"),
        ({"orientation": (1, 0, 0, 1, 0, 0)}, "orthonormal"),
        ({"orientation": (2, 0, 0, 0, 1, 0)}, "orthonormal"),
        ({"spacing": (0, 1)}, r"pixel spacing .* above 0"),
        ({"spacing": (1, -1)}, r"pixel spacing .* above 0"),
        ({"spacing": (1,)}, r"PixelSpacing .* 2 finite numbers"),
        ({"PixelSpacing": None}, "PixelSpacing is missing"),
        ({"Rows": 0}, "0 x 3 pixels"),
        ({"Rows": 65535, "Columns": 65535}, "65535 x 65535 pixels; at most 16384"),
    ],
)
def test_what_places_the_voxels_must_be_there(tmp_path: Path, changes: dict, told: str) -> None:
    with pytest.raises(DicomError, match=told) as raised:
        header(tmp_path, **changes)
    assert raised.value.path == str(tmp_path / "a.dcm")


def in_the_file(path: Path, old: bytes, new: bytes) -> Path:
    """Change a value behind pydicom's back; the length stays."""
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    return path


def test_text_for_a_number_is_told_where_voxels_depend_on_it(tmp_path: Path) -> None:
    for tag in ("ImagePositionPatient", "RescaleSlope"):
        value = ["7.25", "0", "0"] if tag == "ImagePositionPatient" else "7.25"
        path = write_dicom(tmp_path / "a.dcm", PIXELS, **{tag: value})
        in_the_file(path, b"7.25", b"7,25")
        with pytest.raises(DicomError, match=tag):
            read(path)


def test_text_for_a_number_is_passed_over_where_no_voxel_depends_on_it(tmp_path: Path) -> None:
    for tag in ("EchoTime", "SliceThickness", "SpacingBetweenSlices", "WindowCenter"):
        path = write_dicom(tmp_path / "a.dcm", PIXELS, **{tag: "7.25", "WindowWidth": "10"})
        in_the_file(path, b"7.25", b"7,25")
        found = read(path)
        assert found.contrast.echo_ms is None
        assert (found.thickness_mm, found.between_mm) == (0, 0)
        assert found.window is None


def test_numbers_that_names_are_made_of_are_of_a_sane_size(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "a.dcm", PIXELS, SeriesNumber="111111", InstanceNumber="222222",
        DiffusionBValue=1e300,
    )  # fmt: skip
    found = read(in_the_file(in_the_file(path, b"111111", b"1e300 "), b"222222", b"-1e99 "))
    assert (found.origin.number, found.instance, found.contrast.b_value) == (0, 0, None)
    assert header(tmp_path, SeriesNumber="-7").origin.number == -7


def test_without_a_place_a_slice_lies_on_a_plain_grid(tmp_path: Path) -> None:
    for tag in ("ImagePositionPatient", "ImageOrientationPatient"):
        found = header(tmp_path, **{tag: None})
        assert found.position_mm is None
        assert found.plane.row_direction == (1, 0, 0)


def test_a_radiograph_states_its_spacing_at_the_detector(tmp_path: Path) -> None:
    placeless = {"ImagePositionPatient": None, "PixelSpacing": None}
    plane = header(tmp_path, **placeless, ImagerPixelSpacing=["0.2", "0.1"]).plane
    assert (plane.spacing_mm, plane.spacing_known) == ((0.2, 0.1), True)
    plane = header(tmp_path, **placeless, PixelAspectRatio=["2", "1"]).plane
    assert (plane.spacing_mm, plane.spacing_known) == ((2, 1), False)
    plane = header(tmp_path, **placeless).plane
    assert (plane.spacing_mm, plane.spacing_known) == ((1, 1), False)


def test_a_name_or_the_mark_makes_it_dicom(tmp_path: Path) -> None:
    written = write_dicom(tmp_path / "a.dcm", PIXELS)
    bare = Path(shutil.copy(written, tmp_path / "IM0001"))
    assert looks_like_dicom(bare)
    assert looks_like_dicom(Path(shutil.copy(written, tmp_path / "1.2.840.3")))
    (tmp_path / "broken.DCM").write_bytes(b"broken")
    assert looks_like_dicom(tmp_path / "broken.DCM"), "broken DICOM must fail, not vanish"
    assert looks_like_dicom(tmp_path / "dangling.dcm")
    for stranger in ("Thumbs.db", ".DS_Store", "README.txt", "._IMG-1.dcm", "empty"):
        (tmp_path / stranger).write_bytes(b"x" * 200 if stranger != "empty" else b"")
        assert not looks_like_dicom(tmp_path / stranger)
    assert not looks_like_dicom(tmp_path / "missing")


def test_a_file_that_cannot_be_read_counts_as_dicom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "IM0001").touch()

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error", "IM0001")

    monkeypatch.setattr(Path, "open", refuse)
    assert looks_like_dicom(tmp_path / "IM0001")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not looks_like_dicom(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.dcm")
    with pytest.raises(DicomError, match="no regular file"):
        read(tmp_path / "pipe.dcm")


def test_what_is_no_dicom_is_told_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "smith.dcm").write_bytes(b"nothing")
    for name in ("smith.dcm", "missing-smith.dcm"):
        with pytest.raises(DicomError, match="read") as raised:
            read(tmp_path / name)
        assert "smith" not in raised.value.message
        assert raised.value.path == str(tmp_path / name)


@given(st.data())
@settings(max_examples=150)
@pytest.mark.filterwarnings("ignore")
def test_damage_is_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = write_dicom(tmp_path_factory.getbasetemp() / "x.dcm", PIXELS, EchoTime="1")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(132, len(content)))])
    try:
        read_slices(Blob.of(path))
    except DicomError as error:
        assert error.path == str(path)
    except NoDicomError:  # its mark was hit, and it has no telling name
        assert path.suffix != ".dcm"
