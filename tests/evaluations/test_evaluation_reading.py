from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom

from medprep.errors import (
    FormatError,
    GeometryError,
    LabelError,
    MedprepError,
    OptionError,
)
from medprep.evaluations.pairs import find_pairs
from medprep.evaluations.reading import LabelPair, ReadOptions, read_pair, settle
from medprep.execute import Failure, map_cases
from medprep.formats import itk, nifti, png
from medprep.geometry import Geometry
from medprep.volume import Volume

GRID = Geometry.from_parts((4, 6, 8), (3.0, 1.0, 0.5), (10, 20, 30))
MASK = np.zeros((4, 6, 8), np.uint8)
MASK[0, 1:4, 2:5] = 1
MASK[2, 2:3, 4:8] = 2


def volume(path: Path, array: np.ndarray = MASK, grid: Geometry = GRID) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti.write(path, Volume(array, grid))
    return path


def stack(folder: Path, array: np.ndarray, name: str = "s{:03d}.png", first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, plane in enumerate(array, first):
        png.write_grey(folder / name.format(number), plane)
    return folder


def dicom(folder: Path, *, descending: bool = True) -> Path:
    """Draw slices on `GRID`, named from the head down where ``descending``."""
    for number in range(4):
        z = 30 + 3 * (3 - number if descending else number)
        write_dicom(
            folder / f"i{number + 40:04d},0000b.dcm", np.zeros((6, 8), np.int16), (10, 20, z),
            spacing=(1, 0.5), SOPInstanceUID=f"1.2.{number}",
        )  # fmt: skip
    return folder


def read(reference: Path, predicted: Path, grid: Path | None = None, **options) -> LabelPair:
    found = find_pairs(reference, predicted, grid=grid)
    assert len(found.pairs) == 1
    return read_pair(found.pairs[0], ReadOptions(**options))


def test_volumes_on_one_grid_are_read_as_they_are(tmp_path):
    ours, theirs = volume(tmp_path / "a.nii.gz"), volume(tmp_path / "b.nii", MASK.astype(float))
    pair = read(ours, theirs)
    assert (pair.reference == MASK).all() and (pair.predicted == MASK).all()
    assert pair.geometry.allclose(GRID) and pair.spacing_known
    assert pair.names == {1: "label_1", 2: "label_2"} and pair.regions == {} and pair.notes == ()


def test_a_missing_prediction_is_no_array(tmp_path):
    volume(tmp_path / "r" / "a.nii.gz")
    volume(tmp_path / "r" / "b.nii.gz")
    volume(tmp_path / "p" / "b.nii.gz")
    found = find_pairs(tmp_path / "r", tmp_path / "p")
    pair = read_pair(found.pairs[0])
    assert pair.predicted is None and (pair.reference == MASK).all() and pair.spacing_known


def test_a_prediction_that_lies_otherwise_is_turned_and_told(tmp_path):
    ours = volume(tmp_path / "a.nii.gz")
    affine = GRID.affine[:, [2, 1, 0, 3]].copy()
    turned = Geometry((8, 6, 4), affine)
    theirs = tmp_path / "b.mha"
    itk.write(theirs, MASK.transpose(2, 1, 0), turned)
    pair = read(ours, theirs)
    assert (pair.predicted == MASK).all()
    assert len(pair.notes) == 1 and "turned" in pair.notes[0]


def test_another_grid_is_an_error_unless_it_may_be_resampled(tmp_path):
    ours = volume(tmp_path / "a.nii.gz")
    fine = Geometry.from_parts((4, 6, 16), (3.0, 1.0, 0.25), (9.875, 20, 30))
    theirs = volume(tmp_path / "b.nii.gz", MASK.repeat(2, axis=2), fine)
    with pytest.raises(GeometryError, match=r"4 x 6 x 16 voxels.*--resample"):
        read(ours, theirs)
    pair = read(ours, theirs, resample=True)
    assert (pair.predicted == MASK).all() and "--resample" in pair.notes[0]


def test_stacks_pair_by_order_wherever_their_numbers_start(tmp_path):
    mask = (MASK > 0).astype(np.uint8)
    ours = stack(tmp_path / "a", mask, "IMG-0004-{:05d}.png", 8)
    theirs = stack(tmp_path / "b", mask * 63, "results{}.png", 8)  # 8, 9, 10, 11
    pair = read(ours, theirs)
    assert (pair.predicted == pair.reference).all() and (pair.reference == mask).all()
    assert not pair.spacing_known and pair.geometry.spacing_mm == (1, 1, 1)
    assert pair.notes == ("one organ on both sides, marked 1 or 63",)


def test_a_stated_spacing_is_taken_for_stacks(tmp_path):
    ours, theirs = stack(tmp_path / "a", MASK), stack(tmp_path / "b", MASK)
    pair = read(ours, theirs, spacing_mm=(3, 0.7, 0.8))
    assert pair.spacing_known and pair.geometry.spacing_mm == (3, 0.7, 0.8)
    volumes = volume(tmp_path / "a.nii.gz"), volume(tmp_path / "b.nii.gz")
    assert read(*volumes, spacing_mm=(9, 9, 9)).notes == (
        "--spacing is not used: the grid is known",
    )


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, 1), (1, float("nan"), 1), (1, 1, -2)])
def test_an_impossible_spacing_is_refused(spacing):
    with pytest.raises(OptionError, match="--spacing is"):
        ReadOptions(spacing_mm=spacing)


def test_other_counts_are_refused_with_first_and_last_names(tmp_path):
    ours = stack(tmp_path / "a", MASK, "liver_GT_{:03d}.png", 30)
    theirs = stack(tmp_path / "b", MASK[1:], "results{:03d}.png", 31)
    for grid in (None, dicom(tmp_path / "dicom")):
        with pytest.raises(
            LabelError,
            match=r"reference has 4 slices \('liver_GT_030\.png' to 'liver_GT_033\.png'\), the "
            r"prediction 3 slices \('results031\.png' to 'results033\.png'\)",
        ):
            read(ours, theirs, grid)


def test_numbers_that_jump_elsewhere_are_told(tmp_path):
    ours, theirs = stack(tmp_path / "a", MASK), stack(tmp_path / "b", MASK)
    (theirs / "s003.png").rename(theirs / "s004.png")
    assert any("jump at other places" in note for note in read(ours, theirs).notes)
    even = stack(tmp_path / "c", MASK, "e{:03d}.png")
    for number in (3, 2, 1):
        (even / f"e{number:03d}.png").rename(even / f"e{2 * number:03d}.png")
    assert not any("jump" in note for note in read(ours, even).notes)


def test_other_sizes_of_slices_are_refused(tmp_path):
    ours, theirs = stack(tmp_path / "a", MASK), stack(tmp_path / "b", MASK[:, :5])
    with pytest.raises(GeometryError, match="slices are 5 x 8 pixels, the reference's 6 x 8"):
        read(ours, theirs)


@pytest.mark.parametrize("descending", [True, False])
def test_a_grid_sorts_both_stacks_together_by_position(tmp_path, descending):
    by_file = MASK[::-1] if descending else MASK
    ours, theirs = stack(tmp_path / "a", by_file), stack(tmp_path / "b", by_file)
    pair = read(ours, theirs, dicom(tmp_path / "dicom", descending=descending))
    assert (pair.reference == MASK).all() and (pair.predicted == MASK).all()
    assert pair.geometry.allclose(GRID) and pair.spacing_known


@pytest.mark.parametrize("swapped", [False, True])
def test_a_grid_puts_slices_and_a_volume_on_one_grid(tmp_path, swapped):
    flipped = GRID.affine.copy()
    flipped[:3, 3] += flipped[:3, 1] * 5
    flipped[:3, 1] *= -1
    sides = [
        stack(tmp_path / "a", MASK[::-1]),
        volume(tmp_path / "b.nii.gz", MASK[:, ::-1], Geometry(GRID.shape, flipped)),
    ]
    pair = read(*(sides[::-1] if swapped else sides), dicom(tmp_path / "dicom"))
    assert (pair.reference == pair.predicted).all() and pair.spacing_known
    assert any("rows run the other way" in note for note in pair.notes)


def test_slices_against_a_volume_need_a_grid(tmp_path):
    sides = volume(tmp_path / "a.nii.gz"), stack(tmp_path / "b", MASK)
    with pytest.raises(GeometryError, match="--grid DIR"):
        read(*sides)
    with pytest.raises(GeometryError, match="--grid DIR"):
        read(*sides[::-1], spacing_mm=(1, 1, 1))


def test_a_grid_of_other_slices_is_refused(tmp_path):
    grid = dicom(tmp_path / "dicom")
    small = stack(tmp_path / "a", MASK[:, :5])
    with pytest.raises(LabelError, match=r"4 slices .* of 5 x 8 pixels for 4 DICOM slices of 6 x"):
        read(small, stack(tmp_path / "b", MASK[:, :5]), grid)


def test_a_case_that_the_grid_lacks_fails_alone(tmp_path):
    for case in ("p1", "p2"):
        stack(tmp_path / "r" / case, MASK)
        stack(tmp_path / "p" / case, MASK)
    dicom(tmp_path / "raw" / "p1")
    dicom(tmp_path / "raw" / "p7")
    found = find_pairs(tmp_path / "r", tmp_path / "p", grid=tmp_path / "raw")
    assert read_pair(found.pairs[0]).spacing_known
    with pytest.raises(GeometryError, match="--grid holds no series of this case"):
        read_pair(found.pairs[1])


def test_one_bad_file_fails_alone(tmp_path):
    good = MASK
    bad = {
        "empty": b"", "rubbish": b"x" * 1000, "nan": np.full(MASK.shape, np.nan),
        "half": MASK * 0.5, "negative": -MASK.astype(np.int16), "good": good,
        "blurred": np.linspace(0, 255, MASK.size).reshape(MASK.shape).astype(np.uint8),
    }  # fmt: skip
    for name, content in bad.items():
        volume(tmp_path / "r" / f"{name}.nii.gz")
        path = tmp_path / "p" / f"{name}.nii.gz"
        if isinstance(content, bytes):
            volume(path).write_bytes(content)
        else:
            volume(path, content)
    pairs = find_pairs(tmp_path / "r", tmp_path / "p").pairs
    options = settle(pairs, ReadOptions())
    assert options.labels.names == {1: "label_1", 2: "label_2"}
    found = {pair.case: _read_with(pair, options) for pair in pairs}
    failed = {case for case, one in found.items() if isinstance(one, MedprepError)}
    assert failed == set(bad) - {"good"}
    for case in failed:
        assert found[case].path.endswith(f"/p/{case}.nii.gz"), case
        assert found[case].message.startswith("prediction: ")
        assert str(tmp_path) not in found[case].message
    assert isinstance(found["empty"], FormatError) and isinstance(found["nan"], LabelError)


def _read_with(pair, options):
    try:
        return read_pair(pair, options)
    except MedprepError as error:
        return error


def test_meanings_are_settled_for_the_whole_set(tmp_path):
    grey = np.array([0, 63, 252], np.uint8)[MASK]
    spleen = np.where(grey == 252, grey, 0)
    for side in ("r", "p"):
        stack(tmp_path / side / "p1", grey)
        stack(tmp_path / side / "p2", spleen)
        stack(tmp_path / side / "p3", np.where(grey == 63, grey, 0))
    pairs = find_pairs(tmp_path / "r", tmp_path / "p").pairs
    options = settle(pairs, ReadOptions(resample=True))
    assert options.resample
    assert set(np.unique(read_pair(pairs[1], options).reference)) == {0, 4}
    assert set(np.unique(read_pair(pairs[2], options).reference)) == {0, 1}
    assert len(read_pair(pairs[2], options).names) == 4


def test_a_named_table_needs_no_look(tmp_path):
    volume(tmp_path / "a.nii.gz").write_bytes(b"")
    pairs = find_pairs(tmp_path / "a.nii.gz", volume(tmp_path / "b.nii.gz")).pairs
    options = settle(pairs, ReadOptions(organs="msd-liver"))
    assert options.labels.names == {1: "liver", 2: "liver_tumour"}
    assert options.labels.regions == {"whole_liver": ("liver", "liver_tumour")}
    with pytest.raises(OptionError, match="no table of organs 'livver'"):
        settle(pairs, ReadOptions(organs="livver"))
    # Nobody can be read: each says so itself.
    assert settle(pairs, ReadOptions()) == ReadOptions()


def test_a_pair_alone_takes_its_table_too(tmp_path):
    sides = volume(tmp_path / "a.nii.gz"), volume(tmp_path / "b.nii.gz")
    assert read(*sides, organs="msd-liver").names == {1: "liver", 2: "liver_tumour"}


def test_pairs_are_read_by_other_processes(tmp_path):
    for side in ("r", "p"):
        for case in ("a", "b"):
            volume(tmp_path / side / f"{case}.nii.gz")
    pairs = find_pairs(tmp_path / "r", tmp_path / "p").pairs
    options = settle(pairs, ReadOptions(), jobs=2)
    assert pickle.loads(pickle.dumps(options)) == options
    for _, found in map_cases(read_pair, pairs, jobs=2):
        assert not isinstance(found, Failure) and (found.predicted == MASK).all()
