"""What is made to do harm: names that lead elsewhere, links in circles, small files of much."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom
from pair_sets import GRID, draw

from medprep.errors import MedprepError, SourceError
from medprep.formats import nifti
from medprep.sources.detect import open_source
from medprep.volume import LabelMap, Volume
from medprep_cli.main import main

HELPERS = Path(__file__).parent / "helpers"
BAD_NAMES = (
    "../../etc/x", "/etc/passwd", "C:\\Windows\\x", "CON", "nul\0byte", "x" * 300, "trailing.",
    "\N{GRINNING FACE}", "..", ".", "", "a\nb", "-rf", "--overwrite", "$(touch x)", "%2e%2e%2f",
)  # fmt: skip
FIT_FOR_A_FILE = tuple(one for one in BAD_NAMES if not set("/\0") & set(one) and 0 < len(one) < 200)


def snapshot(root: Path) -> set[str]:
    return {str(path) for path in root.rglob("*")}


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return int(end.value.code or 0)


def write_pair(root: Path, name: str, seed: int = 0) -> None:
    picture, mask = draw(seed)
    for below in ("images", "labels"):
        (root / below).mkdir(parents=True, exist_ok=True)
    nifti.write(root / "images" / f"{name}.nii", Volume(picture, GRID, "MR"))
    nifti.write(root / "labels" / f"{name}.nii", LabelMap(mask, GRID))


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder to work in, beside which nothing may appear."""
    here = tmp_path / "here"
    here.mkdir()
    yield here
    assert {path.name for path in tmp_path.iterdir()} <= {"here"}


@pytest.mark.parametrize("patient", BAD_NAMES)
@pytest.mark.filterwarnings("ignore:Invalid value")
def test_no_header_of_a_workspace_becomes_a_path(outside: Path, patient: str) -> None:
    for number in range(3):
        write_dicom(
            outside / "in" / f"{number}", np.eye(8, dtype=np.int16), (0, 0, number),
            PatientID=patient[:64], PatientName=patient, SeriesDescription=patient[:64],
            StudyID=patient[:16], SpecificCharacterSet="ISO_IR 192",
        )  # fmt: skip
    before = snapshot(outside / "in")
    assert run("split", outside / "in", "convert", "-w", outside / "w", "-j", "1") == 0
    assert snapshot(outside / "in") == before
    for path in (outside / "w").rglob("*"):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,80}", path.name), path


@pytest.mark.parametrize("name", FIT_FOR_A_FILE)
def test_no_name_of_a_file_becomes_a_path_as_it_is(outside: Path, name: str) -> None:
    write_pair(outside / "in", name)
    write_pair(outside / "in", "b", 1)
    assert run("split", outside / "in", "convert", "-w", outside / "w", "-j", "1") == 0
    made = [path.name for path in (outside / "w" / "images").glob("*.nii.gz")]
    assert len(made) == 2
    for one in made:
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,64}\.nii\.gz", one), one


@pytest.mark.parametrize(("one", "other"), [("Case 1", "case-1"), ("anna", "ANNA"), ("a.", "a")])
def test_two_names_that_become_one_are_refused(tmp_path: Path, one: str, other: str) -> None:
    write_pair(tmp_path, one)
    if (tmp_path / "images" / f"{other}.nii").exists():
        pytest.skip("this file system is blind to case")
    write_pair(tmp_path, other)
    with pytest.raises(SourceError, match=r"rename one|two files give"):
        open_source(tmp_path)


def test_links_in_circles_end(outside: Path) -> None:
    source = outside / "in"
    for number in range(3):
        write_dicom(source / "a" / f"{number}", np.eye(8, dtype=np.int16), (0, 0, number))
    (source / "a" / "up").symlink_to(source, target_is_directory=True)
    (source / "self").symlink_to(source / "self")
    (source / "one").symlink_to(source / "two")
    (source / "two").symlink_to(source / "one")
    assert run("scan", source) in (0, 8)
    assert run("split", source, "convert", "-w", outside / "w", "-j", "1") in (0, 8)
    assert len(list((outside / "w" / "images").glob("*.nii.gz"))) == 1


def test_members_of_an_archive_are_never_unpacked_to_their_names(outside: Path) -> None:
    plain = write_dicom(outside / "x", np.eye(8, dtype=np.int16)).read_bytes()
    with zipfile.ZipFile(outside / "a.zip", "w") as archive:
        for number, name in enumerate(("../../up.dcm", "/abs.dcm", "C:\\x.dcm", "a/../../b.dcm")):
            archive.writestr(name, plain.replace(b"0\\0\\0 ", b"0\\0\\%d " % number))
    assert run("convert", outside / "a.zip", "-o", outside / "out", "-j", "1") in (0, 8)
    assert not (outside / "up.dcm").exists()
    assert not Path("/abs.dcm").exists()


def test_a_data_set_that_lists_files_elsewhere_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "set"
    root.mkdir()
    (root / "dataset.json").write_text(
        '{"labels": {"0": "background", "1": "liver"}, "modality": {"0": "MRI"}, "training": '
        '[{"image": "../../secret.nii.gz", "label": "../../secret.nii.gz"}], "test": []}'
    )
    with pytest.raises(MedprepError, match="leads out of its folder"):
        open_source(root)


def test_nothing_takes_the_memory_that_it_speaks_of(tmp_path: Path) -> None:
    """Gzip, PNG, deflate, zip, RLE and JPEG of few bytes, heads of weights, packed weights."""
    if sys.platform != "linux":
        pytest.skip("measures memory as Linux does")
    done = subprocess.run(
        [sys.executable, str(HELPERS / "bombs.py"), str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert float(done.stdout.split()[-1]) < 256


def test_a_path_that_cannot_be_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("convert", "-w", "x" * 300), ("status", "-w", "x" * 300)):
        assert run(*words) == 1
        assert "File name too long" in capsys.readouterr().err


def test_a_picture_without_a_head_is_refused(tmp_path: Path) -> None:
    from medprep.formats import png

    end = b"IEND"
    content = b"\x89PNG\r\n\x1a\n" + bytes(4) + end + zlib.crc32(end).to_bytes(4)
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(MedprepError, match="it has no head"):
        png.read(tmp_path / "a.png")


def test_text_that_nests_without_end_is_refused(tmp_path: Path) -> None:
    from medprep.folds.given import read_given
    from medprep.inference.prompts.points import read_prompts
    from medprep.organs import named_table

    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    table = tmp_path / "deep.toml"
    table.write_text("a = " + "[" * 100_000)
    for read in (
        lambda: read_given(deep),
        lambda: read_prompts(deep.read_text(), "lps", GRID),
        lambda: named_table(str(table)),
    ):
        with pytest.raises(MedprepError):
            read()
