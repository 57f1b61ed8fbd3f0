"""No room, no permission: told with path and room, nothing half-written, and it goes on after.

Long: ``python tests/helpers/full_disk.py --tries 20``, as root also with ``--disk``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_disk import can_mount
from same_bytes import content, unfinished
from stage_box import STAGES, outcome

from medprep import pipeline
from medprep.sources.phantom import make_chaos
from medprep.stages.extract import Extract
from medprep.stages.split import Split

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, limits and mounts")


def test_files_kept_short_in_every_stage(stage_box: Path) -> None:
    said = outcome("full_disk.py", stage_box, "--tries", "1")
    assert said.count("0 faults") == len(STAGES)


def test_a_small_disk_in_every_stage(stage_box: Path, tmp_path: Path) -> None:
    if not can_mount(tmp_path / "disk"):
        pytest.skip("only root may mount, and not everywhere")
    said = outcome("full_disk.py", stage_box, "--tries", "1", "--disk")
    assert said.count("0 faults") == len(STAGES)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_often_too_little_room(stage: str, stage_box: Path, tmp_path: Path) -> None:
    outcome("full_disk.py", stage_box, "--tries", "20", "--stage", stage)
    if can_mount(tmp_path / "disk"):
        outcome("full_disk.py", stage_box, "--tries", "20", "--stage", stage, "--disk")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every user may look into; pytest's own are private."""
    with tempfile.TemporaryDirectory(prefix="medprep-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def other_user() -> Iterator[list[str]]:
    """Words that start a command as a user who may read everything and write nothing of ours."""
    if os.getuid() != 0:
        yield []
        return
    # Reading stays allowed: Python itself may lie where only root looks.
    words = [
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
        "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
        "--bounding-set=-all,+dac_read_search",
    ]  # fmt: skip
    try:
        done = subprocess.run([*words, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("root may write everywhere, and there is no setpriv")
    if done.returncode:
        pytest.skip(f"root cannot become another user here: {done.stderr!r}")
    yield words


def made(work: Path) -> Path:
    """Make a workspace up to the labels."""
    make_chaos(
        work.parent / "CHAOS", mr_patients=(1, 2), unlabelled=(), ct_patients=(), slices=(2, 2),
        size=32,
    )  # fmt: skip
    split = Split(str(work.parent / "CHAOS"), preset="chaos-mr-t1in", leak_check=False)
    pipeline.run([split, Extract()], work)
    return work


def as_other(words: list[str], *command: str | Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*words, sys.executable, "-m", "medprep_cli", *map(str, command)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 1, done.stdout + done.stderr
    return done


def forbid(*folders: Path) -> None:
    for folder in folders:
        folder.chmod(0o555)


def test_an_unwritable_parent(phantom: Path, place: Path, other_user: list[str]) -> None:
    source = shutil.copytree(phantom / "Train_Sets" / "MR" / "1", place / "source" / "1").parent
    (place / "closed").mkdir()
    forbid(place / "closed")
    for line in (
        ("split", source, "-w", place / "closed" / "w"),
        ("convert", source, "--output", place / "closed" / "out"),
        ("deidentify", source, "--output", place / "closed" / "out"),
    ):
        done = as_other(other_user, *line)
        assert f"{place}/closed" in done.stderr
        assert "Permission denied" in done.stderr
        assert "docs/errors.md#write" in done.stderr
    assert list((place / "closed").iterdir()) == []


def test_a_workspace_that_may_only_be_read(place: Path, other_user: list[str]) -> None:
    work = made(place / "work")
    before = content(work)
    forbid(*[one for one in work.rglob("*") if one.is_dir()], work)
    done = as_other(other_user, "clean", "-w", work)
    assert str(work) in done.stderr
    assert "cannot be written (Permission denied)" in done.stderr
    assert content(work) == before
    assert unfinished(work) == []


def test_one_folder_that_may_only_be_read(place: Path, other_user: list[str]) -> None:
    work = made(place / "work")
    if other_user:
        for one in (work, *work.rglob("*")):
            os.chown(one, 65534, 65534)
    (work / "cleaned").mkdir(exist_ok=True)
    forbid(work / "cleaned")
    done = as_other(other_user, "clean", "-w", work)
    assert "Permission denied" in done.stderr
    assert f"{work}/cleaned/mr01-t1in.nii.gz" in done.stderr
    assert "bytes are free there" in done.stderr
    assert list((work / "cleaned").iterdir()) == []
    assert not (work / "medprep.lock").exists()
    (work / "cleaned").chmod(0o777)
    words = [*other_user, sys.executable, "-m", "medprep_cli", "clean", "-w", str(work)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
