"""Places that cannot take a workspace's files: each is refused with what to do, and no secret."""

from __future__ import annotations

import contextlib
import shutil
import threading
import uuid
from http.server import ThreadingHTTPServer
from pathlib import Path
from unittest.mock import Mock

import fsspec
import pytest
from doors import SECRET, Shut, said
from far import BUCKET, Server, forget_stores, to_memory
from same_bytes import content

from medprep import pipeline
from medprep.errors import AccessError, OptionError, WorkspaceError
from medprep.files import AtomicFiles, json_bytes
from medprep.places import sending
from medprep.places.paths import FarPath, path_of
from medprep.places.refusals import refused
from medprep.stages.convert import Convert
from medprep.stages.split import Split
from medprep.workspace.database import Database
from medprep.workspace.elsewhere import MARK, META


def place() -> str:
    return f"memory://{uuid.uuid4().hex}"


def split(phantom: Path, work: Path, url: str | None, **options: object) -> None:
    stage = Split(str(phantom), preset="chaos-mr-t1in", leak_check=False)
    pipeline.run([stage], work, artifacts=url, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["elsewhere", "https://host/x", "file:///tmp/x", "s3://bucket/set.zip!/x"]
)
def test_what_is_no_place_to_write(phantom: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(OptionError, match="wanted is a URL that can be written to"):
        split(phantom, tmp_path / "work", text)


def test_a_secret_in_the_url(phantom: Path, tmp_path: Path) -> None:
    url = f"s3://key:{SECRET}@bucket/x"
    status, everything = said(["split", phantom, "--artifacts", url, "-w", "work", "-v"], tmp_path)
    assert status == 2
    assert "holds a password" in everything
    assert SECRET not in everything


def test_one_process_sees_memory(phantom: Path, tmp_path: Path) -> None:
    url = place()
    for options in ({"jobs": 2}, {"jobs": 0}, {"case_timeout_s": 9.0}):
        with pytest.raises(OptionError, match="seen by one process: take --jobs 1"):
            split(phantom, tmp_path / "work", url, **options)


def test_one_place_for_a_workspace(phantom: Path, tmp_path: Path) -> None:
    url, other = place(), place()
    split(phantom, tmp_path / "work", url)
    split(phantom, tmp_path / "work", url)
    with pytest.raises(WorkspaceError, match=f"lies at {url}, and cannot lie at {other} too"):
        split(phantom, tmp_path / "work", other)
    with pytest.raises(WorkspaceError, match="is of another workspace; give another URL"):
        split(phantom, tmp_path / "other", url)
    split(phantom, tmp_path / "other", other)


def test_a_copy_does_not_write_where_the_first_goes_on(phantom: Path, tmp_path: Path) -> None:
    work, copy = tmp_path / "work", tmp_path / "copy"
    split(phantom, work, place())
    shutil.copytree(work, copy)
    pipeline.run([Convert(format="nifti")], work)
    with pytest.raises(WorkspaceError, match="another copy of it has worked at memory://"):
        pipeline.run([Convert(format="nifti")], copy)
    moved = work.rename(tmp_path / "moved")
    assert not pipeline.run([Convert(format="nifti")], moved).summaries[0].made, "all is up to date"


def test_a_copy_that_works_first_is_the_one_that_goes_on(phantom: Path, tmp_path: Path) -> None:
    work, copy, url = tmp_path / "work", tmp_path / "copy", place()
    split(phantom, work, url)
    shutil.copytree(work, copy)
    pipeline.run([Convert(format="nifti")], copy)
    with pytest.raises(WorkspaceError, match="work in that one"):
        pipeline.run([Convert(format="nifti")], work)
    fsspec.filesystem("memory").rm(url, recursive=True)
    assert pipeline.run([Convert(format="nifti")], work).summaries[0].made


@pytest.mark.parametrize("times", [1, 2])
def test_a_kill_while_the_word_is_changed_shuts_nobody_out(
    phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    work = tmp_path / "work"
    split(phantom, work, place())
    with monkeypatch.context() as patch:
        patch.setattr(sending, "write", Mock(side_effect=KeyboardInterrupt))
        for _ in range(times):
            with pytest.raises(KeyboardInterrupt):
                pipeline.run([Convert(format="nifti")], work)
    pipeline.run([Convert(format="nifti")], work)


def test_a_place_of_an_earlier_version_is_taken_on(phantom: Path, tmp_path: Path) -> None:
    work, url = tmp_path / "work", place()
    split(phantom, work, url)
    with contextlib.closing(Database(work / "medprep.sqlite")) as database:
        known = database.meta()[META]
        database.put_meta(META, {name: known[name] for name in ("url", "workspace")})
    sending.write(path_of(f"{url}/{MARK}"), json_bytes({"workspace": known["workspace"]}))
    shutil.copytree(work, tmp_path / "copy")
    split(phantom, work, url)
    with pytest.raises(WorkspaceError, match="another copy of it has worked"):
        split(phantom, tmp_path / "copy", url)


def test_a_place_where_other_things_lie(phantom: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.txt").write_text("x")
    url = to_memory(tmp_path / "set", uuid.uuid4().hex)
    with pytest.raises(WorkspaceError, match=r"holds thesis\.txt and no medprep"):
        split(phantom, tmp_path / "work", url)
    split(phantom, tmp_path / "work", None)


def test_too_late(phantom: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    split(phantom, work, None)
    pipeline.run([Convert(format="nifti")], work)
    before = content(work)
    with pytest.raises(WorkspaceError, match="--artifacts comes too late"):
        pipeline.run([Convert(format="nifti")], work, artifacts=place())
    assert content(work) == before


def test_shards_want_a_disk(phantom: Path, tmp_path: Path) -> None:
    split(phantom, tmp_path / "work", place())
    with pytest.raises(OptionError, match="--shards and --artifacts exclude each other"):
        pipeline.run([Convert(shards=True)], tmp_path / "work")


def test_no_such_bucket(s3: Server, phantom: Path, tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="there is no bucket 'nowhere'"):
        split(phantom, tmp_path / "work", "s3://nowhere/x")
    split(phantom, tmp_path / "work", f"s3://{BUCKET}/{uuid.uuid4().hex}")


def test_a_bucket_that_goes_fails_the_cases(s3: Server, phantom: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    bucket = f"b{uuid.uuid4().hex}"
    s3.client.create_bucket(Bucket=bucket)
    split(phantom, work, f"s3://{bucket}/x")
    found = path_of(f"s3://{bucket}/x/images/a.json")
    s3.client.delete_object(Bucket=bucket, Key="x/medprep-workspace.json")
    s3.client.delete_bucket(Bucket=bucket)
    with pytest.raises(AccessError, match=f"there is no bucket '{bucket}'"), AtomicFiles() as files:
        files.file(found).write_bytes(b"x")
    with pytest.raises(AccessError, match=f"there is no bucket '{bucket}'"):
        pipeline.run([Convert(format="nifti")], work)


def test_no_right_to_write(
    s3: Server, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://clinic/{uuid.uuid4().hex}"
    monkeypatch.setattr(Shut, "code", "AccessDenied")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shut)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    forget_stores()
    told = refused(PermissionError("Access Denied"), FarPath("s3:/clinic/x"), "s3", writing=True)
    assert "'clinic' does not let us write" in str(told.error)
    status, everything = said(["split", phantom, "--artifacts", url, "-w", "work"], tmp_path)
    assert status == 1
    assert "the bucket 'clinic' does not let us" in everything
    assert SECRET not in everything
    server.shutdown()
    server.server_close()


def test_nothing_is_left_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending.tempfile, "tempdir", str(tmp_path))
    final = path_of(f"{place()}/folder")
    for names in (("a", "b"), ("b", "c")):
        with AtomicFiles() as files:
            folder = files.folder(final)
            for name in names:
                (folder / name).write_text(str(names))
        assert sorted(one.name for one in final.iterdir()) == list(names)
        assert {one.read_text() for one in final.iterdir()} == {str(names)}
    with pytest.raises(ValueError, match="no"), AtomicFiles() as files:
        (files.folder(final) / "d").write_text("never sent")
        raise ValueError("no")
    assert sorted(one.name for one in final.iterdir()) == ["b", "c"]
    assert list(tmp_path.iterdir()) == []
