from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom

from medprep.errors import DicomError, SourceError
from medprep.evaluations.dicom_grids import beside, find_series, read_slice_grid, series_of
from medprep.evaluations.places import Place

PIXELS = np.zeros((4, 6), np.int16)


def write_stack(folder: Path, heights=(9, 6, 3), **tags) -> list[Path]:
    return [
        write_dicom(
            folder / f"i{n:04d},0000b.dcm", PIXELS, (0, 0, z), spacing=(0.5, 0.7),
            SOPInstanceUID=f"1.2.{n}", **tags,
        )
        for n, z in enumerate(heights)
    ]  # fmt: skip


def masks(folder: Path, parts: tuple[str, ...] = ()) -> Place:
    return Place("png", (folder / "1.png",), parts)


def test_slices_are_sorted_by_position_and_lie_where_headers_say(tmp_path):
    grid = read_slice_grid(write_stack(tmp_path))
    assert grid.order == (2, 1, 0)
    assert grid.geometry.shape == (3, 4, 6)
    assert grid.geometry.spacing_mm == pytest.approx((3, 0.5, 0.7))
    assert grid.geometry.origin_mm == (0, 0, 3)
    assert grid.spacing_known


def test_headers_without_millimetres_are_known_as_such(tmp_path):
    files = write_stack(tmp_path, (0,), SliceThickness=None)
    assert not read_slice_grid(files).spacing_known
    assert read_slice_grid(write_stack(tmp_path / "b", (0,), SliceThickness=4)).spacing_known
    unplaced = write_stack(tmp_path / "c", ImagePositionPatient=None)
    assert not read_slice_grid(unplaced).spacing_known


def test_a_tilted_stack_is_kept_as_it_was_scanned(tmp_path):
    files = [
        write_dicom(tmp_path / f"{n}.dcm", PIXELS, (0, 2 * n, 3 * n), SOPInstanceUID=f"1.{n}")
        for n in range(3)
    ]
    affine = read_slice_grid(files).geometry.affine
    assert affine[:3, 0].tolist() == pytest.approx([0, 2, 3])


@pytest.mark.parametrize("heights", [(0, 3, 9), (0, 3, 3)])
def test_a_stack_that_is_no_grid_is_refused(tmp_path, heights):
    with pytest.raises(DicomError):
        read_slice_grid(write_stack(tmp_path, heights))


def test_what_is_no_slice_is_refused_by_name(tmp_path):
    files = write_stack(tmp_path)
    files[1].write_bytes(b"")
    with pytest.raises(DicomError) as caught:
        read_slice_grid(files)
    assert caught.value.path == str(files[1])


def test_every_folder_with_dicom_is_a_series_and_one_phase_is_enough(tmp_path):
    write_stack(tmp_path / "MR/1/T1DUAL/DICOM_anon/InPhase")
    write_stack(tmp_path / "MR/1/T1DUAL/DICOM_anon/OutPhase")
    write_stack(tmp_path / "MR/2/T1DUAL/DICOM_anon/OutPhase")
    (tmp_path / "note.txt").write_text("no DICOM")
    found = find_series(tmp_path)
    assert [place.parts[1] for place in found] == ["1", "2"]
    assert found[0].parts[-1] == "InPhase"
    assert [path.name[:5] for path in found[0].files] == ["i0000", "i0001", "i0002"]


def test_one_series_fits_one_volume_whatever_they_are_called(tmp_path):
    write_stack(tmp_path / "dicom")
    found = series_of([masks(tmp_path / "x", ("liver",))], tmp_path / "dicom")
    assert len(found[0].files) == 3


def test_several_series_fit_by_the_names_of_their_folders(tmp_path):
    for patient in ("p1", "p2"):
        write_stack(tmp_path / "raw" / patient / "DICOM")
    places = [masks(tmp_path / p, (p, "mask")) for p in ("p2", "p3", "p1")]
    found = series_of(places, tmp_path / "raw")
    assert {index: place.parts[0] for index, place in found.items()} == {0: "p2", 2: "p1"}


def test_a_folder_that_fits_nothing_is_refused(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        series_of([], tmp_path / "no")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no DICOM"):
        series_of([masks(tmp_path)], tmp_path / "empty")
    write_stack(tmp_path / "raw" / "a")
    write_stack(tmp_path / "raw" / "b")
    with pytest.raises(SourceError, match="2 series, first 'a', and 1 volumes"):
        series_of([masks(tmp_path, ("x",))], tmp_path / "raw")


def test_chaos_lays_its_pictures_beside_ground(tmp_path):
    write_stack(tmp_path / "CT/3/DICOM_anon")
    assert len(beside(masks(tmp_path / "CT/3/Ground")).files) == 3
    assert beside(masks(tmp_path / "CT/3/Results")) is None
    assert beside(masks(tmp_path / "CT/4/Ground")) is None
