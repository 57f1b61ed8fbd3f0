"""No name, id or date of a patient in anything that is made, but for ``private/``."""

from __future__ import annotations

import gzip
import sqlite3
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_stacks import write_slices
from PIL import Image, PngImagePlugin
from planted import DATE, ID, MARKS, SEED, found_in, plant_file

from medprep.sources.phantom import make_chaos

FAST = ("--steps", "6", "--width", "2", "--batch-size", "2")
pytestmark = pytest.mark.filterwarnings("ignore:Invalid value")


def medprep(*words: str | Path, check: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == check, done.stderr[-2000:]
    return done


def plant_chaos(root: Path) -> Path:
    """Make a CHAOS folder below a telling one, and plant strings in all its files."""
    source = root / f"{SEED} {DATE}" / f"{SEED}-{ID}"
    make_chaos(source, mr_patients=(1, 2, 3), unlabelled=(), ct_patients=(), slices=(4, 4), size=64)
    for path in sorted(source.rglob("*.dcm")):
        plant_file(path, "".join(part for part in path.parts if part.isdecimal()))
    for path in sorted(source.rglob("*.png")):
        told = PngImagePlugin.PngInfo()
        told.add_text("Comment", f"{SEED}ohn {DATE}")
        told.add_itxt("Title", f"{SEED}ohn {ID}", zip=True)
        Image.open(path).save(path, pnginfo=told)
    return source


def plant_tree(root: Path) -> Path:
    """Make a tree of two patients, planted, under telling names, and a file nobody can read."""
    for number in range(2):
        folder = root / f"{SEED}^ohn {DATE}" / f"{ID}-{number}" / f"{SEED}study"
        write_slices(folder, SeriesInstanceUID=f"1.2.3.{number}", SeriesNumber=number + 1)
        for place, path in enumerate(sorted(folder.iterdir())):
            named = path.with_name(f"{SEED}{place}_{DATE}.dcm")
            path.rename(named)
            plant_file(named, str(number))
    gap = root / f"{SEED}gap"
    write_slices(gap, (0, 3, 12), SeriesInstanceUID="1.2.3.7", SeriesNumber=7)
    for path in sorted(gap.iterdir()):
        plant_file(path, "7")
    (root / f"{SEED}{ID}.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 9 + SEED.encode())
    return root


def test_nothing_planted_comes_out_of_the_chain(tmp_path: Path) -> None:
    source = plant_chaos(tmp_path / "in")
    assert len(found_in(tmp_path / "in")) > 100, "nothing was planted"
    work = tmp_path / "work"
    medprep(
        "split", source, "--preset", "chaos-mr-t1in", "convert", "--format", "png16",
        "extract", "clean", "check", "augment", "--copies", "1", "train", *FAST,
        "predict", "--cases", "all", "dice", "report", "-w", work,
    )  # fmt: skip
    medprep("evaluate", "-w", work)
    medprep("export", "--format", "nnunet", "--output", tmp_path / "exported", "-w", work)
    assert (work / "report.html").is_file()
    assert found_in(work) == []
    assert found_in(tmp_path / "exported") == []


def test_nothing_planted_comes_out_of_a_tree(tmp_path: Path) -> None:
    source = plant_tree(tmp_path / "in")
    assert len(found_in(source)) > 20, "nothing was planted"
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    for form in ("nifti", "nrrd", "mha", "png", "png16"):
        medprep("convert", source, "-o", tmp_path / form, "--format", form, check=8)
        assert found_in(tmp_path / form) == []
        assert len(list((tmp_path / form).glob("*.json"))) == 2
    medprep("deidentify", source, "-o", tmp_path / "dicom", "--shift-dates", check=8)
    assert found_in(tmp_path / "dicom") == []
    assert len(list((tmp_path / "dicom").rglob("*.dcm"))) == 13
    medprep("split", source, "convert", "-w", tmp_path / "work", check=8)
    assert found_in(tmp_path / "work") == []
    again = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    assert before == again
    made = {path.name for path in tmp_path.iterdir()}
    medprep("scan", source, check=8)
    assert {path.name for path in tmp_path.iterdir()} == made


def test_nothing_in_nifti_headers_comes_out(tmp_path: Path) -> None:
    for number in range(4):
        for kind, values in (("images", 900), ("labels", 2)):
            array = np.random.default_rng(number).integers(0, values, (6, 6, 4)).astype(np.int16)
            volume = nibabel.Nifti1Image(array, np.diag([1.0, 1, 3, 1]))
            volume.header["descrip"] = f"{SEED}ohn {DATE}".encode()
            volume.header["db_name"] = SEED.encode()
            volume.header["aux_file"] = ID.encode()
            volume.header["intent_name"] = SEED.encode()
            volume.header.extensions.append(
                nibabel.nifti1.Nifti1Extension("comment", f"{SEED}ohn {ID}".encode())
            )
            path = tmp_path / "in" / kind / f"case{number}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(volume, path)
    assert len(found_in(tmp_path / "in")) >= 8
    work = tmp_path / "work"
    medprep("split", tmp_path / "in", "convert", "extract", "clean", "-w", work)
    assert list((work / "images").glob("*.nii.gz"))
    assert found_in(work) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (f"{SEED}.txt", b""),
        ("a.txt", SEED.upper().encode()),
        ("a.csv", DATE.encode()),
        ("a.nii.gz", gzip.compress(b"x" + SEED.encode())),
        ("a.bin", SEED.encode("utf-16")),
    ],
    ids=["name", "text", "date", "packed", "wide"],
)
def test_the_search_finds_what_is_there(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert found_in(tmp_path)


def test_the_search_looks_into_databases_and_pictures(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as database:
        database.execute("create table t (x)")
        database.execute("insert into t values (?)", (SEED,))
    database.close()
    assert found_in(tmp_path)
    (tmp_path / "a.sqlite").unlink()
    assert found_in(tmp_path) == []
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", f"{SEED}ohn", zip=True)
    Image.new("L", (8, 8)).save(tmp_path / "a.png", pnginfo=told)
    assert found_in(tmp_path)
    assert len(MARKS) == len(set(MARKS))
