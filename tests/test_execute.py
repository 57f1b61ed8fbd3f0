"""Cases in this process and in several; workers that die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import crew_work
import pytest

from medprep.errors import OptionError
from medprep.execute import Failure, choose_jobs, fitting_jobs, map_cases, usable_cpus
from medprep.execute.memory import forget_peak, peak_bytes

SCRIPT = """
from medprep.execute import map_cases

def work(number):
    return number + 1

if {guard}:
    print(sorted(result for _, result in map_cases(work, [1, 2, 3], jobs=2)))
"""

DRIVER = """
import sys
import crew_work
from medprep.execute import map_cases

if __name__ == "__main__":
    list(map_cases(crew_work.linger, sys.argv[1:], jobs=2))
"""


def worked(work: Callable[[Any], Any], tasks: list[Any], jobs: int) -> dict[Any, Any]:
    return dict(map_cases(work, tasks, jobs=jobs))


def test_results_are_equal_for_one_and_three_processes() -> None:
    tasks = list(range(7))
    assert worked(crew_work.square, tasks, 3) == worked(crew_work.square, tasks, 1)
    assert worked(crew_work.square, [], 3) == {}


def test_several_processes_work() -> None:
    workers = set(worked(crew_work.own_process, list(range(6)), 2).values())
    assert len(workers) <= 2
    assert os.getpid() not in workers
    assert worked(crew_work.own_process, [1], 2) == {1: os.getpid()}, "one case needs none"


def test_a_case_that_kills_its_worker_once_succeeds(tmp_path: Path) -> None:
    markers = [str(tmp_path / name) for name in ("a", "b", "c")]
    (tmp_path / "b").touch()
    assert worked(crew_work.die_once, markers, 2) == dict(zip(markers, "abc", strict=True))


def test_a_case_that_always_kills_is_recorded_and_the_others_finish() -> None:
    results = worked(crew_work.die_if_odd, [0, 1, 2, 3, 4], 2)
    assert [results[n] for n in (0, 2, 4)] == [0, 2, 4]
    for number in (1, 3):
        failure = results[number]
        assert isinstance(failure, Failure)
        assert failure.code == "worker"
        assert "signal 9 (SIGKILL)" in failure.message
        assert "--jobs" in failure.message, "most likely memory was short"


def test_a_worker_that_leaves_quietly_is_noticed() -> None:
    results = worked(crew_work.leave_if_odd, [0, 1, 2], 2)
    told = results.pop(1).message
    assert told.startswith("its worker process died twice, at last of exit status 0")
    assert results == {0: 0, 2: 2}


def test_a_worker_killed_between_cases_costs_nothing() -> None:
    tasks = list(range(8))
    going = map_cases(crew_work.own_process, tasks, jobs=2)
    done = dict([next(going)])
    time.sleep(0.5)  # both workers wait: the results are not asked for
    os.kill(next(iter(done.values())), signal.SIGKILL)
    done.update(going)
    assert sorted(done) == tasks
    assert not any(isinstance(result, Failure) for result in done.values())


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_become_failures(jobs: int) -> None:
    results = worked(crew_work.fail, [0, 1, 2, 4], jobs)
    assert results[4] == 4
    label, memory, missing = (results[n] for n in range(3))
    assert (label.code, label.message, label.path) == ("label", "no mask", "private.png")
    assert str(label) == "no mask [private.png]"
    assert memory.code == "memory"
    assert "--jobs" in memory.message
    assert missing.code == "internal"
    assert missing.message == "unexpected FileNotFoundError: No such file or directory"
    assert "private.dcm" in missing.detail, "the path is in the private part only"
    assert "Traceback" in missing.detail


def test_a_case_that_hangs_is_stopped_and_the_others_finish() -> None:
    results = dict(map_cases(crew_work.hang_if_odd, [0, 1, 2, 4], jobs=2, limit_s=4))
    failure = results.pop(1)
    assert results == {0: 0, 2: 2, 4: 4}
    assert failure.code == "worker"
    assert failure.message.startswith("took longer than --case-timeout 4 s and was stopped")


def test_a_limit_holds_for_one_case_and_one_process_too() -> None:
    ((_, failure),) = map_cases(crew_work.hang_if_odd, [1], limit_s=3)
    assert "took longer than --case-timeout 3 s" in failure.message


@pytest.mark.parametrize("limit_s", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(limit_s: float) -> None:
    with pytest.raises(OptionError, match=r"--case-timeout.*above 0"):
        list(map_cases(crew_work.square, [1], limit_s=limit_s))


def gib_in(message: str) -> float:
    return float(message.split("(it held ")[1].split(" GiB")[0])


@pytest.mark.skipif(sys.platform != "linux", reason="limits and measures memory as Linux does")
def test_a_case_beyond_the_memory_is_recorded_with_its_peak() -> None:
    results = worked(crew_work.swell_if_odd, [0, 1, 2], 2)
    failure = results.pop(1)
    assert results == {0: 0, 2: 2}
    assert failure.code == "memory"
    assert "--max-memory" in failure.message
    assert 0.09 < gib_in(failure.message) < 4


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_a_killed_case_is_recorded_with_its_peak() -> None:
    results = worked(crew_work.hold_and_die, ["a", "b"], 2)
    assert 0.19 < gib_in(results["a"].message) < 1


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_the_peak_begins_anew_with_each_case() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pytest.skip("this container lets no process forget its peak")
    bytearray(300 << 20)
    held = peak_bytes()
    forget_peak()
    after = peak_bytes()
    assert held is not None and after is not None
    assert after < held - (200 << 20)


def test_as_many_processes_as_fit() -> None:
    assert fitting_jobs(8, 100, 350) == 3
    assert fitting_jobs(2, 100, 350) == 2
    assert fitting_jobs(8, 100, 50) == 1, "one works in any case"
    assert fitting_jobs(8, 100, None) == 8


def test_a_result_that_cannot_be_sent_fails_its_case_only() -> None:
    results = worked(crew_work.fail, [3, 4], 2)
    assert results[4] == 4
    assert results[3].code == "internal"
    assert "cannot be sent" in results[3].message


def test_stopping_early_stops_the_workers(tmp_path: Path) -> None:
    workers = map_cases(crew_work.own_process, list(range(8)), jobs=2)
    _, worker = next(workers)
    workers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_it_works_from_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(guard="__name__ == '__main__'"))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.stdout == "[2, 3, 4]\n", done.stderr


def test_a_script_without_a_guard_is_told_what_to_do(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(guard="True"))
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "WorkerError: worker processes end before they begin" in done.stderr
    assert "__main__" in done.stderr.splitlines()[-1]


def test_workers_die_with_a_killed_driver(tmp_path: Path) -> None:
    markers = [tmp_path / "a", tmp_path / "b"]
    path = os.pathsep.join([str(Path(crew_work.__file__).parent), os.environ.get("PYTHONPATH", "")])
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    driver = subprocess.Popen(
        [sys.executable, script, *markers], env={**os.environ, "PYTHONPATH": path}
    )
    until(lambda: all(marker.exists() and marker.read_text() for marker in markers))
    driver.kill()
    driver.wait()
    workers = [int(marker.read_text()) for marker in markers]
    until(lambda: not any(map(running, workers)))


def until(true: Callable[[], bool], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_number_of_processes_suits_the_work() -> None:
    assert choose_jobs(3, 100) == 3
    assert choose_jobs(3, 2) == 2
    assert choose_jobs(3, 0) == 1
    assert choose_jobs(0, 3) == 1, "too few to repay a process"
    assert choose_jobs(0, 10**6) == usable_cpus() >= 1
