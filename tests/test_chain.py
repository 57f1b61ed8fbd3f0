"""The chain on phantom patients: the same bytes however it is run, stopped or killed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

FAST = ("--steps", "6", "--width", "2", "--batch-size", "2")
"""A training that learns nothing but runs through."""


def medprep(*words: str | Path, check: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person does, and expect its exit status."""
    done = subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


def content(workspace: Path, *folders: str) -> dict[str, str]:
    """Give the hash of every file of some folders, or of all but the records of runs."""
    left_out = {"medprep.sqlite", "medprep.sqlite-journal"}
    return {
        str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(workspace.rglob("*"))
        if path.is_file()
        and path.name not in left_out
        and "private" not in path.parts
        and (not folders or path.relative_to(workspace).parts[0] in folders)
    }


def test_four_commands_and_one_line_give_the_same_bytes(phantom: Path, tmp_path: Path) -> None:
    one, four = tmp_path / "one", tmp_path / "four"
    medprep("split", phantom, "extract-liver", "train", *FAST, "dice", "-w", one)
    for line in (["split", phantom], ["extract-liver"], ["train", *FAST], ["dice"]):
        medprep(*line, "-w", four)
    assert content(one) == content(four)
    assert {"splits.json", "cases.csv"} <= set(content(one))
    assert content(one, "predictions")
    assert content(one, "labels")


def test_more_processes_give_the_same_bytes(phantom: Path, tmp_path: Path) -> None:
    for jobs in ("1", "2"):
        line = ["split", phantom, "convert", "extract", "clean", "augment", "-w", tmp_path / jobs]
        medprep(*line, "--jobs", jobs)
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_what_is_up_to_date_is_not_made_again(phantom: Path, tmp_path: Path) -> None:
    line = ["split", phantom, "convert", "extract", "clean", "augment", "-w", tmp_path]
    medprep(*line)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "images").iterdir()}
    again = json.loads(medprep(*line, "--json").stdout)
    assert [stage["made"] for stage in again["stages"][1:]] == [[], [], [], []]
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "images").iterdir()}


def test_another_option_makes_anew_what_depends_on_it(phantom: Path, tmp_path: Path) -> None:
    medprep("split", phantom, "convert", "extract", "clean", "-w", tmp_path)
    done = json.loads(medprep("extract-liver", "clean", "-w", tmp_path, "--json").stdout)
    by_stage = {stage["stage"]: stage for stage in done["stages"]}
    assert by_stage["convert"]["made"] == []
    assert by_stage["clean"]["made"] == by_stage["extract"]["made"] != []


@pytest.mark.parametrize("stage", ["convert", "augment"])
def test_killed_in_the_middle_and_started_again(stage: str, phantom: Path, tmp_path: Path) -> None:
    """SIGKILL to the whole process group while files appear; then the same command."""
    line = ["split", phantom, "convert", "extract", "clean", "augment", "--copies", "4"]
    medprep(*line, "-w", tmp_path / "whole")
    folder = {"convert": "images", "augment": "augmented"}[stage]
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "medprep_cli", *map(str, line), "-w", str(killed), "-j", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    end = time.monotonic() + 120
    while time.monotonic() < end and not list((killed / folder).glob("[a-z]*")):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    again = json.loads(medprep(*line, "-w", killed, "--json").stdout)
    assert content(killed) == content(tmp_path / "whole")
    assert not list(killed.rglob("*.part"))
    done = {one["stage"]: one for one in again["stages"]}
    assert done[stage]["made"], "nothing was left to do: the kill came too late"


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_politely_it_says_so_and_goes_on(
    sent: signal.Signals, status: int, phantom: Path, tmp_path: Path
) -> None:
    line = ["split", phantom, "convert", "extract", "clean", "augment", "--copies", "6"]
    work = tmp_path / "work"
    command = [sys.executable, "-m", "medprep_cli", *map(str, line), "-w", str(work), "-j", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while time.monotonic() < end and not list((work / "augmented").glob("[a-z]*")):
        time.sleep(0.002)
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not (work / "medprep.lock").exists()
    medprep(*line, "-w", work)
    medprep(*line, "-w", tmp_path / "whole")
    assert content(work) == content(tmp_path / "whole")
    assert not list(work.rglob("*.part"))


def test_cross_validation_scores_each_part(phantom: Path, tmp_path: Path) -> None:
    medprep(
        "split",
        phantom,
        "--folds",
        "2",
        "--test",
        "0",
        "--train",
        "1",
        "--val",
        "0",
        "-w",
        tmp_path,
    )
    splits = json.loads((tmp_path / "splits.json").read_text())
    assert [set(one["train"]) for one in splits] == [set(one["val"]) for one in splits[::-1]]
    medprep("extract-liver", "-w", tmp_path)
    for fold in ("0", "1"):
        medprep("train", "--fold", fold, *FAST, "dice", "-w", tmp_path)
        record = json.loads((tmp_path / "metrics" / f"unet2d-fold{fold}.json").read_text())
        assert record["evaluation"]["fold"] == "val"
        assert {one["case"] for one in record["evaluation"]["cases"]} == set(
            splits[int(fold)]["val"]
        )


@pytest.mark.parametrize("kind", ["png16", "nifti"])
def test_other_formats_run_through(kind: str, phantom: Path, tmp_path: Path) -> None:
    line = [
        "convert",
        "--format",
        kind,
        "extract-liver",
        "clean",
        "augment",
        "train",
        *FAST,
        "dice",
    ]
    medprep("split", phantom, "--preset", "chaos-mr-t2", *line, "-w", tmp_path)
    assert (tmp_path / "slices").exists() == (kind == "png16")


def test_copies_that_were_made_once_are_kept_up_to_date(phantom: Path, tmp_path: Path) -> None:
    medprep("split", phantom, "augment", "--copies", "1", "-w", tmp_path)
    done = medprep("extract-liver", "train", *FAST, "--json", "-w", tmp_path)
    stages = {one["stage"]: one for one in json.loads(done.stdout)["stages"]}
    assert stages["augment"]["made"]
    assert stages["train"]["facts"]["augmented_slices"] == stages["train"]["facts"]["slices"]


def test_json_is_one_document_and_nothing_else_on_stdout(phantom: Path, tmp_path: Path) -> None:
    done = medprep("split", phantom, "convert", "--json", "-w", tmp_path)
    assert json.loads(done.stdout)["exit_code"] == 0
    assert str(phantom) not in done.stdout


def test_dry_run_writes_nothing(phantom: Path, tmp_path: Path) -> None:
    done = medprep("split", phantom, "train", "dice", "--dry-run", "-w", tmp_path / "w")
    assert not (tmp_path / "w").exists()
    stages = [line.split()[0].strip(":") for line in done.stdout.splitlines()]
    assert stages == ["split", "convert", "extract", "clean", "train", "predict", "evaluate"]


def test_unlabelled_patients_are_predicted_and_never_scored(phantom: Path, tmp_path: Path) -> None:
    medprep("split", phantom, "extract-liver", "train", *FAST, "dice", "-w", tmp_path)
    predicted = {path.name for path in (tmp_path / "predictions").rglob("*.nii.gz")}
    record = json.loads(next((tmp_path / "metrics").glob("*.json")).read_text())
    scored = {one["case"] for one in record["evaluation"]["cases"]}
    assert "mr04-t1in.nii.gz" in predicted
    assert "mr04-t1in" not in scored
    splits = json.loads((tmp_path / "splits.json").read_text())
    assert scored == set(splits[0]["test"])
    assert scored.isdisjoint(splits[0]["train"])


def test_status_repeats_the_line(phantom: Path, tmp_path: Path) -> None:
    medprep("split", phantom, "--train", "0.6", "extract", "--organ", "liver", "-w", tmp_path)
    line = medprep("status", "--command", "-w", tmp_path).stdout.strip()
    assert line == f"medprep split {phantom} --train 0.6 convert extract --organ liver"


def test_no_path_of_the_source_outside_private(phantom: Path, tmp_path: Path) -> None:
    medprep("split", phantom, "extract", "report", "-w", tmp_path)
    for path in tmp_path.rglob("*"):
        if path.is_file() and "private" not in path.parts:
            assert str(phantom).encode() not in path.read_bytes(), path
    assert (tmp_path / "private").stat().st_mode & 0o077 == 0


def test_deleted_files_are_made_again(phantom: Path, tmp_path: Path) -> None:
    medprep("split", phantom, "convert", "extract", "-w", tmp_path)
    before = content(tmp_path, "images", "labels")
    (tmp_path / "images" / "mr01-t1in.nii.gz").unlink()
    done = json.loads(medprep("extract", "-w", tmp_path, "--json").stdout)
    made = {stage["stage"]: stage["made"] for stage in done["stages"]}
    assert made == {"convert": ["mr01-t1in"], "extract": []}
    assert content(tmp_path, "images", "labels") == before


def test_a_grown_set_keeps_every_patient_where_it_was(phantom: Path, tmp_path: Path) -> None:
    grown = tmp_path / "CHAOS" / "Train_Sets" / "MR"
    for patient in ("1", "2", "3"):
        shutil.copytree(phantom / "Train_Sets" / "MR" / patient, grown / patient)
    for folds in ("1", "2"):
        work = tmp_path / folds
        line = ("split", tmp_path / "CHAOS", "--folds", folds, "-w", work)
        medprep(*line)
        before = placed(work)
        shutil.copytree(phantom / "Train_Sets" / "MR" / "5", grown / "5")
        medprep(*line)
        after = placed(work)
        assert {case: after[case] for case in before} == before
        assert len(after) == 4
        shutil.rmtree(grown / "5")


def placed(workspace: Path) -> dict[str, tuple[str, str]]:
    """Give fold and part of each labelled case."""
    with (workspace / "cases.csv").open(newline="") as handle:
        return {row["case"]: (row["fold"], row["part"]) for row in csv.DictReader(handle)}
