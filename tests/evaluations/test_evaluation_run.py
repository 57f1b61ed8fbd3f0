"""Two folders are scored without a workspace, in the library and at the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medprep.errors import NothingDoneError, OptionError, SourceError, WriteError
from medprep.evaluations.options import EvaluateFolders
from medprep.evaluations.run import evaluate_folders, look_at
from medprep.evaluations.tutorial import evaluate_pictures
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.volume import LabelMap

AFFINE = np.array([[0, 0, 0.8, 0], [0, 0.8, 0, 0], [3, 0, 0, 0], [0, 0, 0, 1]], float)
GRID = Geometry((8, 24, 24), AFFINE)


def ball(shift: int = 0, organ: int = 1) -> np.ndarray:
    z, y, x = np.ogrid[:8, :24, :24]
    inside = ((z - 4) / 3) ** 2 + ((y - 12) / 7) ** 2 + ((x - 10 - shift) / 6) ** 2 <= 1
    return np.asarray(inside * organ, np.uint8)


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti.write(path, LabelMap(array, GRID, {}))


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for case, shift in (("p1", 0), ("p2", 1), ("p3", 2)):
        write(tmp_path / "truth" / f"{case}.nii.gz", ball())
        write(tmp_path / "net" / f"{case}_pred.nii.gz", ball(shift))
    return tmp_path


def asked(root: Path, *models: str, **options: object) -> EvaluateFolders:
    predicted = tuple(str(root / one) for one in models or ("net",))
    return EvaluateFolders(str(root / "truth"), predicted, **options)  # type: ignore[arg-type]


def test_every_case_is_scored_once_and_by_patient(folders: Path) -> None:
    outcome = evaluate_folders(asked(folders))
    (found,) = outcome.results.evaluations
    assert [case.case for case in found.cases] == ["p1", "p2", "p3"]
    dice = [case.labels[0].values["dice"] for case in found.cases]
    assert dice[0] == 1.0 and dice[0] > dice[1] > dice[2]  # type: ignore[operator]
    assert [case.labels[0].values["hd_mm"] for case in found.cases] == pytest.approx([0, 0.8, 1.6])
    assert outcome.exit_code == 0
    short = found.summary(found.organs[0], "dice")
    assert short.mean == pytest.approx(np.mean(dice)) and short.interval is not None


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_goes_wrong_is_counted_and_does_not_stop_the_others(folders: Path, jobs: int) -> None:
    (folders / "net" / "p1_pred.nii.gz").unlink()
    (folders / "net" / "p2_pred.nii.gz").write_bytes(b"no volume")
    write(folders / "net" / "p9_pred.nii.gz", ball())
    outcome = evaluate_folders(asked(folders), jobs=jobs)
    assert outcome.exit_code == 8
    assert sorted(outcome.failed) == ["net/p1", "net/p2", "net/p9_pred"]
    (found,) = outcome.results.evaluations
    states = {case.case: case.labels[0].state for case in found.cases}
    assert states == {"p1": "missing", "p2": "missing", "p3": "both"}
    dice = found.by_patient(found.organs[0], "dice")
    assert dice["p1"] == dice["p2"] == 0.0 < dice["p3"]
    assert found.extra == ("p9_pred",)
    said = "\n".join(outcome.lines)
    assert "2 without a prediction, counted as failures" in said
    assert "p9_pred: predicted, but there is no reference" in said


@pytest.mark.parametrize("preset", ["medprep", "chaos-code"])
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("fault", ["off its grid", "no volume", "of strange numbers"])
def test_what_cannot_be_scored_counts_as_a_prediction_that_is_missing(
    folders: Path, fault: str, jobs: int, preset: str
) -> None:
    bad = folders / "net" / "p2_pred.nii.gz"
    bad.unlink()
    wanted = evaluate_folders(asked(folders, preset=preset)).results.evaluations[0]
    if fault == "no volume":
        bad.write_bytes(b"no volume")
    else:
        off = Geometry(GRID.shape, AFFINE + [[0, 0, 0, 5], [0] * 4, [0] * 4, [0] * 4])
        strange = ball() * 254 + ball(3)
        labels, grid = (ball(), off) if fault == "off its grid" else (strange, GRID)
        nifti.write(bad, LabelMap(labels, grid, {}))
    outcome = evaluate_folders(asked(folders, preset=preset), jobs=jobs)
    found = outcome.results.evaluations[0]
    assert found.cases == wanted.cases
    worst = found.cases[1].labels[0]
    assert worst.values["assd_mm"] == worst.diagonal_mm and worst.reference_voxels
    assert found.pooled_dice(found.organs[0]) == wanted.pooled_dice(found.organs[0])
    assert outcome.exit_code == 8 and outcome.failed["net/p2"].code != "missing"
    assert "p2: not scored, counted as missing: " in "\n".join(outcome.lines)


def test_an_organ_of_a_failed_case_alone_counts_too(folders: Path) -> None:
    write(folders / "truth" / "p2.nii.gz", ball() + (ball(3) & ~ball()))
    write(folders / "truth" / "p1.nii.gz", np.where(ball(), ball(), ball(3) * np.uint8(2)))
    (folders / "net" / "p1_pred.nii.gz").write_bytes(b"no volume")
    (found,) = evaluate_folders(asked(folders)).results.evaluations
    assert [one.state for one in found.cases[0].labels] == ["missing", "missing"]
    assert all(one.reference_voxels for one in found.cases[0].labels)


def test_without_a_reference_no_mean_is_the_better_for_it(folders: Path) -> None:
    (folders / "truth" / "p2.nii.gz").write_bytes(b"no volume")
    outcome = evaluate_folders(asked(folders, preset="chaos-code"))
    (found,) = outcome.results.evaluations
    values = found.cases[1].labels[0].values
    zero = [name for name in values if name.endswith("_score") or name == "dice"]
    assert len(zero) == 6 and all(values[name] == 0 for name in zero)
    assert values["ravd_percent"] == 100 and values["assd_mm"] is None
    said = "\n".join(outcome.lines)
    assert "p2: its reference cannot be read: it counts 0" in said
    assert "left out of distances, volumes and the Dice of all voxels" in said


def test_two_models_stand_side_by_side(folders: Path) -> None:
    for case in ("p1", "p2", "p3"):
        write(folders / "other" / f"{case}.nii.gz", ball(3))
    outcome = evaluate_folders(asked(folders, "net", "other", metrics=("dice",)))
    (one,) = outcome.results.contrasts
    assert (one.first, one.second, one.comparison.wins, one.comparison.n) == ("net", "other", 3, 3)
    assert one.comparison.effect_size == 1.0


def test_tables_are_written_and_not_written_over(folders: Path) -> None:
    output = folders / "out"
    outcome = evaluate_folders(asked(folders, output=str(output)))
    assert {path.name for path in output.iterdir()} == {"net.json", "net.csv", "net.md"}
    record = json.loads((output / "net.json").read_text())
    assert record == json.loads(json.dumps(outcome.to_dict()["models"]["net"]))
    with pytest.raises(WriteError, match="--overwrite"):
        evaluate_folders(asked(folders, output=str(output)))
    evaluate_folders(asked(folders, output=str(output)), overwrite=True)


def test_nothing_to_score_is_said(folders: Path) -> None:
    with pytest.raises(SourceError, match=r"(?i)no such file"):
        evaluate_folders(asked(folders, "gone"))
    (folders / "empty").mkdir()
    with pytest.raises(SourceError, match="holds nothing"):
        evaluate_folders(asked(folders, "empty"))
    for path in (folders / "net").iterdir():
        path.write_bytes(b"no volume")
    with pytest.raises(NothingDoneError, match="none of 3 pairs can be scored"):
        evaluate_folders(asked(folders))
    with pytest.raises(OptionError, match="--grid and --spacing both"):
        asked(folders, grid="x", spacing_mm=(1.0, 1.0, 1.0))


def test_a_look_says_what_would_be_scored(folders: Path) -> None:
    (folders / "net" / "p1_pred.nii.gz").unlink()
    lines = look_at(asked(folders))
    assert "net/p1: MISSING, a failure" in lines and "net/p2: p2_pred" in lines


def pictures(folder: Path, volume: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for number, one in enumerate(volume):
        Image.fromarray(one).save(folder / f"slice{number:02d}.png")


def test_pictures_without_a_size_give_nothing_in_mm(tmp_path: Path) -> None:
    pictures(tmp_path / "truth" / "p1", ball() * 255)
    pictures(tmp_path / "net" / "p1", ball(1) * 255)
    outcome = evaluate_folders(asked(tmp_path))
    (case,) = outcome.results.evaluations[0].cases
    assert "dice" in case.labels[0].values and "hd_mm" not in case.labels[0].values
    assert any("size of the voxels unknown" in note for note in case.notes)
    sized = evaluate_folders(asked(tmp_path, spacing_mm=(3.0, 0.8, 0.8)))
    assert sized.results.evaluations[0].cases[0].labels[0].values["hd_mm"] == pytest.approx(0.8)
    with pytest.raises(NothingDoneError, match="every metric asked for is in mm"):
        evaluate_folders(asked(tmp_path, metrics=("hd_mm",)))


def test_the_tutorials_number_stands_beside_the_honest_ones(tmp_path: Path) -> None:
    truth = ball() * 255
    pictures(tmp_path / "truth" / "p1", truth)
    pictures(tmp_path / "net" / "p1", (truth * 0.6).astype(np.uint8))
    (score,) = evaluate_pictures(asked(tmp_path, preset="tutorial")).scores
    assert score.volume == score.hard_slices_empty_one == 1.0
    assert score.empty == 1 and score.slices == 8
    sure = 0.75  # 2 * 0.6 / (1 + 0.6)
    assert score.soft_slices == pytest.approx((7 * sure + 1) / 8, abs=1e-9)


def test_the_command_line(folders: Path) -> None:
    def run(*words: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "medprep_cli", "evaluate", *map(str, words)]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)

    sides = ("--reference", folders / "truth", "--predicted", folders / "net")
    done = run(*sides, "--metrics", "dice,hd95_mm", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["models"]["net"]["evaluation"]["metrics"] == ["dice", "hd95_mm"]
    assert "HD95, mm" in done.stderr
    assert run("--reference", folders / "truth").returncode == 2
    assert run("--predicted", folders / "net").returncode == 2
    done = run(*sides, "report")
    assert done.returncode == 2 and "stands alone" in done.stderr
    done = run(*sides, "--preset", "best")
    assert done.returncode == 2 and "no preset 'best'" in done.stderr
