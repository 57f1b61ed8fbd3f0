"""Slices to a volume; SimpleITK is the witness."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import AXIAL, resaved, write_dicom
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from medprep.dicom.series import Series, read_series, read_stack
from medprep.errors import DicomError

ROWS, COLUMNS = 4, 6
CORONAL = (1, 0, 0, 0, 0, -1)
SAGITTAL = (0, 1, 0, 0, 0, -1)
START = np.array((-100.25, 42.5, 17))


def normal(orientation: Sequence[float]) -> np.ndarray:
    return np.cross(orientation[:3], orientation[3:])


def plane(number: int) -> np.ndarray:
    """Pixels of which no two slices, and no two places in a slice, agree."""
    return (np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) + 100 * number).astype(np.int16)


def write_stack(
    folder: Path,
    heights: Sequence[float] = (0, 3, 6, 9, 12),
    orientation: Sequence[float] = AXIAL,
    spacing: Sequence[float] = (0.8, 0.7),
    **tags: object,
) -> list[Path]:
    """Write a slice for each height along the normal."""
    return [
        write_dicom(
            folder / f"{number:03d}.dcm",
            plane(number),
            START + height * normal(orientation),
            orientation,
            spacing,
            **tags,
        )
        for number, height in enumerate(heights)
    ]


def require_witness_agrees(series: Series, paths: Sequence[Path]) -> None:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(paths[index]) for index in series.order])
    witness = reader.Execute()
    grid = series.volume.geometry
    assert np.allclose(witness.GetOrigin(), grid.origin_mm, atol=1e-4)
    assert np.allclose(witness.GetSpacing(), grid.spacing_mm[::-1], atol=1e-4)
    direction = np.array(witness.GetDirection()).reshape(3, 3)
    assert np.allclose(direction, grid.direction[:, ::-1], atol=1e-5)
    assert np.array_equal(sitk.GetArrayFromImage(witness), series.volume.array)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL])
def test_three_plain_stacks(tmp_path: Path, orientation: Sequence[float]) -> None:
    paths = write_stack(tmp_path, orientation=orientation)
    series = read_series(paths)
    assert series.order == (0, 1, 2, 3, 4)
    assert series.volume.geometry.spacing_mm == pytest.approx((3, 0.8, 0.7))
    assert (
        series.volume.geometry.orientation[0]
        == {AXIAL: "S", CORONAL: "P", SAGITTAL: "R"}[tuple(orientation)]
    )
    assert series.volume.modality == "MR"
    assert series.volume.array.dtype == np.int16
    require_witness_agrees(series, paths)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20)
def test_any_oblique_stack_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    chance = np.random.default_rng(seed)
    turned = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    folder = tmp_path_factory.getbasetemp() / "oblique"
    heights = np.arange(4) * chance.uniform(0.5, 8)
    orientation = (*turned[0], *turned[1])
    paths = write_stack(folder, heights, orientation, chance.uniform(0.3, 2, 2).round(3))
    shuffled = [paths[n] for n in chance.permutation(4)]
    series = read_series(shuffled)
    assert [shuffled[n] for n in series.order] == paths
    require_witness_agrees(series, shuffled)
    direction = series.volume.geometry.direction
    assert np.allclose(direction.T @ direction, np.eye(3), atol=1e-12)


def test_position_rules_over_name_and_instance_number(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, heights=(12, 9, 6, 3, 0))
    for number, path in enumerate(paths):
        height = 12 - 3 * number
        write_dicom(path, plane(number), START + (0, 0, height), InstanceNumber=str(number + 1))
    series = read_series(paths)
    assert series.order == (4, 3, 2, 1, 0)
    assert series.volume.geometry.origin_mm == pytest.approx(START)
    assert series.volume.array[:, 0, 0].tolist() == [400, 300, 200, 100, 0]


def test_rescale_is_each_slices_own(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, heights=(0, 3, 6))
    write_dicom(paths[1], plane(1), START + (0, 0, 3), spacing=(0.8, 0.7), RescaleIntercept="-1000")
    write_dicom(paths[2], plane(2), START + (0, 0, 6), spacing=(0.8, 0.7), RescaleSlope="2")
    series = read_series(paths)
    assert series.volume.array[:, 0, 0].tolist() == [0, -900, 400]
    require_witness_agrees(series, paths)


def test_one_slice_takes_the_headers_word_for_its_step(tmp_path: Path) -> None:
    (path,) = write_stack(tmp_path, heights=(0,), SliceThickness="5")
    series = read_series([path])
    assert series.volume.geometry.spacing_mm == pytest.approx((5, 0.8, 0.7))
    assert "only the header's claim" in series.notes[0]
    (path,) = write_stack(tmp_path, heights=(0,))
    assert read_series([path]).volume.geometry.spacing_mm[0] == 1


def test_positions_rule_over_the_claimed_spacing(tmp_path: Path) -> None:
    series = read_series(write_stack(tmp_path, heights=(0, 2, 4), SliceThickness="3.2"))
    assert series.volume.geometry.spacing_mm[0] == pytest.approx(2)
    assert series.notes == ("positions step by 2 mm, SliceThickness is 3.2 mm: slices overlap",)
    assert read_series(write_stack(tmp_path, (0, 2, 4), SpacingBetweenSlices="2")).notes == ()


def test_the_window_is_the_middle_slices(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, heights=(0, 3, 6), WindowCenter="40.5", WindowWidth="401")
    assert read_series(paths).window == (-160, 240)
    write_dicom(paths[1], plane(1), START + (0, 0, 3), spacing=(0.8, 0.7))
    assert read_series(paths).window is None


@pytest.mark.parametrize(
    ("name", "value"), [("mr01-003", 0), ("mr01-003_ph_t001", 101), ("mr01-003_ph_t002", 102)]
)
def test_one_volume_of_several_is_read_by_its_name(tmp_path: Path, name: str, value: int) -> None:
    paths = []
    for kind, time in (("M", 0), ("P", 1), ("P", 2)):
        for height in (0, 3, 6):
            pixels = np.full((ROWS, COLUMNS), time and 100 + time, np.int16)
            path = tmp_path / f"{kind}{time}{height}.dcm"
            tags = {"ImageType": ["ORIGINAL", "PRIMARY", kind], "InstanceNumber": str(time)}
            paths.append(write_dicom(path, pixels, (0, 0, height), **tags))
    series = read_stack(paths, name)
    assert series.volume.array.shape[0] == 3
    assert (series.volume.array == value).all()


def test_a_volume_that_a_series_does_not_hold(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, EchoTime="1") + write_stack(tmp_path / "b", EchoTime="2")
    with pytest.raises(DicomError, match="none of the 2 volumes of this series is mr01_e3"):
        read_stack(paths, "mr01_e3")


def test_a_mosaic_that_does_not_say_where_its_tiles_lie_is_refused(tmp_path: Path) -> None:
    paths = write_stack(tmp_path, ImageType=["ORIGINAL", "PRIMARY", "M", "MOSAIC"])
    with pytest.raises(
        DicomError, match=r"slice 1: a mosaic .* lacks NumberOfImagesInMosaic.*000\.dcm"
    ):
        read_series(paths)


def test_no_slices_at_all() -> None:
    with pytest.raises(DicomError, match="at least one DICOM file"):
        read_series([])


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_a_missing_slice_is_noticed(tmp_path: Path, missing: int) -> None:
    paths = write_stack(tmp_path)
    del paths[missing]
    with pytest.raises(DicomError, match=rf"slices {missing} and {missing + 1} are 6 mm apart"):
        read_series(paths)


def test_a_missing_thin_slice_is_noticed(tmp_path: Path) -> None:
    heights = [0, 0.08, 0.16, 0.32, 0.4]
    with pytest.raises(DicomError, match="missing"):
        read_series(write_stack(tmp_path, heights))


def test_a_duplicate_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="slices 2 and 4 share a position"):
        read_series(write_stack(tmp_path, heights=(0, 3, 6, 3)))
    with pytest.raises(DicomError, match="share a position"):
        read_series(write_stack(tmp_path, heights=(0, 0)))


def test_slightly_uneven_is_fine_and_drift_is_not(tmp_path: Path) -> None:
    series = read_series(write_stack(tmp_path, heights=(0, 3.05, 5.97, 9, 12)))
    assert series.volume.geometry.spacing_mm[0] == pytest.approx(3)
    drifting = np.cumsum([0] + [3] * 6 + [3.09] * 6)
    with pytest.raises(DicomError, match=r"slice 7 lies .* mm from its place"):
        read_series(write_stack(tmp_path, heights=drifting))


def other(paths: list[Path], pixels: np.ndarray | None = None, **changes: object) -> list[Path]:
    """Replace the third slice."""
    wanted = {"position": START + (0, 0, 6), "spacing": (0.8, 0.7), **changes}
    write_dicom(paths[2], plane(2) if pixels is None else pixels, **wanted)
    return paths


def test_a_slice_of_another_kind_is_noticed(tmp_path: Path) -> None:
    paths = write_stack(tmp_path)
    with pytest.raises(DicomError, match="slice 3 is 4 x 5 pixels, slice 1 is 4 x 6"):
        read_series(other(paths, plane(2)[:, 1:]))
    with pytest.raises(DicomError, match="slice 3 is turned against slice 1"):
        read_series(other(paths, orientation=(1, 0, 0, 0, 0.999, 0.0447)))
    with pytest.raises(DicomError, match=r"slice 3 has pixels of \(0\.8, 0\.9\) mm"):
        read_series(other(paths, spacing=(0.8, 0.9)))
    read_series(other(paths))


def test_a_sheared_stack_is_noticed(tmp_path: Path) -> None:
    paths = write_stack(tmp_path)
    for number, path in enumerate(paths):
        write_dicom(path, plane(number), START + (0, number, 3 * number))
    with pytest.raises(DicomError, match="sheared: slices 1 and 5 lie 4 mm sideways"):
        read_series(paths)


def test_a_broken_slice_is_named_by_its_number_not_its_path(tmp_path: Path) -> None:
    paths = write_stack(tmp_path)
    paths[3].write_bytes(b"broken")
    with pytest.raises(DicomError, match=r"^slice 4: not readable as DICOM") as raised:
        read_series(paths)
    assert raised.value.path == str(paths[3])
    assert str(tmp_path) not in raised.value.message


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]
)
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("items", [0, 1])
def test_a_table_of_grey_values_is_told_since_it_is_not_applied(
    tmp_path: Path, syntax: str, undefined: bool, items: int
) -> None:
    table = pydicom.Dataset()
    for name, value in (("LUTDescriptor", [3, 0, 16]), ("LUTData", [7, 8, 9])):
        table.add(pydicom.DataElement(name, "US", value))
    tables = pydicom.DataElement("ModalityLUTSequence", "SQ", pydicom.Sequence([table] * items))
    tables.is_undefined_length = undefined
    path = write_dicom(tmp_path / "a.dcm", np.arange(6, dtype=np.uint16).reshape(2, 3))
    whole = pydicom.dcmread(path)
    whole.add(tables)
    pydicom.dcmwrite(path, whole)
    notes = read_series([resaved(path, syntax)]).notes
    assert any("Modality LUT (0028,3000) is not applied" in note for note in notes) == bool(items)
