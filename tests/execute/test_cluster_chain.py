"""Every stage on a cluster: the bytes of one process, also when workers and drivers are killed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dask_box import DaskBox, children, dask_box, until
from same_bytes import content, differences
from stage_box import Box, fresh

from medprep import outside, pipeline
from medprep.errors import SchedulerError
from medprep.progress import Silent
from medprep.stages.augment import Augment
from medprep.stages.check import Check
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert
from medprep.stages.evaluate import Evaluate
from medprep.stages.extract import Extract
from medprep.stages.predict import Predict
from medprep.stages.split import Split
from medprep.stages.train import Train

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux tells")
ON_WORKERS = (
    "convert", "extract", "clean", "augment", "predict", "evaluate", "convert-tree",
    "predict-input", "deidentify",
)  # fmt: skip


def chain(source: Path) -> list[pipeline.Stage]:
    net = Train(steps=4, width=2, batch_size=2, device="cpu")
    return [
        Split(str(source), preset="chaos-mr-t1in"), Convert(), Extract(), Clean(), Check(),
        Augment(copies=2), net, Predict(), Evaluate(),
    ]  # fmt: skip


def test_the_chain_gives_the_bytes_of_one_process(
    phantom: Path, dask_cluster: DaskBox, tmp_path: Path
) -> None:
    one = pipeline.run(chain(phantom), tmp_path / "one")
    other = pipeline.run(chain(phantom), tmp_path / "other", cluster=dask_cluster.address)
    assert one.exit_code == other.exit_code == 0
    assert differences(tmp_path / "other", tmp_path / "one") == ""
    pair = (tmp_path / "one" / "labels", tmp_path / "one" / "cleaned")
    scored = [
        outside.evaluate_folders(*pair, cluster=cluster).to_dict()
        for cluster in (None, dask_cluster.address)
    ]
    assert scored[0] == scored[1]


def test_trees_give_the_bytes_of_one_process(
    phantom: Path, dask_cluster: DaskBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths, as a person gives them, with workers that run elsewhere."""
    monkeypatch.chdir(tmp_path)
    Path("key").write_text("0123456789abcdef" * 4)
    shutil.copytree(phantom / "Train_Sets" / "MR" / "1", "scans")
    outcomes = []
    for name, cluster in (("one", None), ("other", dask_cluster.address)):
        made = outside.convert_tree("scans", f"{name}/nii", id_key="key", cluster=cluster)
        written = outside.deidentify(
            "scans", f"{name}/dcm", id_key="key", key_file=f"{name}/way/back.csv", cluster=cluster
        )
        seen = outside.scan("scans", cluster=cluster)
        outcomes.append((made.to_dict(), written.to_dict(), seen.to_dict()))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0]["made"], "else nothing was compared"
    assert content(Path("one")) == content(Path("other"))


def driver(
    words: list[str], cluster: DaskBox, log: Path, *, cwd: Path | None = None
) -> subprocess.Popen[bytes]:
    """Start the command line on the cluster, as the box was made: with two threads for torch."""
    environ = {**os.environ, "OMP_NUM_THREADS": "2"}
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "medprep_cli", *words, "--scheduler", cluster.address],
            stdout=out, stderr=out, env=environ, cwd=cwd, start_new_session=True,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("stage", ON_WORKERS)
def test_a_worker_killed_in_each_stage(stage: str, stage_box: Path, tmp_path: Path) -> None:
    kill_a_worker(stage, Box(stage_box), tmp_path)


def kill_a_worker(stage: str, box: Box, folder: Path) -> None:
    chance = random.Random(stage)
    with dask_box(folder / "dask", workers=3) as cluster:
        work = fresh(box, stage, folder / "work")
        going = driver(box.words(stage, work), cluster, folder / "log")
        busy = [worker for worker in cluster.workers if children(worker.pid)]
        while not busy and going.poll() is None:
            time.sleep(0.01)
            busy = [worker for worker in cluster.workers if children(worker.pid)]
        time.sleep(chance.uniform(0, 1))
        chance.choice(busy).kill()
        assert going.wait(300) == 0, (folder / "log").read_text()
        assert differences(work, box.after(stage)) == ""


class Killing(Silent):
    """Kills the scheduler when a first case is recorded."""

    def __init__(self, box: DaskBox) -> None:
        self._box = box

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self._box.scheduler is not None:
            self._box.scheduler.kill()


def test_a_scheduler_killed_midway_and_the_rest_done_here(phantom: Path, tmp_path: Path) -> None:
    stages = [Split(str(phantom), preset="chaos-mr-t1in"), Convert()]
    pipeline.run(stages, tmp_path / "wanted")
    pipeline.run(stages[:1], tmp_path / "work")
    with dask_box(tmp_path / "dask") as box, pytest.raises(SchedulerError, match="goes on"):
        pipeline.run(stages[1:], tmp_path / "work", cluster=box.address, progress=Killing(box))
    outcome = pipeline.run(stages[1:], tmp_path / "work")
    (summary,) = outcome.summaries
    assert summary.kept, "what was done is recorded"
    assert summary.made, "else the scheduler died too late"
    assert differences(tmp_path / "work", tmp_path / "wanted") == ""


def busy_driver(
    phantom: Path, cluster: DaskBox, folder: Path
) -> tuple[subprocess.Popen[bytes], list[int]]:
    """Give a driver in the middle of long cases, and the processes that work them."""
    stages = [Split(str(phantom), preset="chaos-mr-t1in"), Convert(), Extract(), Clean()]
    pipeline.run(stages, folder / "work")
    words = ["-w", str(folder / "work"), "augment", "--copies", "300"]
    going = driver(words, cluster, folder / "log")
    drafts = folder / "work" / "augmented"
    until(lambda: drafts.exists() and any(drafts.rglob("*.png")))
    return going, [pid for worker in cluster.workers for pid in children(worker.pid)]


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_leaves_nobody_writing(
    sent: signal.Signals, status: int, phantom: Path, dask_cluster: DaskBox, tmp_path: Path
) -> None:
    going, workers = busy_driver(phantom, dask_cluster, tmp_path)
    assert workers
    going.send_signal(sent)
    assert going.wait(60) == status, (tmp_path / "log").read_text()
    assert not any(map(running, workers)), "gone before the driver is"
    told = (tmp_path / "log").read_text()
    assert told.endswith("Stopped; the same command goes on from here.\n")
    assert "Traceback" not in told
    assert not (tmp_path / "work" / "medprep.lock").exists()


def test_a_killed_driver_leaves_nobody_writing(
    phantom: Path, dask_cluster: DaskBox, tmp_path: Path
) -> None:
    going, workers = busy_driver(phantom, dask_cluster, tmp_path)
    going.kill()
    going.wait()
    until(lambda: not any(map(running, workers)), 30)
    work = tmp_path / "work"
    assert not [one for one in (work / "augmented").iterdir() if not one.name.startswith(".")]
    after = [Split(str(phantom), preset="chaos-mr-t1in"), Convert(), Augment(copies=2)]
    pipeline.run(after[1:], work, cluster=dask_cluster.address)
    pipeline.run(after, tmp_path / "wanted")
    assert content(work / "augmented") == content(tmp_path / "wanted" / "augmented")


def test_two_drivers_on_one_scheduler(phantom: Path, dask_cluster: DaskBox, tmp_path: Path) -> None:
    words = ["split", str(phantom), "--preset", "chaos-mr-t1in", "convert"]
    names = ("a", "b")
    both = [
        driver(["-w", str(tmp_path / name), *words], dask_cluster, tmp_path / f"{name}.log")
        for name in names
    ]
    assert [one.wait(120) for one in both] == [0, 0]
    assert content(tmp_path / "a" / "images") == content(tmp_path / "b" / "images")


def test_two_drivers_on_one_workspace(phantom: Path, dask_cluster: DaskBox, tmp_path: Path) -> None:
    going, _ = busy_driver(phantom, dask_cluster, tmp_path)
    second = driver(["-w", str(tmp_path / "work"), "convert"], dask_cluster, tmp_path / "log2")
    assert second.wait(60) == 1
    assert f"process {going.pid} on" in (tmp_path / "log2").read_text()
    assert going.poll() is None, "the first goes on"
    going.send_signal(signal.SIGTERM)
    going.wait()


def running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
