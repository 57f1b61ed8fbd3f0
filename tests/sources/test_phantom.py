"""The phantom set: the same bytes each time, the traps of CHAOS, no threshold that solves it."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from medprep.errors import OptionError, WriteError
from medprep.formats import png
from medprep.sources.base import Preset, SourceCase
from medprep.sources.detect import Picture, open_source, read_mask, read_picture
from medprep.sources.phantom import make_chaos
from medprep.sources.phantom_files import write_mask

COMMITTED = Path(__file__).parents[2] / "sample_data" / "CHAOS"
MR = (1, 2, 3, 5, 8, 10, 13, 15, 19, 20)
GREY = {"liver": 63, "right_kidney": 126, "left_kidney": 189, "spleen": 252}
TINY: dict[str, Any] = {"slices": (3, 4), "size": 32}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole set, made with the defaults."""
    folder = tmp_path_factory.mktemp("phantom") / "CHAOS"
    make_chaos(folder)
    return folder


@pytest.fixture(scope="module")
def read(made: Path) -> dict[str, tuple[SourceCase, Picture, NDArray[Any] | None]]:
    """Every case as medprep reads it."""
    presets: tuple[Preset, ...] = ("chaos-mr-t1in", "chaos-mr-t1out", "chaos-mr-t2", "chaos-ct")
    found = {}
    for case in (case for preset in presets for case in open_source(made, preset).cases):
        picture = read_picture(case.reader, case.pictures, case.modality)
        grid = picture.volume.geometry
        mask = read_mask(case.reader, case.masks, picture.order, grid)[0] if case.masks else None
        found[case.case] = (case, picture, mask)
    return found


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def headers(folder: Path) -> list[pydicom.Dataset]:
    """Headers in the order of the file names."""
    return [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]


def test_made_anew_it_is_what_stands_in_sample_data(made: Path) -> None:
    assert hashes(made) == hashes(COMMITTED)


def test_twice_gives_the_same_bytes_and_no_patient_depends_on_another(tmp_path: Path) -> None:
    make_chaos(tmp_path / "a", mr_patients=(3, 8), unlabelled=(4,), ct_patients=(2, 5), **TINY)
    make_chaos(tmp_path / "b", mr_patients=(8,), unlabelled=(4,), ct_patients=(5,), **TINY)
    both, fewer = hashes(tmp_path / "a"), hashes(tmp_path / "b")
    assert fewer == {name: both[name] for name in fewer}
    assert {Path(name).parts[:3] for name in set(both) - set(fewer)} == {
        ("Train_Sets", "MR", "3"),
        ("Train_Sets", "CT", "2"),
    }


def test_another_seed_gives_other_patients(tmp_path: Path) -> None:
    for seed in (1, 2):
        make_chaos(tmp_path / str(seed), seed=seed, mr_patients=(8,), **TINY)
    one, other = (hashes(tmp_path / seed) for seed in "12")
    pictures = {name for name in one if name.endswith(".dcm")} & set(other)
    assert pictures
    assert all(one[name] != other[name] for name in pictures)


def test_it_is_small() -> None:
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*") if path.is_file()) < 6_000_000


def test_the_folders_and_names_of_chaos(made: Path) -> None:
    assert {p.name for p in (made / "Train_Sets/MR").iterdir()} == {str(n) for n in MR}
    assert {p.name for p in (made / "Train_Sets/CT").iterdir()} == {"1", "2", "5"}
    assert {p.name for p in (made / "Test_Sets/MR").iterdir()} == {"4", "6"}
    assert not list((made / "Test_Sets").rglob("Ground"))
    assert not list(made.rglob("*.part"))
    for number in MR:
        patient = made / "Train_Sets/MR" / str(number)
        inside, outside, t1, t2, t2_masks = (
            {path.stem for path in (patient / folder).iterdir() if path.suffix in (".dcm", ".png")}
            for folder in (
                "T1DUAL/DICOM_anon/InPhase",
                "T1DUAL/DICOM_anon/OutPhase",
                "T1DUAL/Ground",
                "T2SPIR/DICOM_anon",
                "T2SPIR/Ground",
            )
        )
        assert t1 == inside
        assert t2_masks == t2
        assert 12 <= len(inside) == len(outside) <= 16
        assert all(name.startswith("IMG-0004-") and int(name[-5:]) % 2 == 0 for name in inside)
        assert all(name.startswith("IMG-0004-") and int(name[-5:]) % 2 == 1 for name in outside)
        assert all(name.startswith("IMG-0002-") for name in t2)
    comma = made / "Train_Sets/CT/2"
    assert (comma / "DICOM_anon/i0030,0000b.dcm").is_file()
    assert (comma / "Ground/liver_GT_030.png").is_file()


def test_masks_have_the_grey_levels_and_bits_of_chaos(made: Path) -> None:
    for folder in (made / "Train_Sets/MR").glob("*/*/Ground"):
        levels: set[int] = set()
        for path in folder.iterdir():
            with Image.open(path) as picture:
                assert picture.mode == "L"
                levels |= set(np.unique(np.array(picture)).tolist())
        assert levels == {0, *GREY.values()}, folder
    for path in (made / "Train_Sets/CT").glob("*/Ground/*"):
        with Image.open(path) as picture:
            assert picture.mode == "1"


def test_mr_headers(made: Path) -> None:
    for number in MR:
        patient = made / "Train_Sets/MR" / str(number)
        inside = headers(patient / "T1DUAL/DICOM_anon/InPhase")
        outside = headers(patient / "T1DUAL/DICOM_anon/OutPhase")
        everything = [*inside, *outside, *headers(patient / "T2SPIR/DICOM_anon")]
        assert not any("RescaleSlope" in one for one in everything)
        assert {one.PatientID for one in everything} == {""}
        assert {str(one.PatientName) for one in everything} == {f"PHANTOM^MR_SET_{number}"}
        assert len({one.SOPInstanceUID for one in everything}) == len(everything)
        assert len({one.StudyInstanceUID for one in everything}) == 1
        assert {one.EchoTime for one in inside} == {4.6}
        assert {one.EchoTime for one in outside} == {2.3}
        series = {one.SeriesInstanceUID for one in (*inside, *outside)}
        assert len(series) == (2 * len(inside) if number == 2 else 1)
        assert inside[0].SliceThickness != inside[0].SpacingBetweenSlices


def test_ct_headers(made: Path) -> None:
    for number, intercept in ((1, -1024), (2, -1024), (5, -1000)):
        slices = headers(made / f"Train_Sets/CT/{number}/DICOM_anon")
        heights = [one.ImagePositionPatient[2] for one in slices]
        assert np.diff(heights) == pytest.approx(-2.0 if number == 2 else 2.0)
        assert np.diff([one.InstanceNumber for one in slices]).tolist() == [1] * (len(slices) - 1)
        assert {one.SliceThickness for one in slices} == {3.2}
        assert not any("SpacingBetweenSlices" in one for one in slices)
        assert {one.RescaleIntercept for one in slices} == {intercept}
        assert {one.PatientID for one in slices} == {""}


def test_transfer_syntaxes(made: Path) -> None:
    found = {
        path: pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID
        for path in made.rglob("*.dcm")
    }
    assert set(found.values()) == {ImplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless}


def test_strangers_lie_among_the_slices_of_one_patient(made: Path) -> None:
    found = {path.relative_to(made).parts[:3] for path in made.rglob("Thumbs.db")}
    assert found == {("Train_Sets", "MR", "5")}
    assert found == {path.relative_to(made).parts[:3] for path in made.rglob(".DS_Store")}


def test_one_patient_is_oblique(read: dict[str, Any]) -> None:
    for name, (_, picture, _) in read.items():
        normal = picture.volume.geometry.direction[:, 0]
        degrees = np.rad2deg(np.arccos(min(1.0, normal[2])))
        assert degrees == pytest.approx(8.0 if name.startswith("mr03") else 0.0, abs=0.01), name


def test_every_case_is_read_with_its_masks_in_place(read: dict[str, Any]) -> None:
    assert len(read) == 10 * 3 + 2 * 2 + 3
    for name, (case, picture, mask) in read.items():
        values = picture.volume.array.astype(np.float64)
        if mask is None:
            assert case.patient in ("mr04", "mr06")
            continue
        liver = mask == (1 if case.modality == "CT" else GREY["liver"])
        # On the wrong slices the liver's mask would hold fat and lung too.
        right, wrong = values[liver].std(), values[liver[::-1]].std()
        assert right < 0.7 * wrong, name
        if case.modality == "CT":
            assert values[liver].mean() == pytest.approx(105, abs=25), name


def test_anatomy(read: dict[str, Any]) -> None:
    for name, (case, picture, mask) in read.items():
        if mask is None:
            continue
        levels = {"liver": 1} if case.modality == "CT" else GREY
        affine = picture.volume.geometry.affine
        middle = {
            organ: affine[:3, :3] @ np.argwhere(mask == level).mean(axis=0) + affine[:3, 3]
            for organ, level in levels.items()
        }
        assert middle["liver"][0] < -20, name
        per_slice = (mask == levels["liver"]).sum(axis=(1, 2))
        assert per_slice[0] == 0 == per_slice[-1], name
        assert np.count_nonzero(per_slice) > len(per_slice) / 3, name
        if case.modality == "MR":
            assert middle["right_kidney"][0] < -20 < 20 < middle["left_kidney"][0], name
            assert middle["spleen"][0] > 20, name
            assert middle["right_kidney"][2] < middle["liver"][2], name
            assert 900 < (mask == 63).sum() * picture.volume.geometry.voxel_ml < 2000, name


def best_dice(inside: NDArray[np.int64], outside: NDArray[np.int64]) -> float:
    """Dice of the best interval of grey levels, one-sided ones among them, from histograms."""
    within = np.concatenate([[0], np.cumsum(inside)])
    beside = np.concatenate([[0], np.cumsum(outside)])
    hits = within[np.newaxis] - within[:, np.newaxis]
    taken = hits + beside[np.newaxis] - beside[:, np.newaxis]
    dice = 2 * hits / np.maximum(taken + within[-1], 1)
    return float(np.triu(dice).max())


def test_best_dice_knows_a_liver_that_a_threshold_finds() -> None:
    assert best_dice(np.array([0, 0, 5]), np.array([9, 1, 0])) == 1.0
    assert best_dice(np.array([0, 5, 0]), np.array([9, 0, 7])) == 1.0
    assert best_dice(np.array([0, 5, 0]), np.array([0, 5, 0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("sequence", ["t1in", "t1out", "t2"])
def test_no_threshold_finds_the_liver(read: dict[str, Any], sequence: str) -> None:
    inside, outside = np.zeros((2, len(MR), 1024), np.int64)
    for index, number in enumerate(MR):
        _, picture, mask = read[f"mr{number:02d}-{sequence}"]
        values, liver = picture.volume.array, mask == GREY["liver"]
        inside[index] = np.bincount(values[liver], minlength=1024)
        outside[index] = np.bincount(values[~liver], minlength=1024)
    for index, number in enumerate(MR):
        assert best_dice(inside[index], outside[index]) < 0.70, number
    assert best_dice(inside.sum(axis=0), outside.sum(axis=0)) < 0.70


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(WriteError, match=r"mine\.txt.*wanted is a new or empty one"):
        make_chaos(tmp_path, mr_patients=(1,), **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(WriteError, match="this is a file"):
        make_chaos(tmp_path / "mine.txt", mr_patients=(1,), **TINY)


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    make_chaos(tmp_path, mr_patients=(1,), unlabelled=(), ct_patients=(), **TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["Train_Sets"]


def test_nothing_is_left_of_a_set_that_could_not_be_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("medprep.sources.phantom.write_mask", full)
    with pytest.raises(WriteError, match="No space left"):
        make_chaos(tmp_path, mr_patients=(1,), **TINY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mr_patients": (1, 2), "unlabelled": (2,)}, r"MR patients are \[1, 2, 2\]"),
        ({"ct_patients": (0,)}, r"CT patients are \[0\]"),
        ({"slices": (5, 4)}, "slices run from 5 to 4"),
        ({"slices": (0, 4)}, "slices run from 0 to 4"),
        ({"size": 31}, "size is 31"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_are_checked_before_anything_is_written(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=message):
        make_chaos(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


@settings(max_examples=25)
@given(
    values=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)),
    bits=st.sampled_from([1, 8]),
)
def test_masks_round_trip(
    values: NDArray[np.uint8], bits: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("mask") / "mask.png"
    values = values % 2 if bits == 1 else values
    write_mask(path, values, bits)
    assert np.array_equal(png.read(path), values)
