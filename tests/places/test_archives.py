"""Tar archives beside zip ones: nothing is believed of them, and any place in them is reached."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.dicom.blobs import Blob, is_archive, members
from medprep.dicom.scan import scan
from medprep.errors import DicomError, FormatError
from medprep.places import gunzip
from medprep.places.gunzip import Gunzip
from medprep.places.paths import FarPath, inside, path_of

PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


def tarred(path: Path, files: dict[str, bytes], *more: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as out:
        for name, content in files.items():
            one = tarfile.TarInfo(name)
            one.size = len(content)
            out.addfile(one, io.BytesIO(content))
        for one in more:
            out.addfile(one)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, target
    return one


@given(
    st.binary(max_size=5000), st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 900))),
    st.integers(1, 400), st.booleans(),
)  # fmt: skip
@settings(max_examples=60)
def test_any_place_of_a_gzip_file_is_reached(
    content: bytes, places: list[tuple[int, int]], every: int, parted: bool
) -> None:
    half = len(content) // 2
    packed = gzip.compress(content)
    if parted:  # several members in one file
        packed = gzip.compress(content[:half]) + gzip.compress(content[half:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gunzip, "_KEPT_EVERY", every)
        patch.setattr(gunzip, "_READ", 37)
        handle = Gunzip(io.BytesIO(packed))
        for at, count in places:
            handle.seek(at)
            assert handle.read(count) == content[at : at + count]


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz"])
@given(files=st.dictionaries(st.text("ab/é", min_size=1, max_size=6), st.binary(max_size=50)))
@settings(max_examples=20)
def test_all_members_come_back(ending: str, files: dict[str, bytes]) -> None:
    files = {name: content for name, content in files.items() if not name.endswith("/")}
    with tempfile.TemporaryDirectory() as folder:
        path = tarred(Path(folder) / f"a{ending}", files)
        found = {blob.member: blob.read() for blob in members(path)}
    assert found == files


@pytest.mark.parametrize("ending", [".tar", ".tgz"])
def test_links_and_devices_are_told_and_not_followed(ending: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret.dcm"
    write_dicom(secret, PIXELS)
    (tmp_path / "in").mkdir()
    good = write_dicom(tmp_path / "a.dcm", PIXELS).read_bytes()
    tarred(
        tmp_path / "in" / f"a{ending}",
        {"good.dcm": good},
        special("link.dcm", tarfile.SYMTYPE, str(secret)),
        special("hard.dcm", tarfile.LNKTYPE, "good.dcm"),
        special("pipe.dcm", tarfile.FIFOTYPE),
        special("null.dcm", tarfile.CHRTYPE),
        special("folder", tarfile.DIRTYPE),
    )
    found = scan(tmp_path / "in")
    assert len(found.slices) == 1
    assert len(found.broken) == 4
    assert all("a link, device or sparse file in a tar archive" in one.why for one in found.broken)


@pytest.mark.parametrize("name", ["../../etc/x.dcm", "/etc/x.dcm", "a/../../x.dcm"])
def test_a_name_that_leads_out_is_a_name_only(name: str, tmp_path: Path) -> None:
    inner = tmp_path / "one" / "two"
    inner.mkdir(parents=True)
    content = write_dicom(tmp_path / "a.dcm", PIXELS).read_bytes()
    path = tarred(inner / "a.tar", {name: content, "b/c.dcm": content})
    before = sorted(tmp_path.rglob("*"))
    assert len(scan(path).slices) == 2
    assert [str(one) for one in inside(path).iterdir()] == [f"{path}!/b"], "no place in a tree"
    assert sorted(tmp_path.rglob("*")) == before


def test_bombs_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.tgz"
    with gzip.open(path, "wb", compresslevel=9) as out:
        one = tarfile.TarInfo("zeros.dcm")
        one.size = 600 << 20
        out.write(one.tobuf())
        for _ in range(600):
            out.write(bytes(1 << 20))
    with pytest.raises(DicomError, match="packed bytes become more than"):
        list(members(path))
    huge = tarfile.TarInfo("huge.dcm")
    huge.size = 1 << 40
    (tmp_path / "b.tar").write_bytes(huge.tobuf() + bytes(4096))
    with pytest.raises(DicomError, match="not readable as a tar archive"):
        list(members(tmp_path / "b.tar"))
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, 1 << 33
    (tmp_path / "c.tar").write_bytes(head.tobuf() + bytes(4096))
    with pytest.raises(DicomError, match="not readable as a tar archive"):
        list(members(tmp_path / "c.tar"))


@pytest.mark.parametrize("ending", [".tar", ".tgz"])
def test_a_cut_archive_is_told(ending: str, tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    whole = tarred(tmp_path / f"smith{ending}", {"a": chance.bytes(9000), "b": chance.bytes(9000)})
    whole.write_bytes(whole.read_bytes()[:11000])
    with pytest.raises(DicomError, match="tar archive") as raised:
        list(members(whole))
    assert "smith" not in raised.value.message


def test_an_archive_is_told_by_its_first_bytes_and_name(tmp_path: Path) -> None:
    for ending in (".tar", ".tgz", ".tar.gz", ".TAR"):
        assert is_archive(tarred(tmp_path / f"a{ending.lower()}", {"x": b"x"}))
    (tmp_path / "text.tar").write_bytes(b"plain text" * 100)
    (tmp_path / "text.tgz").write_bytes(b"plain text")
    assert not is_archive(tmp_path / "text.tar")
    assert not is_archive(tmp_path / "text.tgz")


def test_a_changed_archive_is_noticed(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", {"a": b"before"})
    (blob,) = members(path)
    tarred(path, {"a": b"after it"})
    with pytest.raises(DicomError, match=r"changed since|cannot be read"):
        blob.read()


def test_a_folder_that_is_called_as_the_inside_of_an_archive(tmp_path: Path) -> None:
    folder = tmp_path / "a.zip!"
    folder.mkdir()
    (folder / "x.txt").write_text("here")
    assert path_of(folder / "x.txt") == folder / "x.txt"
    assert path_of(str(folder / "x.txt")).read_text() == "here"
    assert isinstance(path_of(str(tmp_path / "b.zip!" / "x")), FarPath)


def test_a_packed_tar_behind_a_url_says_what_to_do(tmp_path: Path) -> None:
    from far import to_memory

    (tmp_path / "up").mkdir()
    tarred(tmp_path / "up" / "a.tgz", {"a.dcm": b"x"})
    root = path_of(to_memory(tmp_path / "up", "packed-tar"))
    with pytest.raises(FormatError, match="download it first"):
        list(inside(root / "a.tgz").iterdir())
    found = scan(root)
    assert ["download it first" in one.why for one in found.broken] == [True]


def test_a_blob_gives_its_path_again(tmp_path: Path) -> None:
    path = tarred(tmp_path / "a.tar", {"b/c.dcm": b"content"})
    (blob,) = members(path)
    assert str(blob.file) == f"{path}!/b/c.dcm"
    again = Blob.of(blob.file)
    assert again == blob
    assert again.read(3) == blob.file.read_bytes()[3:] == b"tent"
