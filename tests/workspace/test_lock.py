"""One process at a time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from medprep.errors import LockedError, OptionError
from medprep.workspace import lock as lock_module
from medprep.workspace.lock import Holder, Lock

HOLD = """
import sys, time
from pathlib import Path
from medprep.workspace.lock import Lock
with Lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

TAKE = """
import sys
from pathlib import Path
from medprep.workspace.lock import Lock
sys.stdin.readline()
for _ in range(50):
    with Lock(Path(sys.argv[1]), wait_s=60):
        counter = Path(sys.argv[1]) / "counter"
        number = int(counter.read_text())
        counter.write_text(str(number + 1))
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock of ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with process:
        yield process
        process.kill()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say which machine and namespace this is, whatever the system says."""
    monkeypatch.setattr(lock_module, "_machine", lambda: "this")
    monkeypatch.setattr(lock_module, "_namespace", lambda: "pid:[4026531836]")


def write_lock(folder: Path, **changes: object) -> Path:
    me = Holder.me()
    record = {**asdict(me), **changes}
    (folder / "medprep.lock").write_text(json.dumps(record))
    return folder / "medprep.lock"


def require_taken(folder: Path, **options: bool | float) -> None:
    with Lock(folder, **options):  # type: ignore[arg-type]
        assert json.loads((folder / "medprep.lock").read_text())["pid"] == os.getpid()
    assert list(folder.iterdir()) == []


def test_it_is_taken_and_given_back(tmp_path: Path) -> None:
    require_taken(tmp_path)
    require_taken(tmp_path)


def test_it_is_given_back_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Lock(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_is_refused_with_pid_and_host(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    before = time.monotonic()
    told = rf"process {holder.pid} on {socket.gethostname()} works.*--wait.*--break-lock"
    with pytest.raises(LockedError, match=told), Lock(tmp_path):
        pass
    assert time.monotonic() - before < 5, "at once"
    assert [path.name for path in tmp_path.iterdir()] == ["medprep.lock"], "nothing lies about"


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with Lock(tmp_path):
        with pytest.raises(LockedError, match=f"process {os.getpid()}"), Lock(tmp_path):
            pass
        assert (tmp_path / "medprep.lock").exists(), "the first still holds it"


def test_a_killed_holder_is_taken_over(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    require_taken(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_killed_holder_that_nobody_waited_for_is_taken_over(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    holder.send_signal(signal.SIGKILL)
    stat = Path(f"/proc/{holder.pid}/stat")
    while stat.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    require_taken(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_number_that_another_process_bears_now_is_dead(tmp_path: Path) -> None:
    write_lock(tmp_path, started="1")
    require_taken(tmp_path)


def test_a_holder_of_an_earlier_boot_is_dead(tmp_path: Path, machine: None) -> None:
    write_lock(tmp_path, boot="earlier")
    require_taken(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"boot": "x", "machine": "another"},  # images of one name on a disk that they share
        {"pids": "pid:[4026532999]", "pid": 4194305, "started": "1"},  # a container
        {"machine": "", "pids": "", "pid": 4194305},  # an earlier medprep, which did not say
    ],
)
def test_a_holder_of_this_name_that_cannot_be_looked_at_stays(
    tmp_path: Path, machine: None, changes: dict[str, object]
) -> None:
    lock = write_lock(tmp_path, **changes)
    before = lock.read_text()
    with pytest.raises(LockedError, match=rf"on {socket.gethostname()} works"), Lock(tmp_path):
        pass
    assert lock.read_text() == before
    require_taken(tmp_path, force=True)


def test_another_boot_of_a_machine_that_says_no_name_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "_machine", str)
    write_lock(tmp_path, boot="x")
    with pytest.raises(LockedError), Lock(tmp_path):
        pass


def test_drafts_of_another_container_stay(tmp_path: Path, machine: None) -> None:
    me = replace(Holder.me(), pid=4194305)  # above any that Linux gives
    names = {one: f".medprep.lock.{one.home()}.{one.pid}" for one in (me, replace(me, pids="x"))}
    for name in names.values():
        (tmp_path / name).touch()
    with Lock(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [names[replace(me, pids="x")]]


def test_another_hosts_holder_stays_unless_forced(tmp_path: Path) -> None:
    write_lock(tmp_path, host="elsewhere", boot="earlier", pid=1)
    with pytest.raises(LockedError, match="process 1 on elsewhere"), Lock(tmp_path):
        pass
    require_taken(tmp_path, force=True)


def test_force_takes_it_from_the_living(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    with Lock(tmp_path, force=True):
        holder.communicate("")  # it ends, and must not take our lock with it
        assert json.loads((tmp_path / "medprep.lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", ["", "no JSON", "[]", "null", '{"host": "x"}'])
def test_a_lock_that_says_nothing_is_taken_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "medprep.lock").write_text(content)
    require_taken(tmp_path)


def test_a_lock_that_changed_hands_is_put_back(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = Lock(tmp_path)
    real = lock._holder
    judged = [replace(Holder.me(), pid=4194305)]
    monkeypatch.setattr(lock, "_holder", lambda: judged.pop() if judged else real())
    with pytest.raises(LockedError, match=f"process {holder.pid}"), lock:
        pass
    assert not judged
    assert json.loads((tmp_path / "medprep.lock").read_text())["pid"] == holder.pid


def test_who_waits_gets_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    timer = threading.Timer(0.5, lambda: holder.communicate(""))
    timer.start()
    require_taken(tmp_path, wait_s=30)
    timer.join()


def test_who_waits_too_short_is_refused(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    before = time.monotonic()
    with pytest.raises(LockedError), Lock(tmp_path, wait_s=0.5):
        pass
    assert time.monotonic() - before >= 0.5


def test_without_hard_links_it_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with Lock(tmp_path):
        with pytest.raises(LockedError), Lock(tmp_path):
            pass
        assert (tmp_path / "medprep.lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_crowd_works_one_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "counter").write_text("0")
    write_lock(tmp_path, pid=4194305)  # and all of them find a dead holder first
    crowd = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, str(tmp_path)], stdin=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in crowd:
        process.communicate("go\n")
    for process in crowd:
        assert process.wait() == 0
    assert (tmp_path / "counter").read_text() == "150"


@pytest.mark.parametrize("wait_s", [float("nan"), -1.0])
def test_a_time_that_is_none_is_not_waited_for(tmp_path: Path, wait_s: float) -> None:
    with pytest.raises(OptionError, match="wanted are seconds from 0 on"):
        Lock(tmp_path, wait_s=wait_s)
