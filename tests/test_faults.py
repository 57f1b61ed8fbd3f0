"""What goes wrong for users: a clear word, the right exit status, and the rest goes on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROUND = ("convert", "extract", "clean")


def medprep(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line; a traceback is never an answer."""
    done = subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=cwd,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def source(phantom: Path, tmp_path: Path) -> Path:
    """A copy of the phantom to harm."""
    return Path(shutil.copytree(phantom, tmp_path / "CHAOS"))


def masks(source: Path, patient: int = 1) -> list[Path]:
    return sorted((source / "Train_Sets" / "MR" / str(patient) / "T1DUAL" / "Ground").iterdir())


def pictures(source: Path, patient: int = 1) -> list[Path]:
    folder = source / "Train_Sets" / "MR" / str(patient) / "T1DUAL" / "DICOM_anon" / "InPhase"
    return sorted(path for path in folder.iterdir() if path.suffix == ".dcm")


def tree_hash(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(str(path).encode() + path.read_bytes())
    return whole.hexdigest()


def remove_mask(source: Path) -> None:
    masks(source)[2].unlink()


def shrink_mask(source: Path) -> None:
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(masks(source)[2])


def stray_level(source: Path) -> None:
    path = masks(source)[2]
    levels = np.array(Image.open(path))
    levels[:2, :3] = 97
    Image.fromarray(levels).save(path)


def colour_mask(source: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), (1, 2, 3), np.uint8)).save(masks(source)[2])


def cut_pixels(source: Path) -> None:
    path = pictures(source)[2]
    path.write_bytes(path.read_bytes()[:900])


def rubbish(source: Path) -> None:
    pictures(source)[2].write_bytes(b"this is no picture")


def dangling(source: Path) -> None:
    path = pictures(source)[2]
    path.unlink()
    path.symlink_to("nowhere")


def pipe(source: Path) -> None:
    path = pictures(source)[2]
    path.unlink()
    os.mkfifo(path)


def lost_slice(source: Path) -> None:
    pictures(source)[2].unlink()
    masks(source)[2].unlink()


@pytest.mark.parametrize(
    ("harm", "stage", "wanted"),
    [
        (remove_mask, "extract", "wanted is one mask for each slice"),
        (shrink_mask, "extract", "10 x 12"),
        (stray_level, "extract", "97"),
        (colour_mask, "extract", "colour"),
        (cut_pixels, "convert", "slice 3"),
        (rubbish, "convert", "slice 3"),
        (dangling, "convert", "picture 3"),
        (pipe, "convert", "picture 3"),
        (lost_slice, "convert", "missing"),
    ],
)
def test_one_bad_case_is_named_and_the_others_go_on(
    harm: Callable[[Path], None], stage: str, wanted: str, source: Path, tmp_path: Path
) -> None:
    harm(source)
    before = tree_hash(source) if harm is not pipe else ""
    work = tmp_path / "work"
    done = medprep("split", source, "--preset", "chaos-mr-t1in", *ROUND, "-w", work)
    assert done.returncode == 8, done.stderr
    failed = [line for line in done.stderr.splitlines() if "FAILED" in line]
    assert len(failed) == 1, done.stderr
    assert "mr01-t1in" in failed[0]
    assert wanted in failed[0]
    cleaned = {path.name for path in (work / "cleaned").iterdir()}
    assert cleaned == {f"mr{n:02d}-t1in.nii.gz" for n in (2, 3, 5)}
    table = (work / "cases.csv").read_text()
    row = next(line for line in table.splitlines() if line.startswith("mr01-t1in"))
    assert "failed" in row
    assert stage in row
    assert before == (tree_hash(source) if harm is not pipe else ""), "the source was changed"


def test_mended_it_goes_on_from_there(source: Path, tmp_path: Path) -> None:
    lost = masks(source)[2]
    kept = lost.read_bytes()
    lost.unlink()
    line = ("split", source, *ROUND, "-w", tmp_path / "work")
    assert medprep(*line).returncode == 8
    lost.write_bytes(kept)
    # The time of a restored file is new, so the split must see it again; its content is the same.
    done = medprep(*line, "--json")
    assert done.returncode == 0, done.stderr
    made = {stage["stage"]: stage["made"] for stage in json.loads(done.stdout)["stages"]}
    assert made["convert"] == []
    assert made["extract"] == ["mr01-t1in"]


def test_unmapped_levels_can_be_accepted(source: Path, tmp_path: Path) -> None:
    stray_level(source)
    line = ("split", source, "extract", "--unmapped", "background", "-w", tmp_path / "work")
    done = medprep(*line)
    assert done.returncode == 0
    assert "6 voxels in no organ's range count as background" in done.stderr


def test_a_range_that_matches_nothing(source: Path, tmp_path: Path) -> None:
    done = medprep(
        "split", source, "extract", "--label", "gall", "20", "30", "--unmapped", "background",
        "-w", tmp_path / "work",
    )  # fmt: skip
    assert done.returncode == 8
    assert "no voxel of any case is gall 20-30" in done.stderr


def test_sources_that_are_none(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (tmp_path / "empty").mkdir()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("a")
    for folder, wanted in (
        ("none", "no such folder"), ("empty", "empty"), ("letters", "1 .txt"),
    ):  # fmt: skip
        done = medprep("split", tmp_path / folder, "convert", "-w", work)
        assert done.returncode == 1
        assert wanted in done.stderr
        assert not work.exists(), "a workspace was made for nothing"


def test_a_set_without_masks_can_be_converted_but_not_trained(source: Path, tmp_path: Path) -> None:
    unlabelled = source / "Test_Sets"
    assert medprep("split", unlabelled, "convert", "-w", tmp_path / "w").returncode == 0
    done = medprep("train", "-w", tmp_path / "w")
    assert done.returncode == 1
    assert "Error" in done.stderr


def test_one_patient_cannot_be_trained(source: Path, tmp_path: Path) -> None:
    one = source / "Train_Sets" / "MR" / "1"
    work = tmp_path / "w"
    done = medprep("split", one, *ROUND, "-w", work)
    assert done.returncode == 0
    assert "nobody is held out" in done.stderr
    done = medprep("train", "-w", work)
    assert done.returncode == 1
    assert "none is held out" in done.stderr
    assert not list((work).glob("models/*/*"))


def test_another_data_set_in_the_same_workspace(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    assert medprep("split", source, "--preset", "chaos-mr-t2", "-w", work).returncode == 0
    splits = (work / "splits.json").read_bytes()
    done = medprep("split", source, "--preset", "chaos-ct", "-w", work)
    assert done.returncode == 1
    assert "one preset per workspace" in done.stderr
    assert (work / "splits.json").read_bytes() == splits


def test_a_newer_workspace_is_left_alone(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    medprep("split", source, "-w", work)
    with sqlite3.connect(work / "medprep.sqlite") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    done = medprep("convert", "-w", work)
    assert done.returncode == 1
    assert "newer medprep" in done.stderr


def test_unknown_model_and_no_workspace(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    assert medprep("dice", "-w", work).returncode == 1
    assert not work.exists()
    medprep("split", source, "-w", work)
    done = medprep("predict", "--run", "gone", "-w", work)
    assert done.returncode == 1
    assert "no model 'gone'" in done.stderr
    done = medprep("train", "--model", "unet9d", "-w", work)
    assert done.returncode == 2
    assert "no model 'unet9d'" in done.stderr


def test_a_lost_prediction_counts_as_a_failure(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    line = ("split", source, "extract-liver", "train", "--steps", "2", "--width", "2", "-w", work)
    assert medprep(*line).returncode == 0
    splits = json.loads((work / "splits.json").read_text())
    tested = splits[0]["test"][0]
    (work / "models" / "unet2d-fold0" / "model.safetensors").write_bytes(b"damaged")
    done = medprep("dice", "-w", work)
    assert done.returncode == 1
    assert tested in done.stderr
    assert "no weights of medprep" in done.stderr


def test_a_read_only_place(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, no folder")
    done = medprep("split", source, "-w", tmp_path / "file" / "w")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_refused_options_are_not_taken_up_again(source: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    medprep("split", source, "-w", work)
    assert medprep("extract", "--organ", "livr", "-w", work).returncode == 2
    assert medprep("clean", "-w", work).returncode == 0
    assert "livr" not in medprep("status", "--command", "-w", work).stdout


def test_verbose_shows_the_cause_in_full(source: Path, tmp_path: Path) -> None:
    shrink_mask(source)
    line = [sys.executable, "-m", "medprep_cli", "split", str(source), "extract"]
    for more in ([], ["-v"]):
        command = [*line, *more, "-w", str(tmp_path / "w"), "-j", "1"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 8
        assert ("Traceback" in done.stderr) == bool(more)
