"""The chain on data behind URLs and in archives gives the bytes that it gives on a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from far import Server, pack, to_memory
from same_bytes import content

from medprep import pipeline
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert
from medprep.stages.extract import Extract
from medprep.stages.split import Split


def chain(source: str, work: Path, jobs: int = 1) -> dict[str, str]:
    """Work a source and give what was made of it, private side and database left out."""
    done = pipeline.run([Split(source), Convert(), Extract(), Clean()], work, jobs=jobs)
    assert done.exit_code == 0
    return {
        name: found
        for name, found in content(work).items()
        if not name.startswith(("private/", "medprep."))
    }


@pytest.fixture(scope="session")
def from_disk(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return chain(str(phantom), tmp_path_factory.mktemp("disk") / "work")


def test_from_memory(phantom: Path, from_disk: dict[str, str], tmp_path: Path) -> None:
    source = to_memory(phantom, "set")
    assert chain(source, tmp_path / "work") == from_disk


def test_from_s3(s3: Server, phantom: Path, from_disk: dict[str, str], tmp_path: Path) -> None:
    source = s3.put(phantom, "set")
    s3.forget()
    assert chain(source, tmp_path / "work") == from_disk
    print(s3.requests, sum(s3.bytes_sent), sorted(s3.bytes_sent)[-3:])


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tgz"])
def test_from_an_archive(
    ending: str, phantom: Path, from_disk: dict[str, str], tmp_path: Path
) -> None:
    path = pack(phantom, tmp_path / f"set.{ending}")
    assert chain(str(path), tmp_path / "work") == from_disk


def test_from_an_archive_behind_a_url(
    s3: Server, phantom: Path, from_disk: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "up").mkdir()
    pack(phantom, tmp_path / "up" / "set.zip")
    pack(phantom, tmp_path / "up" / "set.tar")
    source = s3.put(tmp_path / "up", "packed")
    s3.forget()
    assert chain(f"{source}/set.zip", tmp_path / "zip") == from_disk
    print(s3.requests, sum(s3.bytes_sent), sorted(s3.bytes_sent)[-3:])
    s3.forget()
    assert chain(f"{source}/set.tar", tmp_path / "tar") == from_disk
    print(s3.requests, sum(s3.bytes_sent), sorted(s3.bytes_sent)[-3:])
