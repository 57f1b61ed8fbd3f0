"""Where bytes come from; nothing is believed of an archive."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.dicom.assemble import assemble
from medprep.dicom.blobs import Blob, is_archive, members
from medprep.dicom.contrasts import Stack
from medprep.dicom.headers import read_slices
from medprep.dicom.stacks import Policy, lay_out
from medprep.dicom.tags import NoDicomError
from medprep.errors import DicomError

PIXELS = np.arange(12, dtype=np.int16).reshape(3, 4)


def archive(path: Path, packing: int = zipfile.ZIP_DEFLATED, **files: bytes) -> Path:
    return named(path, files, packing)


def named(path: Path, files: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return path


def test_bytes_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    blob = Blob.of(path)
    assert (str(blob), blob.size, blob.member) == (str(path), 10, "")
    assert blob.read() == b"0123456789"
    assert blob.read(3, 2) == b"34"
    assert blob.read(8, 1 << 40) == b"89", "no memory is taken for what is not there"
    assert blob.read(20) == b""
    with blob.open() as handle:
        handle.seek(4)
        assert handle.read() == b"456789"


def test_bytes_of_a_member(tmp_path: Path) -> None:
    path = named(tmp_path / "a.zip", {"in/side.txt": b"0123456789", "empty": b"", "folder/": b""})
    whole, empty = members(path)
    assert (whole.member, whole.size, str(whole)) == ("in/side.txt", 10, f"{path}!in/side.txt")
    assert whole.read(3, 2) == b"34"
    assert empty.read() == b""


@given(st.dictionaries(st.text("ab/.é", min_size=1, max_size=6), st.binary(max_size=50)))
@settings(max_examples=50)
def test_all_members_come_back(files: dict[str, bytes]) -> None:
    files = {name: content for name, content in files.items() if not name.endswith("/")}
    with tempfile.TemporaryDirectory() as folder:
        path = named(Path(folder) / "a.zip", files)
        found = {blob.member: blob.read() for blob in members(path)}
    assert found == files


def test_a_series_out_of_an_archive(tmp_path: Path) -> None:
    files = {
        f"patient/series/{n}": write_dicom(
            tmp_path / f"{n}.dcm", PIXELS + n, (0, 0, n)
        ).read_bytes()
        for n in range(3)
    }
    path = named(tmp_path / "a.zip", files)
    slices = [one for blob in members(path) for one in read_slices(blob)[1]]
    (plan,) = lay_out(Stack(tuple(slices)), Policy())
    array, _ = assemble(plan)
    assert np.array_equal(array, [PIXELS, PIXELS + 1, PIXELS + 2])


@pytest.mark.parametrize(
    "name", ["../../etc/x", "/etc/x", "C:\\x", "..\\x", "CON", "a/../../x", "x" * 300, "\u202ex"]
)
def test_a_members_name_never_touches_the_disk(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "one" / "two"
    inside.mkdir(parents=True)
    content = write_dicom(tmp_path / "a.dcm", PIXELS).read_bytes()
    path = named(inside / "a.zip", {name: content})
    before = sorted(tmp_path.rglob("*"))
    (blob,) = members(path)
    ((one,),) = [read_slices(blob)[1]]
    assert one.plane.rows == 3
    assert sorted(tmp_path.rglob("*")) == before


def test_an_archive_is_told_by_its_first_bytes_and_name(tmp_path: Path) -> None:
    path = named(tmp_path / "a.ZIP", {"x": b"x"})
    assert is_archive(path)
    (tmp_path / "text.zip").write_bytes(b"plain text")
    (tmp_path / "folder.zip").mkdir()
    (tmp_path / "dangling.zip").symlink_to(tmp_path / "nothing")
    for other in ("text.zip", "folder.zip", "dangling.zip", "missing.zip"):
        assert not is_archive(tmp_path / other)
    other = tmp_path / "a.docx"
    other.write_bytes(path.read_bytes())
    assert not is_archive(other)


@pytest.mark.parametrize("content", [b"PK", b"PK\3\4" + bytes(100), b"PK\3\4" + bytes(range(99))])
def test_a_broken_archive_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "smith.zip"
    path.write_bytes(content)
    with pytest.raises(DicomError, match="not readable as a zip archive") as raised:
        list(members(path))
    assert "smith" not in raised.value.message
    assert raised.value.path == str(path)


def test_a_damaged_member_is_told_and_the_others_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", packing=zipfile.ZIP_STORED, a=b"A" * 100, b=b"B" * 100)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"A" * 100, b"A" * 99 + b"a"))
    bad, good = members(path)
    with pytest.raises(DicomError, match="cannot be read from its zip archive") as raised:
        bad.read()
    assert raised.value.path == f"{path}!a"
    assert good.read() == b"B" * 100


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", a=b"secret" * 10)
    content = bytearray(path.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + flags] |= 1
    path.write_bytes(content)
    (blob,) = members(path)
    with pytest.raises(DicomError, match=r"zip archive \(RuntimeError\)"):
        blob.read()


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_refused(tmp_path: Path, packing: int) -> None:
    (blob,) = members(archive(tmp_path / "a.zip", packing=packing, a=b"x" * 100))
    with pytest.raises(DicomError, match="by method"):
        blob.read()


def lying(
    path: Path, content: bytes, size: int, crc: int | None = None, packed: int | None = None
) -> Path:
    """Write an archive whose one member claims another size than it has."""
    archive(path, a=content)
    made = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 14), (b"PK\1\2", 16)):
        begin = made.rindex(mark) + at
        if crc is not None:
            made[begin : begin + 4] = struct.pack("<I", crc)
        if packed is not None:
            made[begin + 4 : begin + 8] = struct.pack("<I", packed)
        made[begin + 8 : begin + 12] = struct.pack("<I", size)
    path.write_bytes(made)
    return path


def test_a_member_that_claims_a_huge_size_is_not_unpacked(tmp_path: Path) -> None:
    for size, packed in ((1 << 25, None), (0xFFFFFFF0, None), (0xFFFFFFF0, 0xFFFFFFF0)):
        path = lying(tmp_path / f"{size}{packed}.zip", b"x" * 100, size, packed=packed)
        (blob,) = members(path)
        with pytest.raises(DicomError, match="not unpacked; unpack it yourself"):
            blob.read()


def test_a_member_of_less_than_it_claims_is_damaged(tmp_path: Path) -> None:
    (blob,) = members(lying(tmp_path / "a.zip", b"x" * 100, 200))
    with pytest.raises(DicomError, match="cannot be read from its zip archive"):
        blob.read()


def test_a_member_of_more_than_it_claims_gives_no_more(tmp_path: Path) -> None:
    content = bytes(range(100)) * 3
    short = lying(tmp_path / "a.zip", content, 100, crc=zlib.crc32(content[:100]))
    (blob,) = members(short)
    assert blob.read() == content[:100]


BOMB = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from pathlib import Path
from medprep.dicom.blobs import members
from medprep.errors import DicomError
(blob,) = members(Path(sys.argv[1]))
try:
    blob.read()
except DicomError as error:
    print(error.message)
# ru_maxrss would count what the parent held when it forked.
status = Path("/proc/self/status").read_text()
peak = int(status.split("VmHWM:")[1].split()[0]) >> 10
assert peak < 300, peak
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
def test_a_member_that_unpacks_to_far_more_takes_no_memory(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(900)) + packer.flush()
    path = archive(tmp_path / "a.zip", packing=zipfile.ZIP_STORED, a=packed)
    made = bytearray(path.read_bytes())
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        begin = made.rindex(mark) + at
        made[begin : begin + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        made[begin + 6 : begin + 10] = struct.pack("<I", zlib.crc32(bytes(1000)))
        made[begin + 14 : begin + 18] = struct.pack("<I", 1000)
    path.write_bytes(made)
    done = subprocess.run(
        [sys.executable, "-c", BOMB, str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_an_archive_in_an_archive_is_no_dicom(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as out:
        out.write(write_dicom(tmp_path / "a.dcm", PIXELS), "a.dcm")
    (blob,) = members(archive(tmp_path / "a.zip", inner=inner.getvalue()))
    with pytest.raises(NoDicomError):
        read_slices(blob)


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    blob = Blob.of(path)
    path.write_bytes(b"longer than before")
    with pytest.raises(DicomError, match="was changed since"):
        blob.read()
    blob = Blob.of(path)
    os.utime(path, ns=(0, blob.mtime_ns + 1))
    with pytest.raises(DicomError, match="was changed since"), blob.open():
        pass
    path.unlink()
    with pytest.raises(DicomError, match="cannot be read: No such file"):
        blob.read()


def test_a_changed_archive_is_noticed(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", a=b"before")
    (blob,) = members(path)
    archive(path, a=b"behind")
    os.utime(path, ns=(0, blob.mtime_ns + 1))
    with pytest.raises(DicomError, match="archive was changed since"):
        blob.read()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(DicomError, match="no regular file"):
            Blob.of(tmp_path / name)


def test_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("dangling", "loop"):
        with pytest.raises(DicomError, match="cannot be read") as raised:
            Blob.of(tmp_path / name)
        assert raised.value.path == str(tmp_path / name)


def test_a_failing_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_dicom(tmp_path / "a.dcm", PIXELS)
    blob = Blob.of(path)
    _, (one,) = read_slices(blob)

    class Failing(io.BytesIO):
        def readinto(self, _: object) -> int:
            raise OSError(5, "Input/output error")

        def read(self, _: object = None) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(Blob, "_file", lambda _: Failing())
    (plan,) = lay_out(Stack((one,)), Policy())
    for work in (blob.read, lambda: read_slices(blob), lambda: assemble(plan)):
        with pytest.raises(DicomError, match="cannot be read: Input/output error"):
            work()
