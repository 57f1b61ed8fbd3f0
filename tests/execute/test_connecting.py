"""Schedulers that do not answer, and workers that cannot do the work."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dask_box import DaskBox, dask_box, until

from medprep.errors import LibraryError, OptionError, SchedulerError
from medprep.execute import connecting, hand, map_cases, visible
from medprep.execute.connecting import connected
from medprep.progress import Silent
from medprep.version import VERSION


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def refused(place: str, told: str, heard: Silent | None = None) -> None:
    with pytest.raises(SchedulerError, match=told), connected(place, heard or Silent()):
        pass


@pytest.mark.parametrize(
    "place", ["local", "local:0", "local:-1", "local:x", "4", "host:8786", "tcp://u:p@host:1", ""]
)
def test_a_place_that_is_none_is_refused(place: str) -> None:
    with (
        pytest.raises(OptionError, match=r"wanted is local:N.*tcp://host:8786"),
        connected(place, Silent()),
    ):
        pass


def test_a_scheduler_that_does_not_answer_is_named_within_seconds() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        place = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        began = time.process_time()
        with (
            pytest.raises(SchedulerError, match=f"no Dask scheduler answers at {place}"),
            connected(place, Silent()),
        ):
            pass
        assert time.process_time() - began < 10


def test_without_dask_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(LibraryError, match=r"pip install 'medprep\[distributed\]'"),
        connected("tcp://127.0.0.1:1", Silent()),
    ):
        pass


def test_workers_and_dashboard_are_told(dask_cluster: DaskBox) -> None:
    heard = Heard()
    with connected(dask_cluster.address, heard):
        pass
    (told,) = heard.lines
    assert f"2 Dask workers, 2 threads at {dask_cluster.address}; dashboard http://" in told


def test_a_cluster_on_this_machine() -> None:
    heard = Heard()
    with connected("local:1", heard) as cluster:
        (report,) = map_cases(os.path.basename, ["a/b"], cluster=cluster)
    assert report == ("a/b", "b")
    assert "1 Dask worker, 1 thread" in heard.lines[0]


def test_a_scheduler_without_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "_WORKER_S", 1.0)
    monkeypatch.setattr(connecting, "_TOLD_S", 0.0)
    heard = Heard()
    with dask_box(tmp_path, workers=0) as box:
        refused(box.address, f"no worker.*dask worker {box.address}", heard)
    assert heard.lines == [f"    waiting for a worker at {box.address}"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            "raise ModuleNotFoundError(\"No module named 'medprep'\")",
            "cannot load medprep .No module",
        ),
        ("", "has medprep 0.0.9; wanted is medprep"),
    ],
)
def test_a_worker_with_another_medprep(tmp_path: Path, content: str, told: str) -> None:
    fake = tmp_path / "fake" / "medprep"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text(content)
    (fake / "version.py").write_text("VERSION = '0.0.9'")
    with dask_box(tmp_path / "dask", workers=0) as box:
        box.start_worker(path=str(fake.parent))
        with (
            pytest.raises(SchedulerError, match=rf"on {socket.gethostname()} {told}"),
            connected(box.address, Silent()),
        ):
            pass


def test_a_late_worker_with_another_medprep(
    dask_cluster: DaskBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(dask_cluster.address, Silent()) as cluster:
        monkeypatch.setattr(hand.Errand.__init__, "__defaults__", (None, None, "9.9.9"))
        with pytest.raises(SchedulerError, match=f"has medprep {VERSION}, this process {VERSION}"):
            list(map_cases(os.path.basename, ["a/b"], cluster=cluster))


def test_what_a_worker_lacks(tmp_path: Path) -> None:
    probe = tmp_path / "probe"
    probe.write_text("x1")
    host = socket.gethostname()
    assert visible.look(str(probe), "x1", (str(tmp_path),)) == (host, [])
    assert visible.look("", "", ("/no/such",)) == (host, ["does not see /no/such"])
    assert visible.look(str(probe), "x2", ())[1] == [f"sees another folder at {tmp_path}"]
    assert visible.look(str(tmp_path / "none"), "x1", ())[1] == [f"does not see {tmp_path}"]
    assert [one.name for one in tmp_path.iterdir()] == ["probe"]


def test_folders_that_workers_see(dask_cluster: DaskBox, tmp_path: Path) -> None:
    with connected(dask_cluster.address, Silent()) as cluster:
        cluster.require_visible(tmp_path / "new", [tmp_path, "s3://bucket/key"])
        assert list((tmp_path / "new").iterdir()) == []
        with pytest.raises(SchedulerError, match=r"does not see /no/such; wanted are workers that"):
            cluster.require_visible(None, ["/no/such"])


@pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode != 0
    if sys.platform == "linux"
    else True,
    reason="wants a mount namespace, so Linux and root",
)
def test_a_worker_with_another_disk(tmp_path: Path) -> None:
    shared = tmp_path / "work"
    shared.mkdir()
    hidden = f'mount -t tmpfs none {shared} && exec "$@"'
    with dask_box(tmp_path / "dask", workers=1) as box:
        box.start_worker(before=["unshare", "-m", "sh", "-c", hidden, "sh"])
        with connected(box.address, Silent()) as cluster:
            until(lambda: len(cluster.threads()) == 2)
            with pytest.raises(SchedulerError, match=f"does not see {shared}; wanted are workers"):
                cluster.require_visible(shared)


def test_one_machine_loads_no_dask() -> None:
    code = (
        "import sys, medprep.api, medprep.outside, medprep.pipeline, medprep.stages.predict\n"
        "from medprep.execute import map_cases, workers_at\n"
        "from medprep.progress import Silent\n"
        "with workers_at(None, Silent()) as none: assert none is None\n"
        "assert list(map_cases(abs, [-1, -2])) == [(-1, 1), (-2, 2)]\n"
        "loaded = {'dask', 'distributed', 'fsspec', 'medprep.execute.cluster'} & set(sys.modules)\n"
        "sys.exit(bool(loaded))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
