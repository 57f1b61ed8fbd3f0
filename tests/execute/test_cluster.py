"""Cases on Dask workers: results, deaths, limits, and what may not appear."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crew_work
import pytest
from dask_box import DaskBox, children, dask_box, until

from medprep.errors import SchedulerError
from medprep.execute import Failure, map_cases
from medprep.execute import cluster as cluster_module
from medprep.execute.cluster import Cluster
from medprep.execute.connecting import connected
from medprep.progress import Silent

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes as Linux tells them")


@pytest.fixture
def cluster(dask_cluster: DaskBox) -> Iterator[Cluster]:
    with connected(dask_cluster.address, Silent()) as found:
        yield found


def worked(work: Any, tasks: list[Any], cluster: Cluster, **how: Any) -> dict[Any, Any]:
    return dict(map_cases(work, tasks, cluster=cluster, **how))


def test_results_are_those_of_one_process(cluster: Cluster) -> None:
    tasks = list(range(7))
    assert worked(crew_work.square, tasks, cluster) == dict(map_cases(crew_work.square, tasks))
    assert worked(crew_work.square, [], cluster) == {}


def test_each_thread_has_a_process_of_its_own(cluster: Cluster, dask_cluster: DaskBox) -> None:
    found = set(worked(crew_work.own_process, list(range(8)), cluster).values())
    assert 1 <= len(found) <= 2
    assert not found & {os.getpid(), *(worker.pid for worker in dask_cluster.workers)}


def test_results_in_the_order_of_the_tasks(cluster: Cluster) -> None:
    going = cluster.map_in_order(crew_work.last_first, [0.6, 0.3, 0.0])
    assert list(going) == [(0.6, 0.6), (0.3, 0.3), (0.0, 0.0)]


def test_tasks_are_taken_as_they_are_needed(cluster: Cluster) -> None:
    taken = 0

    def many() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    going = cluster.map(crew_work.square, many())
    for _ in range(5):
        next(going)
    going.close()
    assert taken < 100


def test_errors_become_failures(cluster: Cluster) -> None:
    results = worked(crew_work.fail, [0, 1, 2, 3, 4], cluster)
    assert results[4] == 4
    label, memory, missing, unsent = (results[number] for number in range(4))
    assert (label.code, label.message, label.path) == ("label", "no mask", "private.png")
    assert memory.code == "memory"
    assert missing.message == "unexpected FileNotFoundError: No such file or directory"
    assert "cannot be sent" in unsent.message


def test_a_case_that_kills_its_process_once_succeeds(cluster: Cluster, tmp_path: Path) -> None:
    markers = [str(tmp_path / name) for name in "ab"]
    assert worked(crew_work.die_once, markers, cluster) == dict(zip(markers, "ab", strict=True))


def test_a_case_that_always_kills_is_recorded_and_the_others_finish(cluster: Cluster) -> None:
    results = worked(crew_work.die_if_odd, [0, 1, 2], cluster)
    failure = results.pop(1)
    assert results == {0: 0, 2: 2}
    assert failure.code == "worker"
    assert "died twice, at last of signal 9 (SIGKILL)" in failure.message


def test_a_case_that_hangs_is_stopped_and_the_others_finish(cluster: Cluster) -> None:
    results = worked(crew_work.hang_if_odd, [0, 1, 2, 4], cluster, limit_s=4)
    failure = results.pop(1)
    assert results == {0: 0, 2: 2, 4: 4}
    assert failure.message.startswith("took longer than --case-timeout 4 s and was stopped")


def test_no_more_at_once_in_a_worker_than_fit(tmp_path: Path) -> None:
    with dask_box(tmp_path, workers=0) as box:
        box.start_worker("--nthreads", "3")
        with connected(box.address, Silent()) as cluster:
            tasks = [(str(tmp_path / "here"), number) for number in range(6)]
            seen = worked(crew_work.count_at_once, tasks, cluster, at_once=1)
            assert set(seen.values()) == {1}
            seen = worked(crew_work.count_at_once, tasks, cluster)
            assert max(seen.values()) > 1, "else this test sees nothing"


def test_files_get_their_names_from_the_driver_alone(cluster: Cluster, tmp_path: Path) -> None:
    going = map_cases(crew_work.write_file, [str(tmp_path / "a")], cluster=cluster)
    assert [outcome for _, outcome in going] == ["a"]
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    failed = worked(crew_work.write_and_fail, [str(tmp_path / "b")], cluster)
    assert isinstance(failed[str(tmp_path / "b")], Failure)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_relative_paths_are_of_the_driver(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    worked(crew_work.write_file, ["below/b"], cluster)
    assert (tmp_path / "below" / "b").read_text() == "whole"


@linux
def test_stopping_early_stops_the_work(cluster: Cluster, tmp_path: Path) -> None:
    markers = [tmp_path / "a", tmp_path / "b"]
    going = map_cases(
        crew_work.linger_if, [("", 1), *((str(one), 2) for one in markers)], cluster=cluster
    )
    next(going)
    until(lambda: any(one.exists() and one.read_text() for one in markers))
    going.close()
    workers = [int(one.read_text()) for one in markers if one.exists()]
    assert workers
    until(lambda: not any(map(running, workers)), 10)
    assert worked(crew_work.square, [3], cluster) == {3: 9}, "the cluster serves on"


@linux
def test_a_worker_that_dies_costs_nothing(tmp_path: Path) -> None:
    with dask_box(tmp_path) as box, connected(box.address, Silent()) as cluster:
        going = map_cases(crew_work.square_slowly, list(range(12)), cluster=cluster)
        done = dict([next(going)])
        lost = children(box.workers[0].pid)
        os.kill(box.workers[0].pid, signal.SIGKILL)
        done.update(going)
        assert done == {number: number * number for number in range(12)}
        until(lambda: not any(map(running, lost)), 30)


def test_a_case_that_kills_each_worker_is_recorded(tmp_path: Path) -> None:
    with dask_box(tmp_path, workers=0) as box:
        for _ in range(5):
            box.start_worker()
        with connected(box.address, Silent()) as cluster:
            until(lambda: len(cluster.threads()) == 5)
            results = worked(crew_work.kill_the_worker_if_odd, [0, 1, 2], cluster)
    failure = results.pop(1)
    assert results == {0: 0, 2: 2}
    assert failure.code == "worker"
    assert "each of 4 workers that began it died" in failure.message


def test_a_lost_scheduler_is_told(tmp_path: Path) -> None:
    with dask_box(tmp_path) as box, connected(box.address, Silent()) as cluster:
        going = map_cases(crew_work.square_slowly, list(range(12)), cluster=cluster)
        next(going)
        assert box.scheduler is not None
        box.scheduler.kill()
        with pytest.raises(SchedulerError, match=rf"{box.address} is lost.*the same command"):
            list(going)


def test_no_worker_left_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "_DESERTED_S", 0.5)
    monkeypatch.setattr(cluster_module, "_COUNT_S", 0.1)
    with dask_box(tmp_path, workers=1) as box, connected(box.address, Silent()) as cluster:
        going = map_cases(crew_work.square_slowly, list(range(12)), cluster=cluster)
        next(going)
        box.workers[0].kill()
        with pytest.raises(SchedulerError, match=r"no worker for.*the same command again"):
            list(going)


@linux
def test_a_worker_whose_disk_is_full_hands_its_cases_on(tmp_path: Path) -> None:
    with dask_box(tmp_path / "dask", workers=1) as box:
        until(lambda: "Registered" in box.log("worker-0"))
        box.start_worker(before=["prlimit", "--fsize=1000000"])
        with connected(box.address, Silent()) as cluster:
            until(lambda: len(cluster.threads()) == 2)
            out = tmp_path / "out"
            tasks = [str(out / str(number)) for number in range(6)]
            results = worked(crew_work.write_much, tasks, cluster)
        assert results == {task: Path(task).name for task in tasks}
        assert sorted(one.name for one in out.iterdir()) == [str(number) for number in range(6)]


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_what_a_late_worker_wrote_never_appears(tmp_path: Path) -> None:
    """Nobody gives its drafts their names, and whoever opens the folder next removes them."""
    from medprep import drafts
    from medprep.files import AtomicFiles, remove_parts

    final = tmp_path / "case.nii.gz"
    final.write_text("of somebody else")
    with drafts.kept("0a1b2c3d") as kept, AtomicFiles() as files:
        files.file(final).write_text("late")
    assert final.read_text() == "of somebody else"
    assert [one.final for one in kept] == [final]
    assert remove_parts(tmp_path) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["case.nii.gz"]
