"""Trees as people have them: empty files, strange names, positions that are none."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import write_dicom
from trees import zip_tree

from medprep.trees.options import ConvertTree
from medprep.trees.run import TreeOutcome, convert_tree

RAMP = np.arange(16, dtype=np.int16).reshape(4, 4)


def convert(source: Path, output: Path) -> TreeOutcome:
    return convert_tree(ConvertTree(str(source), str(output)))


def test_a_tree_of_empty_files_has_broken_and_strange_ones(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.dcm", "b"):
        (tmp_path / "in" / name).touch()
    outcome = convert(tmp_path / "in", tmp_path / "out")
    assert [one.why for one in outcome.found.broken] == [
        "not readable as DICOM (the file is empty)"
    ]
    assert outcome.found.strangers == (str(tmp_path / "in" / "b"),)
    assert outcome.exit_code == 8


@pytest.mark.parametrize("zipped", [False, True])
def test_names_with_commas_spaces_lines_and_letters_of_all_kinds(
    tmp_path: Path, zipped: bool
) -> None:
    folder = tmp_path / "in, \u00fc \u4e2d\n'x'" / " "
    for place in range(4):
        write_dicom(folder / f'i,0 "{place}"\t\u00e9;.dcm', RAMP + place, (0, 0, place))
    source = zip_tree(tmp_path, tmp_path / "a.zip") if zipped else folder.parent
    outcome = convert(source, tmp_path / "out")
    assert outcome.exit_code == 0
    (path,) = (tmp_path / "out").glob("*.nii.gz")
    assert path.name.isascii()
    assert np.array_equal(nibabel.load(path).get_fdata()[0, 0], range(4))
    assert len(convert(source, tmp_path / "out").kept) == 1


def test_three_series_interleaved_in_one_folder(tmp_path: Path) -> None:
    for place in range(4):
        for series in range(3):
            write_dicom(
                tmp_path / "in" / f"{3 * place + series:03d}", RAMP + 100 * series + place,
                (0, 0, 2 * place), SeriesInstanceUID=f"1.2.{series}", SeriesNumber=str(series),
            )  # fmt: skip
    made = convert(tmp_path / "in", tmp_path / "out").made
    assert [(one.name[-4:], one.shape) for one in made] == [
        ("-000", (4, 4, 4)), ("-001", (4, 4, 4)), ("-002", (4, 4, 4)),
    ]  # fmt: skip
    for number, one in enumerate(made):
        values = nibabel.load(tmp_path / "out" / f"{one.name}.nii.gz").get_fdata()
        assert values[0, 0].tolist() == [100 * number + place for place in range(4)]


def test_a_position_that_is_no_number_breaks_its_file_and_leaves_a_gap(tmp_path: Path) -> None:
    for place in range(5):
        write_dicom(tmp_path / "in" / f"{place}", RAMP, (0, 0, 111 + place))
    path = tmp_path / "in" / "2"
    path.write_bytes(path.read_bytes().replace(b"0\\0\\113 ", b"0\\0\\nan "))
    outcome = convert(tmp_path / "in", tmp_path / "out")
    (broken,) = outcome.found.broken
    assert broken.path == str(path)
    assert broken.why.startswith("ImagePositionPatient is (0.0, 0.0, nan)")
    (failure,) = outcome.failed.values()
    assert "2 mm apart, the others 1 mm" in failure.message


def test_one_slice_is_a_volume_and_says_what_its_step_is_worth(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "a", RAMP, SliceThickness="4")
    (made,) = convert(tmp_path / "in", tmp_path / "out").made
    assert (made.shape, made.spacing_mm) == ((1, 4, 4), (4, 1, 1))
    assert made.notes == ("a single slice: its step of 4 mm is only the header's claim",)


@pytest.mark.parametrize("count", [2, 5])
def test_slices_at_one_position_are_volumes_of_their_own_and_doubted(
    tmp_path: Path, count: int
) -> None:
    for number in range(count):
        write_dicom(tmp_path / "in" / f"{number}", RAMP + number, InstanceNumber=str(number + 1))
    made = convert(tmp_path / "in", tmp_path / "out").made
    assert [one.shape for one in made] == [(1, 4, 4)] * count
    assert all(f"{count} slices at one position" in " ".join(one.notes) for one in made)


def test_numbers_of_any_size_make_names_of_a_sane_length(tmp_path: Path) -> None:
    for place in range(3):
        path = write_dicom(
            tmp_path / "in" / f"{place}", RAMP, (0, 0, place), SeriesNumber="111111",
            DiffusionBValue=1e300,
        )  # fmt: skip
        path.write_bytes(path.read_bytes().replace(b"111111", b"1e300 "))
    (made,) = convert(tmp_path / "in", tmp_path / "out").made
    assert len(made.name) < 20
