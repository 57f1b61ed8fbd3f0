"""The leak gate: no training across the same picture in two folds, unless told."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pair_sets import write_pair

import medprep
from medprep.errors import LeakError
from medprep.formats import png
from medprep.geometry import Geometry
from medprep.pipeline import Outcome
from medprep.turns import Turn

SIDE = 64
FAST = {"steps": 2, "width": 2, "batch_size": 2}


def draw(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give a picture of soft blobs, different for each seed, and a mask of its brightest part."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    picture = np.zeros((SIDE, SIDE))
    for _ in range(25):
        row, column, width = rng.uniform(0, SIDE, 2).tolist() + [rng.uniform(3, 9)]
        blob = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))
        picture += rng.uniform(30, 120) * blob
    scaled = (255 * (picture - picture.min()) / np.ptp(picture)).astype(np.uint8)
    return scaled, (255 * (scaled > 150)).astype(np.uint8)


def write(root: Path, fold: str, name: str, picture: np.ndarray, mask: np.ndarray) -> None:
    for folder, pixels in (("Data", picture), ("Ground", mask)):
        path = root / fold / folder / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        png.write_grey(path, np.ascontiguousarray(pixels))


@pytest.fixture
def leaking(tmp_path: Path) -> Path:
    """Four training and three validation pictures; one of these is a mirrored training picture."""
    for seed in range(4):
        write(tmp_path / "set", "train", f"t{seed}", *draw(seed))
    for seed in (10, 11):
        write(tmp_path / "set", "val", f"v{seed}", *draw(seed))
    write(tmp_path / "set", "val", "copy", *(pixels[:, ::-1] for pixels in draw(2)))
    return tmp_path / "set"


def said(outcome: Outcome) -> str:
    return "\n".join(line for one in outcome.summaries for line in one.lines)


def test_split_tells_and_train_refuses(leaking: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    outcome = medprep.split(leaking, workspace=work)
    assert "LEAK: 1 pair" in said(outcome) and "copy slice 0 and t2 slice 0" in said(outcome)
    rows = list(csv.DictReader((work / "leaks.csv").open()))
    assert [(row["one"], row["other"], row["kind"]) for row in rows] == [("copy", "t2", "mirrored")]
    assert {rows[0]["one_fold"], rows[0]["other_fold"]} == {"train", "val"}
    with pytest.raises(LeakError, match=r"learnt by heart.*--allow-leaks"):
        medprep.train(workspace=work, **FAST)
    assert not (work / "models").exists() or not any((work / "models").iterdir())


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1), (2, 0, 1)])
def test_a_copy_stored_along_another_axis_is_found(
    tmp_path: Path, order: tuple[int, int, int]
) -> None:
    grid = Geometry.from_parts((20, 32, 24), (2.0, 1.0, 1.5))
    array = np.random.default_rng(3).integers(0, 900, grid.shape).astype(np.int16)
    other = np.random.default_rng(4).integers(0, 900, grid.shape).astype(np.int16)
    turn = Turn(order, (0,))
    for fold, case, pixels, lies in (
        ("train", "a", array, grid), ("train", "b", other, grid),
        ("val", "c", turn.array(array), turn.geometry(grid)),
    ):  # fmt: skip
        mask = (pixels > 800).astype(np.uint8)
        write_pair(tmp_path / "set" / fold, case, pixels, mask, lies)
    told = medprep.split(tmp_path / "set", workspace=tmp_path / "w")
    rows = list(csv.DictReader((tmp_path / "w" / "leaks.csv").open()))
    assert [(row["one"], row["other"], row["slices"]) for row in rows] == [("a", "c", "20")]
    assert "LEAK: 1 pair" in said(told)


def test_a_training_that_was_told_to_says_so_in_every_table(leaking: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    medprep.split(leaking, workspace=work)
    outcome = medprep.train(workspace=work, allow_leaks=True, **FAST)
    assert "TRAINED ACROSS A LEAK: 1 pair" in said(outcome)
    outcome = medprep.dice(workspace=work)
    assert "TRAINED ACROSS A LEAK" in said(outcome)
    record = json.loads((work / "metrics" / "unet2d-fold0.json").read_text())
    assert "TRAINED ACROSS A LEAK" in record["evaluation"]["leaks"]
    rows = list(csv.DictReader((work / "metrics" / "unet2d-fold0.csv").open()))
    assert all("TRAINED ACROSS A LEAK" in row["leaks"] for row in rows)
    medprep.report(workspace=work)
    assert "TRAINED ACROSS A LEAK" in (work / "report.html").read_text()


def test_a_leak_that_comes_after_the_training_is_refused_and_told(
    leaking: Path, tmp_path: Path
) -> None:
    for kind in ("Data", "Ground"):
        (leaking / "val" / kind / "copy.png").unlink()
    write(leaking, "test", "x20", *draw(20))
    work = tmp_path / "w"
    medprep.split(leaking, workspace=work)
    medprep.train(workspace=work, **FAST)
    medprep.dice(workspace=work)
    weights = (work / "models" / "unet2d-fold0" / "model.safetensors").read_bytes()
    write(leaking, "test", "late", *draw(2))
    assert "LEAK: 1 pair" in said(medprep.split(leaking, workspace=work))
    with pytest.raises(LeakError, match=r"late slice 0 and t2 slice 0.*--allow-leaks"):
        medprep.train(workspace=work, **FAST)
    with pytest.raises(LeakError, match=r"late slice 0 and t2 slice 0.*--allow-leaks"):
        medprep.dice(workspace=work)
    outcome = medprep.train(workspace=work, allow_leaks=True, **FAST)
    assert outcome.summaries[-1].kept == ["unet2d-fold0"]
    assert "TRAINED ACROSS A LEAK" in said(outcome)
    assert "TRAINED ACROSS A LEAK" in said(medprep.dice(workspace=work))
    assert (work / "models" / "unet2d-fold0" / "model.safetensors").read_bytes() == weights
    for kind in ("Data", "Ground"):
        (leaking / "test" / kind / "late.png").unlink()
    assert "LEAK" not in said(medprep.split(leaking, workspace=work))
    assert "LEAK" not in said(medprep.train(workspace=work, **FAST))
    assert "LEAK" not in said(medprep.dice(workspace=work))


def test_a_clean_set_trains_and_says_nothing(leaking: Path, tmp_path: Path) -> None:
    for folder in ("Data", "Ground"):
        (leaking / "val" / folder / "copy.png").unlink()
    work = tmp_path / "w"
    assert "LEAK" not in said(medprep.split(leaking, workspace=work))
    assert "LEAK" not in said(medprep.train(workspace=work, **FAST))
    assert json.loads(json.dumps(medprep.check(workspace=work).summaries[-1].facts))


def test_what_was_compared_is_not_compared_again(
    leaking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "w"
    medprep.split(leaking, workspace=work)
    from medprep.stages import leak_gate

    monkeypatch.setattr(leak_gate, "find_leaks", None)  # would fail if it were called
    with pytest.raises(LeakError):
        medprep.train(workspace=work, **FAST)


def test_the_table_of_leaks_comes_back_where_it_was_deleted(leaking: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    medprep.split(leaking, workspace=work)
    written = (work / "leaks.csv").read_bytes()
    (work / "leaks.csv").unlink()
    medprep.check(workspace=work)
    assert (work / "leaks.csv").read_bytes() == written


def test_check_gives_leaks_to_programs_and_strictly_fails(leaking: Path, tmp_path: Path) -> None:
    work = tmp_path / "w"
    medprep.split(leaking, workspace=work)
    told = medprep.check(workspace=work)
    assert [one["kind"] for one in told.summaries[-1].facts["leaks"]] == ["mirrored"]
    assert told.exit_code == 0
    strict = medprep.check(workspace=work, strict=True)
    assert strict.summaries[-1].failed["folds"].code == "leak"
    assert strict.exit_code == 8


def test_copies_within_one_fold_are_no_leak(leaking: Path, tmp_path: Path) -> None:
    for name in ("copy",):
        for folder in ("Data", "Ground"):
            (leaking / "val" / folder / f"{name}.png").rename(
                leaking / "train" / folder / f"{name}.png"
            )
    assert "LEAK" not in said(medprep.split(leaking, workspace=tmp_path / "w"))
