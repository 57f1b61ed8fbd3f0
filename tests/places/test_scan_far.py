"""A scan behind a URL reads headers, not pixels: what it asks for is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from far import Server, pack, to_memory

from medprep.dicom.scan import scan
from medprep.places.paths import path_of
from medprep.sources.phantom import make_chaos
from medprep.trees.survey import survey

HEAD = 16 << 10


@pytest.fixture(scope="session")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Slices of the usual size, so that pixels are most of a file."""
    folder = tmp_path_factory.mktemp("slices") / "CHAOS"
    make_chaos(folder, mr_patients=(1,), unlabelled=(), ct_patients=(1,), slices=(6, 6), size=256)
    return folder


def test_one_short_request_for_each_header(s3: Server, slices: Path) -> None:
    source = s3.put(slices, "headers")
    files = [one for one in slices.rglob("*") if one.is_file()]
    folders = [one for one in slices.rglob("*") if one.is_dir()]
    s3.forget()
    found = scan(path_of(source))
    assert len(found.slices) == sum(1 for one in files if one.suffix == ".dcm")
    assert s3.requests["GET"] == len(files)
    assert max(s3.bytes_sent) <= HEAD
    assert s3.requests["list"] <= len(folders) + 4
    assert s3.requests["HEAD"] <= 3
    stored = sum(one.stat().st_size for one in files)
    assert sum(s3.bytes_sent) < stored / 5


@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_of_an_archive_only_heads_are_read(
    s3: Server, slices: Path, ending: str, tmp_path: Path
) -> None:
    (tmp_path / "up").mkdir()
    packed = pack(slices, tmp_path / "up" / f"set.{ending}", stored=True)
    source = s3.put(tmp_path / "up", f"packed-{ending}")
    files = [one for one in slices.rglob("*") if one.is_file()]
    s3.forget()
    found = scan(path_of(f"{source}/{packed.name}"))
    assert len(found.slices) == sum(1 for one in files if one.suffix == ".dcm")
    once = 1 if ending == "zip" else 2  # a tar's own headers lie between its members
    assert s3.requests["GET"] <= once * len(files) + 6
    assert sum(s3.bytes_sent) < packed.stat().st_size / (4 - once)


def test_a_scan_finds_what_it_finds_on_the_disk(slices: Path) -> None:
    here = survey(slices, b"key")
    there = survey(path_of(to_memory(slices, "scanned")), b"key")
    assert [one.to_dict() | {"folder": ""} for one in there.volumes] == [
        one.to_dict() | {"folder": ""} for one in here.volumes
    ]
    folder = there.volumes[0].to_dict()["folder"]
    assert folder.startswith("memory://scanned/")
