"""The CHAOS layout, wherever one points."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_files import add_masks, add_patient, add_slices, write_mask

from medprep.errors import DicomError, LabelError, SourceError
from medprep.organs import CHAOS_CT, CHAOS_MR
from medprep.sources.base import SourceCase, SourceSet
from medprep.sources.detect import open_source, read_mask, read_picture


@pytest.fixture
def chaos(tmp_path: Path) -> Path:
    """Two MR patients, one of them a test patient, and one CT patient."""
    root = tmp_path / "CHAOS"
    add_patient(root / "Train_Sets", "t1", 1)
    add_patient(root / "Train_Sets", "t2", 1)
    add_patient(root / "Train_Sets", "ct", 3)
    add_patient(root / "Test_Sets", "t1", 4, labelled=False)
    return root


def by_name(found: SourceSet) -> dict[str, SourceCase]:
    return {case.case: case for case in found.cases}


def liver_sizes(case: SourceCase) -> list[int]:
    """Count the mask's pixels of each slice of a case: by construction the picture's value."""
    picture = read_picture(case.reader, case.pictures, case.modality)
    mask, _ = read_mask(case.reader, case.masks, picture.order, picture.volume.geometry)
    sizes = (mask == 63).sum(axis=(1, 2)).tolist()
    assert sizes == picture.volume.array[:, 0, 0].tolist(), "a mask with another slice's picture"
    return sizes


def test_every_sequence_is_found(chaos: Path) -> None:
    t1in = open_source(chaos, "chaos-mr-t1in")
    assert list(by_name(t1in)) == ["mr01-t1in", "mr04-t1in"]
    case = t1in.cases[0]
    assert (case.patient, case.sequence, case.modality, case.identity, case.reader, case.fold) == (
        "mr01", "t1in", "MR", "MR/1", "dicom", "",
    )  # fmt: skip
    assert [path.name[-9:] for path in case.pictures] == ["00002.dcm", "00004.dcm", "00006.dcm"]
    assert t1in.table == CHAOS_MR
    t1out = open_source(chaos, "chaos-mr-t1out").cases[0]
    assert [path.name[-9:] for path in t1out.pictures] == ["00001.dcm", "00003.dcm", "00005.dcm"]
    assert t1out.masks == case.masks, "both phases share their masks"
    assert list(by_name(open_source(chaos, "chaos-mr-t2"))) == ["mr01-t2"]
    ct = open_source(chaos, "chaos-ct")
    assert [(c.case, c.patient, c.modality) for c in ct.cases] == [("ct03-ct", "ct03", "CT")]
    assert ct.table == CHAOS_CT


def test_a_test_set_has_no_masks(chaos: Path) -> None:
    found = by_name(open_source(chaos, "chaos-mr-t1in"))
    assert found["mr04-t1in"].masks == ()
    assert found["mr04-t1in"].pictures


@pytest.mark.parametrize(
    "pointed",
    [
        ".", "Train_Sets", "Train_Sets/MR", "Train_Sets/MR/1", "Train_Sets/MR/1/T2SPIR",
        "Train_Sets/MR/1/T2SPIR/DICOM_anon",
    ],
)  # fmt: skip
@pytest.mark.parametrize("relative", [False, True])
def test_wherever_one_points(
    chaos: Path, pointed: str, relative: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if relative:
        monkeypatch.chdir(chaos / pointed)
    found = open_source(Path() if relative else chaos / pointed, "chaos-mr-t2")
    assert list(by_name(found)) == ["mr01-t2"]
    assert liver_sizes(found.cases[0]) == [2, 4, 6]


def test_pointing_at_one_phase(chaos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = chaos / "Train_Sets" / "MR" / "1" / "T1DUAL" / "DICOM_anon" / "InPhase"
    for pointed in (folder, Path(".."), Path()):
        monkeypatch.chdir(folder)
        found = open_source(pointed, "chaos-mr-t1in")
        assert list(by_name(found)) == ["mr01-t1in"]
        assert liver_sizes(found.cases[0]) == [2, 4, 6]


@pytest.mark.parametrize("pointed", ["CHAOS_Train_Sets", "CT", "CT/3", "CT/3/DICOM_anon"])
def test_other_names_above(tmp_path: Path, pointed: str) -> None:
    root = tmp_path / "CHAOS_Train_Sets"
    add_patient(root, "ct", 3)
    found = open_source(root if pointed == root.name else root / pointed)
    assert list(by_name(found)) == ["ct03-ct"]


def test_upper_and_lower_case_mean_the_same(chaos: Path) -> None:
    lower = chaos.parent / "lower"
    for path in chaos.rglob("*"):
        target = lower / str(path.relative_to(chaos)).swapcase()
        if path.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    assert list(lower.glob("tRAIN_sETS/mr/1/t1dual/dicom_ANON/iNpHASE/*.DCM"))
    for preset in ("chaos-mr-t1in", "chaos-mr-t2", "chaos-ct"):
        found, other = open_source(chaos, preset), open_source(lower, preset)
        assert [(c.case, c.identity.upper(), len(c.masks)) for c in other.cases] == [
            (c.case, c.identity, len(c.masks)) for c in found.cases
        ]


def test_masks_stay_with_their_pictures_where_z_descends(tmp_path: Path) -> None:
    place = tmp_path / "CT" / "3"
    add_slices(place / "DICOM_anon", range(1, 12), step_mm=-2)
    add_masks(place / "Ground", range(1, 12))
    (case,) = open_source(tmp_path).cases
    assert [path.name[-9:-4] for path in case.pictures][:2] == ["00001", "00002"]
    assert liver_sizes(case) == list(range(11, 0, -1))


def test_natural_order_pairs_names_of_different_width(tmp_path: Path) -> None:
    place = tmp_path / "CT" / "3"
    add_slices(place / "DICOM_anon", range(1, 12))
    add_masks(place / "Ground", range(1, 12))
    for number, path in enumerate(sorted((place / "DICOM_anon").iterdir()), 1):
        path.rename(path.with_name(f"i{number},0000b.dcm"))
    for number, path in enumerate(sorted((place / "Ground").iterdir()), 1):
        path.rename(path.with_name(f"liver_GT_{number - 1}.png"))
    (case,) = open_source(tmp_path).cases
    assert liver_sizes(case) == list(range(1, 12))


def test_what_is_no_dicom_is_counted(chaos: Path) -> None:
    folder = chaos / "Train_Sets" / "MR" / "1" / "T2SPIR"
    for stranger in ("Thumbs.db", ".DS_Store", "._IMG-0001-00002.dcm"):
        (folder / "DICOM_anon" / stranger).write_bytes(b"stranger")
        (folder / "Ground" / stranger).write_bytes(b"stranger")
    (folder / "Ground" / "._IMG-0001-00002.png").write_bytes(b"stranger")
    found = open_source(chaos, "chaos-mr-t2")
    assert "passed over: 3 files among the slices that are no DICOM" in found.notes
    assert len(found.cases[0].pictures) == len(found.cases[0].masks) == 3


def test_the_shadow_folders_of_macos_are_no_patients(chaos: Path) -> None:
    shutil.copytree(chaos / "Train_Sets", chaos / "__MACOSX" / "Train_Sets")
    assert list(by_name(open_source(chaos, "chaos-mr-t2"))) == ["mr01-t2"]


def test_broken_dicom_stays_in_its_case(chaos: Path) -> None:
    folder = chaos / "Train_Sets" / "MR" / "1" / "T2SPIR" / "DICOM_anon"
    (folder / "IMG-0001-00003.dcm").write_bytes(b"broken")
    (case,) = open_source(chaos, "chaos-mr-t2").cases
    assert len(case.pictures) == 4
    with pytest.raises(DicomError, match="slice 2"):
        read_picture(case.reader, case.pictures, case.modality)


def test_a_folder_without_slices_fails_its_case_and_hides_nothing(chaos: Path) -> None:
    place = chaos / "Train_Sets" / "MR" / "7" / "T2SPIR"
    (place / "DICOM_anon").mkdir(parents=True)
    add_masks(place / "Ground", (2, 4))
    found = by_name(open_source(chaos, "chaos-mr-t2"))
    assert list(found) == ["mr01-t2", "mr07-t2"]
    with pytest.raises(DicomError, match="no slices"):
        read_picture("dicom", found["mr07-t2"].pictures, "MR")
    assert open_source(chaos).preset == "chaos-mr-t1in", "it is not counted as labelled"


def test_only_folders_without_slices_are_no_data_set(tmp_path: Path) -> None:
    place = tmp_path / "MR" / "7" / "T2SPIR"
    (place / "DICOM_anon").mkdir(parents=True)
    with pytest.raises(SourceError, match="the folder is empty"):
        open_source(tmp_path)
    add_masks(place / "Ground", (2, 4))
    with pytest.raises(SourceError, match=r"found 2 \.png; wanted is chaos-mr-t2"):
        open_source(tmp_path, "chaos-mr-t2")


def test_two_folders_for_one_case_are_refused(chaos: Path) -> None:
    add_patient(chaos / "Train_Sets", "t2", "01")
    with pytest.raises(SourceError, match="two folders give the case mr01-t2; point at one"):
        open_source(chaos)


def test_a_patient_without_a_number_is_counted_not_named(chaos: Path) -> None:
    add_patient(chaos / "Train_Sets", "t2", "Smith_John")
    found = open_source(chaos, "chaos-mr-t2")
    assert list(by_name(found)) == ["mr01-t2"]
    assert "passed over: 1 folders of slices below no numbered patient" in found.notes
    assert "Smith" not in str(found.notes)


def test_links_are_followed(chaos: Path, tmp_path: Path) -> None:
    elsewhere = add_patient(tmp_path / "elsewhere", "t2", "someone").parent
    train = chaos / "Train_Sets" / "MR"
    (train / "9").symlink_to(elsewhere)
    (train / "9" / "T2SPIR" / "DICOM_anon" / "loop").symlink_to(chaos)
    (train / "1" / "T2SPIR" / "DICOM_anon" / "self").symlink_to(train)
    found = open_source(chaos, "chaos-mr-t2")
    assert list(by_name(found)) == ["mr01-t2", "mr09-t2"]
    assert all(len(case.pictures) == 3 for case in found.cases)


def test_pointing_at_a_link(chaos: Path, tmp_path: Path) -> None:
    for name, folder in (("mine", "MR/1/T2SPIR"), ("8", "MR/1/T2SPIR"), ("ct", "CT/3")):
        (tmp_path / name).symlink_to(chaos / "Train_Sets" / folder)
    for name, case in (("mine", "mr01-t2"), ("8", "mr01-t2"), ("ct", "ct03-ct")):
        assert list(by_name(open_source(tmp_path / name))) == [case]


def test_the_sequence_with_most_labelled_patients_is_taken(chaos: Path) -> None:
    add_patient(chaos / "Train_Sets", "t2", 2)
    found = open_source(chaos)
    assert found.preset == "chaos-mr-t2"
    assert found.notes[0] == (
        "chaos-mr-t2: 2 cases, 2 with masks (the sequence with most labelled patients)"
    )
    assert found.notes[1] == (
        "left out: chaos-mr-t1in (1 labelled), chaos-mr-t1out (1 labelled), chaos-ct (1 labelled); "
        "take one by --preset NAME in another workspace"
    )
    assert "most labelled" not in open_source(chaos, "chaos-mr-t2").notes[0]


def test_ties_go_to_t1in_t2_t1out_ct(chaos: Path) -> None:
    train = chaos / "Train_Sets" / "MR" / "1"
    assert open_source(chaos).preset == "chaos-mr-t1in"
    shutil.rmtree(train / "T1DUAL" / "DICOM_anon" / "InPhase")
    assert open_source(chaos).preset == "chaos-mr-t2"
    shutil.rmtree(train / "T2SPIR")
    assert open_source(chaos).preset == "chaos-mr-t1out"
    shutil.rmtree(train / "T1DUAL")
    assert open_source(chaos).preset == "chaos-ct"
    shutil.rmtree(chaos / "Train_Sets" / "CT")
    assert open_source(chaos).preset == "chaos-mr-t1in", "unlabelled, but all there is"


def test_a_preset_that_is_not_here_is_refused(tmp_path: Path) -> None:
    add_patient(tmp_path, "ct", 3)
    with pytest.raises(SourceError, match=r"no case of chaos-mr-t2.*chaos-ct \(1 labelled\)"):
        open_source(tmp_path, "chaos-mr-t2")


def test_exchanged_phases_are_noticed(chaos: Path) -> None:
    assert not [note for note in open_source(chaos).notes if "echo" in note]
    folder = chaos / "Train_Sets" / "MR" / "1" / "T1DUAL" / "DICOM_anon"
    (folder / "InPhase").rename(folder / "x")
    (folder / "OutPhase").rename(folder / "InPhase")
    (folder / "x").rename(folder / "OutPhase")
    (note,) = [note for note in open_source(chaos).notes if "echo" in note]
    assert note.startswith("mr01: InPhase has the shorter echo (2.3 ms, OutPhase 4.6 ms)")
    (folder / "InPhase" / "IMG-0001-00001.dcm").write_bytes(b"broken")
    assert not [note for note in open_source(chaos).notes if "echo" in note]


def test_masks_must_fit_their_pictures(chaos: Path) -> None:
    ground = chaos / "Train_Sets" / "MR" / "1" / "T2SPIR" / "Ground"
    (case,) = open_source(chaos, "chaos-mr-t2").cases
    picture = read_picture(case.reader, case.pictures, case.modality)
    with pytest.raises(LabelError, match="2 masks for 3 slices"):
        read_mask(case.reader, case.masks[:2], picture.order, picture.volume.geometry)
    write_mask(ground / "IMG-0001-00004.png", np.zeros((6, 4), np.uint8))
    with pytest.raises(LabelError, match=r"slice 1: the mask is 6 x 4.*4 x 6.*00004\.png"):
        read_mask(case.reader, case.masks, picture.order, picture.volume.geometry)


def test_masks_that_cannot_be_read_are_told(chaos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    iterdir = Path.iterdir

    def refusing(path: Path) -> object:
        if path.name == "Ground":
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refusing)
    with pytest.raises(SourceError, match="masks cannot be read"):
        open_source(chaos)


@pytest.mark.parametrize("preset", [None, "chaos-ct", "nifti-pairs", "png-pairs"])
def test_missing_empty_and_foreign_folders_are_told(tmp_path: Path, preset: str | None) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        open_source(tmp_path / "missing", preset)
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="no such folder"):
        open_source(tmp_path / "file", preset)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="the folder is empty"):
        open_source(tmp_path / "empty", preset)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for name in (*(f"{n}.txt" for n in range(3)), "1.a", "1.b", "1.c", "1.d", "1.e", "1.f", "x"):
        (foreign / name).touch()
    with pytest.raises(SourceError, match=r"found 3 \.txt, .* and 3 other endings; wanted is"):
        open_source(foreign, preset)
