"""Whole trees: names, resuming, refusing, the way back, what is suspected."""

from __future__ import annotations

import csv
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from PIL import Image, ImageDraw
from planted import DATE, ID, MARKS, SEED, found_in, planted_dataset
from pydicom.uid import MPEG2MPML, SecondaryCaptureImageStorage
from trees import write_objects, write_tree, zip_tree

from medprep.confidentiality.options import Deidentify
from medprep.confidentiality.run import DeidentifyOutcome, deidentify, look_at
from medprep.confidentiality.suspicions import has_strokes
from medprep.errors import NothingDoneError, OptionError, SourceError, WorkspaceError

PIXELS = np.arange(48, dtype=np.uint16).reshape(6, 8)


def run(
    folder: Path, *, overwrite: bool = False, jobs: int = 0, **options: object
) -> DeidentifyOutcome:
    asked = Deidentify(str(folder / "in"), str(folder / "out"), **options)  # type: ignore[arg-type]
    return deidentify(asked, overwrite=overwrite, jobs=jobs)


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medprep_cli", *words],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with strings in every text tag and every name."""
    root = tmp_path_factory.mktemp("planted")
    folder = root / f"{SEED} {DATE}"
    folder.mkdir()
    planted_dataset().save_as(folder / f"{SEED}.dcm", enforce_file_format=True)
    assert found_in(root), "nothing was planted"
    return root


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize(
    ("options", "marks"),
    [
        ({}, MARKS),
        ({"clean": ("descriptors",)}, MARKS),
        ({"shift_dates": True}, MARKS),
        ({"retain": ("dates",)}, (SEED.casefold().encode(), ID.encode())),
        ({"retain": ("uids",)}, MARKS),
    ],
)
def test_nothing_planted_comes_out(
    planted: Path, tmp_path: Path, options: dict[str, object], marks: tuple[bytes, ...]
) -> None:
    asked = Deidentify(str(planted), str(tmp_path / "out"), **options)  # type: ignore[arg-type]
    assert len(deidentify(asked).written) == 1
    assert found_in(tmp_path / "out", marks) == []
    # The search finds what is there.
    assert found_in(tmp_path / "out.private")


def test_the_way_back_is_outside_and_for_the_owner_alone(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "a", PIXELS, PatientID="ID77", PatientName="Doe^Jane")
    run(tmp_path)
    private = tmp_path / "out.private"
    for path in private.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    with (private / "reidentification.csv").open(newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert (row["patient_id"], row["patient_name"], row["source"]) == ("ID77", "Doe^Jane", "a")
    assert (tmp_path / "out" / row["output"]).is_file()
    assert row["output"].startswith(row["pseudonym"])
    assert not list((tmp_path / "out").rglob("*key*"))


def test_a_second_run_keeps_and_a_new_file_is_added(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=3, slices=2)
    assert len(run(tmp_path).written) == 6
    before = content_of(tmp_path)
    again = run(tmp_path)
    assert (len(again.written), len(again.kept)) == (0, 6)
    assert content_of(tmp_path) == before
    write_dicom(tmp_path / "in" / "b", PIXELS, PatientID="new")
    more = run(tmp_path)
    assert (len(more.written), len(more.kept)) == (1, 6)


def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=3, slices=2)
    run(tmp_path, shift_dates=True)
    whole = content_of(tmp_path / "out")
    lost = sorted((tmp_path / "out").rglob("*.dcm"))[:2]
    for path in lost:
        path.unlink()
    journal = tmp_path / "out.private" / "reidentification.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])  # cut off in the middle of a line
    (lost[0].parent / f".{lost[0].name}.123.part").write_bytes(b"half")
    (tmp_path / "out" / "audit.csv").unlink()
    outcome = run(tmp_path, shift_dates=True)
    assert len(outcome.written) in (2, 3)
    assert content_of(tmp_path / "out") == whole


def test_processes_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tree(tmp_path / name / "in", series=3, slices=3)
        (tmp_path / name / "key").write_bytes(b"k" * 32)
    run(tmp_path / "one", jobs=1, id_key=str(tmp_path / "one" / "key"))
    run(tmp_path / "two", jobs=2, id_key=str(tmp_path / "two" / "key"))
    one, two = (content_of(tmp_path / name / "out") for name in ("one", "two"))
    assert one == two
    assert len(one) == 9 + 3


def test_other_options_need_overwrite(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "a", PIXELS, PatientID="a", PatientSex="F")
    run(tmp_path)
    with pytest.raises(WorkspaceError, match="other options"):
        run(tmp_path, retain=("patient",))
    run(tmp_path, retain=("patient",), overwrite=True)
    (path,) = (tmp_path / "out").rglob("*.dcm")
    assert pydicom.dcmread(path).PatientSex == "F"


def test_overwriting_leaves_nothing_of_a_file_that_is_gone(tmp_path: Path) -> None:
    for name in "ab":
        write_dicom(tmp_path / "in" / name, PIXELS, PatientID=name)
    run(tmp_path, retain=("patient",))
    (tmp_path / "in" / "b").unlink()
    run(tmp_path, overwrite=True)
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_that_are_no_text_stop_nothing(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / os.fsdecode(b"\xff\xfe.dcm"), PIXELS, PatientID="a")
    broken = tmp_path / "in" / os.fsdecode(b"\xfd.dcm")
    broken.write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 9)
    outcome = run(tmp_path)
    assert (len(outcome.written), len(outcome.refused)) == (1, 1)
    assert len(run(tmp_path).kept) == 1


def test_a_folder_of_something_else_is_not_written_into(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "a", PIXELS, PatientID="a")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(WorkspaceError, match="does not know"):
        run(tmp_path)


@pytest.mark.parametrize(("source", "output"), [("in", "in"), ("in", "in/out"), ("in/a", "in")])
def test_the_output_is_apart_from_the_source(source: str, output: str) -> None:
    with pytest.raises(OptionError, match="lies in"):
        Deidentify(source, output)


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(OptionError, match="contradict"):
        Deidentify("in", "out", retain=("dates",), shift_dates=True)
    with pytest.raises(OptionError, match="wanted is one of uids"):
        Deidentify("in", "out", retain=("names",))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="outside the output"):
        Deidentify("in", "out", key_file="out/keys.csv")
    with pytest.raises(SourceError):
        deidentify(Deidentify("/no such place", "out"))


def test_what_cannot_be_written_safely_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "good", PIXELS, PatientID="a")
    short = write_dicom(tmp_path / "in" / "short", PIXELS, PatientID="a")
    whole = pydicom.dcmread(short)
    whole.PixelData = whole.PixelData[:20]
    whole.save_as(short)
    video = write_dicom(tmp_path / "in" / "video", PIXELS, PatientID="a")
    dataset = pydicom.dcmread(video)
    dataset.file_meta.TransferSyntaxUID = MPEG2MPML
    dataset.PixelData = pydicom.encaps.encapsulate([b"\0\0\1\xb3"])
    dataset.save_as(video)
    write_dicom(tmp_path / "in" / "nameless", PIXELS, SOPInstanceUID=None)
    (tmp_path / "in" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 9)
    (tmp_path / "in" / "notes.txt").write_text("x")
    outcome = run(tmp_path)
    why = {Path(path).name: one.message for path, one in outcome.refused.items()}
    assert set(why) == {"short", "video", "nameless", "broken.dcm"}
    assert "cut short" in why["short"]
    assert "decompress" in why["video"]
    assert "SOPInstanceUID" in why["nameless"]
    assert (len(outcome.written), outcome.strangers, outcome.exit_code) == (1, 1, 8)
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == 1
    table = tmp_path / "out.private" / "reidentification-refused.csv"
    assert all(name in table.read_text() for name in why)


def test_an_index_of_patients_is_not_written(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "a", PIXELS, PatientID="a")
    path = write_dicom(tmp_path / "in" / "DICOMDIR", PIXELS, SOPClassUID="1.2.840.10008.1.3.10")
    dataset = pydicom.dcmread(path)
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    dataset.save_as(path)
    outcome = run(tmp_path)
    assert ([Path(one).name for one in outcome.indexes], outcome.exit_code) == (["DICOMDIR"], 0)
    assert len(outcome.written) == 1


def test_a_tree_without_dicom_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    with pytest.raises(NothingDoneError):
        run(tmp_path)


def test_archives_and_objects_of_other_kinds_are_written(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree", series=2, slices=2)
    write_objects(tmp_path / "tree" / "o", 5)
    (tmp_path / "in").mkdir()
    zip_tree(tmp_path / "tree", tmp_path / "in" / "Jane.zip")
    shutil.rmtree(tmp_path / "tree")
    outcome = run(tmp_path)
    assert (len(outcome.written), outcome.refused) == (9, {})
    assert found_in(tmp_path / "out", (b"jane", b"patient00")) == []


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=3, slices=2)
    found = look_at(Deidentify(str(tmp_path / "in"), str(tmp_path / "out")))
    assert len(found.written) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


# --- text in pictures


def lettered(text: str) -> np.ndarray:
    noise = np.random.default_rng(1).integers(0, 90, (256, 256))
    picture = Image.fromarray(noise.astype(np.uint8))
    ImageDraw.Draw(picture).text((8, 10), text, fill=255)
    return np.asarray(picture)


def test_letters_are_suspected_and_plain_pictures_are_not() -> None:
    assert has_strokes(lettered("DOE, JANE 13.03.1947 ST. ELSEWHERE"))
    assert not has_strokes(lettered(""))
    assert not has_strokes(np.zeros((256, 256), np.uint8))
    assert not has_strokes(np.arange(65536, dtype=np.uint16).reshape(256, 256))


def test_suspected_pictures_are_listed_and_written(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "said", PIXELS, PatientID="a", BurnedInAnnotation="YES")
    write_dicom(tmp_path / "in" / "us", PIXELS, PatientID="a", Modality="US")
    write_dicom(
        tmp_path / "in" / "sc", PIXELS, PatientID="a", SOPClassUID=SecondaryCaptureImageStorage,
        ConversionType="WSD", Modality="CT",
    )  # fmt: skip
    write_dicom(
        tmp_path / "in" / "screen", PIXELS, PatientID="a", ImageType=["DERIVED", "SCREEN SAVE"]
    )
    write_dicom(tmp_path / "in" / "letters", lettered("DOE, JANE 13.03.1947"), PatientID="a")
    write_dicom(tmp_path / "in" / "plain", PIXELS, PatientID="a")
    outcome = run(tmp_path)
    assert (len(outcome.written), outcome.exit_code) == (6, 0)
    with (tmp_path / "out" / "suspected.csv").open(newline="") as handle:
        rows = sorted(row["why"] for row in csv.DictReader(handle))
    assert rows == [
        "BurnedInAnnotation is YES", "described as a screen or report",
        "secondary capture; workstation", "small bright strokes near a border", "ultrasound",
    ]  # fmt: skip


# --- the command


def test_the_command_says_what_it_did_and_promises_nothing(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "a", PIXELS, PatientID="Zq77", Modality="US")
    (tmp_path / "in" / "b.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 9)
    words = ("deidentify", str(tmp_path / "in"), "--output", str(tmp_path / "out"))
    dry = command(*words, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "1 files of 1 patients would be written" in dry.stdout
    done = command(*words, "--json", "--clean", "descriptors", "--retain", "device")
    assert done.returncode == 8, done.stderr
    told = json.loads(done.stdout)
    assert (told["written"], len(told["refused"]), len(told["suspected"])) == (1, 1, 1)
    assert "SUSPECTED: 1" in done.stderr
    assert "REFUSED" in done.stderr
    assert "anonym" not in (done.stderr + done.stdout).casefold()
    written = (tmp_path / "out" / "deidentification.json").read_text()
    assert "anonym" not in written.casefold()


@pytest.mark.skipif(os.name == "nt", reason="mode bits")
def test_a_key_file_elsewhere_serves_several_outputs(tmp_path: Path) -> None:
    write_dicom(tmp_path / "in" / "a", PIXELS, PatientID="Zq77")
    names = set()
    for output in ("o1", "o2"):
        keys = tmp_path / "keys" / f"{output}.csv"
        deidentify(Deidentify(str(tmp_path / "in"), str(tmp_path / output), key_file=str(keys)))
        assert stat.S_IMODE(keys.stat().st_mode) == 0o600
        names |= {path.name for path in (tmp_path / output).iterdir() if path.is_dir()}
    assert len(names) == 1
