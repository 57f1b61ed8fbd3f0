"""Files of single cases behind a URL: the same bytes and records as in the workspace's folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from artifacts import chain, objects, require_same
from dask_box import children, dask_box, until
from far import BUCKET, Server
from same_bytes import content

from medprep import pipeline
from medprep.errors import SchedulerError
from medprep.execute.connecting import connected
from medprep.exports.run import Export, export
from medprep.overview import status
from medprep.progress import Silent

LINUX = sys.platform == "linux"
OWN_DISKS = (
    LINUX
    and subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode == 0
)


@pytest.fixture(scope="session")
def at_home(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace as it is without a URL."""
    work = tmp_path_factory.mktemp("home") / "work"
    assert pipeline.run(chain(str(phantom)), work).exit_code == 0
    return work


def test_in_memory(phantom: Path, at_home: Path, tmp_path: Path) -> None:
    url = f"memory://{uuid.uuid4().hex}"
    work = tmp_path / "work"
    assert pipeline.run(chain(str(phantom)), work, artifacts=url).exit_code == 0
    require_same(work, url, at_home)
    again = pipeline.run(chain(str(phantom)), work)
    assert {one.stage for one in again.summaries if one.made} == {"split", "report"}
    require_same(work, url, at_home)
    assert status(work).artifacts == url
    for place, name in ((work, "far"), (at_home, "near")):
        export(Export("nnunet", str(tmp_path / name)), place)
    assert content(tmp_path / "far") == content(tmp_path / "near")


def test_what_was_deleted_is_made_again(phantom: Path, at_home: Path, tmp_path: Path) -> None:
    import fsspec

    url = f"memory://{uuid.uuid4().hex}"
    work = tmp_path / "work"
    stages = chain(str(phantom))[:6]
    pipeline.run(stages, work, artifacts=url)
    before = objects(url)
    store = fsspec.filesystem("memory")
    path = url.removeprefix("memory://")
    store.rm(f"{path}/images/mr01-t1in.nii.gz")
    store.rm(f"{path}/slices/mr02-t1in", recursive=True)
    store.rm(f"{path}/augmented/mr03-t1in", recursive=True)
    again = {one.stage: one.made for one in pipeline.run(stages, work).summaries}
    assert again["convert"] == ["mr01-t1in", "mr02-t1in"]
    assert again["clean"] == ["mr02-t1in"]
    assert set(again["augment"]) <= {"mr01-t1in", "mr02-t1in", "mr03-t1in"}
    assert objects(url) == before


def test_on_s3_with_two_processes(s3: Server, phantom: Path, at_home: Path, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    work = tmp_path / "work"
    assert pipeline.run(chain(str(phantom)), work, jobs=2, artifacts=url).exit_code == 0
    require_same(work, url, at_home)


@pytest.mark.skipif(not OWN_DISKS, reason="wants a mount namespace, so Linux and root")
def test_on_machines_that_share_no_disk(s3: Server, phantom: Path, tmp_path: Path) -> None:
    """The workers see nothing of the driver's folder; only the bucket is common."""
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    driver = tmp_path / "driver"
    driver.mkdir()
    source = s3.put(phantom, "shared-by-none")
    shutil.copytree(phantom, driver / "local")
    hidden = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs none {driver} && exec "$@"', "sh"]
    with dask_box(tmp_path / "dask", workers=0) as box:
        for _ in range(2):
            box.start_worker(before=hidden)
        with connected(box.address, Silent()) as cluster:
            until(lambda: len(cluster.threads()) == 2)
        work = driver / "work"
        with pytest.raises(SchedulerError, match=r"does not see .*local; .* that reach"):
            pipeline.run(chain(str(driver / "local")), work, cluster=box.address, artifacts=url)
        done = pipeline.run(chain(source), work, cluster=box.address, artifacts=url)
        assert done.exit_code == 0
    # The same source, in one process and one folder: an ETag gives other keys than a file does.
    assert pipeline.run(chain(source), tmp_path / "one").exit_code == 0
    require_same(work, url, tmp_path / "one")


@pytest.mark.skipif(not LINUX, reason="looks at processes as Linux tells")
def test_a_killed_driver_goes_on(s3: Server, phantom: Path, at_home: Path, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    words = [
        sys.executable, "-m", "medprep_cli", "split", str(phantom), "--preset", "chaos-mr-t1in",
        "convert", "extract", "--format", "png", "clean", "check", "augment", "--copies", "2",
        "--workspace", str(tmp_path / "work"), "--artifacts", url, "--jobs", "2",
    ]  # fmt: skip
    for enough in (4, 40, 90):
        driver = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=os.environ)
        until(lambda many=enough, run=driver: run.poll() is not None or len(objects(url)) >= many)
        others = children(driver.pid)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        until(lambda gone=others: not any(Path(f"/proc/{one}").exists() for one in gone))
        time.sleep(0.1)
    assert pipeline.run(chain(str(phantom)), tmp_path / "work", jobs=2).exit_code == 0
    require_same(tmp_path / "work", url, at_home)
