"""The private side of an output folder: the key of the pseudonyms, and the table of sources."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom
from trees import write_tree

from medprep.errors import WorkspaceError
from medprep.trees.ledger import TreeLedger
from medprep.trees.options import ConvertTree
from medprep.trees.run import TreeOutcome, convert_tree
from medprep.trees.survey import Survey, survey
from medprep.trees.write import VolumeJob

KEY = b"0123456789abcdef0123"


def convert(source: Path, output: Path, id_key: Path | None = None) -> TreeOutcome:
    named = None if id_key is None else str(id_key)
    outcome = convert_tree(ConvertTree(str(source), str(output), id_key=named))
    assert not outcome.failed
    return outcome


def in_a_process(
    source: Path, output: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Convert in a process of its own, which remembers nothing of this one."""
    return subprocess.run(
        [sys.executable, "-m", "medprep_cli", "convert", str(source), "-o", str(output)],
        capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment},
    )  # fmt: skip


def names(output: Path) -> set[str]:
    return {path.name for path in output.glob("*.nii.gz")}


# --- the key


def test_the_given_key_is_kept_to_the_byte_and_serves_without_its_file(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=3, slices=2)
    (tmp_path / "key").write_bytes(KEY)
    for output in ("a", "b"):
        convert(tmp_path / "in", tmp_path / output, tmp_path / "key")
        assert (tmp_path / output / "private" / "id-key").read_bytes() == KEY + b"\n"
    assert names(tmp_path / "a") == names(tmp_path / "b")
    (tmp_path / "key").unlink()
    assert len(convert(tmp_path / "in", tmp_path / "a").kept) == 3


def test_a_random_key_is_saved_and_used_again(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=3, slices=2)
    for output in ("a", "b"):
        assert in_a_process(tmp_path / "in", tmp_path / output).returncode == 0
    assert not names(tmp_path / "a") & names(tmp_path / "b")
    before = names(tmp_path / "a")
    saved = (tmp_path / "a" / "private" / "id-key").read_bytes()
    assert len(saved.strip()) >= 32
    assert in_a_process(tmp_path / "in", tmp_path / "a").returncode == 0
    assert names(tmp_path / "a") == before
    assert (tmp_path / "a" / "private" / "id-key").read_bytes() == saved


# --- the table


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "private" / "sources.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def write_odd(folder: Path, patient: bytes, description: bytes = b"t1") -> None:
    """Write a series whose header holds signs that pydicom would not write."""
    for place in range(2):
        path = write_dicom(
            folder / f"a,b {place} \N{LATIN SMALL LETTER E WITH ACUTE}.dcm",
            np.eye(4, dtype=np.int16), (0, 0, place), PatientID="p" * len(patient),
            SeriesDescription="d" * len(description),
        )  # fmt: skip
        content = path.read_bytes().replace(b"p" * len(patient), patient)
        path.write_bytes(content.replace(b"d" * len(description), description))


@pytest.mark.parametrize(
    "patient", [b"x\ryy", b"x\nyy", b"x\r\ny", b'x"yy', b"x,yy", b"x;y'", "né".encode() + b"x"]
)
def test_whatever_an_id_holds_the_series_is_known_again(tmp_path: Path, patient: bytes) -> None:
    write_odd(tmp_path / "in", patient, b"a\rb\n")
    (made,) = convert(tmp_path / "in", tmp_path / "out").made
    (row,) = rows(tmp_path / "out")
    assert row["patient_id"].encode() == patient
    assert row["first_file"].endswith("a,b 0 \N{LATIN SMALL LETTER E WITH ACUTE}.dcm")
    assert convert(tmp_path / "in", tmp_path / "out").kept == (made.name,)


def test_an_id_is_known_again_under_another_locale(tmp_path: Path) -> None:
    write_odd(tmp_path / "in", "né".encode())
    convert(tmp_path / "in", tmp_path / "out")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = in_a_process(tmp_path / "in", tmp_path / "out", **ascii_only)
    assert done.returncode == 0, done.stderr


def job_of(folder: Path, patient: str) -> VolumeJob:
    """Make the job of a tree's one volume, and say that another patient is in it."""
    (one,) = survey(folder, KEY).volumes
    assert one.plan is not None
    slices = tuple(
        replace(member, origin=replace(member.origin, patient=patient))
        for member in one.plan.slices
    )
    return VolumeJob(one.name, (replace(one.plan, slices=slices),), ConvertTree("in", "out"))


def test_an_id_of_any_length_is_known_again(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=1, slices=2)
    nothing = Survey((), 0, 0, 0, (), (), ())
    for length in (1, 4095, 4096, 4097, 1 << 18):
        job = job_of(tmp_path / "in", "x" * length)
        private = tmp_path / f"private{length}"
        TreeLedger(private).write([job], nothing, {})
        again = TreeLedger(private)
        assert not again.is_other(job)
        assert again.is_other(job_of(tmp_path / "in", "y" * length))
        assert not again.is_other(replace(job, name="another name"))


def test_slices_with_uids_of_their_own_are_known_again(tmp_path: Path) -> None:
    for place in range(4):  # the lowest slice is in the last file
        write_dicom(
            tmp_path / "in" / f"{place}", np.eye(4, dtype=np.int16), (0, 0, -place),
            SeriesInstanceUID=f"1.2.{place}", StudyInstanceUID=f"1.3.{place}", PatientID="p",
        )  # fmt: skip
    (made,) = convert(tmp_path / "in", tmp_path / "out").made
    assert convert(tmp_path / "in", tmp_path / "out").kept == (made.name,)


def test_a_stacked_file_leads_back_to_its_source_and_is_no_other_series(tmp_path: Path) -> None:
    def convert_stacked() -> TreeOutcome:
        return convert_tree(ConvertTree(str(tmp_path / "in"), str(tmp_path / "out"), stack=True))

    def write(series: str) -> None:
        for time in range(2):
            for place in range(3):
                write_dicom(
                    tmp_path / "in" / f"{time}-{place}", np.eye(4, dtype=np.int16), (0, 0, place),
                    TemporalPositionIdentifier=str(time), SeriesInstanceUID=series, PatientID="p",
                )  # fmt: skip

    write("1.2.3")
    (made,) = convert_stacked().made
    (row,) = rows(tmp_path / "out")
    assert (row["name"], row["series_uid"], row["slices"]) == (made.name, "1.2.3", "6")
    write("1.2.4")
    assert [failure.code for failure in convert_stacked().failed.values()] == ["other-data"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"name;patient_id\na;b\n", b"\x00\xff", b'"name","patient_id"\n"a', b"name\na\nb,c\n",
        b"name,patient_id,study_uid,series_uid,series_number,description,slices,first_file\na,b\n",
    ],
)  # fmt: skip
def test_a_table_that_somebody_changed_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    write_tree(tmp_path / "in", series=1, slices=2)
    table = tmp_path / "out" / "private" / "sources.csv"
    table.parent.mkdir(parents=True)
    table.write_bytes(content)
    with pytest.raises(WorkspaceError, match="was changed by something else"):
        convert(tmp_path / "in", tmp_path / "out")
    assert table.read_bytes() == content
    table.unlink()
    convert(tmp_path / "in", tmp_path / "out")
    assert len(rows(tmp_path / "out")) == 1


def test_rows_of_an_earlier_run_stay(tmp_path: Path) -> None:
    write_tree(tmp_path / "in", series=3, slices=2)
    convert(tmp_path / "in", tmp_path / "out")
    before = rows(tmp_path / "out")
    convert(tmp_path / "in" / "patient1", tmp_path / "out")
    assert rows(tmp_path / "out") == before
    assert len(before) == 3
