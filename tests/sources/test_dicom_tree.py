"""A DICOM tree as a source of the chain."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from dicom_files import write_dicom
from trees import write_objects, write_tree, zip_tree

from medprep.formats import nifti
from medprep.sources.dicom_tree import find_tree


def medprep(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_each_volume_is_a_case_under_a_pseudonym(tmp_path: Path) -> None:
    write_tree(tmp_path, series=3, slices=4)
    write_objects(tmp_path / "others", 5)
    found = find_tree(tmp_path, b"key")
    assert found is not None
    assert len(found.cases) == 3
    assert len({case.patient for case in found.cases}) == 3
    assert all("PATIENT" not in case.case + case.patient for case in found.cases)
    assert all(len(case.pictures) == 4 and not case.masks for case in found.cases)
    assert any("5 other DICOM objects" in note for note in found.notes)
    again = find_tree(tmp_path, b"key")
    assert again == found
    assert find_tree(tmp_path, b"another") != found


def test_a_folder_without_dicom_is_none(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("x")
    assert find_tree(tmp_path, b"key") is None


def test_zipped_pictures_are_cases_too(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=1, slices=3)
    (tmp_path / "packed").mkdir()
    packed = zip_tree(tmp_path / "in", tmp_path / "packed" / "all.zip")
    found, zipped = find_tree(tmp_path / "in", b"key"), find_tree(tmp_path / "packed", b"key")
    assert found is not None
    assert zipped is not None
    assert [one.case for one in zipped.cases] == [one.case for one in found.cases]
    pictures = [path.read_bytes() for path in found.cases[0].pictures]
    assert [path.read_bytes() for path in zipped.cases[0].pictures] == pictures
    assert str(zipped.cases[0].pictures[0]).startswith(f"{packed}!/")


def test_the_chain_converts_a_tree(tmp_path: Path) -> None:
    source, work = tmp_path / "in", tmp_path / "work"
    write_tree(source, series=3, slices=4, side=16)
    for echo, milliseconds in enumerate(("4.6", "2.3")):
        for place in range(3):
            write_dicom(
                source / "echoes" / f"{echo}{place}", np.full((8, 8), 10 * echo + place, np.int16),
                (0, 0, 3 * place), EchoTime=milliseconds, PatientID="TWO ECHOES",
            )  # fmt: skip
    done = medprep("split", source, "convert", "--format", "nifti", "-w", work)
    assert done.returncode == 0, done.stderr
    images = sorted((work / "images").glob("*.nii.gz"))
    assert len(images) == 5
    echoes = {path.name[-9:-7]: nifti.read(path).array[2, 0, 0] for path in images}
    assert (echoes["e1"], echoes["e2"]) == (12, 2)
    repeated = medprep("split", source, "convert", "--format", "nifti", "-w", work, "--json")
    assert len(json.loads(repeated.stdout)["stages"][1]["up_to_date"]) == 5


def test_a_broken_file_shows_in_the_exit_status(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=2, slices=4)
    (tmp_path / "in" / "broken.dcm").write_bytes(b"no DICOM at all")
    done = medprep("split", tmp_path / "in", "convert", "-w", tmp_path / "work")
    assert done.returncode == 8
    assert "broken.dcm" in done.stderr
    assert len(list((tmp_path / "work" / "images").glob("*.nii.gz"))) == 2


def test_gaps_by_policy_in_the_chain(tmp_path: Path) -> None:
    for place in (0, 1, 2, 5):
        write_dicom(tmp_path / "in" / f"{place}", np.eye(4, dtype=np.int16), (0, 0, place))
    work = tmp_path / "work"
    assert medprep("split", tmp_path / "in", "convert", "-w", work).returncode == 1
    done = medprep("split", tmp_path / "in", "convert", "--gaps", "resample", "-w", work)
    assert done.returncode == 0, done.stderr
    (path,) = (work / "images").glob("*.nii.gz")
    assert nifti.read(path).array.shape == (6, 4, 4)
    assert medprep("convert", "--gaps", "split", "-w", work).returncode == 2
