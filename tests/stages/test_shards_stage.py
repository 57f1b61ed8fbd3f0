"""``convert --shards``: what training reads in parts, made once, and nothing else changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pair_sets import write_set

import medprep
from medprep.pipeline import run
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert
from medprep.stages.shards import LABELS, PICTURES, Shards
from medprep.stages.train import Train
from medprep.workspace.workspace import Workspace

FAST = {"steps": 4, "width": 2, "batch_size": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two workspaces of one set, with shards and without."""
    folder = tmp_path_factory.mktemp("set")
    write_set(folder / "set", 4)
    for name in ("plain", "packed"):
        medprep.split(folder / "set", workspace=folder / name)
        medprep.convert(format="nifti", shards=name == "packed", workspace=folder / name)
        medprep.clean(workspace=folder / name)
    return folder


def keys(work: Path, stage: str) -> dict[str, str]:
    with Workspace(work, readonly=True) as opened:
        return {case: one.key for case, one in opened.database.artifacts(stage).items()}


def test_they_change_no_key_and_no_byte(made: Path) -> None:
    for stage in ("convert", "clean"):
        assert keys(made / "plain", stage) == keys(made / "packed", stage) != {}
    for name in ("images", "cleaned"):
        files = sorted(path.name for path in (made / "plain" / name).iterdir())
        for file in files:
            same = [(made / work / name / file).read_bytes() for work in ("plain", "packed")]
            assert same[0] == same[1]
    assert not (made / "plain" / "shards").exists()
    models = []
    for work in ("plain", "packed"):
        run([Train("unet3d", **FAST)], made / work)  # type: ignore[arg-type]
        folder = made / work / "models" / "unet3d-fold0"
        models.append([(folder / n).read_bytes() for n in ("model.safetensors", "log.csv")])
    assert models[0] == models[1]
    assert keys(made / "plain", "train") == keys(made / "packed", "train")


def copied(made: Path, folder: Path) -> Path:
    shutil.copytree(made / "packed", folder)
    return folder


def test_a_training_reads_them_alone(made: Path, tmp_path: Path) -> None:
    work = copied(made, tmp_path / "w")
    for path in [*(work / "images").glob("*.gz"), *(work / "cleaned").glob("*.gz")]:
        path.write_bytes(b"")
    run([Train("unet2d", run="again", **FAST)], work)  # type: ignore[arg-type]
    assert (work / "models" / "again" / "model.safetensors").exists()


def test_they_are_made_once(made: Path, tmp_path: Path) -> None:
    work = copied(made, tmp_path / "w")
    times = {path: path.stat().st_mtime_ns for path in (work / "shards").iterdir()}
    assert len(times) == 3 * 4
    run([Convert(format="nifti", shards=True), Clean()], work)
    assert {path: path.stat().st_mtime_ns for path in (work / "shards").iterdir()} == times


def test_what_is_stale_is_not_read(made: Path, tmp_path: Path) -> None:
    work = copied(made, tmp_path / "w")
    with Workspace(work, readonly=True) as opened:
        cases = [row.name for row in opened.database.cases()]
        assert all(Shards(opened).of(case) is not None for case in cases)
    run([Convert(format="nifti", window="0,100")], work)  # without shards
    with Workspace(work, readonly=True) as opened:
        assert all(Shards(opened).of(case) is None for case in cases)
    run([Convert(format="nifti", window="0,100", shards=True), Clean()], work)
    with Workspace(work, readonly=True) as opened:
        assert all(Shards(opened).of(case) is not None for case in cases)


def test_cleaning_anew_writes_the_labels_anew(made: Path, tmp_path: Path) -> None:
    work = copied(made, tmp_path / "w")
    pictures, labels = keys(work, PICTURES), keys(work, LABELS)
    run([Clean(smooth_radius=1)], work)
    assert keys(work, PICTURES) == pictures
    new = keys(work, LABELS)
    assert new.keys() == labels.keys() and not new.items() & labels.items()


def test_a_case_that_fails_is_told_and_read_as_before(made: Path, tmp_path: Path) -> None:
    work = copied(made, tmp_path / "w")
    case = sorted(keys(work, PICTURES))[0]
    (work / "images" / f"{case}.nii.gz").write_bytes(b"")
    (work / "shards" / f"{case}-picture.bricks").unlink()
    outcome = run([Convert(format="nifti", shards=True)], work)
    (summary,) = outcome.summaries
    assert list(summary.failed) == [case]
    assert outcome.exit_code == 8
    with Workspace(work, readonly=True) as opened:
        assert Shards(opened).of(case) is None
        failures = {one.subject: one.stage for one in opened.database.failures()}
    assert failures == {case: PICTURES}
    assert json.dumps(summary.lines)
